//! How often a factor was tried in vain.

use std::time::Duration;

use prov_core::Timestamp;
use serde::{Deserialize, Serialize};

/// How many attempts are heard within how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) attempts: usize,
    pub(crate) window: Duration,
}

/// Failed attempts of one user, by factor.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Attempts {
    pub(crate) totp: Failures,
    pub(crate) backup_code: Failures,
    #[serde(default)]
    pub(crate) webauthn: Failures,
}

/// When each failed attempt stops counting, the oldest first.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Failures(Vec<Timestamp>);

impl Attempts {
    pub(crate) const fn none() -> Self {
        Self {
            totp: Failures(Vec::new()),
            backup_code: Failures(Vec::new()),
            webauthn: Failures(Vec::new()),
        }
    }

    /// When the last one of all stops counting.
    pub(crate) fn last(&self) -> Option<Timestamp> {
        let all = [&self.totp, &self.backup_code, &self.webauthn];
        all.into_iter().flat_map(|failures| &failures.0).max().copied()
    }

    pub(crate) fn prune(&mut self, now: Timestamp) {
        for failures in [&mut self.totp, &mut self.backup_code, &mut self.webauthn] {
            failures.0.retain(|until| *until > now);
        }
    }
}

impl Failures {
    /// When the next attempt is heard, if not now. Call after pruning.
    pub(crate) fn exhausted(&self, limit: &Limit) -> Option<Timestamp> {
        let surplus = self.0.len().checked_sub(limit.attempts)?;
        self.0.get(surplus).copied()
    }

    /// One more attempt in vain.
    pub(crate) fn count(&mut self, limit: &Limit, now: Timestamp) {
        self.0.push(now.checked_add(limit.window).unwrap_or(Timestamp::MAX));
        self.0.sort_unstable();
    }

    /// A success: the slate is clean.
    pub(crate) fn forget(&mut self) {
        self.0.clear();
    }
}
