//! What stands in the place of records that were pruned.

use std::io;

use super::FindingKind;
use super::walk::Walk;
use crate::files::read_if_there;
use crate::journal::Stub;
use crate::merkle::{Hash, TILE_WIDTH, leaf_hash};
use crate::segment;
use crate::tiles::{Kind, TileFiles, path, unbundle};

impl Walk {
    /// Goes through the hashes of what was pruned, as the statement says. What a crash left of it is
    /// read as the records that it is.
    pub(super) fn pruned(&mut self, stub: Option<Stub>) -> io::Result<()> {
        let first = segment::list(&self.dir).unwrap_or_default().first().copied();
        let before = stub.as_ref().map_or(0, |stub| stub.before);
        self.stub = stub;
        let oldest = first.unwrap_or(before);
        if oldest > before {
            // More is missing than was pruned: the records will say so.
            return Ok(());
        }
        self.oldest = oldest;
        let files = TileFiles::new(&self.dir);
        for index in 0..oldest.div_ceil(TILE_WIDTH as u64) {
            let start = index * TILE_WIDTH as u64;
            let Some(hashes) = files.read_hashes(0, index, TILE_WIDTH)? else {
                self.stop(FindingKind::Tile, start, b"", "its hash is missing");
                return Ok(());
            };
            self.looked_at.insert(path(Kind::Hashes(0), index, TILE_WIDTH));
            let count = usize::try_from(oldest - start).unwrap_or(TILE_WIDTH).min(TILE_WIDTH);
            self.pruned_bundle(index, count, &hashes)?;
            for hash in hashes.iter().take(count) {
                let mut full = Vec::new();
                self.edge.push(*hash, &mut full);
                for tile in full.iter().filter(|tile| tile.level > 0) {
                    self.check_tile(tile)?;
                }
                self.check_root();
            }
        }
        Ok(())
    }

    /// A bundle whose first `count` entries were pruned. The one with the oldest record that is kept
    /// is whole; what a crash left of others must be what it was.
    fn pruned_bundle(&mut self, index: u64, count: usize, hashes: &[Hash]) -> io::Result<()> {
        let name = path(Kind::Entries, index, TILE_WIDTH);
        let found = read_if_there(&self.dir.join(&name))?;
        let is_needed = count < TILE_WIDTH;
        let Some(bytes) = found else {
            if is_needed {
                let seq = index * TILE_WIDTH as u64;
                let what = format!("record {seq}: `{name}` is missing");
                self.findings.add(FindingKind::Bundle, Some(seq), what);
                self.leaves = vec![Vec::new(); count];
            }
            return Ok(());
        };
        let entries = unbundle(&bytes);
        let place =
            entries.iter().zip(hashes).take_while(|(e, hash)| leaf_hash(e) == **hash).count();
        if place < count {
            let seq = index * TILE_WIDTH as u64 + place as u64;
            let what = format!("record {seq}: `{name}` does not have the entry of its hash");
            self.findings.add(FindingKind::Bundle, Some(seq), what);
        }
        if is_needed {
            self.leaves = entries.iter().take(count).map(|entry| entry.to_vec()).collect();
            self.leaves.resize(count, Vec::new());
        }
        self.looked_at.insert(name);
        Ok(())
    }
}
