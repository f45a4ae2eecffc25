//! The query index of one log: SQLite, behind the acknowledgement, made anew from the log whenever
//! it is missing, damaged or of another log.
//!
//! It holds numbers only: every value that can be asked for is there as 64 bits of a keyed hash.
//! What stems from the personal part stands in tables of its own, by the subject's pseudonym, so
//! that erasing a subject takes it out. What is taken out is overwritten, and so are the copies that SQLite leaves
//! in the free room of pages when it moves rows about.
//!
//! It is no evidence: the log is. Every row carries a sum of itself and where it stands, and what must be
//! there is missed when it is not, so that damage is noticed where it is read: whoever asked is told to come
//! again ([`codes::INDEX_BEHIND`]), and the index is made anew. Pages of terms are all there, empty ones too; a
//! row that says who has a name, address or word names the next such row; a stretch says of how many people it
//! has something. An index can't show what is not there: every record is read from the log, and checked there.
//! Sums are no protection from somebody who writes to the file, and a disk that gives back an older state of a
//! page, of one piece, is believed; [`Log::rebuild_index`](crate::Log::rebuild_index) puts that right.

mod adding;
mod counts;
mod events;
mod failure;
mod filling;
mod gaps;
mod indexer;
mod owners;
mod pace;
mod persons;
mod places;
mod postings;
mod removal;
mod schema;
mod search;
mod stretch;
mod summary;
mod sums;
mod terms;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indexer::{Indexer, Order};
use parking_lot::Mutex;
use prov_core::{Error, Result};
use rusqlite::ErrorCode;
pub(crate) use search::{Condition, Found, Hit, Searching, tally};
use tokio::sync::oneshot;
use tokio::time::timeout;
pub(crate) use words::{words_of, words_of_record};

use crate::codes;
use crate::files::io_error;
use crate::journal::{Journal, Watermark};
use crate::people::Vault;

/// An index that can't be read or written so many times is made anew: on other blocks of the disk.
const MOST_FAILURES: u32 = 20;

/// How often whoever waits for the index looks whether it needs keys.
const KEYS_EVERY: Duration = Duration::from_millis(20);

/// What an index is made from: the records of a log in this directory, as far as they are durable.
#[derive(Debug, Clone)]
pub(crate) struct Indexed {
    /// Where the log lies.
    pub(crate) dir: PathBuf,
    /// Its name.
    pub(crate) name: String,
    /// How far it may be read.
    pub(crate) durable: Arc<Watermark>,
}

impl Indexed {
    /// A log that this program writes.
    pub(crate) fn of(journal: &Journal) -> Self {
        let (dir, durable) = (journal.dir().to_owned(), Arc::clone(journal.durable()));
        Self { dir, name: journal.key().verifier().name().to_owned(), durable }
    }
}

/// The open index of one log.
#[derive(Debug)]
pub(crate) struct Index {
    file: IndexFile,
    log: Indexed,
    vault: Arc<Vault>,
    shared: Arc<IndexShared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the index shares with its thread.
#[derive(Debug)]
struct IndexShared {
    /// How many records are indexed.
    position: Watermark,
    /// The oldest that the index holds, or will.
    oldest: AtomicU64,
    /// The most that ever were: an index that has fewer is being made anew.
    reached: AtomicU64,
    orders: Mutex<Vec<Order>>,
    stopping: AtomicBool,
    /// Whoever read the index found that it is damaged.
    damaged: AtomicBool,
    /// How many times whoever read it could not, since it was made: of a page that only questions read, the
    /// thread does not learn.
    unreadable: AtomicU32,
    /// The thread can't write the index.
    failing: AtomicBool,
    /// What was taken out still stands in the write-ahead log.
    traces: AtomicBool,
    /// Subjects whose keys the thread needs to go on, by their pseudonyms.
    lacking: Mutex<BTreeSet<String>>,
    /// How many queries wait for the index.
    waiting: AtomicUsize,
}

impl IndexShared {
    fn new() -> Self {
        Self {
            position: Watermark::new(0),
            oldest: AtomicU64::default(),
            reached: AtomicU64::default(),
            orders: Mutex::default(),
            stopping: AtomicBool::default(),
            damaged: AtomicBool::default(),
            unreadable: AtomicU32::default(),
            failing: AtomicBool::default(),
            traces: AtomicBool::default(),
            lacking: Mutex::default(),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Whether an error of whoever read the index means that it must be made anew.
    fn is_lost(&self, error: &rusqlite::Error) -> bool {
        let can_read = error.sqlite_error_code() != Some(ErrorCode::SystemIoFailure);
        sums::is_damage(error)
            || !can_read && self.unreadable.fetch_add(1, Ordering::AcqRel) + 1 >= MOST_FAILURES
    }

    /// Says that so many records are indexed.
    fn reach(&self, size: u64) {
        self.reached.fetch_max(size, Ordering::AcqRel);
        self.position.advance(size);
    }

    /// Whether the thread has something else to do than to read the log.
    fn is_called(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
            || self.damaged.load(Ordering::Acquire)
            || !self.orders.lock().is_empty()
    }
}

/// The file of an index, to be read.
#[derive(Debug, Clone)]
pub(crate) struct IndexFile {
    path: PathBuf,
    shared: Arc<IndexShared>,
}

/// An index that is opened to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToRead<'a> {
    file: &'a Path,
    /// How many records it must have, or it is being made anew, and would give half an answer.
    least: u64,
}

impl IndexFile {
    /// Reads the index. One that turns out to be damaged, or can't be read many times, is made anew.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(ToRead<'_>) -> rusqlite::Result<T>) -> Result<T> {
        let least = self.shared.reached.load(Ordering::Acquire);
        ask(ToRead { file: &self.path, least }).map_err(|error| {
            if self.shared.is_lost(&error) && !self.shared.damaged.swap(true, Ordering::AcqRel) {
                let what =
                    "the audit index is damaged or can't be read; it is made anew from the log";
                tracing::warn!(?error, "{what}");
            }
            Error::new(codes::INDEX_BEHIND)
                .context("reading the audit index")
                .retry_after(Duration::from_secs(1))
                .source(error)
        })
    }
}

/// One query that waits; also when it is dropped meanwhile.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn on(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Index {
    /// Starts the thread that keeps the index. It has no time for the store: keys of subjects that it needs
    /// to catch up should be in the vault's memory; where one is not, it waits until [`Self::caught_up`] is
    /// asked for, which gets them.
    pub(crate) fn open(file: PathBuf, log: Indexed, vault: Arc<Vault>) -> Result<Self> {
        let shared = Arc::new(IndexShared::new());
        let (ours, theirs) = (Arc::clone(&vault), Arc::clone(&shared));
        let mut indexer = Indexer::new(file.clone(), log.clone(), ours, theirs);
        // An empty log has nothing to catch up with: its index must be there for the first question.
        if let Err(error) = indexer.open() {
            tracing::warn!(?error, "the audit index can't be opened yet; its thread tries again");
        }
        let thread = thread::Builder::new()
            .name("audit-index".to_owned())
            .spawn(move || indexer.run())
            .map_err(|e| io_error(e, "starting the index"))?;
        let file = IndexFile { path: file, shared: Arc::clone(&shared) };
        Ok(Self { file, log, vault, shared, thread: Mutex::new(Some(thread)) })
    }

