//! The copy of a log that another node writes: the same records under the same signatures, in files that
//! every verifier reads as it reads the log itself.
//!
//! Segments begin where they begin in the log, so that what the log prunes can be pruned here.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prov_core::{Error, Result};

use super::growth::{Growth, Publication};
use super::stub::{self, Stub};
use super::{Watermark, history, pruning, recovery};
use crate::codes;
use crate::disk::{self, File, FileExt, OpenOptions};
use crate::files::{io_error, make_folder, sync_parent, write_whole};
use crate::merkle::{Hash, TILE_WIDTH, TreeEdge, empty_root, leaf_hash, tree_root};
use crate::note::{Checkpoint, CosignerKey, VerifierKey};
use crate::segment::{self, HEADER_BYTES, write_frame};
use crate::tiles::{TileFiles, TilesAt, partial_places};
use crate::verify::key_beside;

/// A group is closed when it has so many bytes.
const GROUP_BYTES: usize = 1 << 20;

/// A segment is left for the next one when it has so many bytes, also where the log did not leave its own.
const SEGMENT_BYTES: u64 = 64 << 20;

const TILE: u64 = TILE_WIDTH as u64;

/// What a piece holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Content {
    /// The leaves.
    Leaves(Vec<Vec<u8>>),
    /// What is left of those that the log pruned: one whole tile.
    Hashes(Vec<Hash>),
}

/// A part of a log, up to where a checkpoint vouches for it.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// The number of its first record.
    pub(crate) from: u64,
    pub(crate) content: Content,
    /// Where segments of the log begin in it.
    pub(crate) segments: Vec<u64>,
    /// The checkpoint at its end.
    pub(crate) checkpoint: Checkpoint,
}

impl Piece {
    /// The hashes of its records.
    pub(crate) fn hashes(&self) -> Vec<Hash> {
        match &self.content {
            Content::Leaves(leaves) => leaves.iter().map(|leaf| leaf_hash(leaf)).collect(),
            Content::Hashes(hashes) => hashes.clone(),
        }
    }
}

/// The segment that is written.
#[derive(Debug)]
struct Open {
    file: File,
    end: u64,
    group: Vec<u8>,
}

/// The copy of one log. After an error it must be opened again.
#[derive(Debug)]
pub(crate) struct Mirror {
    dir: PathBuf,
    key: VerifierKey,
    files: TileFiles,
    growth: Growth,
    checkpoint: Checkpoint,
    history_bytes: u64,
    history_entries: usize,
    history_next: u64,
    stub: Option<Stub>,
    open: Option<Open>,
    unsynced: Vec<PathBuf>,
    durable: Arc<Watermark>,
}

impl Mirror {
    /// Opens the mirror in this directory, with the key that it was begun with, and says how far it is.
    /// Blocks, as everything here does.
    ///
    /// # Errors
    /// As when a log is opened: when it is damaged.
    pub(crate) fn open(dir: &Path, durable: Arc<Watermark>) -> Result<Self> {
        Self::recover(dir, key_beside(dir)?, durable)
    }

    /// Begins the mirror of the log of this key, which is the only one that it will believe.
    pub(crate) fn create(dir: &Path, key: &VerifierKey) -> Result<Self> {
        let failed = |e| io_error(e, "making a mirror");
        make_folder(&segment::folder(dir)).map_err(failed)?;
        write_whole(&dir.join("log.vkey"), format!("{key}\n").as_bytes(), true).map_err(failed)?;
        Self::recover(dir, key.clone(), Arc::new(Watermark::new(0)))
    }

    fn recover(dir: &Path, key: VerifierKey, durable: Arc<Watermark>) -> Result<Self> {
        let failed = |e| io_error(e, "opening a mirror");
        if !["checkpoint", history::FILE].iter().any(|file| disk::exists(&dir.join(file))) {
            begin_anew(dir).map_err(failed)?;
        }
        make_folder(&segment::folder(dir)).map_err(failed)?;
        let fresh = || Checkpoint::none(&key);
        let recovered = recovery::recover(dir, &key, None, fresh)?;
        let files = TileFiles::new(dir);
        files.sweep(recovered.size_before, recovered.size(), recovered.checkpoint.size);
        let open = recovered.segment.map(|(first, end)| {
            let file = OpenOptions::new().write(true).open(segment::file(dir, first))?;
            Ok(Open { file, end, group: Vec::new() })
        });
        let mut mirror = Self {
            dir: dir.to_owned(),
            files,
            durable,
            history_bytes: recovered.history_bytes,
            history_entries: recovered.history_entries,
            history_next: recovered.history_next,
            growth: recovered.growth,
            checkpoint: recovered.checkpoint,
            stub: recovered.stub,
            open: open.transpose().map_err(failed)?,
            unsynced: Vec::new(),
            key,
        };
        if mirror.history_entries > 0 {
            mirror.settle().map_err(failed)?;
        }
        mirror.durable.advance(mirror.checkpoint.size);
        Ok(mirror)
    }

