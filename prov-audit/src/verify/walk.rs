use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::findings::Findings;
use super::{FindingKind, Report};
use crate::anchors;
use crate::disk;
use crate::files::read_if_there;
use crate::journal::{SECOND_KEY_FILE, STUB_FILE, Stub, origin_hash_of};
use crate::merkle::{Hash, TILE_WIDTH, Tile, TreeEdge, leaf_hash};
use crate::note::Checkpoint;
use crate::segment::{self, Tail, scan_segment};
use crate::tiles::{Kind, bundle, hashes_of, partial_places, path, unbundle};
use crate::witness::COSIGNED_FILE;

/// Goes through a log record by record.
pub(super) struct Walk {
    pub(super) dir: PathBuf,
    origin: Hash,
    /// Those still ahead, newest first.
    checkpoints: Vec<Checkpoint>,
    signed_size: u64,
    /// Of a log that is written meanwhile: how far to look.
    durable: Option<u64>,
    pub(super) edge: TreeEdge,
    /// The leaves of the tile that is not complete yet.
    pub(super) leaves: Vec<Vec<u8>>,
    pub(super) looked_at: HashSet<String>,
    /// What will stand in full tiles that are not published yet: only behind the newest checkpoint.
    unpublished: HashMap<String, Vec<u8>>,
    stopped: bool,
    torn_tail: bool,
    /// How far the log says that it is pruned, and the first record there is.
    pub(super) stub: Option<Stub>,
    pub(super) oldest: u64,
    pub(super) findings: Findings,
}

impl Walk {
    pub(super) fn new(
        dir: &Path,
        origin: &str,
        mut checkpoints: Vec<Checkpoint>,
        durable: Option<u64>,
        mut findings: Findings,
    ) -> Self {
        checkpoints.reverse();
        let signed_size = checkpoints.first().map_or(0, |newest| newest.size);
        findings.signed_size = signed_size;
        let mut walk = Self {
            dir: dir.to_owned(),
            origin: origin_hash_of(origin),
            checkpoints,
            signed_size,
            durable,
            edge: TreeEdge::default(),
            leaves: Vec::new(),
            looked_at: HashSet::new(),
            unpublished: HashMap::new(),
            stopped: false,
            torn_tail: false,
            stub: None,
            oldest: 0,
            findings,
        };
        walk.check_root();
        walk
    }

    /// Reads every segment, in order.
    pub(super) fn segments(&mut self) -> io::Result<()> {
        let found = segment::list(&self.dir).unwrap_or_default();
        let last = found.last().copied();
        for first in found {
            if self.stopped || self.durable.is_some_and(|durable| first >= durable.max(1)) {
                break;
            }
            let expected = self.edge.size();
            if first != expected {
                self.stop(FindingKind::Segment, expected, b"", "its segment is missing");
                break;
            }
            self.segment(first, Some(first) == last)?;
        }
        let size = self.edge.size();
        if !self.stopped && size < self.signed_size {
            let what = "it is missing, and a checkpoint vouches for it";
            self.stop(FindingKind::Record, size, b"", what);
        }
        Ok(())
    }

