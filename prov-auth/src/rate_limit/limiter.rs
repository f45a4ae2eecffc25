//! Counting, in bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::RateLimiter;
use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use hashbrown::DefaultHashBuilder;
use prov_core::Clock;

use super::RateLimit;
use super::bucket::Bucket;

/// How many addresses have buckets of their own, about 40 bytes each.
pub(super) const CAPACITY: usize = 65_536;

/// How often full buckets, which say nothing, are thrown away at most.
const PRUNE_EVERY: Duration = Duration::from_secs(1);

/// The limiter counts nanoseconds in 64 bits and panics beyond; no process runs for a century.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// The second hand of a [`Clock`] for the limiter.
#[derive(Debug, Clone)]
struct SecondHand(Arc<dyn Clock>);

impl GovernorClock for SecondHand {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.monotonic().min(LONGEST)
    }
}

type Counts = RateLimiter<Bucket, DashMapStateStore<Bucket>, SecondHand, NoOpMiddleware<Duration>>;

/// Counts by bucket under one limit.
pub(super) struct Limiter {
    limit: RateLimit,
    hand: SecondHand,
    counts: Counts,
    hashing: DefaultHashBuilder,
    pruned_at_millis: AtomicU64,
}

impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Limiter {
    pub(super) fn new(limit: RateLimit, clock: Arc<dyn Clock>) -> Self {
        let hand = SecondHand(clock);
        Self {
            limit,
            counts: RateLimiter::dashmap_with_clock(limit.quota(), hand.clone()),
            hashing: DefaultHashBuilder::default(),
            pruned_at_millis: AtomicU64::new(millis(hand.now())),
            hand,
        }
    }

    pub(super) const fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Counts one request.
    ///
    /// # Errors
    /// How long to wait.
    pub(super) fn count(&self, bucket: Bucket) -> Result<(), Duration> {
        let bucket = if self.has_room() { bucket } else { bucket.shared(&self.hashing) };
        self.counts.check_key(&bucket).map_err(|until| until.wait_time_from(self.hand.now()))
    }

    /// Whether an address may have a bucket of its own. Asking how many there are takes a look at every
    /// shard of the map, about 0.2 µs.
    fn has_room(&self) -> bool {
        let held = self.counts.len();
        let full = held >= CAPACITY;
        let every = if full { PRUNE_EVERY } else { self.limit.refill() };
        let now = millis(self.hand.now());
        let last = self.pruned_at_millis.load(Ordering::Acquire);
        let due = now.saturating_sub(last) >= millis(every);
        let ours = due
            && self
                .pruned_at_millis
                .compare_exchange(last, now, Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        if !ours {
            return !full;
        }
        self.counts.retain_recent();
        self.counts.len() < CAPACITY
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.counts.len()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv6Addr};

    use prov_core::ManualClock;

    use super::*;

    fn limiter(limit: &str) -> (ManualClock, Limiter) {
        let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
        let limiter = Limiter::new(limit.parse().unwrap(), Arc::new(clock.clone()));
        (clock, limiter)
    }

    fn network(number: u64) -> Bucket {
        let bits = (0x2001_0db8_u128 << 96) | (u128::from(number) << 64);
        Bucket::of(Some(IpAddr::V6(Ipv6Addr::from_bits(bits))))
    }

    #[test]
    fn the_burst_is_the_count_and_comes_back_evenly() {
        let (clock, limiter) = limiter("100/min");
        let bucket = Bucket::Unknown;
        assert_eq!((0..150).filter(|_| limiter.count(bucket).is_ok()).count(), 100);
        let wait = limiter.count(bucket).unwrap_err();
        assert!(
            wait <= Duration::from_millis(600) && wait > Duration::from_millis(500),
            "{wait:?}"
        );
        clock.advance(wait);
        assert!(limiter.count(bucket).is_ok());
        assert!(limiter.count(bucket).is_err());
        clock.advance(Duration::from_mins(1));
        assert_eq!((0..150).filter(|_| limiter.count(bucket).is_ok()).count(), 100);
    }

    #[test]
    fn rotating_addresses_neither_grow_the_map_nor_escape_the_limit() {
        let (clock, limiter) = limiter("10/min");
        let rotations = 200_000;
        let passed = (0..rotations).filter(|n| limiter.count(network(*n)).is_ok()).count();
        assert!(limiter.len() <= CAPACITY + 4096, "{}", limiter.len());
        assert!(passed < CAPACITY + 4096 * 10 + 1, "{passed} of {rotations}");
        clock.advance(Duration::from_mins(2));
        assert!(limiter.count(network(0)).is_ok());
        assert_eq!(limiter.len(), 1, "what has ended is forgotten");
    }

    #[test]
    fn absurd_limits_do_not_panic() {
        for limit in ["4294967295/s", "4294967295/h", "1/h"] {
            let (clock, limiter) = limiter(limit);
            assert!(limiter.count(Bucket::Unknown).is_ok());
            clock.advance(Duration::MAX);
            assert!(limiter.count(Bucket::Unknown).is_ok());
        }
    }

    #[test]
    fn the_wall_clock_does_not_matter() {
        let (clock, limiter) = limiter("1/min");
        assert!(limiter.count(Bucket::Unknown).is_ok());
        clock.set("2030-01-01T00:00:00Z".parse().unwrap());
        assert!(limiter.count(Bucket::Unknown).is_err());
    }
}
