use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prov_core::Result;

use super::group::Group;
use super::notice::Notice;
use super::recovery::Recovered;
use super::reserve;
use super::shared::{Failure, Pending, Shared};
use super::watch::{Active, Finding, Identity};
use crate::disk::{self, File, FileExt, OpenOptions};
use crate::files::{io_error, sync_parent};
use crate::segment::{self, HEADER_BYTES};

/// A group is closed when it has so many bytes.
const GROUP_BYTES: usize = 1 << 20;

/// The one that writes.
#[derive(Debug)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    file: File,
    /// The number that the file is named for.
    first_seq: u64,
    /// Whether the file's name is durable: nothing in it is before that.
    named: bool,
    end: u64,
    /// Where ordinary events must end: the segment's size, or nowhere in a used reserve.
    room_end: u64,
    next_seq: u64,
    group: Group,
    broken: bool,
    /// Since the disk is full: how many events were refused.
    refused: Option<u64>,
}

impl Writer {
    /// Opens the segment that was found, or makes the first one.
    pub(super) fn new(shared: Arc<Shared>, recovered: &Recovered) -> Result<Self> {
        let next_seq = recovered.size();
        let failed = |e| io_error(e, "opening a segment");
        let (file, end) = match recovered.segment {
            Some((first, end)) => {
                let path = segment::file(&shared.options.dir, first);
                (OpenOptions::new().write(true).open(path).map_err(failed)?, end)
            }
            None => (create_segment(&shared, next_seq).map_err(failed)?, HEADER_BYTES as u64),
        };
        if let Err(error) = preallocate(&file, end, shared.options.segment_bytes) {
            // Writing goes on without; a full disk shows itself at the first event.
            tracing::warn!(%error, "no room to write a segment ahead");
            file.set_len(end).map_err(failed)?;
        }
        let first_seq = recovered.segment.map_or(next_seq, |(first, _)| first);
        let room_end = shared.options.segment_bytes;
        *shared.reserve.lock() = reserve::make(&shared.options.dir).is_ok();
        let mut writer = Self {
            shared,
            file,
            first_seq,
            named: recovered.segment.is_some(),
            end,
            room_end,
            next_seq,
            group: Group::default(),
            broken: false,
            refused: None,
        };
        writer.name_file().map_err(Failure::error)?;
        writer.show_active().map_err(failed)?;
        Ok(writer)
    }

    /// Tells whoever looks after the files which one is written.
    fn show_active(&self) -> io::Result<()> {
        let file = Identity::of(&self.file.metadata()?);
        *self.shared.active.lock() = Some(Active { first_seq: self.first_seq, file });
        Ok(())
    }

    /// Writes until the log is closed.
    pub(super) fn run(mut self) {
        let mut batch = Vec::new();
        while self.shared.take_batch(&mut batch) {
            self.write(&mut batch);
        }
        reserve::give_up(&self.shared.options.dir);
        // The rest of the segment was never used; a closed log ends with its last record.
        let cut = self.file.set_len(self.end).and_then(|()| self.file.sync_all());
        if let Err(error) = cut {
            tracing::warn!(%error, "could not cut the unused rest of a segment");
        }
        self.shared.writer_is_done();
    }

    fn write(&mut self, batch: &mut Vec<Pending>) {
        let mut waiting = Vec::with_capacity(batch.len());
        let mut seq = self.next_seq;
        for pending in batch.drain(..) {
            self.group.put(seq, &pending);
            seq += 1;
            waiting.push(pending);
            if self.group.frames().len() >= GROUP_BYTES {
                self.commit(std::mem::take(&mut waiting));
                seq = self.next_seq;
            }
        }
        if !waiting.is_empty() {
            self.commit(waiting);
        }
    }

    fn commit(&mut self, waiting: Vec<Pending>) {
        let written = self.make_durable();
        self.shared.set_failure(written.err());
        let places = waiting.iter().filter(|pending| pending.has_room).count();
        if let Err(failure) = written {
            self.group.clear();
            let refused = waiting.len();
            for pending in waiting {
                pending.answer(Err(failure));
            }
            self.shared.room.add_permits(places);
            if failure == Failure::Full {
                self.tell_full(refused);
            }
            return;
        }
        self.acknowledge(waiting);
        self.shared.room.add_permits(places);
        self.tell_resumed();
    }

    /// Tells everybody in the group that its records are durable.
    fn acknowledge(&mut self, waiting: Vec<Pending>) {
        let first = self.next_seq;
        self.next_seq += waiting.len() as u64;
        self.shared.durable.advance(self.next_seq);
        for (seq, pending) in (first..).zip(waiting) {
            pending.answer(Ok(seq));
        }
        if self.end > self.shared.options.segment_bytes / 2 {
            self.shared.next_segment_wanted.store(true, Ordering::Release);
        }
        self.group = self.shared.hand_over(std::mem::take(&mut self.group));
    }