    fn segment(&mut self, first: u64, is_last: bool) -> io::Result<()> {
        let (dir, origin) = (self.dir.clone(), self.origin);
        let mut failed = None;
        let scanned = scan_segment(&dir, first, &origin, &mut |seq, _, leaf| {
            if failed.is_none() && self.durable.is_none_or(|durable| seq < durable) {
                failed = self.record(leaf).err();
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        let Some(scanned) = scanned else {
            self.stop(FindingKind::Segment, first, b"", "its segment's header is damaged");
            return Ok(());
        };
        let seq = scanned.next_seq;
        if scanned.tail == Tail::Clean || self.durable.is_some_and(|durable| seq >= durable) {
            return Ok(());
        }
        if scanned.tail == Tail::Torn && is_last && seq >= self.signed_size {
            self.torn_tail = true;
            return Ok(());
        }
        let bytes = disk::read(segment::file(&dir, first))?;
        let rest = bytes.get(scanned.end..).unwrap_or_default();
        // What is left of the record, and not of those behind it.
        let rest = rest.get(..rest.len().min(256)).unwrap_or_default();
        self.stop(FindingKind::Record, seq, rest, "its bytes are not those that were written");
        Ok(())
    }

    pub(super) fn stop(&mut self, kind: FindingKind, seq: u64, leaf: &[u8], what: &str) {
        self.stopped = true;
        self.findings.add_rest(kind, seq, leaf, format!("record {seq}: {what}"));
    }

    fn record(&mut self, leaf: &[u8]) -> io::Result<()> {
        let mut full = Vec::new();
        self.leaves.push(leaf.to_vec());
        self.edge.push(leaf_hash(leaf), &mut full);
        for tile in &full {
            self.check_tile(tile)?;
        }
        if self.leaves.len() == TILE_WIDTH {
            self.check_bundle((self.edge.size() - 1) / TILE_WIDTH as u64)?;
            self.leaves.clear();
        }
        if self.edge.size() == self.signed_size {
            self.check_partial()?;
        }
        self.check_root();
        Ok(())
    }

    /// The root at every size that was signed.
    pub(super) fn check_root(&mut self) {
        let stub = self.stub.as_ref().filter(|stub| stub.before == self.edge.size());
        if stub.is_some_and(|stub| stub.root != self.edge.root()) {
            let what = "what was pruned does not have the root that was signed".to_owned();
            self.findings.add(FindingKind::Root, Some(self.edge.size()), what);
        }
        while let Some(next) = self.checkpoints.last()
            && next.size == self.edge.size()
        {
            if next.root != self.edge.root() {
                let size = next.size;
                let what = format!("the first {size} records do not have the root that was signed");
                self.findings.add(FindingKind::Root, Some(size.saturating_sub(1)), what);
            }
            self.checkpoints.pop();
        }
    }

    /// The partial tiles of the newest checkpoint.
    fn check_partial(&mut self) -> io::Result<()> {
        for tile in self.edge.partial_tiles() {
            self.check_tile(&tile)?;
        }
        if !self.leaves.is_empty() {
            self.check_bundle(self.edge.size() / TILE_WIDTH as u64)?;
        }
        Ok(())
    }

    pub(super) fn check_tile(&mut self, tile: &Tile) -> io::Result<()> {
        let width = tile.hashes.len();
        let kind = Kind::Hashes(tile.level);
        let covers = (TILE_WIDTH as u64).saturating_pow(u32::from(tile.level));
        let first = tile.index * TILE_WIDTH as u64;
        let Some(bytes) = self.published(kind, tile.index, width)? else {
            let name = path(kind, tile.index, width);
            self.unpublished.insert(name, tile.hashes.as_flattened().to_vec());
            return Ok(());
        };
        let stored = hashes_of(&bytes).unwrap_or_default();
        if stored != tile.hashes {
            let place = differing(&stored, &tile.hashes);
            let seq = (first + place) * covers;
            let name = path(kind, tile.index, width);
            let what = format!("record {seq}: it does not have the hash that `{name}` says");
            let leaf = self.leaves.get(usize::try_from(place).unwrap_or_default());
            let leaf = leaf.filter(|_| tile.level == 0).cloned().unwrap_or_default();
            self.findings.add_whole(FindingKind::Tile, seq, &leaf, what);
        }
        Ok(())
    }

    fn check_bundle(&mut self, index: u64) -> io::Result<()> {
        let width = self.leaves.len();
        let truth = bundle(self.leaves.iter().map(Vec::as_slice));
        let Some(bytes) = self.published(Kind::Entries, index, width)? else {
            self.unpublished.insert(path(Kind::Entries, index, width), truth);
            return Ok(());
        };
        let stored = unbundle(&bytes);
        if truth != bytes {
            let place = stored.iter().zip(&self.leaves).take_while(|(a, b)| **a == b.as_slice());
            let place = place.count().min(width.saturating_sub(1));
            let seq = index * TILE_WIDTH as u64 + place as u64;
            let what = format!("record {seq}: the entry bundle has other bytes than the segment");
            let leaf = self.leaves.get(place).cloned().unwrap_or_default();
            self.findings.add_whole(FindingKind::Bundle, seq, &leaf, what);
        }
        Ok(())
    }

    /// A published file, if it is there; a finding if it must be and is not.
    fn published(&mut self, kind: Kind, index: u64, width: usize) -> io::Result<Option<Vec<u8>>> {
        let name = path(kind, index, width);
        let found = read_if_there(&self.dir.join(&name))?;
        let level = match kind {
            Kind::Hashes(level) => u32::from(level),
            Kind::Entries => 0,
        };
        let covers = (TILE_WIDTH as u64).saturating_pow(level);
        let first = (index * TILE_WIDTH as u64).saturating_mul(covers);
        let end = first.saturating_add((width as u64).saturating_mul(covers));
        // A newer checkpoint may just have taken the partial tiles of this one away.
        let may_go = self.durable.is_some() && width < TILE_WIDTH;
        if found.is_none() && end <= self.signed_size && !may_go {
            let what = format!("record {first}: `{name}` is missing");
            self.findings.add(FindingKind::Tile, Some(first), what);
        }
        self.looked_at.insert(name);
        Ok(found)
    }

    /// After the last record: what is left over.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.stopped {
            return Ok(());
        }
        if self.edge.size() > self.signed_size {
            // The partial tiles of the checkpoint were looked at when it was passed.
            for (kind, index, width) in partial_places(self.signed_size) {
                self.looked_at.insert(path(kind, index, width));
            }
        }
        let mut files = Vec::new();
        list_files(&self.dir, &self.dir, &mut files)?;
        // In a log that is written meanwhile tiles come and go.
        let is_growing = self.durable.is_some();
        for name in files.into_iter().filter(|name| !is_growing || !name.starts_with("tile/")) {
            if !self.belongs(&name) && !self.is_true_leftover(&name) {
                let what = format!("`{name}` does not belong to the log");
                self.findings.add(FindingKind::Foreign, None, what);
            }
        }
        Ok(())
    }

    fn belongs(&self, name: &str) -> bool {
        let scratch = Path::new(name).extension().is_some_and(|extension| extension == "tmp");
        let segment = name
            .strip_prefix("segments/")
            .and_then(|file| file.strip_suffix(".seg"))
            .is_some_and(|digits| digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit()));
        let known =
            ["checkpoint", "checkpoints", "log.vkey", "lock", COSIGNED_FILE, SECOND_KEY_FILE]
                .contains(&name)
                || (name == STUB_FILE && self.stub.is_some());
        scratch || segment || known || anchors::belongs(name) || self.looked_at.contains(name)
    }

