//! What a log on disk holds: from the newest checkpoint and its tiles, and the segments behind it.

use std::io;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use prov_core::{Error, Result};

use super::history::{self, History};
use super::pruning;
use super::stub::Stub;
use crate::codes;
use crate::disk::{File, FileExt, OpenOptions};
use crate::files::{io_error, read_if_there};
use crate::merkle::{Hash, TILE_WIDTH, TreeEdge, leaf_hash};
use crate::note::{Checkpoint, SigningKey, VerifierKey, open};
use crate::segment::{self, Segment, Tail, scan_segment};
use crate::tiles::TileFiles;

use super::growth::Growth;
use super::passed::Passed;

/// A log as it was found.
#[derive(Debug)]
pub(super) struct Recovered {
    pub(super) growth: Growth,
    pub(super) checkpoint: Checkpoint,
    /// What the file with the newest checkpoint holds: it, or the one before.
    pub(super) published: Option<Checkpoint>,
    pub(super) history_entries: usize,
    pub(super) history_next: u64,
    pub(super) history_bytes: u64,
    /// How large the tree of the checkpoint before the newest was.
    pub(super) size_before: u64,
    /// The segment that is written next, and where it ends; `None` in a fresh log.
    pub(super) segment: Option<(u64, u64)>,
    /// How far the log is pruned.
    pub(super) stub: Option<Stub>,
    /// Whether the tiles at the end of the tree were not what the checkpoint says.
    pub(super) tiles_lost: bool,
    passed: Passed,
    root_differs: bool,
}

/// The hash of a log's name, which every segment carries.
pub(crate) fn origin_hash(key: &SigningKey) -> Hash {
    origin_hash_of(key.verifier().name())
}

/// As [`origin_hash`], from the name.
pub(crate) fn origin_hash_of(name: &str) -> Hash {
    digest(&SHA256, name.as_bytes()).as_ref().first_chunk().copied().unwrap_or_default()
}

fn damaged(seq: u64, what: &'static str) -> Error {
    Error::new(codes::DAMAGED)
        .detail(format!("record {seq} of the audit log is damaged; verify the log to see more"))
        .context(what)
}

/// Reads the log of this key, cuts a torn tail, and rebuilds the tree's edge. A log that was never
/// signed has the `fresh` checkpoint, of no events. It must have what is `remembered` of it elsewhere:
/// size and root.
pub(super) fn recover(
    dir: &Path,
    key: &VerifierKey,
    remembered: Option<(u64, Hash)>,
    fresh: impl FnOnce() -> Checkpoint,
) -> Result<Recovered> {
    // Whoever stopped before may have left names that only this run of the machine knows.
    [&segment::folder(dir), dir]
        .into_iter()
        .try_for_each(|folder| File::open(folder)?.sync_all())
        .map_err(|e| io_error(e, "syncing the log's directory"))?;
    let history_file = read_if_there(&dir.join(history::FILE))
        .map_err(|e| io_error(e, "reading the checkpoints"))?
        .unwrap_or_default();
    let history = history::parse(&history_file, key);
    let published = check_history(dir, key, &history)?;
    history::settle(dir, &history, &history_file)
        .map_err(|e| io_error(e, "writing the newest checkpoint again"))?;
    let checkpoint = match history.checkpoints.last() {
        // The list has the first signature alone.
        Some(last) => {
            published.clone().filter(|known| known.is_of(last)).unwrap_or_else(|| last.clone())
        }
        None => fresh(),
    };
    let stub = pruned(dir, key)?;
    let files = TileFiles::new(dir);
    let edge = files.edge_at(checkpoint.size).map_err(|e| io_error(e, "reading tiles"))?;
    // What did not survive of the tiles is made again from the segments, and what was pruned from
    // the hashes that are left of it.
    let edge = edge.filter(|edge| edge.root() == checkpoint.root);
    let tiles_lost = edge.is_none();
    let mut passed = Passed::wanted(remembered, published.as_ref(), &checkpoint);
    let edge = match (edge, &stub) {
        (Some(edge), _) => {
            passed.read(&files, checkpoint.size)?;
            edge
        }
        (None, None) => TreeEdge::default(),
        (None, Some(stub)) => edge_of_stub(&files, stub, &mut passed)?,
    };
    let mut recovered = Recovered {
        growth: Growth::from(edge),
        history_entries: history.checkpoints.len(),
        history_next: history.next_number,
        history_bytes: history.whole_bytes as u64,
        size_before: history.checkpoints.iter().rev().nth(1).map_or(0, |before| before.size),
        checkpoint,
        published,
        stub,
        tiles_lost,
        segment: None,
        passed,
        root_differs: false,
    };
    read_segments(dir, key, &mut recovered)?;
    recovered.passed.check()?;
    Ok(recovered)
}

/// How far the log is pruned; what a crash left of that is taken away.
fn pruned(dir: &Path, key: &VerifierKey) -> Result<Option<Stub>> {
    let failed = |e| io_error(e, "reading how far the log is pruned");
    let stub = Stub::read(dir, key).map_err(failed)?.map_err(|()| {
        Error::new(codes::DAMAGED)
            .detail("the statement of how far the audit log is pruned is damaged")
    })?;
    let oldest = segment::oldest(dir).map_err(failed)?;
    if oldest > stub.as_ref().map_or(0, |stub| stub.before) {
        return Err(damaged(stub.map_or(0, |stub| stub.before), "its segment is missing"));
    }
    if let Some(stub) = &stub {
        pruning::finish(dir, stub).map_err(|e| io_error(e, "pruning the log"))?;
    }
    Ok(stub)
}

