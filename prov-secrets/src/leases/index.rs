//! When to look at which lease: the hot index in memory, and the counts, one lane per engine.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use prov_core::Timestamp;
use tokio::sync::Notify;
use ulid::Ulid;

use crate::{EngineInfo, LeaseId, SecretEngine};

/// A moment in milliseconds and the 16 bytes of a ULID: 24 bytes per lease, no pointer.
type Entry = (i64, [u8; 16]);

/// One engine and the leases it has out. A slow engine delays only its own lane.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) engine: Arc<dyn SecretEngine>,
    pub(crate) info: EngineInfo,
    due: Mutex<BTreeSet<Entry>>,
    /// Leases of this process whose credential was not handed out: to be ended whatever their row
    /// says is due.
    abandoned: Mutex<HashSet<LeaseId>>,
    /// Leases that could not be ended at the last attempt.
    retrying: Mutex<HashSet<LeaseId>>,
    pub(crate) woken: Notify,
    pub(crate) counts: Counts,
}

/// What happened since this process started.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) issued: AtomicU64,
    pub(crate) renewed: AtomicU64,
    pub(crate) revoked: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) failures: AtomicU64,
}

impl Counts {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Lane {
    pub(crate) fn new(engine: Arc<dyn SecretEngine>) -> Self {
        Self {
            info: engine.info(),
            engine,
            due: Mutex::default(),
            abandoned: Mutex::default(),
            retrying: Mutex::default(),
            woken: Notify::new(),
            counts: Counts::default(),
        }
    }

    /// Looks at the lease at this moment. What is stored decides then what is done, so an entry too
    /// many does no harm.
    pub(crate) fn schedule(&self, id: &LeaseId, at: Timestamp) {
        let Some(entry) = entry(id, at) else { return };
        let mut due = self.due.lock();
        let is_first = due.first().is_none_or(|first| entry < *first);
        due.insert(entry);
        drop(due);
        if is_first {
            self.woken.notify_one();
        }
    }

    /// No longer looks at the lease at this moment.
    pub(crate) fn unschedule(&self, id: &LeaseId, at: Timestamp) {
        if let Some(entry) = entry(id, at) {
            self.due.lock().remove(&entry);
        }
    }

    /// Takes out up to `limit` leases whose moment has come.
    pub(crate) fn take_due(&self, now: Timestamp, limit: usize) -> Vec<LeaseId> {
        let now = now.as_millisecond();
        let mut due = self.due.lock();
        let mut taken = Vec::new();
        while taken.len() < limit && due.first().is_some_and(|(at, _)| *at <= now) {
            taken.extend(due.pop_first().and_then(|(_, bytes)| lease_id(bytes)));
        }
        taken
    }

    /// The next moment at which something is due.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let first = self.due.lock().first().map(|(at, _)| *at)?;
        Timestamp::from_millisecond(first).ok()
    }

    /// How many moments are waiting.
    pub(crate) fn scheduled(&self) -> usize {
        self.due.lock().len()
    }

    pub(crate) fn abandon(&self, id: &LeaseId, now: Timestamp) {
        self.abandoned.lock().insert(id.clone());
        self.schedule(id, now);
    }

    pub(crate) fn is_abandoned(&self, id: &LeaseId) -> bool {
        self.abandoned.lock().contains(id)
    }

    pub(crate) fn note_ended(&self, id: &LeaseId) {
        self.abandoned.lock().remove(id);
        self.retrying.lock().remove(id);
    }

    pub(crate) fn note_failure(&self, id: &LeaseId) {
        Counts::add(&self.counts.failures);
        self.retrying.lock().insert(id.clone());
    }

    pub(crate) fn retrying(&self) -> usize {
        self.retrying.lock().len()
    }
}

/// Rounded up to the millisecond, so that what is taken as due is due in the row as well.
fn entry(id: &LeaseId, at: Timestamp) -> Option<Entry> {
    let ulid = id.as_str().rsplit('_').next()?;
    let millis = at.as_nanosecond().div_euclid(1_000_000);
    let up = i128::from(at.as_nanosecond().rem_euclid(1_000_000) > 0);
    let millis = i64::try_from(millis.saturating_add(up)).unwrap_or(i64::MAX);
    Some((millis, Ulid::from_string(ulid).ok()?.to_bytes()))
}

fn lease_id(bytes: [u8; 16]) -> Option<LeaseId> {
    format!("{}_{}", LeaseId::PREFIX, Ulid::from_bytes(bytes)).parse().ok()
}

#[cfg(test)]
mod tests {
    use prov_core::SystemClock;

    use super::*;

    #[test]
    fn an_entry_gives_its_lease_back_and_is_never_early() {
        let id = LeaseId::generate(&SystemClock::new()).unwrap();
        let at: Timestamp = "2026-01-01T00:00:00.000000001Z".parse().unwrap();
        let (millis, bytes) = entry(&id, at).unwrap();
        assert_eq!(lease_id(bytes).unwrap(), id);
        assert!(Timestamp::from_millisecond(millis).unwrap() >= at);
        assert_eq!(size_of::<Entry>(), 24);
    }
}
