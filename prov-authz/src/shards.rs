//! What every decision writes to, once for each of a few threads: threads that write to one place
//! wait for each other, though neither needs what the other wrote.

use std::array;
use std::sync::atomic::{AtomicUsize, Ordering};

/// As many threads as this write to places of their own.
pub(crate) const SHARDS: usize = 16;

/// Threads so far.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static OWN: usize = THREADS.fetch_add(1, Ordering::Relaxed) % SHARDS;
}

/// A value for each of [`SHARDS`] threads; further threads share one with those.
#[derive(Debug)]
pub(crate) struct Shards<T>(Box<[Apart<T>; SHARDS]>);

/// Far enough from the next one: two lines of the cache, which are fetched together.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<T>(T);

impl<T> Shards<T> {
    /// Makes one for each.
    pub(crate) fn new(mut make: impl FnMut() -> T) -> Self {
        Self(Box::new(array::from_fn(|_| Apart(make()))))
    }

    /// That of this thread, with its number.
    pub(crate) fn own(&self) -> (usize, &T) {
        let own = OWN.with(|own| *own);
        let [first, ..] = &*self.0;
        (own, &self.0.get(own).unwrap_or(first).0)
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|shard| &shard.0)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_stays_with_its_own_and_none_is_lost() {
        let shards = Shards::new(|| AtomicUsize::new(0));
        assert_eq!(shards.own().0, shards.own().0);
        thread::scope(|scope| {
            for _ in 0..3 * SHARDS {
                scope.spawn(|| shards.own().1.fetch_add(1, Ordering::Relaxed));
            }
        });
        let counted: usize = shards.all().map(|shard| shard.load(Ordering::Relaxed)).sum();
        assert_eq!(counted, 3 * SHARDS);
    }
}
