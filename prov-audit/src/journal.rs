//! One log on disk: a writer thread that makes groups durable, and a keeper thread behind it that
//! grows the Merkle tree, publishes tiles and signs checkpoints.
//!
//! Producers serialise and hash outside the lock and queue their leaf. The writer takes everything
//! that is queued, writes it with one write and one `fdatasync`, and wakes each caller. While it
//! syncs, the next group gathers.

mod cached;
#[cfg(test)]
mod faults;
mod group;
mod growth;
mod history;
mod keeper;
#[cfg(feature = "sqlite-index")]
mod mirror;
mod notice;
mod passed;
mod pruning;
mod recovery;
mod reserve;
mod second;
mod shared;
mod stub;
mod watch;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub(crate) use history::{FILE as HISTORY_FILE, History, parse as parse_history};
use jiff::Timestamp;
#[cfg(feature = "sqlite-index")]
pub(crate) use mirror::{Content, Mirror, Piece, continues};
pub(crate) use notice::{Notice, Notices};
use parking_lot::Mutex;
use prov_core::{Error, Result};
pub(crate) use recovery::origin_hash_of;
pub(crate) use second::FILE as SECOND_KEY_FILE;
pub(crate) use shared::{Failure, Watermark};
use shared::{Pending, Shared, Wanted};
pub(crate) use stub::{FILE as STUB_FILE, Stub};
use tokio::sync::oneshot;

use crate::codes;
use crate::files::{io_error, write_whole};
use crate::merkle::{Hash, empty_root, tree_root};
use crate::note::{Checkpoint, CosignerKey, SecondKey, SigningKey, sign};
use crate::segment::MAX_LEAF;
use crate::tiles::{TileFiles, TilesAt};

/// How a journal works.
#[derive(Debug)]
pub(crate) struct JournalOptions {
    pub(crate) dir: PathBuf,
    pub(crate) key: SigningKey,
    /// The key for ML-DSA-44, where checkpoints are signed with one too.
    pub(crate) second: Option<SecondKey>,
    pub(crate) segment_bytes: u64,
    pub(crate) queue_events: usize,
    pub(crate) checkpoint_every: Duration,
    /// Size and root that the log is known to have had, from elsewhere than its directory.
    pub(crate) remembered: Option<(u64, Hash)>,
    /// Makes the events the log records about itself.
    pub(crate) notices: Notices,
}

/// Something that was proved about a log.
#[derive(Debug)]
pub(crate) struct Proven<T> {
    pub(crate) proof: T,
    pub(crate) size: u64,
    pub(crate) root: Hash,
    pub(crate) checkpoint: Checkpoint,
}

