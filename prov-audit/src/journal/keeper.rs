use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use prov_core::Result;

use super::cached::Cached;
use super::growth::Growth;
use super::notice::Notice;
use super::recovery::Recovered;
use super::reserve;
use super::shared::{Failure, Kept, Order, Pending, Shared, Wanted};
use super::stub::Stub;
use super::watch::{self, Finding, Look, Watch};
use super::writer::{ahead, prepare_segment};
use super::{history, pruning};
use tokio::sync::oneshot;

use crate::files::write_whole;
use crate::merkle::{TILE_WIDTH, leaf_hash, tree_root};
use crate::note::Checkpoint;
use crate::segment::{self, SegmentCursor};
use crate::tiles::{TileFiles, TilesAt, partial_places};

/// The one behind the writer: nobody waits for it but who asks for a checkpoint.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    files: TileFiles,
    growth: Growth,
    history_entries: usize,
    history_next: u64,
    history_bytes: u64,
    orders: Vec<Order>,
    due: Instant,
    /// Written, but not synced: must be before a checkpoint speaks of it.
    unsynced: Vec<PathBuf>,
    /// A sync failed: what was written since the newest checkpoint is perhaps not there, and no later
    /// sync says so.
    distrusts_unsynced: bool,
    watch: Watch,
    cached: Cached,
    reserve_due: Instant,
    /// How far the log is pruned.
    stub: Option<Stub>,
    /// Tiles that the newest checkpoint speaks of must be written again.
    tiles_lost: bool,
}

/// How long the keeper rests after a disk refused it.
const PAUSE: Duration = Duration::from_millis(200);

impl Keeper {
    pub(super) fn new(shared: Arc<Shared>, recovered: Recovered) -> Self {
        let files = TileFiles::new(&shared.options.dir);
        files.sweep(recovered.size_before, recovered.size(), recovered.checkpoint.size);
        Self {
            files,
            due: Instant::now() + shared.options.checkpoint_every,
            growth: recovered.growth,
            history_entries: recovered.history_entries,
            history_next: recovered.history_next,
            history_bytes: recovered.history_bytes,
            orders: Vec::new(),
            unsynced: Vec::new(),
            distrusts_unsynced: false,
            watch: Watch::new(&shared.options.dir, shared.origin),
            cached: Cached::default(),
            reserve_due: Instant::now(),
            stub: recovered.stub,
            tiles_lost: recovered.tiles_lost,
            shared,
        }
    }

    /// Works until the writer is done and everything is published and signed.
    pub(super) fn run(mut self) {
        loop {
            let rest = self.due.saturating_duration_since(Instant::now()).min(self.watch.rest());
            let kept = self.shared.take_kept(rest);
            let done = kept.writer_done;
            self.work(kept);
            self.look_after_files();
            if done {
                if let Err(error) = self.checkpoint_if_grown() {
                    tracing::error!(?error, "the last checkpoint could not be signed");
                }
                // Written ahead and never used.
                let _ = crate::disk::remove_file(ahead(&self.shared.options.dir));
                return;
            }
        }
    }

    fn work(&mut self, kept: Kept) {
        for group in kept.groups {
            for (hash, leaf) in group.records() {
                self.growth.add(hash, leaf);
            }
            self.shared.give_back(group);
        }
        if let Err(error) = self.publish() {
            tracing::warn!(%error, "tiles of the audit log could not be written yet");
            self.shared.set_keeper_failed(true);
            std::thread::sleep(PAUSE);
        }
        self.write_ahead();
        self.orders.extend(kept.orders);
        let ordered = self.ordered();
        if !ordered.is_empty() || Instant::now() >= self.due {
            self.due = Instant::now() + self.shared.options.checkpoint_every;
            let signed = self.sign_if_grown();
            for reply in ordered {
                // Whoever no longer waits needs no answer.
                let _ = reply.send(signed.clone());
            }
        }
    }

    /// Answers those that ask for the head only, and those that have records taken away; gives those
    /// that wait for a checkpoint.
    fn ordered(&mut self) -> Vec<oneshot::Sender<Result<Checkpoint, Failure>>> {
        let (size, mut root, mut ordered) = (self.growth.edge.size(), None, Vec::new());
        let mut to_prune = Vec::new();
        for order in self.orders.extract_if(.., |order| order.covering <= size) {
            match order.wanted {
                Wanted::Checkpoint(reply) => ordered.push(reply),
                Wanted::Head(reply) => {
                    let root = *root.get_or_insert_with(|| self.growth.edge.root());
                    let _ = reply.send((size, root));
                }
                Wanted::Prune { before, at, reply } => to_prune.push((before, at, reply)),
            }
        }
        for (before, at, reply) in to_prune {
            let pruned = self.prune(before, at).map_err(|error| {
                tracing::error!(%error, "the audit log could not be pruned");
                Failure::of(&error)
            });
            let _ = reply.send(pruned);
        }
        ordered
    }

