use std::fs::TryLockError;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Condvar, Mutex};
use prov_core::{Error, Result, codes as core_codes};
use tokio::sync::{Semaphore, oneshot, watch};

use super::JournalOptions;
use super::group::Group;
use super::recovery::Recovered;
use super::watch::{Active, Finding};
use crate::codes;
use crate::disk::File;
use crate::files::{io_error, is_full, make_folder};
use crate::merkle::{Hash, leaf_hash};
use crate::note::Checkpoint;

/// Why something was not made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No room; the log goes on when there is some.
    Full,
    /// The disk failed; what it holds is known again only after the log is opened anew.
    Broken,
    /// Somebody took the file away that is written: what is written there would be lost.
    Gone,
    /// The log is closed.
    Closed,
}

impl Failure {
    pub(crate) fn of(error: &std::io::Error) -> Self {
        if is_full(error) { Self::Full } else { Self::Broken }
    }

    pub(crate) fn error(self) -> Error {
        match self {
            Self::Full => Error::new(core_codes::STORAGE_FULL).retry_after(Duration::from_secs(5)),
            Self::Gone => codes::FILE_MISSING.into(),
            Self::Broken => Error::new(codes::UNAVAILABLE)
                .context("the disk failed under the log; open it again when the disk is well"),
            Self::Closed => codes::CLOSED.into(),
        }
    }
}

/// The number of a record, and its leaf: whoever took the memory for it gives it back, which costs an
/// allocator less than when another thread does.
pub(super) type Answer = (Result<u64, Failure>, Vec<u8>);

/// A leaf on its way to the disk.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) leaf: Vec<u8>,
    pub(super) hash: Hash,
    /// `None` when nobody waits.
    pub(super) reply: Option<oneshot::Sender<Answer>>,
    /// Whether it took a place in the queue, which it gives back.
    pub(super) has_room: bool,
}

impl Pending {
    pub(super) fn new(leaf: Vec<u8>) -> Self {
        Self { hash: leaf_hash(&leaf), leaf, reply: None, has_room: false }
    }

    /// Tells whoever waits.
    pub(super) fn answer(self, with: Result<u64, Failure>) {
        if let Some(reply) = self.reply {
            // Whoever no longer waits needs no answer.
            let _ = reply.send((with, self.leaf));
        }
    }
}

/// How far records are durable; threads and tasks can wait for more.
#[derive(Debug)]
pub(crate) struct Watermark {
    size: Mutex<u64>,
    changed: Condvar,
    told: watch::Sender<u64>,
}

impl Watermark {
    pub(crate) fn new(size: u64) -> Self {
        Self { size: Mutex::new(size), changed: Condvar::new(), told: watch::Sender::new(size) }
    }

    /// How many records.
    pub(crate) fn size(&self) -> u64 {
        *self.size.lock()
    }

    pub(crate) fn advance(&self, size: u64) {
        *self.size.lock() = size;
        self.changed.notify_all();
        self.told.send_replace(size);
    }

    /// Wakes whoever waits, without news.
    pub(crate) fn nudge(&self) {
        self.changed.notify_all();
    }

    /// Waits, for at most this long, until there are more than `known`.
    #[cfg(feature = "sqlite-index")]
    pub(crate) fn wait_beyond(&self, known: u64, longest: Duration) -> u64 {
        let mut size = self.size.lock();
        if *size <= known {
            self.changed.wait_for(&mut size, longest);
        }
        *size
    }

    /// For tasks: the size and its changes.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.told.subscribe()
    }
}

#[derive(Debug, Default)]
struct Queue {
    pending: Vec<Pending>,
    closed: bool,
}

/// What somebody waits for.
#[derive(Debug)]
pub(super) struct Order {
    /// How many records it must cover: those that were durable when it was ordered. The keeper may
    /// not have got them yet.
    pub(super) covering: u64,
    pub(super) wanted: Wanted,
}

/// What is ordered.
#[derive(Debug)]
pub(super) enum Wanted {
    /// A signed checkpoint.
    Checkpoint(oneshot::Sender<Result<Checkpoint, Failure>>),
    /// Size and root of the tree, unsigned.
    Head(oneshot::Sender<(u64, Hash)>),
    /// The oldest records are taken away.
    Prune {
        /// What is before this.
        before: u64,
        /// The moment that the statement of it names.
        at: Timestamp,
        /// Who waits.
        reply: oneshot::Sender<Result<(), Failure>>,
    },
}

/// What waits for the keeper.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) groups: Vec<Group>,
    /// How many records these are.
    records: usize,
    pub(super) orders: Vec<Order>,
    pub(super) writer_done: bool,
}

/// So many empty groups are kept for the next ones, with the room they have.
const MOST_SPARE: usize = 4;

/// Above so many records the keeper is too far behind, and the writer waits for it.
const MOST_KEPT: usize = 262_144;

/// What producers, writer and keeper share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: JournalOptions,
    pub(super) origin: Hash,
    pub(super) room: Semaphore,
    pub(super) durable: std::sync::Arc<Watermark>,
    pub(super) checkpoint: Mutex<Checkpoint>,
    pub(super) next_segment_wanted: AtomicBool,
    /// Whether the next segment is written ahead. Held by whoever writes, takes or removes that file:
    /// a path may name another file a moment later.
    pub(super) ahead: Mutex<bool>,
    /// As `ahead`, of the room that is kept for the day the disk is full.
    pub(super) reserve: Mutex<bool>,
    /// The next group begins a segment.
    pub(super) leave_segment: AtomicBool,
    pub(super) active: Mutex<Option<Active>>,
    found: Mutex<Option<Finding>>,
    queue: Mutex<Queue>,
    arrived: Condvar,
    kept: Mutex<Kept>,
    spare: Mutex<Vec<Group>>,
    handed: Condvar,
    taken: Condvar,
    failure: Mutex<Option<Failure>>,
    keeper_failed: AtomicBool,
    _lock: File,
}

