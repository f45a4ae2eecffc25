use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use prov_core::{Error, Result, codes as core_codes};
use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;

use super::block::Filling;
use super::places::BLOCK;
use super::terms::{Terms, Words};
use super::words::public_texts;
use super::{IndexShared, Indexed, schema};
use crate::files::io_error;
use crate::leaf::Leaf;
use crate::log::Tally;
use crate::merkle::leaf_hash;
use crate::people::Vault;
use crate::segment::{Record, SegmentCursor};

/// What the thread can be asked to do.
#[derive(Debug)]
pub(super) enum Order {
    Rebuild(oneshot::Sender<Result<()>>),
    Forget(Vec<i64>, oneshot::Sender<Result<()>>),
    Prune(u64, Tally, oneshot::Sender<Result<()>>),
}

/// What comes within this is written together.
const GATHER: Duration = Duration::from_millis(40);

/// How long the thread sleeps when there is no news, and after a failure.
const REST: Duration = Duration::from_millis(250);

/// The one that reads the log and writes the index.
#[derive(Debug)]
pub(super) struct Indexer {
    file: PathBuf,
    log: Indexed,
    vault: Arc<Vault>,
    shared: Arc<IndexShared>,
    open: Option<Open>,
    terms: Terms,
}

/// An index that is being written.
#[derive(Debug)]
struct Open {
    db: Connection,
    cursor: SegmentCursor,
    filling: Filling,
}

