//! The query index of one log: SQLite, behind the acknowledgement, made anew from the log whenever
//! it is missing, damaged or of another log.
//!
//! It holds numbers only: every value that can be asked for is there as 64 bits of a keyed hash.
//! What stems from the personal part stands in tables of its own, by the subject's pseudonym, so
//! that erasing a subject takes it out.

mod block;
mod indexer;
mod places;
mod postings;
mod schema;
mod search;
mod terms;
#[cfg(test)]
mod tests;
mod words;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indexer::{Indexer, Order};
use parking_lot::Mutex;
use prov_core::{Error, Result};
pub(crate) use search::{Condition, Hit, Searching, tally};
use tokio::sync::oneshot;
use tokio::time::timeout;
pub(crate) use words::{words_of, words_of_record};

use crate::codes;
use crate::files::io_error;
use crate::journal::{Journal, Watermark};
use crate::log::Tally;
use crate::people::Vault;

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
    file: PathBuf,
    log: Indexed,
    shared: Arc<IndexShared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the index shares with its thread.
#[derive(Debug)]
struct IndexShared {
    /// How many records are indexed.
    position: Watermark,
    orders: Mutex<Vec<Order>>,
    stopping: AtomicBool,
    /// How many queries wait for the index.
    waiting: AtomicUsize,
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
    /// Starts the thread that keeps the index. Keys of subjects that it needs to catch up must be
    /// in the vault's memory.
    pub(crate) fn open(file: PathBuf, log: Indexed, vault: Arc<Vault>) -> Result<Self> {
        let shared = Arc::new(IndexShared {
            position: Watermark::new(0),
            orders: Mutex::default(),
            stopping: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
        });
        let mut indexer = Indexer::new(file.clone(), log.clone(), vault, Arc::clone(&shared));
        // An empty log has nothing to catch up with: its index must be there for the first question.
        if let Err(error) = indexer.open() {
            tracing::warn!(?error, "the audit index can't be opened yet; its thread tries again");
        }
        let thread = thread::Builder::new()
            .name("audit-index".to_owned())
            .spawn(move || indexer.run())
            .map_err(|e| io_error(e, "starting the index"))?;
        Ok(Self { file, log, shared, thread: Mutex::new(Some(thread)) })
    }

    /// The database file, for readers.
    pub(crate) fn file(&self) -> &Path {
        &self.file
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
        let reached = timeout(patience, position.wait_for(|size| *size >= head)).await;
        if let Ok(Ok(_)) = reached {
            return Ok(());
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

    /// Takes out what the index knows from the personal parts of these subjects.
    pub(crate) async fn forget(&self, pids: Vec<i64>) -> Result<()> {
        self.order(|reply| Order::Forget(pids, reply)).await
    }

    /// Takes out what it knows of records before `before`, so many by action and outcome.
    pub(crate) async fn prune(&self, before: u64, tally: Tally) -> Result<()> {
        self.order(|reply| Order::Prune(before, tally, reply)).await
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