/// The edge behind what was pruned, to the end of the tile in which that ends.
fn edge_of_stub(files: &TileFiles, stub: &Stub, passed: &mut Passed) -> Result<TreeEdge> {
    let missing = |index: u64| damaged(index * TILE_WIDTH as u64, "a hash of what was pruned");
    let mut edge = TreeEdge::default();
    let mut is_right = stub.before == 0;
    for index in 0..stub.before.div_ceil(TILE_WIDTH as u64) {
        let read = files.read_hashes(0, index, TILE_WIDTH);
        let hashes = read.map_err(|e| io_error(e, "reading tiles"))?;
        for hash in hashes.ok_or_else(|| missing(index))? {
            // What becomes full is there already.
            edge.push(hash, &mut Vec::new());
            passed.pass(&edge);
            is_right |= edge.size() == stub.before && edge.root() == stub.root;
        }
    }
    if is_right { Ok(edge) } else { Err(missing(0)) }
}

/// A torn last entry is cut; anything else that is wrong with the checkpoints is damage. The
/// checkpoint file is written after its entry, so it can never know more than the list.
fn check_history(dir: &Path, key: &VerifierKey, history: &History) -> Result<Option<Checkpoint>> {
    let refuse = || {
        Error::new(codes::DAMAGED).detail(
            "the signed checkpoints of the audit log are damaged; verify the log to see more",
        )
    };
    let published = read_if_there(&dir.join("checkpoint"))
        .map_err(|e| io_error(e, "reading the checkpoint"))?
        .map(|bytes| String::from_utf8(bytes).ok().and_then(|note| open(&note, key)));
    let (published, known) = match published {
        None => (None, true),
        Some(None) => (None, false),
        Some(Some(checkpoint)) => {
            let known = history.checkpoints.iter().any(|known| known.is_of(&checkpoint));
            (Some(checkpoint), known)
        }
    };
    if history.more_follow || !known { Err(refuse()) } else { Ok(published) }
}

/// Grows the edge by every record behind it.
fn read_segments(dir: &Path, key: &VerifierKey, recovered: &mut Recovered) -> Result<()> {
    let origin = origin_hash_of(key.name());
    let segments = segment::list(dir).map_err(|e| io_error(e, "listing segments"))?;
    let needed = recovered.growth.first_needed();
    let start = segments.iter().rposition(|first| *first <= needed).unwrap_or_default();
    let mut expected = segments.get(start).copied().unwrap_or(0);
    if expected > needed {
        return Err(damaged(needed, "its segment is missing"));
    }
    let last = segments.last().copied();
    for first in segments.into_iter().skip(start) {
        if first != expected {
            return Err(damaged(expected, "its segment is missing"));
        }
        let found =
            scan_segment(dir, first, &origin, &mut |seq, _, leaf| recovered.take(seq, leaf))
                .map_err(|e| io_error(e, "reading a segment"))?
                .ok_or_else(|| damaged(first, "its segment's header"))?;
        let ends_torn = found.tail == Tail::Torn && Some(first) == last;
        if found.tail != Tail::Clean && !ends_torn {
            return Err(damaged(found.next_seq, "its frame"));
        }
        if ends_torn && found.next_seq < recovered.checkpoint.size {
            return Err(damaged(found.next_seq, "a checkpoint covers it"));
        }
        if Some(first) == last {
            settle(dir, first, &found).map_err(|e| io_error(e, "cutting a torn tail"))?;
            recovered.segment = Some((first, found.end as u64));
        }
        expected = found.next_seq;
    }
    if recovered.root_differs {
        return Err(damaged(0, "the segments do not have the root that was signed"));
    }
    if recovered.size() == expected && expected >= recovered.checkpoint.size {
        Ok(())
    } else {
        Err(damaged(expected, "a checkpoint covers more than there is"))
    }
}

impl Recovered {
    /// How many records there are.
    pub(super) fn size(&self) -> u64 {
        self.growth.edge.size()
    }

    fn take(&mut self, seq: u64, leaf: &[u8]) {
        if seq < self.growth.first_needed() {
            return;
        }
        if seq < self.size() {
            return self.growth.put(leaf);
        }
        self.growth.add(leaf_hash(leaf), leaf);
        self.passed.pass(&self.growth.edge);
        if self.size() == self.checkpoint.size {
            self.root_differs = self.growth.edge.root() != self.checkpoint.root;
        }
    }
}

/// Takes away what stands behind the last whole record, zeros or a torn group, and makes the last group
/// durable, which perhaps never was: whoever wrote it may have been stopped before its sync, or that
/// failed, and what failed to be written once is not tried again by a later sync.
fn settle(dir: &Path, first: u64, found: &Segment) -> io::Result<()> {
    if found.tail == Tail::Torn {
        let bytes = found.length - found.end;
        tracing::warn!(seq = found.next_seq, bytes, "cut a torn tail off the audit log");
    }
    let path = segment::file(dir, first);
    let file: File = OpenOptions::new().write(true).open(&path)?;
    file.write_all_at(&found.last_group, (found.end - found.last_group.len()) as u64)?;
    file.set_len(found.end as u64)?;
    file.sync_all()
}
