use std::time::Duration;

use prov_core::random;

/// How long to rest after failures: twice as long each time, and never all at the same moment.
#[derive(Debug)]
pub(super) struct Backoff {
    shortest: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, next: shortest }
    }

    /// It worked.
    pub(super) fn reset(&mut self) {
        self.next = self.shortest;
    }

    /// How long to rest now: between half of what is due and all of it.
    pub(super) fn rest(&mut self) -> Duration {
        let due = self.next.min(self.longest);
        self.next = due.saturating_mul(2);
        // Without randomness it rests all of it.
        let part = random::bytes::<1>().map_or(255, |[byte]| byte);
        due / 2 + due.mul_f64(f64::from(part) / 510.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_their_limit_and_differ() {
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(2));
        let mut backoff = Backoff::new(shortest, longest);
        let mut due = shortest;
        for _ in 0..10 {
            let rest = backoff.rest();
            assert!(rest >= due / 2 && rest <= due, "{rest:?} of {due:?}");
            due = (due * 2).min(longest);
        }
        let rests: std::collections::BTreeSet<_> = (0..20).map(|_| backoff.rest()).collect();
        assert!(rests.len() > 5, "{rests:?}");
        backoff.reset();
        assert!(backoff.rest() <= shortest);
    }
}
