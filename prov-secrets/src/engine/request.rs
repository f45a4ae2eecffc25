//! What passes between the lease manager and an engine.

use std::collections::BTreeMap;

use prov_core::{SecretText, Timestamp};
use serde_json::{Map, Value};

use crate::{LeaseId, PlanInput};

/// Finds one credential again, by what was stored before it existed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Handle {
    /// Its lease.
    pub lease: LeaseId,
    /// The role it was issued by.
    pub role: String,
    /// The facts of its [`Plan`](crate::Plan), and those of [`Issued::facts`] once there are any.
    pub facts: Map<String, Value>,
}

impl Handle {
    /// A handle without facts.
    #[must_use]
    pub fn new(lease: LeaseId, role: impl Into<String>) -> Self {
        Self { lease, role: role.into(), facts: Map::new() }
    }

    /// With these facts.
    #[must_use]
    pub fn with_facts(mut self, facts: Map<String, Value>) -> Self {
        self.facts = facts;
        self
    }

    /// The name its credential carries outside: `prov-` and the lease's ULID in lower case, 31
    /// characters, which fits every system's limit for account names (`MySQL`: 32).
    #[must_use]
    pub fn name(&self) -> String {
        let text = self.lease.as_str();
        let ulid = text.rsplit('_').next().unwrap_or(text);
        format!("prov-{}", ulid.to_ascii_lowercase())
    }
}

/// Create this credential.
#[derive(Debug)]
#[non_exhaustive]
pub struct IssueRequest {
    /// How it will be found again.
    pub handle: Handle,
    /// Who asked: a principal's stable id.
    pub requester: String,
    /// When its lease began.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The [`Plan::input`](crate::Plan::input).
    pub input: PlanInput,
}

impl IssueRequest {
    /// A request without input.
    #[must_use]
    pub fn new(
        handle: Handle,
        requester: impl Into<String>,
        issued_at: Timestamp,
        expires_at: Timestamp,
    ) -> Self {
        let requester = requester.into();
        Self { handle, requester, issued_at, expires_at, input: PlanInput::default() }
    }

    /// With this input.
    #[must_use]
    pub fn with_input(mut self, input: PlanInput) -> Self {
        self.input = input;
        self
    }
}

/// A credential, fresh from its engine. `Debug` shows no secret.
#[derive(Debug)]
#[non_exhaustive]
pub struct Issued {
    /// When it ends outside; never later than asked.
    pub expires_at: Timestamp,
    /// The credential: `username`, `password`, `certificate`, …
    pub data: BTreeMap<String, SecretText>,
    /// Further facts to remember: **never a secret**.
    pub facts: Map<String, Value>,
}

impl Issued {
    /// A credential without data.
    #[must_use]
    pub fn until(expires_at: Timestamp) -> Self {
        Self { expires_at, data: BTreeMap::new(), facts: Map::new() }
    }

    /// With a part of the credential.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<SecretText>) -> Self {
        self.data.insert(name.to_owned(), value.into());
        self
    }

    /// With a fact to remember: never a secret.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.facts.insert(name.to_owned(), value.into());
        self
    }
}