    /// Writes down in the reserve that the disk is full, once.
    fn tell_full(&mut self, refused: usize) {
        if let Some(before) = &mut self.refused {
            *before += refused as u64;
            return;
        }
        let pending = Pending::new(self.shared.options.notices.leaf(&Notice::Full));
        self.group.put(self.next_seq, &pending);
        let mut bytes = segment::header(self.next_seq, &self.shared.origin);
        bytes.extend(self.group.frames());
        let used = {
            let mut reserved = self.shared.reserve.lock();
            *reserved = false;
            reserve::use_up(&self.shared.options.dir, self.next_seq, &bytes)
        };
        match used {
            Ok((file, named)) => {
                // What can't be made durable must not be followed by anything else in its place.
                self.broken = named.is_err();
                self.cut_rest();
                self.file = file;
                self.end = bytes.len() as u64;
                self.room_end = 0;
                self.refused = Some(refused as u64);
                self.first_seq = self.next_seq;
                if let Err(error) = self.show_active() {
                    tracing::warn!(%error, "the reserve can't be looked at");
                }
                if !self.broken {
                    self.acknowledge(vec![pending]);
                }
            }
            Err(error) => tracing::error!(%error, "that the disk is full could not be recorded"),
        }
        self.group.clear();
    }

    fn tell_resumed(&mut self) {
        if let Some(refused) = self.refused.take() {
            let leaf = self.shared.options.notices.leaf(&Notice::Resumed { refused });
            // A closed log has nobody left to tell.
            let _ = self.shared.enqueue(Pending::new(leaf));
        }
    }

    fn make_durable(&mut self) -> Result<(), Failure> {
        if self.broken {
            return Err(Failure::Broken);
        }
        if matches!(self.shared.found(), Some(Finding::Active(_))) {
            return Err(Failure::Gone);
        }
        let length = self.group.frames().len() as u64;
        let fits = self.end + length <= self.room_end;
        let leave = self.shared.leave_segment.swap(false, Ordering::AcqRel);
        if (!fits || leave) && (self.end > HEADER_BYTES as u64 || self.room_end == 0) {
            self.roll()?;
        }
        self.name_file()?;
        let written = self
            .file
            .write_all_at(self.group.frames(), self.end)
            .and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.end += length;
                Ok(())
            }
            Err(error) => Err(self.undo(&error)),
        }
    }

    /// Takes back what may have been written of a group, so that what was refused is not found
    /// after a crash. A disk that failed for any reason but room is not trusted again: after a
    /// failed sync nobody knows what it holds.
    fn undo(&mut self, error: &io::Error) -> Failure {
        let failure = Failure::of(error);
        let undone = self.file.set_len(self.end).and_then(|()| self.file.sync_all());
        self.broken = failure == Failure::Broken || undone.is_err();
        tracing::error!(%error, broken = self.broken, "an audit group could not be written");
        if self.broken { Failure::Broken } else { failure }
    }

    fn roll(&mut self) -> Result<(), Failure> {
        let next = create_segment(&self.shared, self.next_seq).map_err(|error| {
            tracing::error!(%error, "a new audit segment could not be made");
            Failure::of(&error)
        })?;
        self.cut_rest();
        self.file = next;
        self.named = false;
        self.end = HEADER_BYTES as u64;
        self.room_end = self.shared.options.segment_bytes;
        self.first_seq = self.next_seq;
        self.show_active().map_err(|error| Failure::of(&error))
    }

    /// Makes the name of a new segment durable. What failed is tried again with the next group, which
    /// must not go anywhere else: a segment may be found that is named for it.
    fn name_file(&mut self) -> Result<(), Failure> {
        if self.named {
            return Ok(());
        }
        let named = sync_parent(&segment::file(&self.shared.options.dir, self.first_seq));
        self.named = named.is_ok();
        named.map_err(|error| {
            let failure = Failure::of(&error);
            self.broken = failure == Failure::Broken;
            tracing::error!(%error, "the name of an audit segment could not be made durable");
            failure
        })
    }

    /// The rest of a segment that is left was never used.
    fn cut_rest(&self) {
        if let Err(error) = self.file.set_len(self.end) {
            tracing::warn!(%error, "could not cut the unused rest of a segment");
        }
    }
}

/// Makes a segment, out of the one the keeper wrote ahead if there is one. Its name is not durable yet.
fn create_segment(shared: &Shared, first_seq: u64) -> io::Result<File> {
    let dir = &shared.options.dir;
    shared.next_segment_wanted.store(false, Ordering::Release);
    // A keeper that is writing it at this moment is not waited for.
    let mut ahead_ready = shared.ahead.try_lock().filter(|ready| **ready);
    let scratch = if let Some(ready) = &mut ahead_ready {
        **ready = false;
        ahead(dir)
    } else {
        let own = segment::folder(dir).join("new.tmp");
        File::create(&own)?;
        own
    };
    let file = OpenOptions::new().write(true).open(&scratch)?;
    file.write_all_at(&segment::header(first_seq, &shared.origin), 0)?;
    file.sync_all()?;
    disk::rename(&scratch, segment::file(dir, first_seq))?;
    Ok(file)
}

/// The segment that is written ahead.
pub(super) fn ahead(dir: &Path) -> std::path::PathBuf {
    segment::folder(dir).join("ahead.tmp")
}

/// Writes the next segment ahead, so that a group costs no allocation.
pub(super) fn prepare_segment(dir: &Path, bytes: u64) -> io::Result<()> {
    let file = File::create(ahead(dir))?;
    preallocate(&file, 0, bytes)
}

/// Fills a file with zeros from `from` to `to`: blocks that were written once need no journal.
pub(super) fn preallocate(file: &File, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut at = from;
    while at < to {
        let length = usize::try_from(to - at).unwrap_or(usize::MAX).min(zeros.len());
        file.write_all_at(zeros.get(..length).unwrap_or_default(), at)?;
        // Bit by bit: a group that is synced meanwhile waits behind what is here.
        file.sync_data()?;
        at += length as u64;
    }
    file.sync_all()
}
