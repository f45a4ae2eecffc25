use std::path::Path;

use uuid::Uuid;

use super::{Finding, FindingKind};
use crate::leaf::id_in;
use crate::merkle::TILE_WIDTH;
use crate::tiles::{Kind, TileFiles, unbundle};

/// More than this is told in no more detail.
const MOST: usize = 100;

/// Collects what is wrong.
#[derive(Debug)]
pub(super) struct Findings {
    files: TileFiles,
    found: Vec<Finding>,
    pub(super) signed_size: u64,
}

impl Findings {
    pub(super) fn new(dir: &Path) -> Self {
        Self { files: TileFiles::new(dir), found: Vec::new(), signed_size: 0 }
    }

    /// Adds a finding; the event of record `seq` is looked up in its bundle.
    pub(super) fn add(&mut self, kind: FindingKind, seq: Option<u64>, detail: String) {
        let event = seq.and_then(|seq| self.event_in_bundle(seq));
        self.add_about(kind, seq, event, detail);
    }

    /// Adds a finding about a record of which these bytes are left; its bundle is asked first.
    pub(super) fn add_rest(&mut self, kind: FindingKind, seq: u64, rest: &[u8], detail: String) {
        let event = self.event_in_bundle(seq).or_else(|| id_in(rest));
        self.add_about(kind, Some(seq), event, detail);
    }

    /// Adds a finding about a record whose segment is whole.
    pub(super) fn add_whole(&mut self, kind: FindingKind, seq: u64, leaf: &[u8], detail: String) {
        let event = id_in(leaf).or_else(|| self.event_in_bundle(seq));
        self.add_about(kind, Some(seq), event, detail);
    }

    pub(super) fn into_inner(mut self) -> Vec<Finding> {
        self.found.sort_by_key(|finding| finding.seq.unwrap_or(u64::MAX));
        self.found.truncate(MOST);
        self.found
    }

    fn add_about(
        &mut self,
        kind: FindingKind,
        seq: Option<u64>,
        event: Option<Uuid>,
        detail: String,
    ) {
        // The first in the order of records must not get lost among many others.
        if self.found.len() < 100 * MOST {
            self.found.push(Finding::new(kind, seq, event, detail));
        }
    }

    fn event_in_bundle(&self, seq: u64) -> Option<Uuid> {
        let width = TILE_WIDTH as u64;
        let (index, place) = (seq / width, usize::try_from(seq % width).ok()?);
        let partial = usize::try_from(self.signed_size % width).ok()?;
        let bytes = [TILE_WIDTH, partial].into_iter().find_map(|width| {
            crate::disk::read(self.files.file(Kind::Entries, index, width)).ok()
        })?;
        id_in(unbundle(&bytes).get(place)?)
    }
}
