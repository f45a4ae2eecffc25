//! Data keys in memory, within limits.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

/// How long and how often a data key is reused before the backend is asked for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheLimits {
    /// Age at which a data key is dropped from memory; also bounds how long a change at the backend
    /// itself goes unnoticed.
    pub max_age: Duration,
    /// Messages encrypted under one data key. Far below the scheme's own bound (2⁵⁵), so that one
    /// data key that leaks opens few messages.
    pub max_uses: u64,
    /// Bytes encrypted under one data key.
    pub max_bytes: u64,
    /// Data keys in memory, for encrypting and for decrypting each. Zero: none are kept.
    pub max_entries: usize,
}

impl CacheLimits {
    /// Nothing is kept: the backend is asked every time.
    #[must_use]
    pub const fn off() -> Self {
        Self { max_age: Duration::ZERO, max_uses: 1, max_bytes: u64::MAX, max_entries: 0 }
    }

    /// With this age.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// With this many messages.
    #[must_use]
    pub const fn max_uses(mut self, uses: u64) -> Self {
        self.max_uses = uses;
        self
    }

    /// With this many bytes.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// With this many data keys.
    #[must_use]
    pub const fn max_entries(mut self, entries: usize) -> Self {
        self.max_entries = entries;
        self
    }
}

/// 5 minutes, 2²⁰ messages, 16 GiB, 1024 data keys.
impl Default for CacheLimits {
    fn default() -> Self {
        Self {
            max_age: Duration::from_mins(5),
            max_uses: 1 << 20,
            max_bytes: 16 << 30,
            max_entries: 1024,
        }
    }
}

/// Keys by what they are for. The oldest goes when there is no room.
#[derive(Debug)]
pub(super) struct KeyCache<K, V> {
    max_age: Duration,
    max_entries: usize,
    entries: RwLock<HashMap<K, Entry<V>>>,
}

#[derive(Debug)]
struct Entry<V> {
    /// When it was kept, by the monotonic clock: setting the wall clock ages nothing.
    born: Duration,
    value: Arc<V>,
}

impl<K: Hash + Eq + Clone, V> KeyCache<K, V> {
    /// An empty cache of this age and size.
    pub(super) fn new(limits: &CacheLimits) -> Self {
        let CacheLimits { max_age, max_entries, .. } = *limits;
        Self { max_age, max_entries, entries: RwLock::default() }
    }

    /// What is kept under `key` and has not reached its age at `now`.
    pub(super) fn find(&self, key: &K, now: Duration) -> Option<Arc<V>> {
        let entries = self.entries.read();
        let entry = entries.get(key).filter(|entry| self.is_fresh(entry, now))?;
        Some(Arc::clone(&entry.value))
    }

    /// Keeps `value` in place of what was there.
    pub(super) fn keep(&self, key: K, value: Arc<V>, now: Duration) {
        if self.max_entries == 0 {
            return;
        }
        let mut entries = self.entries.write();
        if entries.len() >= self.max_entries && !entries.contains_key(&key) {
            entries.retain(|_, entry| self.is_fresh(entry, now));
        }
        if entries.len() >= self.max_entries && !entries.contains_key(&key) {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.born).map(|(k, _)| k.clone());
            oldest.and_then(|oldest| entries.remove(&oldest));
        }
        entries.insert(key, Entry { born: now, value });
    }

    /// Drops what `keep` is false for.
    pub(super) fn retain(&self, keep: impl Fn(&K, &V) -> bool) {
        self.entries.write().retain(|key, entry| keep(key, &entry.value));
    }

    /// How many entries there are, those past their age included.
    pub(super) fn len(&self) -> usize {
        self.entries.read().len()
    }

    fn is_fresh(&self, entry: &Entry<V>, now: Duration) -> bool {
        now.saturating_sub(entry.born) < self.max_age
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_is_no_room_and_age_ends_all() {
        let cache = KeyCache::new(&CacheLimits::default().max_entries(2));
        let at = Duration::from_secs;
        for n in 0..3_u64 {
            cache.keep(n, Arc::new(n), at(n));
        }
        assert_eq!(cache.len(), 2);
        assert_eq!(cache.find(&0, at(3)), None);
        assert_eq!(cache.find(&1, at(300)).as_deref(), Some(&1));
        assert_eq!(cache.find(&1, at(301)), None, "five minutes old");
        assert_eq!(cache.find(&2, at(301)).as_deref(), Some(&2));
    }

    #[test]
    fn a_cache_of_no_entries_keeps_nothing() {
        let cache = KeyCache::new(&CacheLimits::off());
        cache.keep(1, Arc::new(1), Duration::ZERO);
        assert_eq!((cache.len(), cache.find(&1, Duration::ZERO)), (0, None));
    }
}
