//! Limits and intervals of the lease manager.

use std::time::Duration;

use prov_core::{Error, Result, Timestamp, codes, random};

/// The longest any lease may live, whatever its engine says: 366 days.
pub const LONGEST_TTL: Duration = Duration::from_hours(366 * 24);
/// The shortest time to live: one second, the resolution of most outside systems.
pub const SHORTEST_TTL: Duration = Duration::from_secs(1);

/// How long the lease manager waits, and for what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LeaseOptions {
    /// The name of this node, the same after a restart. At its start a node ends the intents it left
    /// itself; those of other nodes are ended when they are overdue.
    pub node: String,
    /// How long an engine may take to issue or renew.
    pub issue_timeout: Duration,
    /// How long an engine may take to revoke.
    pub revoke_timeout: Duration,
    /// How long an interrupted call to an engine may still take effect. A credential of unknown
    /// outcome is revoked at once, and once more after this.
    pub settle: Duration,
    /// The wait after the first failed revocation; it doubles up to `longest_backoff`.
    pub first_backoff: Duration,
    /// The longest wait between two attempts. There is no last attempt.
    pub longest_backoff: Duration,
    /// How many revocations of one engine run at a time.
    pub revocations_at_once: usize,
    /// How long the reaper rests at most. It wakes when a lease is due; this is how late it notices
    /// that the wall clock was set forward.
    pub longest_rest: Duration,
    /// How long ended leases stay on record; at least two hours beyond the credential's own end.
    pub history: Duration,
}

impl Default for LeaseOptions {
    fn default() -> Self {
        Self {
            node: "local".to_owned(),
            issue_timeout: Duration::from_secs(30),
            revoke_timeout: Duration::from_secs(30),
            settle: Duration::from_mins(5),
            first_backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_mins(5),
            revocations_at_once: 16,
            longest_rest: Duration::from_secs(1),
            history: Duration::from_hours(30 * 24),
        }
    }
}

impl LeaseOptions {
    /// On this node.
    #[must_use]
    pub fn on_node(mut self, node: impl Into<String>) -> Self {
        self.node = node.into();
        self
    }

    /// With this time for interrupted calls to take effect.
    #[must_use]
    pub fn settling_within(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// With these limits for one call to an engine.
    #[must_use]
    pub fn with_timeouts(mut self, issue: Duration, revoke: Duration) -> Self {
        (self.issue_timeout, self.revoke_timeout) = (issue, revoke);
        self
    }

    /// With these waits between attempts to revoke.
    #[must_use]
    pub fn with_backoff(mut self, first: Duration, longest: Duration) -> Self {
        (self.first_backoff, self.longest_backoff) = (first, longest);
        self
    }

    /// With this longest rest of the reaper.
    #[must_use]
    pub fn resting_at_most(mut self, rest: Duration) -> Self {
        self.longest_rest = rest;
        self
    }

    /// The wait after so many failed attempts: doubling, with up to a quarter more by chance, so that
    /// a thousand leases of one dead target don't come back at the same moment.
    pub(crate) fn backoff(&self, attempts: u32) -> Duration {
        let doubled = self
            .first_backoff
            .saturating_mul(1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX))
            .min(self.longest_backoff);
        let chance = random::bytes::<1>().map_or(0, |[byte]| u32::from(byte));
        doubled.saturating_add(doubled.saturating_mul(chance) / 1024)
    }

    /// When the record of a lease that ends now goes.
    pub(crate) fn forget_at(&self, now: Timestamp, expires_at: Timestamp) -> Timestamp {
        const BEYOND_THE_END: Duration = Duration::from_hours(2);
        later(now, self.history).max(later(expires_at, BEYOND_THE_END))
    }
}

/// `by` after `at`, or the end of representable time.
pub(crate) fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// From `now` until `end`; zero when that is over.
pub(crate) fn until(end: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(end.duration_since(now)).unwrap_or_default()
}

/// Refuses a time to live that no lease may have.
pub(crate) fn check_ttl(ttl: Duration) -> Result<()> {
    if (SHORTEST_TTL..=LONGEST_TTL).contains(&ttl) {
        Ok(())
    } else {
        Err(Error::new(codes::INVALID_REQUEST).field("ttl", "between one second and 366 days"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_never_overflow() {
        let options = LeaseOptions::default();
        for (attempts, least) in [(1, 1), (2, 2), (5, 16), (40, 300), (u32::MAX, 300)] {
            let wait = options.backoff(attempts).as_secs_f64();
            let least = f64::from(least);
            assert!((least..=least * 1.25).contains(&wait), "{attempts}: {wait}");
        }
    }
}