    /// Whether a partial tile that no checkpoint needs says what is true all the same: a crash may
    /// leave one behind.
    fn is_true_leftover(&self, name: &str) -> bool {
        let Some((whole, width)) = name.split_once(".p/") else { return false };
        let Ok(width) = width.parse::<usize>() else { return false };
        let (Ok(bytes), Some(truth)) = (disk::read(self.dir.join(name)), self.truth_of(whole))
        else {
            return false;
        };
        let entries = whole.starts_with("tile/entries/");
        let count = if entries { unbundle(&bytes).len() } else { bytes.len() / 32 };
        count == width && truth.starts_with(&bytes)
    }

    /// What is known of a tile: the full one, which was looked at, or what will become it.
    fn truth_of(&self, whole: &str) -> Option<Vec<u8>> {
        if let Some(truth) = self.unpublished.get(whole) {
            return Some(truth.clone());
        }
        if self.looked_at.contains(whole) {
            return disk::read(self.dir.join(whole)).ok();
        }
        let of = |kind, index| path(kind, index, TILE_WIDTH) == whole;
        if of(Kind::Entries, self.edge.size() / TILE_WIDTH as u64) {
            return Some(bundle(self.leaves.iter().map(Vec::as_slice)));
        }
        let tiles = self.edge.partial_tiles();
        let tile = tiles.into_iter().find(|tile| of(Kind::Hashes(tile.level), tile.index))?;
        Some(tile.hashes.as_flattened().to_vec())
    }

    pub(super) fn into_report(
        self,
        origin: &str,
        newest: Option<Checkpoint>,
        checkpoints: usize,
    ) -> Report {
        let findings = self.findings.into_inner();
        let records = self.edge.size();
        Report {
            origin: origin.to_owned(),
            intact: findings.is_empty(),
            records: records - self.oldest.min(records),
            pruned: self.oldest,
            signed_size: self.signed_size,
            root: newest.map(|newest| hex::encode(newest.root)).unwrap_or_default(),
            checkpoints,
            unsigned_records: records.saturating_sub(self.signed_size),
            cosigned_size: None,
            witnessed: Vec::new(),
            anchors: Vec::new(),
            torn_tail: self.torn_tail,
            first_bad: findings.iter().find(|finding| finding.seq.is_some()).cloned(),
            findings,
        }
    }
}

/// The first place where two lists of hashes differ.
fn differing(a: &[Hash], b: &[Hash]) -> u64 {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    same.min(b.len().saturating_sub(1)) as u64
}

/// Every file below `dir`, named from `root`.
fn list_files(root: &Path, dir: &Path, found: &mut Vec<String>) -> io::Result<()> {
    for entry in disk::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            match list_files(root, &entry.path(), found) {
                // The folder of a partial tile that was replaced meanwhile.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                listed => listed?,
            }
        } else if let Ok(name) = entry.path().strip_prefix(root) {
            found.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(())
}
