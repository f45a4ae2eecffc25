use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use prov_core::{Error, Result, codes as core_codes};
use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;

use super::{IndexShared, schema};
use crate::files::io_error;
use crate::journal::Journal;
use crate::leaf::Leaf;
use crate::merkle::leaf_hash;
use crate::people::{Opened, Vault, folded};
use crate::segment::{Record, SegmentCursor};

/// What the thread can be asked to do.
#[derive(Debug)]
pub(super) enum Order {
    Rebuild(oneshot::Sender<Result<()>>),
    Forget(Vec<i64>, oneshot::Sender<Result<()>>),
}

/// Records in one transaction, at most.
const BATCH: usize = 4096;

/// Batches up to this size are no load.
const SMALL: u64 = 64;

/// How long the thread sleeps when there is no news, and after a failure.
const REST: Duration = Duration::from_millis(250);

/// The one that reads the log and writes the index.
#[derive(Debug)]
pub(super) struct Indexer {
    file: PathBuf,
    journal: Arc<Journal>,
    vault: Arc<Vault>,
    shared: Arc<IndexShared>,
    open: Option<(Connection, SegmentCursor)>,
}

impl Indexer {
    pub(super) fn new(
        file: PathBuf,
        journal: Arc<Journal>,
        vault: Arc<Vault>,
        shared: Arc<IndexShared>,
    ) -> Self {
        Self { file, journal, vault, shared, open: None }
    }

    /// Works until it is told to stop.
    pub(super) fn run(mut self) {
        while !self.shared.stopping.load(Ordering::Acquire) {
            let known = self.shared.position.size();
            let started = Instant::now();
            if let Err(error) = self.step() {
                tracing::warn!(?error, "the audit index failed; it is made anew from the log");
                self.discard();
                self.refuse_orders();
                std::thread::sleep(REST);
            } else if self.shared.position.size() > known + SMALL {
                self.give_way(started.elapsed());
            }
        }
    }

    /// After a large batch, rests for twice as long as it took: the processor belongs to whoever
    /// records. Unless a query waits, or there is something to do.
    fn give_way(&self, worked: Duration) {
        let until = Instant::now() + (2 * worked).min(REST);
        let wanted = || {
            self.shared.waiting.load(Ordering::Acquire) > 0
                || self.shared.stopping.load(Ordering::Acquire)
                || !self.shared.orders.lock().is_empty()
        };
        while Instant::now() < until && !wanted() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn step(&mut self) -> Result<()> {
        if self.open.is_none() {
            self.open()?;
        }
        let orders = std::mem::take(&mut *self.shared.orders.lock());
        for order in orders {
            match order {
                Order::Rebuild(reply) => {
                    self.discard();
                    let _ = reply.send(self.open());
                }
                Order::Forget(pids, reply) => {
                    let _ = reply.send(self.forget(&pids));
                }
            }
        }
        let known = self.shared.position.size();
        let durable = self.journal.durable().wait_beyond(known, REST);
        if durable > known { self.read(durable) } else { Ok(()) }
    }

    fn open(&mut self) -> Result<()> {
        let origin = self.journal.key().verifier().name().to_owned();
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder).map_err(|e| io_error(e, "making the index"))?;
        }
        let db = schema::open(&self.file, &origin).map_err(failed)?;
        let position = schema::position(&db, &origin).map_err(failed)?;
        let Some((size, last_hash)) = position.filter(|(size, last)| self.is_ours(*size, last))
        else {
            drop(db);
            self.discard();
            return Err(Error::new(core_codes::INTERNAL).context("an index of another log"));
        };
        tracing::debug!(size, last_hash = hex::encode(&last_hash), "audit index opened");
        let cursor = SegmentCursor::at(self.journal.dir(), size)
            .map_err(|e| io_error(e, "reading the log for the index"))?;
        self.shared.position.advance(size);
        self.open = Some((db, cursor));
        Ok(())
    }

    /// Whether the log has, where the index ends, the leaf that the index saw last.
    fn is_ours(&self, size: u64, last_hash: &[u8]) -> bool {
        let Some(last) = size.checked_sub(1) else { return true };
        if size > self.journal.durable().size() {
            return false;
        }
        SegmentCursor::at(self.journal.dir(), last)
            .and_then(|mut cursor| cursor.read(size, 1))
            .is_ok_and(|records| records.first().is_some_and(|r| leaf_hash(&r.leaf) == last_hash))
    }

    fn read(&mut self, durable: u64) -> Result<()> {
        let Some((db, cursor)) = &mut self.open else { return Ok(()) };
        let records = cursor
            .read(durable, BATCH)
            .map_err(|e| io_error(e, "reading the log for the index"))?;
        let Some(last) = records.last() else { return Ok(()) };
        let (size, hash) = (last.seq + 1, leaf_hash(&last.leaf));
        let all = db.unchecked_transaction().map_err(failed)?;
        for record in &records {
            add(&all, &self.vault, record).map_err(failed)?;
        }
        all.execute("UPDATE meta SET size = ?1, last_hash = ?2", (size.cast_signed(), hash))
            .map_err(failed)?;
        all.commit().map_err(failed)?;
        self.shared.position.advance(cursor.next_seq());
        Ok(())
    }

    /// An index that can't be opened keeps nobody waiting.
    fn refuse_orders(&self) {
        let orders = std::mem::take(&mut *self.shared.orders.lock());
        for order in orders {
            let (Order::Rebuild(reply) | Order::Forget(_, reply)) = order;
            let _ = reply.send(Err(not_open()));
        }
    }

    fn forget(&self, pids: &[i64]) -> Result<()> {
        let Some((db, _)) = &self.open else { return Err(not_open()) };
        let all = db.unchecked_transaction().map_err(failed)?;
        for pid in pids {
            all.execute("DELETE FROM personal WHERE pid = ?1", [pid]).map_err(failed)?;
        }
        all.commit().map_err(failed)?;
        // What was deleted still stands in the write-ahead log until it starts anew.
        db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(failed)
    }

    fn discard(&mut self) {
        self.open = None;
        self.shared.position.advance(0);
        for suffix in ["", "-wal", "-shm"] {
            let mut file = self.file.clone().into_os_string();
            file.push(suffix);
            // There may be none.
            let _ = std::fs::remove_file(file);
        }
    }
}

