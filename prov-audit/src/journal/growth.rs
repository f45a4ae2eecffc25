//! The growing tree, and what of it remains to be published.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;

use crate::merkle::{Hash, TILE_WIDTH, Tile, TreeEdge};
use crate::tiles::{TileFiles, put_entry};

/// Something full that must be published before the next checkpoint.
#[derive(Debug)]
pub(super) enum Publication {
    Hashes(Tile),
    /// The bundle of this index.
    Entries(u64, Vec<u8>),
}

/// Entries that fill no bundle yet.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) index: u64,
    /// How many there are.
    pub(super) entries: usize,
    /// What their bundle begins with.
    pub(super) bundle: Vec<u8>,
}

impl Shelf {
    /// Puts the next entry; gives the bundle that became full.
    fn put(&mut self, entry: &[u8]) -> Option<Publication> {
        put_entry(&mut self.bundle, entry);
        self.entries += 1;
        if self.entries < TILE_WIDTH {
            return None;
        }
        // The next one will be about as long.
        let next = Vec::with_capacity(self.bundle.len());
        let full = Publication::Entries(self.index, std::mem::replace(&mut self.bundle, next));
        self.index += 1;
        self.entries = 0;
        Some(full)
    }
}

/// A tree that grows.
#[derive(Debug)]
pub(super) struct Growth {
    pub(super) edge: TreeEdge,
    /// The entries that fill no bundle yet.
    pub(super) shelf: Shelf,
    /// What became full.
    pub(super) unpublished: VecDeque<Publication>,
}

impl Growth {
    /// From this edge on; the entries of its last, partial bundle still have to be put.
    pub(super) fn from(edge: TreeEdge) -> Self {
        let index = edge.size() / TILE_WIDTH as u64;
        let shelf = Shelf { index, entries: 0, bundle: Vec::new() };
        Self { edge, shelf, unpublished: VecDeque::new() }
    }

    /// The number of the first record that it needs to go on.
    pub(super) fn first_needed(&self) -> u64 {
        self.shelf.index * TILE_WIDTH as u64
    }

    /// Adds the next record.
    pub(super) fn add(&mut self, hash: Hash, leaf: &[u8]) {
        let mut full = Vec::new();
        self.edge.push(hash, &mut full);
        self.unpublished.extend(full.into_iter().map(Publication::Hashes));
        self.put(leaf);
    }

    /// Puts an entry whose hash the edge has already.
    pub(super) fn put(&mut self, leaf: &[u8]) {
        self.unpublished.extend(self.shelf.put(leaf));
    }
}

impl TileFiles {
    /// Publishes what became full. It is durable when the file this names is synced.
    pub(super) fn write(&self, publication: &Publication) -> io::Result<PathBuf> {
        match publication {
            Publication::Hashes(tile) => self.write_hashes(tile),
            Publication::Entries(index, bundle) => self.write_entries(*index, TILE_WIDTH, bundle),
        }
    }

    /// Publishes what is not full yet: the tiles of the tree's edge, and the last bundle. Durable as above.
    pub(super) fn write_end(&self, of: &Growth) -> io::Result<Vec<PathBuf>> {
        let tiles = of.edge.partial_tiles();
        let mut written =
            tiles.iter().map(|tile| self.write_hashes(tile)).collect::<io::Result<Vec<_>>>()?;
        let last = &of.shelf;
        if last.entries > 0 {
            written.push(self.write_entries(last.index, last.entries, &last.bundle)?);
        }
        Ok(written)
    }
}
