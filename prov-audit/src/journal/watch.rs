//! Noticing that somebody deletes, replaces or changes files under the open log.
//!
//! What is looked at costs one `stat` each: every segment, the checkpoints and the key. Tiles can be
//! made anew from the segments; verifying reads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{SECOND_KEY_FILE, history, stub};
use crate::disk::{self, Metadata, MetadataExt};
use crate::merkle::{Hash, TILE_WIDTH, leaf_hash};
use crate::segment::{self, Tail, scan_segment};
use crate::tiles::TileFiles;

/// How often is looked.
const INTERVAL: Duration = Duration::from_millis(400);

/// How soon is looked again when something seems wrong.
const AGAIN: Duration = Duration::from_millis(50);

/// Which file it is, and in which state: whoever writes to it changes its times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    file: (u64, u64),
    length: u64,
    changed: [(i64, i64); 2],
}

impl Identity {
    pub(super) fn of(found: &Metadata) -> Self {
        Self {
            file: (found.dev(), found.ino()),
            length: found.len(),
            changed: [(found.mtime(), found.mtime_nsec()), (found.ctime(), found.ctime_nsec())],
        }
    }
}

/// The segment that is written, and which file it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Active {
    pub(super) first_seq: u64,
    pub(super) file: Identity,
}

/// What was wrong at the last look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// The segment that is written is not at its place: what is written there would be lost.
    Active(String),
    /// Another file.
    Other(String),
}

impl Finding {
    pub(super) fn file(&self) -> &str {
        let (Self::Active(file) | Self::Other(file)) = self;
        file
    }
}

/// What a look came to.
#[derive(Debug)]
pub(super) enum Look {
    /// It was not time, or it has to be looked again.
    Unsure,
    /// Everything is at its place.
    Well,
    /// Something is not.
    Wrong(Finding),
}

/// The one that looks.
#[derive(Debug)]
pub(super) struct Watch {
    dir: PathBuf,
    origin: Hash,
    sealed: BTreeMap<u64, Identity>,
    /// Which file holds the signed checkpoints.
    history: Option<(u64, u64)>,
    /// Seen once: a file may just be changing its name by our own hand.
    suspected: Option<Finding>,
    due: Instant,
}

impl Watch {
    pub(super) fn new(dir: &Path, origin: Hash) -> Self {
        Self {
            dir: dir.to_owned(),
            origin,
            sealed: BTreeMap::new(),
            history: None,
            suspected: None,
            due: Instant::now(),
        }
    }

    /// Everything before this is taken away by our own hand.
    pub(super) fn forget(&mut self, before: u64) {
        self.sealed = self.sealed.split_off(&before);
    }

    /// The list of checkpoints is another file now, by our own hand.
    pub(super) fn expect_history(&mut self) {
        self.history = None;
    }

    /// How long until the next look.
    pub(super) fn rest(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Looks, when it is time.
    pub(super) fn look(&mut self, active: Active, kept: &Kept<'_>) -> Look {
        if !self.rest().is_zero() {
            return Look::Unsure;
        }
        let found = self.active(active).or_else(|| self.kept(kept));
        let found = found.or_else(|| self.segments(active));
        let is_suspicion = found.is_some() && found != self.suspected;
        self.suspected.clone_from(&found);
        self.due = Instant::now() + if is_suspicion { AGAIN } else { INTERVAL };
        match found {
            _ if is_suspicion => Look::Unsure,
            Some(finding) => Look::Wrong(finding),
            None => Look::Well,
        }
    }

    fn active(&self, active: Active) -> Option<Finding> {
        let path = segment::file(&self.dir, active.first_seq);
        let there = disk::metadata(&path).ok();
        let same = there.is_some_and(|found| Identity::of(&found).file == active.file.file);
        (!same).then(|| Finding::Active(self.name(&path)))
    }

    fn kept(&mut self, kept: &Kept<'_>) -> Option<Finding> {
        let key = format!("{}\n", kept.key);
        let second_key = kept.second_key.as_ref().map(|key| format!("{key}\n"));
        let texts = [("checkpoint", kept.checkpoint), ("log.vkey", key.as_str())];
        let more = [
            second_key.as_deref().map(|key| (SECOND_KEY_FILE, key)),
            kept.stub.map(|stub| (stub::FILE, stub)),
        ];
        for (name, text) in texts.into_iter().chain(more.into_iter().flatten()) {
            let there = disk::read(self.dir.join(name)).ok();
            if there.as_deref() != Some(text.as_bytes()) {
                return Some(Finding::Other(name.to_owned()));
            }
        }
        if kept.history_bytes == 0 {
            return None;
        }
        let there = disk::metadata(self.dir.join(history::FILE)).ok().filter(|found| {
            let file = Identity::of(found).file;
            // Longer it may be: a full disk leaves a torn entry behind the whole ones.
            found.len() >= kept.history_bytes && *self.history.get_or_insert(file) == file
        });
        there.is_none().then(|| Finding::Other(history::FILE.to_owned()))
    }

    fn segments(&mut self, active: Active) -> Option<Finding> {
        let known: Vec<u64> = self.sealed.keys().copied().collect();
        // The newest were sealed since the last look; the first look learns them all.
        let newest = known.last().copied();
        let listed = segment::list(&self.dir).unwrap_or_default();
        let fresh = listed.into_iter().filter(|first| {
            *first < active.first_seq && newest.is_none_or(|newest| *first > newest)
        });
        let all: Vec<u64> = known.into_iter().chain(fresh).collect();
        for first in all {
            let path = segment::file(&self.dir, first);
            let now = disk::metadata(&path).ok().map(|found| Identity::of(&found));
            let before = self.sealed.get(&first);
            let Some(now) = now else { return Some(Finding::Other(self.name(&path))) };
            if before.is_some_and(|before| *before != now) && !self.is_whole(first) {
                return Some(Finding::Other(self.name(&path)));
            }
            self.sealed.insert(first, now);
        }
        None
    }

    /// Whether a segment that was touched still holds what the tiles say.
    fn is_whole(&self, first: u64) -> bool {
        let tiles = TileFiles::new(&self.dir);
        let mut tile: Option<(u64, Vec<Hash>)> = None;
        let mut same = true;
        let scanned = scan_segment(&self.dir, first, &self.origin, &mut |seq, _, leaf| {
            let (index, place) = (seq / TILE_WIDTH as u64, seq % TILE_WIDTH as u64);
            if tile.as_ref().is_none_or(|(at, _)| *at != index) {
                let hashes = tiles.read_hashes(0, index, TILE_WIDTH).ok().flatten();
                tile = Some((index, hashes.unwrap_or_default()));
            }
            let known = tile.as_ref().and_then(|(_, all)| all.get(usize::try_from(place).ok()?));
            // Partial tiles come and go; verifying looks at them.
            same &= known.is_none_or(|known| *known == leaf_hash(leaf));
        });
        same && scanned.is_ok_and(|found| found.is_some_and(|found| found.tail == Tail::Clean))
    }

    fn name(&self, path: &Path) -> String {
        path.strip_prefix(&self.dir).unwrap_or(path).to_string_lossy().into_owned()
    }
}

/// What the keeper itself wrote last.
#[derive(Debug)]
pub(super) struct Kept<'a> {
    pub(super) checkpoint: &'a str,
    pub(super) key: String,
    /// The key for ML-DSA-44, of a log that signs with one.
    pub(super) second_key: Option<String>,
    pub(super) history_bytes: u64,
    /// The statement of how far the log is pruned.
    pub(super) stub: Option<&'a str>,
}
