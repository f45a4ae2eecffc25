//! Counting with memory that is bounded.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::Digest;

/// Wrong attempts in a row, and when the next one may be made. Times are the clock's second hand.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Budget {
    failures: u32,
    last: Duration,
    not_before: Duration,
}

impl Budget {
    /// After this long without an attempt, counting starts again.
    const FORGIVEN_AFTER: Duration = Duration::from_hours(1);

    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        self.not_before.checked_sub(now).filter(|wait| !wait.is_zero())
    }

    /// Counts an attempt: from the one after `free` on, the next must wait 1 s, 2 s, 4 s, …
    pub(super) fn count(&mut self, now: Duration, free: u32, longest: Duration) {
        if now.saturating_sub(self.last) >= Self::FORGIVEN_AFTER {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.last = now;
        if let Some(doublings) = self.failures.checked_sub(free) {
            let wait = Duration::from_secs(1_u64.checked_shl(doublings).unwrap_or(u64::MAX));
            self.not_before = now.saturating_add(wait.min(longest));
        }
    }

    /// Wrong attempts in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    pub(super) fn give_back(&mut self) {
        self.failures = self.failures.saturating_sub(1);
        self.not_before = Duration::ZERO;
    }
}

/// Attempts that trickle back over an hour.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Trickle {
    /// How much is spent, as the time it takes to come back.
    debt: Duration,
    since: Duration,
}

impl Trickle {
    const HOUR: Duration = Duration::from_hours(1);

    fn debt_at(&self, now: Duration) -> Duration {
        self.debt.saturating_sub(now.saturating_sub(self.since))
    }

    pub(super) fn wait(&self, now: Duration, hourly: NonZeroU32) -> Option<Duration> {
        let after = self.debt_at(now).saturating_add(Self::HOUR / hourly.get());
        after.checked_sub(Self::HOUR).filter(|wait| !wait.is_zero())
    }

    pub(super) fn count(&mut self, now: Duration, hourly: NonZeroU32) {
        // An exempt address may go on where the budget is spent, but makes no debt beyond it.
        let debt = self.debt_at(now).saturating_add(Self::HOUR / hourly.get());
        *self = Self { debt: debt.min(Self::HOUR), since: now };
    }

    pub(super) fn give_back(&mut self, hourly: NonZeroU32) {
        self.debt = self.debt.saturating_sub(Self::HOUR / hourly.get());
    }
}

/// A map that forgets what was not used for longest once it is full: two generations, the older of
/// which is dropped when the newer has filled up. Filling one takes as many attempts as it has
/// places, each of which is hashed and counted.
#[derive(Debug)]
pub(super) struct Recent<V> {
    newer: HashMap<Digest, V>,
    older: HashMap<Digest, V>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self { newer: HashMap::new(), older: HashMap::new() }
    }
}

impl<V> Recent<V> {
    pub(super) const PLACES: usize = 65_536;

    pub(super) fn take(&mut self, key: &Digest) -> Option<V> {
        self.newer.remove(key).or_else(|| self.older.remove(key))
    }

    pub(super) fn get(&self, key: &Digest) -> Option<&V> {
        self.newer.get(key).or_else(|| self.older.get(key))
    }

    pub(super) fn put(&mut self, key: Digest, value: V) {
        if self.newer.len() >= Self::PLACES {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.insert(key, value);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.newer.len() + self.older.len()
    }
}