    /// Publishes again what a crash left undone. What stands behind the newest checkpoint was verified
    /// before it was written, and waits for the next.
    fn settle(&mut self) -> io::Result<()> {
        if self.size() == self.checkpoint.size {
            self.publish()?;
        }
        write_whole(&self.dir.join("checkpoint"), self.checkpoint.note.as_bytes(), true)
    }

    /// The newest checkpoint it holds.
    pub(crate) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// How far the log was pruned here.
    pub(crate) fn stub(&self) -> Option<&Stub> {
        self.stub.as_ref()
    }

    /// How far it may be read.
    pub(crate) fn durable(&self) -> &Arc<Watermark> {
        &self.durable
    }

    /// How many records it has, those behind the newest checkpoint included.
    pub(crate) fn size(&self) -> u64 {
        self.growth.edge.size()
    }

    /// The edge of its tree, to try out pieces with.
    pub(crate) fn edge(&self) -> TreeEdge {
        self.growth.edge.clone()
    }

    /// The root over its first `size` records, of those that its checkpoint covers.
    pub(crate) fn root_at(&self, size: u64) -> Result<Hash> {
        let tiles = TilesAt { files: &self.files, size: self.checkpoint.size };
        tree_root(&tiles, 0, size)
    }

    /// Holds what was signed besides under the checkpoint that it has: more, or what was wanted in the place of
    /// what `is_less`.
    pub(crate) fn hold_signatures(&mut self, of: &Checkpoint, is_less: bool) -> io::Result<()> {
        let is_more = is_less || of.note.len() > self.checkpoint.note.len();
        if of.is_of(&self.checkpoint) && is_more && self.history_entries > 0 {
            write_whole(&self.dir.join("checkpoint"), of.note.as_bytes(), true)?;
            self.checkpoint = of.clone();
        }
        Ok(())
    }

    /// Holds what was signed besides under the statement of pruning that it has.
    pub(crate) fn hold_stub(&mut self, of: &Stub, wanted: Option<&CosignerKey>) -> io::Result<()> {
        let is_more = |known: &Stub| {
            (known.before, known.root, known.at) == (of.before, of.root, of.at)
                && (of.note.len() > known.note.len()
                    || wanted.is_some_and(|key| !known.is_seconded(key)))
        };
        let path = self.dir.join(stub::FILE);
        if self.stub.as_ref().is_some_and(is_more) && disk::exists(&path) {
            write_whole(&path, of.note.as_bytes(), true)?;
            self.stub = Some(of.clone());
        }
        Ok(())
    }

    /// Of a mirror that holds nothing yet: that it begins where this statement says.
    pub(crate) fn begin_behind(&mut self, stub: Stub) {
        self.stub = Some(stub);
    }

    /// Makes pieces durable that continue it, each tried out before: see [`continues`]. Of what was pruned
    /// in the log only hashes come first; nothing is signed before there is more.
    pub(crate) fn extend(&mut self, pieces: Vec<Piece>) -> io::Result<()> {
        let Some(last) = pieces.last().map(|piece| piece.checkpoint.clone()) else { return Ok(()) };
        for piece in pieces {
            self.take(piece)?;
        }
        self.write_group()?;
        let first = self.stub.clone().filter(|_| self.history_entries == 0);
        if let Some(stub) = first {
            if self.size() < stub.before {
                return self.publish_full();
            }
            if self.open.is_none() {
                self.roll(stub.before)?;
            }
            write_whole(&self.dir.join(stub::FILE), stub.note.as_bytes(), true)?;
        }
        self.publish()?;
        self.sign_as(last)
    }

    fn take(&mut self, piece: Piece) -> io::Result<()> {
        let kept_from = self.stub.as_ref().map_or(0, |stub| stub.before);
        match piece.content {
            Content::Leaves(leaves) => {
                for (seq, leaf) in (piece.from..).zip(leaves) {
                    if seq < self.size() {
                        continue;
                    }
                    if seq >= kept_from {
                        self.write(seq, &leaf, piece.segments.contains(&seq))?;
                    }
                    self.growth.add(leaf_hash(&leaf), &leaf);
                }
            }
            Content::Hashes(hashes) => {
                let mut full = Vec::new();
                for hash in hashes {
                    self.growth.edge.push(hash, &mut full);
                }
                self.growth.unpublished.extend(full.into_iter().map(Publication::Hashes));
                self.growth.shelf.index += 1;
            }
        }
        Ok(())
    }