/// One open log.
#[derive(Debug)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Journal {
    /// Opens or creates the log in this directory: cuts a torn tail, rebuilds the tree's edge,
    /// starts both threads. Nothing is signed before it is known to be the log that it was. Blocks.
    pub(crate) fn open(options: JournalOptions) -> Result<Self> {
        let lock = shared::lock(&options.dir)?;
        let fresh = || sign(&options.key, 0, empty_root());
        let (key, remembered) = (options.key.verifier(), options.remembered);
        let mut recovered = recovery::recover(&options.dir, key, remembered, fresh)?;
        options.settle_second(&mut recovered)?;
        let key = format!("{}\n", options.key.verifier());
        write_whole(&options.dir.join("log.vkey"), key.as_bytes(), true)
            .map_err(|e| io_error(e, "writing the verifier key"))?;
        let shared = Arc::new(Shared::new(options, &recovered, lock));
        let writer = writer::Writer::new(Arc::clone(&shared), &recovered)?;
        let mut keeper = keeper::Keeper::new(Arc::clone(&shared), recovered);
        keeper.checkpoint_if_grown()?;
        let threads = [
            thread::Builder::new().name("audit-writer".to_owned()).spawn(move || writer.run()),
            thread::Builder::new().name("audit-keeper".to_owned()).spawn(move || keeper.run()),
        ];
        let journal = Self { shared, threads: Mutex::default() };
        for started in threads {
            let thread = started.map_err(|e| io_error(e, "starting a thread of the log"))?;
            journal.threads.lock().push(thread);
        }
        Ok(journal)
    }

    /// Makes a leaf durable and returns its number. Waits while the queue is full. It will be
    /// recorded also when the caller stops waiting.
    pub(crate) async fn append(&self, leaf: Vec<u8>) -> Result<u64> {
        checked_length(&leaf)?;
        let mut begun = Begun { shared: &self.shared, pending: Some(Pending::new(leaf)) };
        let room = self.shared.room.acquire().await.map_err(|_| Failure::Closed.error())?;
        let (reply, answer) = oneshot::channel();
        if let Some(mut pending) = begun.pending.take() {
            (pending.reply, pending.has_room) = (Some(reply), true);
            self.shared.enqueue(pending)?;
        }
        // The writer gives the place back when the leaf is durable.
        room.forget();
        let (seq, _) = answer.await.map_err(|_| Failure::Closed.error())?;
        seq.map_err(Failure::error)
    }

    /// Has a leaf recorded that nobody waits for, whether or not there is a place in the queue.
    pub(crate) fn append_and_leave(&self, leaf: Vec<u8>) -> Result<()> {
        checked_length(&leaf)?;
        self.shared.enqueue(Pending::new(leaf))
    }

    /// Where the log lies.
    pub(crate) fn dir(&self) -> &Path {
        &self.shared.options.dir
    }

    /// The key that signs its checkpoints.
    pub(crate) fn key(&self) -> &SigningKey {
        &self.shared.options.key
    }

    /// Signs, with every key it has, that it had `size` events with this root: one that the newest checkpoint
    /// is known to continue.
    #[cfg(feature = "sqlite-index")]
    pub(crate) fn sign(&self, size: u64, root: Hash) -> Result<Checkpoint> {
        self.shared.options.sign(size, root)
    }

    /// The key for ML-DSA-44 that signs them too, where one does.
    pub(crate) fn second_key(&self) -> Option<&CosignerKey> {
        self.shared.options.second.as_ref().map(SecondKey::key)
    }

    /// How far records are durable.
    pub(crate) fn durable(&self) -> &Arc<Watermark> {
        &self.shared.durable
    }

    /// The newest checkpoint.
    pub(crate) fn newest_checkpoint(&self) -> Checkpoint {
        self.shared.checkpoint.lock().clone()
    }

    /// What the last attempt to write came to, if it failed.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.shared.failure()
    }

    /// The file of the log that somebody deleted, replaced or changed, if one was found.
    pub(crate) fn tampered_file(&self) -> Option<String> {
        self.shared.found().map(|finding| finding.file().to_owned())
    }

    /// What keeps the keeper from publishing, if anything does.
    pub(crate) fn keeper_is_behind(&self) -> bool {
        self.shared.keeper_failed()
    }

    /// Signs a checkpoint over everything that is durable now.
    pub(crate) async fn checkpoint(&self) -> Result<Checkpoint> {
        let (reply, answer) = oneshot::channel();
        self.shared.order(Wanted::Checkpoint(reply))?;
        answer.await.map_err(|_| Failure::Closed.error())?.map_err(Failure::error)
    }

    /// Size and root of the tree over everything that is durable now.
    pub(crate) async fn head(&self) -> Result<(u64, Hash)> {
        let (reply, answer) = oneshot::channel();
        self.shared.order(Wanted::Head(reply))?;
        answer.await.map_err(|_| Failure::Closed.error())
    }

    /// Takes away every record before `before`, which is where a segment begins, up to the last full
    /// tile of the newest checkpoint. Hash tiles stay, and a signed statement of it.
    pub(crate) async fn prune(&self, before: u64, at: Timestamp) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.shared.order(Wanted::Prune { before, at, reply })?;
        answer.await.map_err(|_| Failure::Closed.error())?.map_err(Failure::error)
    }

    /// Has the next record begin a segment.
    pub(crate) fn leave_segment(&self) {
        self.shared.leave_segment.store(true, Ordering::Release);
    }

    /// Proves something about the first `size` records (all the newest checkpoint covers, unless
    /// said). Gives the proof, the size and its root, and the newest checkpoint. Blocks.
    pub(crate) fn prove<T>(
        &self,
        size: Option<u64>,
        proof: impl Fn(&TilesAt<'_>, u64) -> Result<T>,
    ) -> Result<Proven<T>> {
        prove(self.dir(), || Ok(self.newest_checkpoint()), size, proof)
    }

    /// Takes no more events; what is queued still gets written. Returns at once.
    pub(crate) fn begin_close(&self) {
        self.shared.begin_close();
    }

    /// Stops both threads: what was queued is durable and covered by a checkpoint. Blocks.
    pub(crate) fn finish_close(&self) {
        self.begin_close();
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the audit log panicked");
            }
        }
    }
}

/// As [`Journal::prove`], of the log in this directory whose newest checkpoint `newest` reads.
pub(crate) fn prove<T>(
    dir: &Path,
    newest: impl Fn() -> Result<Checkpoint>,
    size: Option<u64>,
    proof: impl Fn(&TilesAt<'_>, u64) -> Result<T>,
) -> Result<Proven<T>> {
    let files = TileFiles::new(dir);
    let mut last = Error::new(codes::NOT_YET_SIGNED);
    // A newer checkpoint may take its predecessor's partial tiles away while they are read.
    for _ in 0..4 {
        let checkpoint = newest()?;
        let size = size.unwrap_or(checkpoint.size);
        if size > checkpoint.size {
            return Err(codes::NOT_YET_SIGNED.into());
        }
        let tiles = TilesAt { files: &files, size: checkpoint.size };
        match proof(&tiles, size).and_then(|proof| Ok((proof, tree_root(&tiles, 0, size)?))) {
            Ok((proof, root)) => return Ok(Proven { proof, size, root, checkpoint }),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn checked_length(leaf: &[u8]) -> Result<()> {
    if leaf.len() <= MAX_LEAF {
        return Ok(());
    }
    Err(Error::new(codes::EVENT_TOO_LARGE)
        .detail("an audit event with its context must stay below 64 KiB"))
}

/// A leaf that waits for a place in the queue. Whoever stops waiting leaves it there all the same.
struct Begun<'a> {
    shared: &'a Shared,
    pending: Option<Pending>,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(pending) = self.pending.take()
            && self.shared.enqueue(pending).is_err()
        {
            tracing::error!("an event nobody waited for came after the log was closed");
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.finish_close();
    }
}