fn not_open() -> Error {
    Error::new(core_codes::UNAVAILABLE).context("the index is not open")
}

fn failed(error: rusqlite::Error) -> Error {
    Error::new(core_codes::INTERNAL).context("writing the audit index").source(error)
}

/// Adds one record with everything it can be found by.
fn add(db: &Transaction<'_>, vault: &Vault, record: &Record) -> rusqlite::Result<()> {
    // What this version can't read is in the log all the same; only queries don't find it.
    let Some(leaf) = Leaf::read(&record.leaf) else { return Ok(()) };
    let seq = record.seq.cast_signed();
    db.prepare_cached("INSERT OR REPLACE INTO event VALUES (?1, ?2, ?3, ?4, ?5)")?.execute((
        seq,
        leaf.time.as_microsecond(),
        leaf.id.as_bytes(),
        record.segment.cast_signed(),
        record.offset.cast_signed(),
    ))?;
    let mut posting = db.prepare_cached("INSERT OR IGNORE INTO posting VALUES (?1, ?2)")?;
    for term in public_terms(vault, &leaf) {
        posting.execute((term, seq))?;
    }
    let mut tally = db.prepare_cached(
        "INSERT INTO tally VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET count = count + 1",
    )?;
    tally.execute((&leaf.action, leaf.outcome.as_str()))?;
    if let Some(sealed) = &leaf.subject {
        let pid = vault.term("pid", &sealed.pid);
        posting.execute((pid, seq))?;
        if let Some(Opened::Clear(personal)) = vault.open_at_hand(leaf.id, sealed) {
            let name = personal.name.map(|name| vault.term("name", &folded(&name)));
            let ip = personal.ip.map(|ip| vault.term("ip", &ip.to_canonical().to_string()));
            let mut add =
                db.prepare_cached("INSERT OR IGNORE INTO personal VALUES (?1, ?2, ?3)")?;
            for term in [name, ip].into_iter().flatten() {
                add.execute((term, seq, pid))?;
            }
        }
    }
    Ok(())
}

fn public_terms(vault: &Vault, leaf: &Leaf) -> Vec<i64> {
    let mut terms =
        vec![vault.term("action", &leaf.action), vault.term("outcome", leaf.outcome.as_str())];
    terms.extend(leaf.actor.id.as_ref().map(|id| vault.term("actor", id)));
    terms.extend(leaf.request.id.as_ref().map(|id| vault.term("request", id.as_str())));
    terms.extend(asked_actions(leaf).map(|asked| vault.term("asked", asked)));
    if let Some(resource) = &leaf.resource {
        terms.push(vault.term("resource", &resource.id));
        terms.push(vault.term("resource", &format!("{}:{}", resource.kind, resource.id)));
    }
    terms
}

/// The actions of the policies that an event is about: `deploy` where a decision was asked for, or
/// where a route asks for one (`deploy servers`).
fn asked_actions(leaf: &Leaf) -> impl Iterator<Item = &str> {
    let of = |key: &str| leaf.context.get(key).and_then(serde_json::Value::as_str);
    let routed = of("asked").and_then(|asked| asked.split(' ').next());
    [of("action"), routed].into_iter().flatten()
}
