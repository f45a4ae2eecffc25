//! What is asked of an engine, and what it makes of it before anything happens.

use std::any::Any;
use std::time::Duration;

use prov_core::audit::Action;
use prov_core::{Principal, Timestamp};
use serde_json::{Map, Value};

use crate::LeaseId;

/// What somebody wants.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Wish {
    /// The lease under which it will be issued.
    pub lease: LeaseId,
    /// Who asks.
    pub requester: Principal,
    /// By which role, the rules for a kind of credential.
    pub role: String,
    /// For how long; `None`: the role's default.
    pub ttl: Option<Duration>,
    /// What else is asked; each engine documents what it understands and refuses the rest.
    pub params: Map<String, Value>,
    /// When it was asked.
    pub asked_at: Timestamp,
}

impl Wish {
    /// A wish without parameters, for the role's default time.
    #[must_use]
    pub fn new(
        lease: LeaseId,
        requester: Principal,
        role: impl Into<String>,
        asked_at: Timestamp,
    ) -> Self {
        Self { lease, requester, role: role.into(), ttl: None, params: Map::new(), asked_at }
    }

    /// For this long.
    #[must_use]
    pub fn for_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.ttl = ttl;
        self
    }

    /// With these parameters.
    #[must_use]
    pub fn with_params(mut self, params: Map<String, Value>) -> Self {
        self.params = params;
        self
    }
}

/// What an engine hands from its plan to its issuing: of its own type, in memory only, so it may hold
/// a secret. `Debug` shows nothing of it.
#[derive(Debug)]
pub struct PlanInput(Box<dyn Any + Send + Sync>);

impl PlanInput {
    /// Wraps a value.
    #[must_use]
    pub fn new(value: impl Any + Send + Sync) -> Self {
        Self(Box::new(value))
    }

    /// The value, if it is of this type.
    #[must_use]
    pub fn read<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl Default for PlanInput {
    fn default() -> Self {
        Self::new(())
    }
}

/// What will be issued.
#[derive(Debug)]
#[non_exhaustive]
pub struct Plan {
    /// How long it lives.
    pub ttl: Duration,
    /// How long it may live when renewed, counted from its issue; at least `ttl`.
    pub max_ttl: Duration,
    /// What is remembered about it, for finding, listing and revoking it: **never a secret**.
    pub facts: Map<String, Value>,
    /// What [`SecretEngine::issue`](crate::SecretEngine::issue) needs besides; kept in memory only.
    pub input: PlanInput,
    /// The audit action of issuing it.
    pub action: Action,
}

impl Plan {
    /// A plan for a credential that lives this long, recorded as `secret.issue`.
    #[must_use]
    pub fn new(ttl: Duration, max_ttl: Duration) -> Self {
        Self {
            ttl,
            max_ttl,
            facts: Map::new(),
            input: PlanInput::default(),
            action: Action::SECRET_ISSUE,
        }
    }

    /// With a fact to remember: never a secret.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }

    /// With something that issuing needs and nobody remembers.
    #[must_use]
    pub fn with_input(mut self, input: impl Any + Send + Sync) -> Self {
        self.input = PlanInput::new(input);
        self
    }

    /// Recorded as this action.
    #[must_use]
    pub fn recorded_as(mut self, action: Action) -> Self {
        self.action = action;
        self
    }
}
