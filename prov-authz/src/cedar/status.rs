//! How the engine is, for people and probes.

use std::sync::atomic::{AtomicU64, Ordering};

use prov_core::Timestamp;
use serde::Serialize;

use crate::shards::Shards;
use crate::{Finding, Revision};

/// Where a policy set came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PolicySource {
    /// Built into the program.
    BuiltIn,
    /// Read from a directory.
    Directory,
    /// Uploaded, and read from the store.
    Store,
    /// A kept set instead of the directory: somebody went back to it, or the directory can't be used.
    History,
}

/// The policy set in force, and the last one that was refused.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PolicyStatus {
    /// What decides.
    pub revision: Revision,
    /// The number of its policies.
    pub policies: usize,
    /// Where it came from.
    pub source: PolicySource,
    /// Since when it decides.
    pub loaded_at: Timestamp,
    /// The git commit its directory has checked out.
    pub commit: Option<String>,
    /// The version its signed bundle states.
    pub bundle_version: Option<u64>,
    /// Its number in the history.
    pub number: Option<u64>,
    /// Whether somebody went back to it: the directory is passed over until it changes.
    pub is_pinned: bool,
    /// Why the latest attempt to replace it failed; absent when that succeeded.
    pub last_failure: Option<LoadFailure>,
}

/// A set that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LoadFailure {
    /// When.
    pub at: Timestamp,
    /// Why, with file, line and remedy each.
    pub findings: Vec<Finding>,
}

impl LoadFailure {
    pub(crate) const fn new(at: Timestamp, findings: Vec<Finding>) -> Self {
        Self { at, findings }
    }
}

/// What the engine did since it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EngineStats {
    /// Requests that were allowed.
    pub allowed: u64,
    /// Requests that were denied, those with errors included.
    pub denied: u64,
    /// Requests that were denied because of an error.
    pub errors: u64,
    /// Policy sets that went live after the first.
    pub reloads: u64,
    /// Policy sets that were refused.
    pub reload_failures: u64,
}

/// The counters behind [`EngineStats`].
#[derive(Debug)]
pub(super) struct Counters {
    decided: Shards<Decided>,
    pub(super) reloads: AtomicU64,
    pub(super) reload_failures: AtomicU64,
}

#[derive(Debug, Default)]
struct Decided {
    allowed: AtomicU64,
    denied: AtomicU64,
    errors: AtomicU64,
}

impl Counters {
    pub(super) fn new() -> Self {
        Self {
            decided: Shards::new(Decided::default),
            reloads: AtomicU64::default(),
            reload_failures: AtomicU64::default(),
        }
    }

    pub(super) fn count(&self, allowed: bool, failed: bool) {
        let (_, decided) = self.decided.own();
        let outcome = if allowed { &decided.allowed } else { &decided.denied };
        outcome.fetch_add(1, Ordering::Relaxed);
        if failed {
            decided.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> EngineStats {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let all = |counter: fn(&Decided) -> &AtomicU64| -> u64 {
            self.decided.all().map(|decided| of(counter(decided))).sum()
        };
        EngineStats {
            allowed: all(|decided| &decided.allowed),
            denied: all(|decided| &decided.denied),
            errors: all(|decided| &decided.errors),
            reloads: of(&self.reloads),
            reload_failures: of(&self.reload_failures),
        }
    }
}