impl Indexer {
    pub(super) fn new(
        file: PathBuf,
        log: Indexed,
        vault: Arc<Vault>,
        shared: Arc<IndexShared>,
    ) -> Self {
        Self { file, log, vault, shared, open: None, terms: Terms::default() }
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
            } else if self.shared.position.size() > known {
                self.give_way(started.elapsed());
            }
        }
    }

    /// After a batch, rests for twice as long as it took, or until a few more may have come: the
    /// processor belongs to whoever records, and every batch writes its terms anew. Unless a query
    /// waits, or there is something to do.
    fn give_way(&self, worked: Duration) {
        let until = Instant::now() + (2 * worked).clamp(GATHER, REST);
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
                Order::Prune(before, tally, reply) => {
                    let _ = reply.send(self.prune(before, &tally));
                }
            }
        }
        let known = self.shared.position.size();
        let durable = self.log.durable.wait_beyond(known, REST);
        if durable > known { self.read(durable) } else { Ok(()) }
    }

    pub(super) fn open(&mut self) -> Result<()> {
        let origin = self.log.name.clone();
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
        let cursor = SegmentCursor::at(&self.log.dir, size)
            .map_err(|e| io_error(e, "reading the log for the index"))?;
        self.shared.position.advance(size);
        self.open = Some(Open { db, cursor, filling: Filling::of(size) });
        Ok(())
    }

    /// Whether the log has, where the index ends, the leaf that the index saw last.
    fn is_ours(&self, size: u64, last_hash: &[u8]) -> bool {
        let Some(last) = size.checked_sub(1) else { return true };
        if size > self.log.durable.size() {
            return false;
        }
        SegmentCursor::at(&self.log.dir, last)
            .and_then(|mut cursor| cursor.read(size, 1))
            .is_ok_and(|records| records.first().is_some_and(|r| leaf_hash(&r.leaf) == last_hash))
    }

    fn read(&mut self, durable: u64) -> Result<()> {
        let Some(Open { db, cursor, filling }) = &mut self.open else { return Ok(()) };
        // What is left of the block, so that each is written once when there is much to do.
        let most = usize::try_from(BLOCK - cursor.next_seq() % BLOCK).unwrap_or(1);
        let mut records = Vec::with_capacity(most);
        while records.len() < most {
            let more = cursor
                .read(durable, most - records.len())
                .map_err(|e| io_error(e, "reading the log for the index"))?;
            if more.is_empty() {
                break;
            }
            records.extend(more);
        }
        let Some(last) = records.last() else { return Ok(()) };
        let (size, hash) = (last.seq + 1, leaf_hash(&last.leaf));
        let all = db.unchecked_transaction().map_err(failed)?;
        let (vault, terms) = (&*self.vault, &mut self.terms);
        let mut adding = Adding { vault, terms, filling, tally: BTreeMap::new() };
        for record in &records {
            adding.add(&all, record).map_err(failed)?;
        }
        adding.finish(&all).map_err(failed)?;
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
            let (Order::Rebuild(reply) | Order::Forget(_, reply) | Order::Prune(.., reply)) = order;
            let _ = reply.send(Err(not_open()));
        }
    }

    fn forget(&self, pids: &[i64]) -> Result<()> {
        let Some(Open { db, .. }) = &self.open else { return Err(not_open()) };
        schema::forget(db, pids).map_err(failed)
    }

    /// Takes out what is known of records before `before`, of which there are so many by action and
    /// outcome. An index that has not got there yet never will.
    fn prune(&mut self, before: u64, tally: &Tally) -> Result<()> {
        if self.shared.position.size() < before {
            self.discard();
            return self.open();
        }
        let Some(Open { db, filling, .. }) = &mut self.open else { return Err(not_open()) };
        filling.forget_owners();
        schema::prune(db, before, tally).map_err(failed)
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

/// Takes records in, until they are written together.
struct Adding<'a> {
    vault: &'a Vault,
    terms: &'a mut Terms,
    filling: &'a mut Filling,
    tally: BTreeMap<(String, &'static str), i64>,
}

impl Adding<'_> {
    /// Adds one record with everything it can be found by.
    fn add(&mut self, db: &Transaction<'_>, record: &Record) -> rusqlite::Result<()> {
        let seq = record.seq;
        if !self.filling.holds(seq) {
            self.filling.write(db)?;
            self.filling.go_on(seq);
        }
        // What this version can't read is in the log all the same; only queries don't find it.
        let Some(leaf) = Leaf::read(&record.leaf) else { return Ok(()) };
        let time = leaf.time.as_microsecond();
        db.prepare_cached("INSERT OR REPLACE INTO event VALUES (?1, ?2, ?3, ?4)")?.execute((
            seq.cast_signed(),
            time,
            record.segment.cast_signed(),
            record.offset.cast_signed(),
        ))?;
        self.filling.add_time(time);
        self.add_public(seq, &leaf);
        if let Some(sealed) = &leaf.subject {
            let pid = self.terms.of(self.vault, "pid", &sealed.pid);
            self.filling.add(seq, pid);
            for term in self.terms.of_sealed(self.vault, sealed).iter().flat_map(|all| all.iter()) {
                self.filling.add_personal(seq, *term, pid);
            }
        }
        *self.tally.entry((leaf.action.into_owned(), leaf.outcome.as_str())).or_default() += 1;
        Ok(())
    }

    fn add_public(&mut self, seq: u64, leaf: &Leaf<'_>) {
        let mut values = vec![
            // Each is there once: remembering their hashes would push the useful ones out.
            self.vault.term("id", &leaf.id.to_string()),
            self.terms.of(self.vault, "action", &leaf.action),
            self.terms.of(self.vault, "outcome", leaf.outcome.as_str()),
        ];
        values.extend(leaf.request.id.as_ref().map(|id| self.vault.term("request", id.as_str())));
        let mut of = |kind, value: &str| values.push(self.terms.of(self.vault, kind, value));
        if let Some(id) = &leaf.actor.id {
            of("actor", id);
        }
        if let Some(resource) = &leaf.resource {
            of("resource", &resource.id);
            of("resource", &format!("{}:{}", resource.kind, resource.id));
        }
        for asked in asked_actions(leaf) {
            of("asked", asked);
        }
        let mut words = Words::default();
        public_texts(leaf, &mut |text| words.add(&self.terms.of_text(self.vault, text)));
        for term in values.into_iter().chain(words.terms) {
            self.filling.add(seq, term);
        }
    }

    fn finish(self, db: &Transaction<'_>) -> rusqlite::Result<()> {
        self.filling.write(db)?;
        let mut tally = db.prepare_cached(
            "INSERT INTO tally VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        for ((action, outcome), count) in self.tally {
            tally.execute((action, outcome, count))?;
        }
        Ok(())
    }
}

/// The actions of the policies that an event is about: `deploy` where a decision was asked for, or
/// where a route asks for one (`deploy servers`).
fn asked_actions<'a>(leaf: &'a Leaf<'_>) -> impl Iterator<Item = &'a str> {
    let of = |key: &str| leaf.context.get(key).and_then(serde_json::Value::as_str);
    let routed = of("asked").and_then(|asked| asked.split(' ').next());
    [of("action"), routed].into_iter().flatten()
}