impl Shared {
    pub(super) fn new(options: JournalOptions, recovered: &Recovered, lock: File) -> Self {
        Self {
            origin: super::recovery::origin_hash(&options.key),
            room: Semaphore::new(options.queue_events),
            durable: std::sync::Arc::new(Watermark::new(recovered.size())),
            checkpoint: Mutex::new(recovered.checkpoint.clone()),
            next_segment_wanted: AtomicBool::new(false),
            ahead: Mutex::new(false),
            reserve: Mutex::new(false),
            leave_segment: AtomicBool::new(false),
            active: Mutex::new(None),
            found: Mutex::new(None),
            queue: Mutex::default(),
            arrived: Condvar::new(),
            kept: Mutex::default(),
            spare: Mutex::default(),
            handed: Condvar::new(),
            taken: Condvar::new(),
            failure: Mutex::new(None),
            keeper_failed: AtomicBool::new(false),
            options,
            _lock: lock,
        }
    }

    pub(super) fn enqueue(&self, pending: Pending) -> Result<()> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(Failure::Closed.error());
        }
        queue.pending.push(pending);
        let first = queue.pending.len() == 1;
        drop(queue);
        if first {
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Swaps everything that is queued into `batch`, which is empty; waits while there is nothing.
    /// `false` when the log is closed and nothing is left.
    pub(super) fn take_batch(&self, batch: &mut Vec<Pending>) -> bool {
        let mut queue = self.queue.lock();
        while queue.pending.is_empty() {
            if queue.closed {
                return false;
            }
            self.arrived.wait(&mut queue);
        }
        std::mem::swap(&mut queue.pending, batch);
        true
    }

    pub(super) fn begin_close(&self) {
        self.queue.lock().closed = true;
        self.room.close();
        self.arrived.notify_one();
    }

    /// Gives durable records to the keeper; waits when it is far behind. Gives an empty group for the next.
    pub(super) fn hand_over(&self, group: Group) -> Group {
        let mut kept = self.kept.lock();
        while kept.records > MOST_KEPT {
            self.taken.wait(&mut kept);
        }
        kept.records += group.len();
        kept.groups.push(group);
        drop(kept);
        self.handed.notify_one();
        self.spare.lock().pop().unwrap_or_default()
    }

    /// Takes back what the keeper is done with.
    pub(super) fn give_back(&self, mut group: Group) {
        group.clear();
        let mut spare = self.spare.lock();
        if spare.len() < MOST_SPARE {
            spare.push(group);
        }
    }

    pub(super) fn writer_is_done(&self) {
        self.kept.lock().writer_done = true;
        self.handed.notify_one();
    }

    pub(super) fn order(&self, wanted: Wanted) -> Result<()> {
        let covering = self.durable.size();
        let mut kept = self.kept.lock();
        if kept.writer_done {
            return Err(Failure::Closed.error());
        }
        kept.orders.push(Order { covering, wanted });
        drop(kept);
        self.handed.notify_one();
        Ok(())
    }

    /// What came for the keeper; waits at most this long when nothing has.
    pub(super) fn take_kept(&self, longest: Duration) -> Kept {
        let mut kept = self.kept.lock();
        if kept.groups.is_empty() && kept.orders.is_empty() && !kept.writer_done {
            self.handed.wait_for(&mut kept, longest);
        }
        let writer_done = kept.writer_done;
        let taken = std::mem::take(&mut *kept);
        kept.writer_done = writer_done;
        drop(kept);
        self.taken.notify_one();
        taken
    }

    /// What the last look at the files found.
    pub(super) fn found(&self) -> Option<Finding> {
        self.found.lock().clone()
    }

    /// Remembers what a look at the files found; `true` when it was not known.
    pub(super) fn set_found(&self, finding: Option<&Finding>) -> bool {
        let mut known = self.found.lock();
        let is_news = known.as_ref() != finding && finding.is_some();
        *known = finding.cloned();
        is_news
    }

    pub(super) fn failure(&self) -> Option<Failure> {
        *self.failure.lock()
    }

    pub(super) fn set_failure(&self, failure: Option<Failure>) {
        *self.failure.lock() = failure;
    }

    pub(super) fn keeper_failed(&self) -> bool {
        self.keeper_failed.load(Ordering::Acquire)
    }

    pub(super) fn set_keeper_failed(&self, failed: bool) {
        self.keeper_failed.store(failed, Ordering::Release);
    }
}

/// Sees to it that one process has the log.
pub(super) fn lock(dir: &Path) -> Result<File> {
    make_folder(&crate::segment::folder(dir))
        .map_err(|e| io_error(e, "making the log's directory"))?;
    let file = File::create(dir.join("lock")).map_err(|e| io_error(e, "making the lock file"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(codes::IN_USE.into()),
        Err(TryLockError::Error(error)) => Err(io_error(error, "locking the log")),
    }
}
