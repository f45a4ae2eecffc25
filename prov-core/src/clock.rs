//! Time as a port: nobody but [`SystemClock`] asks the operating system what time it is.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use parking_lot::Mutex;

/// The time of day, and a second hand that never goes back.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The wall clock, in UTC. It may jump when an operator or NTP sets it.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary fixed moment of this process; never decreases.
    fn monotonic(&self) -> Duration;
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> Timestamp {
        (**self).now()
    }

    fn monotonic(&self) -> Duration {
        (**self).monotonic()
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic hand starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may ask the machine")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that stands still until it is moved: for tests and for replaying decisions.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<(Timestamp, Duration)>>);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new((now, Duration::ZERO))))
    }

    /// Moves both hands forward. Saturates at the end of representable time.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.0.lock();
        hands.0 = hands.0.checked_add(by).unwrap_or(Timestamp::MAX);
        hands.1 = hands.1.saturating_add(by);
    }

    /// Sets the wall clock alone, also backwards, as an operator could.
    pub fn set(&self, now: Timestamp) {
        self.0.lock().0 = now;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.lock().0
    }

    fn monotonic(&self) -> Duration {
        self.0.lock().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_the_wall_clock_back_leaves_the_monotonic_hand_alone() {
        let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
        clock.advance(Duration::from_secs(5));
        clock.set("2020-01-01T00:00:00Z".parse().unwrap());
        assert_eq!(clock.monotonic(), Duration::from_secs(5));
        assert_eq!(clock.now().to_string(), "2020-01-01T00:00:00Z");
    }
}
