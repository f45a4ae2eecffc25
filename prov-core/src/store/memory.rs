//! A store in memory: for tests and for embedding without a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;
use std::ops::Bound;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::{
    Batch, Change, ChangeSender, Changes, Expect, Key, Operation, Page, Record, Scan, Store, Term,
    Version,
};
use crate::{Clock, Error, Result, codes};

/// Keeps records in memory. It honours the whole contract of [`Store`] but one word: nothing
/// survives the process.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    rows: Mutex<Rows>,
    changes: ChangeSender,
}

#[derive(Debug, Default)]
struct Rows {
    last_version: u64,
    by_key: BTreeMap<Key, Row>,
}

struct Row {
    value: Bytes,
    version: Version,
    expires_at: Option<Timestamp>,
    terms: BTreeSet<Term>,
}

/// Without the value, which may hold secrets.
impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Row").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Row {
    fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    fn record(&self, id: &str) -> Record {
        Record {
            id: id.to_owned(),
            value: self.value.clone(),
            version: self.version,
            expires_at: self.expires_at,
        }
    }
}

impl Rows {
    fn holds(&self, key: &Key, expect: Expect, now: Timestamp) -> bool {
        let live = self.by_key.get(key).filter(|row| row.is_live(now));
        match expect {
            Expect::Any => true,
            Expect::Absent => live.is_none(),
            Expect::Version(version) => live.is_some_and(|row| row.version == version),
        }
    }

    fn apply(&mut self, operation: Operation, version: Version) -> Option<Key> {
        match operation {
            Operation::Put { key, value, expires_at, terms, .. } => {
                let terms = terms.into_iter().collect();
                self.by_key.insert(key.clone(), Row { value, version, expires_at, terms });
                Some(key)
            }
            Operation::Delete { key, .. } => self.by_key.remove(&key).map(|_| key),
            Operation::Check { .. } => None,
        }
    }
}

impl MemoryStore {
    /// An empty store that ends records by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, rows: Mutex::default(), changes: ChangeSender::new(1024) }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        let now = self.clock.now();
        let rows = self.rows.lock();
        Ok(rows.by_key.get(key).filter(|row| row.is_live(now)).map(|row| row.record(&key.id)))
    }

    async fn scan(&self, scan: &Scan) -> Result<Page> {
        let now = self.clock.now();
        let start = match &scan.after {
            Some(after) if *after >= scan.prefix => {
                Bound::Excluded(Key::new(scan.kind.clone(), after))
            }
            _ => Bound::Included(Key::new(scan.kind.clone(), &scan.prefix)),
        };
        let limit = usize::try_from(scan.limit.min(Scan::MAX_LIMIT).get()).unwrap_or(usize::MAX);
        let rows = self.rows.lock();
        let mut matching = rows
            .by_key
            .range((start, Bound::Unbounded))
            .take_while(|(key, _)| key.kind == scan.kind && key.id.starts_with(&scan.prefix))
            .filter(|(_, row)| row.is_live(now))
            .filter(|(_, row)| scan.term.as_ref().is_none_or(|term| row.terms.contains(term)))
            .map(|(key, row)| row.record(&key.id));
        let records: Vec<_> = matching.by_ref().take(limit).collect();
        let more = matching.next().is_some();
        let next = records.last().filter(|_| more).map(|record| record.id.clone());
        Ok(Page { records, next })
    }

    async fn commit(&self, batch: Batch) -> Result<Version> {
        let now = self.clock.now();
        let mut rows = self.rows.lock();
        for operation in batch.operations() {
            let (Operation::Put { key, expect, .. }
            | Operation::Delete { key, expect }
            | Operation::Check { key, expect }) = operation;
            if !rows.holds(key, *expect, now) {
                return Err(Error::new(codes::CONFLICT).context(format!("committing {key:?}")));
            }
        }
        rows.last_version += 1;
        let version = Version::from_number(rows.last_version);
        for operation in batch.into_operations() {
            if let Some(key) = rows.apply(operation, version) {
                self.changes.send(Change::Changed(key));
            }
        }
        Ok(version)
    }

    async fn purge(&self, limit: NonZeroU32) -> Result<u32> {
        let now = self.clock.now();
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let mut rows = self.rows.lock();
        let ended: Vec<Key> = rows
            .by_key
            .iter()
            .filter(|(_, row)| !row.is_live(now))
            .take(limit)
            .map(|(key, _)| key.clone())
            .collect();
        for key in &ended {
            rows.by_key.remove(key);
        }
        Ok(u32::try_from(ended.len()).unwrap_or(u32::MAX))
    }

    fn changes(&self) -> Changes {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance;
    use super::*;
    use crate::ManualClock;

    #[test]
    fn memory_store_honours_the_contract() {
        let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
        let store = MemoryStore::new(Arc::new(clock.clone()));
        futures_executor::block_on(conformance::all(&store, &|by| clock.advance(by)));
    }
}
