//! Names to look out for, each until some moment.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hashbrown::{DefaultHashBuilder, HashMap};
use parking_lot::RwLock;

const SHARDS: usize = 16;

/// The smallest size at which a shard looks for entries that have ended.
const PRUNE_FROM: usize = 64;

/// Names with a number each, the floor: the larger, the more is refused. Reading takes one uncontended
/// lock, and none while nothing is on the list.
#[derive(Debug, Default)]
pub(super) struct Watchlist {
    names: AtomicUsize,
    hashing: DefaultHashBuilder,
    shards: [RwLock<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    by_name: HashMap<Arc<str>, Entry>,
    prune_at: usize,
}

/// Kept by the second hand, so that a wall clock set ahead and back again forgets nothing early.
#[derive(Debug, Clone, Copy)]
struct Entry {
    floor: u64,
    keep: Duration,
}

impl Watchlist {
    /// Puts a name on the list until `keep`; one that is there keeps the higher floor and later end.
    pub(super) fn add(&self, name: &str, floor: u64, keep: Duration, now: Duration) {
        let Some(shard) = self.shard(name) else { return };
        let mut shard = shard.write();
        let before = shard.by_name.len();
        let entry = shard.by_name.entry_ref(name).or_insert(Entry { floor, keep });
        *entry = Entry { floor: entry.floor.max(floor), keep: entry.keep.max(keep) };
        if shard.by_name.len() >= shard.prune_at.max(PRUNE_FROM) {
            shard.by_name.retain(|known, entry| entry.keep > now || **known == *name);
            shard.prune_at = shard.by_name.len().saturating_mul(2);
        }
        let after = shard.by_name.len();
        self.names.fetch_add(after.wrapping_sub(before), Ordering::AcqRel);
    }

    /// The floor of a name, if it is on the list.
    pub(super) fn floor(&self, name: &str) -> Option<u64> {
        if self.names.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.shard(name)?.read().by_name.get(name).map(|entry| entry.floor)
    }

    fn shard(&self, name: &str) -> Option<&RwLock<Shard>> {
        let hash = self.hashing.hash_one(name);
        // The map inside uses the low and the topmost bits.
        self.shards.get(usize::from(hash.to_be_bytes()[3]) % SHARDS)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.names.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(second: u64) -> Duration {
        Duration::from_secs(second)
    }

    #[test]
    fn the_higher_floor_and_the_later_end_win() {
        let list = Watchlist::default();
        assert_eq!(list.floor("alice"), None);
        list.add("alice", 5, at(10), at(0));
        list.add("alice", 3, at(5), at(0));
        assert_eq!((list.floor("alice"), list.floor("bob")), (Some(5), None));
    }

    #[test]
    fn names_that_have_ended_make_room() {
        let list = Watchlist::default();
        for second in 0..100_000 {
            list.add(&second.to_string(), 1, at(second + 10), at(second));
        }
        assert!(list.len() <= SHARDS * PRUNE_FROM, "{}", list.len());
        assert!(list.floor("99999").is_some());
    }
}