    /// The database file, for readers.
    pub(crate) fn file(&self) -> &IndexFile {
        &self.file
    }

    /// What keeps it from being what it should be, if anything does.
    pub(crate) fn trouble(&self) -> Option<&'static str> {
        if self.shared.traces.load(Ordering::Acquire) {
            return Some("what was erased is not out of an index yet: it is read without a pause");
        }
        let is_failing = self.shared.failing.load(Ordering::Acquire);
        is_failing.then_some(
            "an index can't go on, for a reason that is in the program's log: it lags until it can",
        )
    }

    /// How many records are indexed.
    pub(crate) fn position(&self) -> u64 {
        self.shared.position.size()
    }

    /// Waits until everything that is durable now is indexed.
    pub(crate) async fn caught_up(&self, patience: Duration) -> Result<()> {
        let head = self.log.durable.size();
        if self.position() >= head {
            return Ok(());
        }
        let _hurry = Waiting::on(&self.shared.waiting);
        let mut position = self.shared.position.watch();
        let reached = timeout(patience, async {
            loop {
                let reached = position.wait_for(|size| *size >= head);
                if let Ok(Ok(_)) = timeout(KEYS_EVERY, reached).await {
                    return Ok(());
                }
                let lacking = std::mem::take(&mut *self.shared.lacking.lock());
                if !lacking.is_empty() {
                    self.vault.have_at_hand(lacking).await?;
                    self.log.durable.nudge();
                }
            }
        });
        if let Ok(done) = reached.await {
            return done;
        }
        let behind = head.saturating_sub(self.position());
        Err(Error::new(codes::INDEX_BEHIND)
            .detail(format!("the index is {behind} events behind the log; try again"))
            .retry_after(Duration::from_secs(1)))
    }

    /// Makes the index anew from the log; returns when that has begun.
    pub(crate) async fn rebuild(&self) -> Result<()> {
        self.order(Order::Rebuild).await
    }

    /// Takes out what the index knows from the personal parts of these subjects. It is an error while
    /// somebody reads for so long that traces are left in the write-ahead log; they go as soon as they can.
    pub(crate) async fn forget(&self, pids: Vec<i64>) -> Result<()> {
        self.order(|reply| Order::Forget(pids, reply)).await
    }

    /// Takes out what the log has no longer, unless everything before `before` is out already. It is ordered at
    /// once, also when nobody waits for it; an index that can't now does so when it is opened again.
    pub(crate) async fn prune(&self, before: u64) -> Result<()> {
        if self.shared.oldest.load(Ordering::Acquire) >= before {
            return Ok(());
        }
        self.order(Order::Prune).await
    }

    async fn order(&self, order: impl FnOnce(oneshot::Sender<Result<()>>) -> Order) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.put_order(order(reply))?;
        self.log.durable.nudge();
        answer.await.map_err(|_| Error::new(codes::CLOSED))?
    }

    fn put_order(&self, order: Order) -> Result<()> {
        let mut orders = self.shared.orders.lock();
        // Looked at under the lock: what is put later than this is cleared by whoever stops.
        if self.shared.stopping.load(Ordering::Acquire) {
            return Err(Error::new(codes::CLOSED));
        }
        orders.push(order);
        Ok(())
    }

    /// Stops the thread; the index catches up when it is opened again. Blocks for a moment.
    pub(crate) fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
        self.log.durable.nudge();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the audit index panicked");
        }
        // Whoever still waits for the thread would wait for ever.
        self.shared.orders.lock().clear();
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.stop();
    }
}
