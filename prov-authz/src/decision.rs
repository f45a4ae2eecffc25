//! What an engine answers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prov_core::audit::DecisionRecord;
use prov_core::{Result, Timestamp, random};
use serde::Serialize;

use crate::shards::{SHARDS, Shards};

/// Whether it is allowed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an unread decision protects nothing"]
#[non_exhaustive]
pub struct Decision {
    /// Whether it is allowed. Never true when [`errors`](Self::errors) has an entry.
    pub allowed: bool,
    /// The ids of the policies that determined it, sorted: the permits of an allowed request; the
    /// forbids (and the policies that failed) of a denied one. Empty when no policy permits it.
    pub determining_policies: Vec<String>,
    /// What went wrong on the way, each a reason to deny by itself.
    pub errors: Vec<String>,
    /// Names this decision.
    pub decision_id: DecisionId,
    /// The policy set that decided.
    pub revision: Revision,
    /// The epoch of the stored entities it was decided with; absent when none are stored.
    pub entities: Option<u64>,
}

impl Decision {
    /// Allowed by these policies.
    pub fn allow(policies: Vec<String>, id: DecisionId, revision: Revision) -> Self {
        Self {
            allowed: true,
            determining_policies: policies,
            errors: Vec::new(),
            decision_id: id,
            revision,
            entities: None,
        }
    }

    /// Denied by these policies, or by none that permits.
    pub fn deny(policies: Vec<String>, id: DecisionId, revision: Revision) -> Self {
        Self { allowed: false, ..Self::allow(policies, id, revision) }
    }

    /// Decided with the stored entities as of this epoch.
    pub const fn with_entities(mut self, epoch: Option<u64>) -> Self {
        self.entities = epoch;
        self
    }

    /// Denied (whatever it was before) because of these errors; none changes nothing.
    pub fn with_errors(mut self, errors: Vec<String>) -> Self {
        self.allowed &= errors.is_empty();
        self.errors.extend(errors);
        self
    }

    /// The decision as the audit log keeps it.
    #[must_use]
    pub fn record(&self) -> DecisionRecord {
        DecisionRecord::new(
            self.decision_id.to_string(),
            self.allowed,
            self.determining_policies.clone(),
            self.revision.as_str(),
        )
        .with_entities(self.entities)
    }
}

/// Names one decision: `dec_` and a ULID of the moment the decision is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DecisionId(ulid::Ulid);

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dec_{}", self.0)
    }
}

impl fmt::Debug for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for DecisionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Makes [`DecisionId`]s without a system call for each: 40 random bits of this instance, the number
/// of the thread's counter and that counter, of 36 bits, stand where a ULID has its random part.
#[derive(Debug)]
pub struct DecisionIds {
    instance: u128,
    next: Shards<AtomicU64>,
}

const COUNTER_BITS: u32 = 36;
const SHARD_BITS: u32 = 4;
const INSTANCE_BITS: u32 = 40;
const _: () = assert!(SHARDS == 1 << SHARD_BITS, "each counter has its number");

impl DecisionIds {
    /// A fresh instance.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn new() -> Result<Self> {
        let random = u64::from_be_bytes(random::bytes()?) >> (u64::BITS - INSTANCE_BITS);
        let instance = u128::from(random) << (SHARD_BITS + COUNTER_BITS);
        Ok(Self { instance, next: Shards::new(AtomicU64::default) })
    }

    /// The next id, for a decision about this moment.
    #[must_use]
    pub fn next(&self, moment: Timestamp) -> DecisionId {
        let millis = u64::try_from(moment.as_millisecond()).unwrap_or(0);
        let (shard, next) = self.next.own();
        let counter = next.fetch_add(1, Ordering::Relaxed) & ((1 << COUNTER_BITS) - 1);
        let number = ((shard as u128) << COUNTER_BITS) | u128::from(counter);
        DecisionId(ulid::Ulid::from_parts(millis, self.instance | number))
    }
}

/// Names a policy set by its content: the SHA-256, in hexadecimal, of schema and policies.
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Revision(Arc<str>);

impl Revision {
    /// A revision of this name.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_turns_every_decision_into_a_denial() {
        let ids = DecisionIds::new().unwrap();
        let id = ids.next(Timestamp::UNIX_EPOCH);
        let allowed = Decision::allow(vec!["p".into()], id, Revision::new("r"));
        assert!(allowed.clone().with_errors(Vec::new()).allowed);
        assert!(!allowed.with_errors(vec!["overflow".into()]).allowed);
    }

    #[test]
    fn ids_of_one_moment_differ_between_calls_and_instances() {
        let (one, two) = (DecisionIds::new().unwrap(), DecisionIds::new().unwrap());
        let now = "2026-03-02T09:00:00Z".parse().unwrap();
        let ids = [one.next(now), one.next(now), two.next(now)];
        assert!(ids[0] < ids[1]);
        assert!(ids[0] != ids[2] && ids[1] != ids[2]);
        assert_eq!(ids[0].to_string().len(), "dec_".len() + 26);
    }
}