    /// Takes the oldest records away. Whoever ordered it knows that nothing needs them.
    fn prune(&mut self, before: u64, at: Timestamp) -> io::Result<()> {
        let checkpoint = self.shared.checkpoint.lock().clone();
        let active = self.shared.active.lock().map_or(0, |active| active.first_seq);
        let full = checkpoint.size / TILE_WIDTH as u64 * TILE_WIDTH as u64;
        let options = &self.shared.options;
        let begins = segment::list(&options.dir)?.contains(&before);
        if before > full.min(active) || !begins {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "nothing is pruned there"));
        }
        let tiles = TilesAt { files: &self.files, size: checkpoint.size };
        let root = tree_root(&tiles, 0, before).map_err(io::Error::other)?;
        let stub = Stub::sign(&options.key, before, root, at);
        let stub = options.second(stub).map_err(io::Error::other)?;
        let stated = pruning::state(&options.dir, &stub);
        // Where it stands it is in force, also when it is not known to be durable.
        if pruning::states(&options.dir, &stub) {
            self.watch.forget(before);
            self.stub = Some(stub.clone());
        }
        stated.and_then(|()| pruning::finish(&options.dir, &stub))
    }

    /// Looks whether somebody took files away, and has room kept for the day the disk is full.
    fn look_after_files(&mut self) {
        let shared = Arc::clone(&self.shared);
        let Some(active) = *shared.active.lock() else { return };
        self.cached.follow(&shared.options.dir, active.first_seq);
        let newest = shared.checkpoint.lock().note.clone();
        let kept = watch::Kept {
            checkpoint: &newest,
            key: shared.options.key.verifier().to_string(),
            second_key: shared.options.second.as_ref().map(|second| second.key().to_string()),
            history_bytes: self.history_bytes,
            stub: self.stub.as_ref().map(|stub| stub.note.as_str()),
        };
        match self.watch.look(active, &kept) {
            Look::Unsure => {}
            Look::Well => {
                shared.set_found(None);
                // What was taken is back: the next event is tried again.
                if shared.failure() == Some(Failure::Gone) {
                    shared.set_failure(None);
                }
            }
            Look::Wrong(finding) => {
                if shared.set_found(Some(&finding)) {
                    self.tell(&finding);
                }
            }
        }
        let mut reserved = shared.reserve.lock();
        if !*reserved && Instant::now() >= self.reserve_due {
            self.reserve_due = Instant::now() + PAUSE;
            *reserved = reserve::make(&shared.options.dir).is_ok();
        }
    }

    fn tell(&self, finding: &Finding) {
        let file = finding.file().to_owned();
        tracing::error!(file, "a file of the audit log was deleted, replaced or changed");
        let leaf = self.shared.options.notices.leaf(&Notice::Tampered { file });
        // A closed log has nobody left to tell.
        let _ = self.shared.enqueue(Pending::new(leaf));
    }

    /// Writes what became full. What can't be written now stays for the next time.
    fn publish(&mut self) -> io::Result<()> {
        if self.distrusts_unsynced {
            self.start_over()?;
        }
        while let Some(next) = self.growth.unpublished.front() {
            self.unsynced.push(self.files.write(next)?);
            self.growth.unpublished.pop_front();
        }
        Ok(())
    }

    /// Has everything behind the newest checkpoint published again, from the segments.
    fn start_over(&mut self) -> io::Result<()> {
        let (size, checkpoint) = (self.growth.edge.size(), self.shared.checkpoint.lock().clone());
        let edge = self.files.edge_at(checkpoint.size)?;
        let edge = edge.filter(|edge| edge.root() == checkpoint.root).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                "the tiles of the newest checkpoint are gone",
            )
        })?;
        let mut growth = Growth::from(edge);
        let mut cursor = SegmentCursor::at(&self.shared.options.dir, growth.first_needed())?;
        while cursor.next_seq() < size {
            for record in cursor.read(size, usize::MAX)? {
                if record.seq < checkpoint.size {
                    growth.put(&record.leaf);
                } else {
                    growth.add(leaf_hash(&record.leaf), &record.leaf);
                }
            }
        }
        self.growth = growth;
        self.unsynced.clear();
        self.distrusts_unsynced = false;
        Ok(())
    }

    fn write_ahead(&self) {
        if !self.shared.next_segment_wanted.load(Ordering::Acquire) {
            return;
        }
        let mut ready = self.shared.ahead.lock();
        if *ready {
            return;
        }
        self.shared.next_segment_wanted.store(false, Ordering::Release);
        match prepare_segment(&self.shared.options.dir, self.shared.options.segment_bytes) {
            Ok(()) => *ready = true,
            Err(error) => tracing::warn!(%error, "no room to write a segment ahead"),
        }
    }

    /// As [`Keeper::sign_if_grown`], for the thread that opens the log.
    pub(super) fn checkpoint_if_grown(&mut self) -> Result<()> {
        self.sign_if_grown().map(drop).map_err(Failure::error)
    }

    fn sign_if_grown(&mut self) -> Result<Checkpoint, Failure> {
        let newest = self.shared.checkpoint.lock().clone();
        let published = self.publish().and_then(|()| {
            let known = self.history_entries > 0;
            if known && newest.size == self.growth.edge.size() {
                if std::mem::take(&mut self.tiles_lost) {
                    self.publish_end()?;
                }
                return self.publish_checkpoint_file(&newest).map(|()| newest);
            }
            self.sign(&newest)
        });
        self.shared.set_keeper_failed(published.is_err());
        published.map_err(|error| {
            tracing::error!(%error, "a checkpoint could not be written");
            Failure::of(&error)
        })
    }

    fn sign(&mut self, before: &Checkpoint) -> io::Result<Checkpoint> {
        let signed = self.publish_and_sign();
        match &signed {
            Ok(next) => {
                *self.shared.checkpoint.lock() = next.clone();
                self.remove_partial_of(before.size, next.size);
            }
            // What no checkpoint speaks of does not stay.
            Err(_) => self.remove_partial_of(self.growth.edge.size(), before.size),
        }
        signed
    }

    /// Tiles first, and synced, then the history, then the checkpoint: whoever reads a checkpoint
    /// finds everything it speaks of, also after the power failed.
    fn publish_and_sign(&mut self) -> io::Result<Checkpoint> {
        self.publish_end()?;
        let options = &self.shared.options;
        let next = options.sign(self.growth.edge.size(), self.growth.edge.root());
        let next = next.map_err(io::Error::other)?;
        let entry = (&next, options.key.verifier());
        self.history_bytes =
            history::append(&options.dir, self.history_bytes, self.history_next, entry)?;
        self.history_entries += 1;
        self.history_next += 1;
        write_whole(&options.dir.join("checkpoint"), next.note.as_bytes(), true)?;
        self.thin_history();
        Ok(next)
    }

    /// Writes the tiles that are not full, and syncs everything.
    fn publish_end(&mut self) -> io::Result<()> {
        self.unsynced.extend(self.files.write_end(&self.growth)?);
        let synced = self.files.sync(&self.unsynced);
        self.distrusts_unsynced = synced.is_err();
        self.unsynced.clear();
        synced
    }

    /// Keeps fewer of the older checkpoints. What can't be done now is done the next time.
    fn thin_history(&mut self) {
        let options = &self.shared.options;
        match history::thin(&options.dir, self.history_entries, options.key.verifier()) {
            Ok(None) => {}
            Ok(Some((bytes, entries))) => {
                (self.history_bytes, self.history_entries) = (bytes, entries);
                self.watch.expect_history();
            }
            Err(error) => tracing::warn!(%error, "the list of checkpoints could not be thinned"),
        }
    }

    /// After a crash between history and checkpoint the file may be one behind.
    fn publish_checkpoint_file(&self, newest: &Checkpoint) -> io::Result<()> {
        let path = self.shared.options.dir.join("checkpoint");
        let there = crate::files::read_if_there(&path)?;
        if there.as_deref() == Some(newest.note.as_bytes()) {
            return Ok(());
        }
        write_whole(&path, newest.note.as_bytes(), true)
    }

    fn remove_partial_of(&self, before: u64, now: u64) {
        let still = partial_places(now);
        for place in partial_places(before) {
            if !still.contains(&place) {
                self.files.remove(place);
            }
        }
    }
}