    fn write(&mut self, seq: u64, leaf: &[u8], begins_segment: bool) -> io::Result<()> {
        let is_full = self.open.as_ref().is_none_or(|open| open.end >= SEGMENT_BYTES);
        let is_begun = disk::exists(&segment::file(&self.dir, seq));
        if is_full || (begins_segment && !is_begun) {
            self.roll(seq)?;
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        write_frame(&mut open.group, seq, leaf);
        if open.group.len() >= GROUP_BYTES { self.write_group() } else { Ok(()) }
    }

    /// Makes a group durable; the next one is not begun before.
    fn write_group(&mut self) -> io::Result<()> {
        let Some(open) = self.open.as_mut().filter(|open| !open.group.is_empty()) else {
            return Ok(());
        };
        open.file.write_all_at(&open.group, open.end)?;
        open.file.sync_data()?;
        open.end += open.group.len() as u64;
        open.group.clear();
        Ok(())
    }

    fn roll(&mut self, first: u64) -> io::Result<()> {
        self.write_group()?;
        let path = segment::file(&self.dir, first);
        let header = segment::header(first, &recovery::origin_hash_of(self.key.name()));
        write_whole(&path, &header, true)?;
        let file = OpenOptions::new().write(true).open(&path)?;
        self.open = Some(Open { file, end: HEADER_BYTES as u64, group: Vec::new() });
        Ok(())
    }

    /// Writes the tiles that became full.
    fn publish_full(&mut self) -> io::Result<()> {
        while let Some(next) = self.growth.unpublished.pop_front() {
            self.unsynced.push(self.files.write(&next)?);
        }
        Ok(())
    }

    /// Writes and syncs every tile of the tree as it is.
    fn publish(&mut self) -> io::Result<()> {
        self.publish_full()?;
        self.unsynced.extend(self.files.write_end(&self.growth)?);
        self.files.sync(&std::mem::take(&mut self.unsynced))
    }

    /// Holds this checkpoint from now on.
    fn sign_as(&mut self, next: Checkpoint) -> io::Result<()> {
        let number = self.history_next;
        self.history_bytes =
            history::append(&self.dir, self.history_bytes, number, (&next, &self.key))?;
        self.history_entries += 1;
        self.history_next += 1;
        write_whole(&self.dir.join("checkpoint"), next.note.as_bytes(), true)?;
        let thinned = history::thin(&self.dir, self.history_entries, &self.key)?;
        if let Some((bytes, entries)) = thinned {
            (self.history_bytes, self.history_entries) = (bytes, entries);
        }
        let still = partial_places(next.size);
        let gone = partial_places(self.checkpoint.size).into_iter().filter(|p| !still.contains(p));
        gone.for_each(|place| self.files.remove(place));
        self.durable.advance(next.size);
        self.checkpoint = next;
        Ok(())
    }

    /// Whether everything before this number can be taken away: a segment begins there, and the checkpoint
    /// covers it.
    pub(crate) fn can_prune(&self, before: u64) -> io::Result<bool> {
        let full = self.checkpoint.size / TILE * TILE;
        Ok(before <= full && segment::list(&self.dir)?.contains(&before))
    }

    /// Takes away what the log's statement says is gone.
    pub(crate) fn prune(&mut self, stub: Stub) -> io::Result<()> {
        pruning::state(&self.dir, &stub)?;
        pruning::finish(&self.dir, &stub)?;
        self.stub = Some(stub);
        Ok(())
    }
}

/// Whether a piece continues the tree of this edge, which then is the tree of its checkpoint.
pub(crate) fn continues(edge: &mut TreeEdge, piece: &Piece) -> bool {
    let had = edge.size();
    for (seq, hash) in (piece.from..).zip(piece.hashes()) {
        if seq >= had {
            edge.push(hash, &mut Vec::new());
        }
    }
    edge.size() == piece.checkpoint.size && edge.root() == piece.checkpoint.root
}

/// Of a mirror that never held a checkpoint nothing is worth keeping.
fn begin_anew(dir: &Path) -> io::Result<()> {
    for path in [segment::folder(dir), dir.join("tile"), dir.join(stub::FILE)] {
        let removed = if path.is_dir() {
            std::fs::remove_dir_all(&path)
        } else {
            std::fs::remove_file(&path)
        };
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    if disk::exists(dir) { sync_parent(&dir.join("checkpoint")) } else { Ok(()) }
}

impl Checkpoint {
    /// The newest checkpoint of the log in this directory.
    pub(crate) fn read_beside(dir: &Path, key: &VerifierKey) -> Result<Self> {
        let read = crate::files::read_if_there(&dir.join("checkpoint"));
        let read = read.map_err(|e| io_error(e, "reading a checkpoint"))?;
        let note = read.and_then(|bytes| String::from_utf8(bytes).ok());
        note.and_then(|note| crate::note::open(&note, key))
            .ok_or_else(|| Error::new(codes::DAMAGED).context("the checkpoint of a mirror"))
    }

    /// What is known of a log of which nothing was signed yet.
    pub(crate) fn none(key: &VerifierKey) -> Self {
        Self { origin: key.name().to_owned(), size: 0, root: empty_root(), note: String::new() }
    }
}
