//! What is remembered about one credential, and the only ways in which that changes.

use prov_core::store::{Entity, Term};
use prov_core::{Error, Result, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Handle, codes};

prov_core::typed_id!(
    /// Names one lease; part of every name its credential carries outside.
    LeaseId, "lease"
);

/// Where a lease stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LeaseState {
    /// The engine is about to act, or was when the process died.
    Intent,
    /// The credential may have been handed out.
    Active,
    /// It is to end; tried until it does.
    Revoking,
    /// It was ended before its time.
    Revoked,
    /// It ended at its time.
    Expired,
}

impl LeaseState {
    /// The name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Active => "active",
            Self::Revoking => "revoking",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }

    /// Whether nothing remains to be done.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        matches!(self, Self::Revoked | Self::Expired)
    }
}

/// Why a lease ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// Somebody revoked it.
    Revoked,
    /// Its time is over.
    Expired,
    /// Its credential was never handed out.
    Abandoned,
}

/// One lease. It never contains the secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lease {
    /// Its name.
    pub id: LeaseId,
    /// The engine that made the credential.
    pub engine: String,
    /// By which role.
    pub role: String,
    /// For whom: a principal's stable id.
    pub user: String,
    /// Where it stands.
    pub state: LeaseState,
    /// When it began.
    pub created_at: Timestamp,
    /// When the credential ends.
    pub expires_at: Timestamp,
    /// How far it may be renewed.
    pub max_expires_at: Timestamp,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// What is known about the credential, without secrets.
    pub facts: Map<String, Value>,
    /// When the lease manager looks at it next.
    pub due_at: Timestamp,
    /// How often ending it was tried.
    #[serde(default)]
    pub attempts: u32,
    /// The code of the last failure to end it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// Why it ends or ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
    /// When it had ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Until when an interrupted call to the engine might still take effect: before that, no
    /// revocation is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unsettled_until: Option<Timestamp>,
    /// The node that issues it, or that tries to end it: what is under way on a node when it dies,
    /// its next start takes up.
    pub(crate) node: String,
    /// When the record of an ended lease goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) forget_at: Option<Timestamp>,
}

impl Lease {
    /// `engine/role/id`: what [`revoke_prefix`](crate::Leases::revoke_prefix) matches.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{}/{}/{}", self.engine, self.role, self.id)
    }

    /// How its engine finds the credential.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(self.id.clone(), self.role.clone()).with_facts(self.facts.clone())
    }

    pub(crate) fn ended_error(&self) -> Error {
        Error::new(codes::LEASE_ENDED).detail(format!("the lease `{}` has ended", self.id))
    }

    /// Intent → active: the last write before the credential is handed out.
    pub(crate) fn activate(
        &mut self,
        expires_at: Timestamp,
        facts: &Map<String, Value>,
    ) -> Result<()> {
        if self.state != LeaseState::Intent {
            return Err(self.ended_error());
        }
        self.state = LeaseState::Active;
        self.expires_at = expires_at;
        self.due_at = expires_at;
        self.unsettled_until = None;
        self.facts.extend(facts.iter().map(|(name, value)| (name.clone(), value.clone())));
        Ok(())
    }

    /// Any live state → revoking: one more attempt begins on `node`, and nobody else tries before
    /// `next`.
    pub(crate) fn claim(&mut self, reason: EndReason, next: Timestamp, node: &str) -> Result<()> {
        if self.state.is_ended() {
            return Err(self.ended_error());
        }
        if self.state == LeaseState::Intent || self.state == LeaseState::Active {
            self.state = LeaseState::Revoking;
            self.end_reason = Some(reason);
        }
        self.attempts = self.attempts.saturating_add(1);
        self.due_at = next;
        node.clone_into(&mut self.node);
        Ok(())
    }

    /// Whether a revocation that succeeds now is the last one.
    pub(crate) fn is_settled(&self, now: Timestamp) -> bool {
        self.unsettled_until.is_none_or(|until| until <= now)
    }

    /// The attempt succeeded: ended, unless an interrupted call might still take effect.
    pub(crate) fn finish(&mut self, now: Timestamp, forget_at: Timestamp) {
        if self.state.is_ended() {
            return;
        }
        self.last_error = None;
        if let Some(until) = self.unsettled_until.filter(|until| *until > now) {
            self.due_at = until;
            return;
        }
        let expired = self.end_reason == Some(EndReason::Expired);
        self.state = if expired { LeaseState::Expired } else { LeaseState::Revoked };
        self.ended_at = Some(now);
        self.forget_at = Some(forget_at);
    }

    /// The attempt failed: again at `next`.
    pub(crate) fn postpone(&mut self, next: Timestamp, code: &str) {
        if !self.state.is_ended() {
            self.due_at = next;
            self.last_error = Some(code.to_owned());
        }
    }

    /// Active → active, with a later end.
    pub(crate) fn prolong(&mut self, expires_at: Timestamp) -> Result<()> {
        if self.state != LeaseState::Active {
            return Err(self.ended_error());
        }
        self.expires_at = expires_at;
        self.due_at = expires_at;
        Ok(())
    }
}

/// The terms leases are found by.
pub(crate) mod terms {
    use prov_core::store::Term;

    use super::LeaseState;

    pub(crate) fn live() -> Term {
        Term::new("live", "1")
    }

    pub(crate) fn user(id: &str) -> Term {
        Term::new("user", id)
    }

    pub(crate) fn engine(name: &str) -> Term {
        Term::new("engine", name)
    }

    pub(crate) fn engine_state(name: &str, state: LeaseState) -> Term {
        Term::new("engine_state", format!("{name}/{}", state.as_str()))
    }
}

impl Entity for Lease {
    const KIND: &'static str = "secrets.lease";

    fn id(&self) -> String {
        self.id.as_str().to_owned()
    }

    fn terms(&self) -> Vec<Term> {
        let mut all = vec![
            terms::user(&self.user),
            terms::engine(&self.engine),
            terms::engine_state(&self.engine, self.state),
        ];
        if !self.state.is_ended() {
            all.push(terms::live());
        }
        all
    }

    /// Only an ended lease is ever forgotten.
    fn expires_at(&self) -> Option<Timestamp> {
        self.forget_at.filter(|_| self.state.is_ended())
    }
}
