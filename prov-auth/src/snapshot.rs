//! Keeping what is in memory in step with the store.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, select};
use prov_core::store::{Change, Key, Store};
use prov_core::{Clock, Result};

/// How long to wait before the store is asked again after it failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Something in memory that mirrors records.
#[async_trait]
pub(crate) trait Snapshot: Sync {
    /// Reads everything again.
    async fn reload(&self) -> Result<()>;

    /// Takes over one changed record; ignores those of others.
    async fn changed(&self, key: &Key) -> Result<()>;

    /// How well memory agrees with the store.
    fn freshness(&self) -> &Freshness;
}

/// Since when memory may have missed something, and for how long that is borne.
///
/// It counts from the moment somebody follows the store: one process that shares its store with no other
/// knows of everything that it did itself.
#[derive(Debug)]
pub(crate) struct Freshness {
    clock: Arc<dyn Clock>,
    bound: Duration,
    /// By the second hand, in milliseconds: until when what is in memory is believed.
    until: AtomicU64,
    in_step: AtomicBool,
}

impl Freshness {
    pub(crate) const fn new(clock: Arc<dyn Clock>, bound: Duration) -> Self {
        let (until, in_step) = (AtomicU64::new(u64::MAX), AtomicBool::new(true));
        Self { clock, bound, until, in_step }
    }

    pub(crate) const fn bound(&self) -> Duration {
        self.bound
    }

    fn note(&self, in_step: bool) {
        self.in_step.store(in_step, Ordering::Relaxed);
        let until = millis(self.clock.monotonic().saturating_add(self.bound));
        if in_step {
            self.until.store(until, Ordering::Release);
        } else {
            // The first failure sets a bound where there was none.
            self.until.fetch_min(until, Ordering::AcqRel);
        }
    }

    /// Whether memory is known to agree with the store.
    pub(crate) fn is_in_step(&self) -> bool {
        self.in_step.load(Ordering::Relaxed)
    }

    /// Whether memory is still to be believed; takes one look at the second hand.
    pub(crate) fn is_within_bound(&self) -> bool {
        let until = self.until.load(Ordering::Acquire);
        until == u64::MAX || millis(self.clock.monotonic()) <= until
    }

    /// How often to ask whether the store can be heard.
    fn ask_every(&self) -> Duration {
        (self.bound / 4).clamp(Duration::from_millis(50), Duration::from_secs(1))
    }
}

fn millis(duration: Duration) -> u64 {
    // One less than the end of time, which means that nobody follows.
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).min(u64::MAX - 1)
}

/// Follows `store` until `shutdown` is ready or the store is gone. Whenever news was missed or could
/// not be read, everything is read again, as often as it takes.
pub(crate) async fn follow<S: Snapshot>(
    snapshot: &S,
    store: &dyn Store,
    shutdown: impl Future<Output = ()> + Send,
) {
    let work = async {
        // Listening starts before the first reading, so that nothing falls between the two.
        let mut changes = store.changes();
        reload(snapshot).await;
        let mut deaf = !store.hears_changes();
        loop {
            let pause = pin!(tokio::time::sleep(snapshot.freshness().ask_every()));
            let missed = match select(pin!(changes.next()), pause).await {
                Either::Left((Some(Change::Changed(key)), _)) => {
                    snapshot.changed(&key).await.is_err()
                }
                Either::Left((Some(Change::Missed), _)) => true,
                Either::Left((None, _)) => return,
                Either::Right(_) => !answers(store).await,
            };
            // Whoever hears nothing has to look, and once more when the news are back.
            let hears = store.hears_changes();
            if missed || deaf || !hears {
                reload(snapshot).await;
            } else {
                snapshot.freshness().note(true);
            }
            deaf = !hears;
        }
    };
    select(pin!(work), pin!(shutdown)).await;
}

/// Reads everything again, as often as it takes.
async fn reload<S: Snapshot>(snapshot: &S) {
    while let Err(error) = snapshot.reload().await {
        snapshot.freshness().note(false);
        tracing::warn!(?error, "what is in memory can't be brought in step with the store");
        tokio::time::sleep(PAUSE.min(snapshot.freshness().ask_every())).await;
    }
    snapshot.freshness().note(true);
}

/// Whether the store answers at all: one read of what need not be there.
async fn answers(store: &dyn Store) -> bool {
    store.get(&Key::new("auth.heartbeat", "none")).await.is_ok()
}
