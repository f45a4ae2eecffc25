//! The growing tree, and what of it remains to be published.

use std::collections::VecDeque;

use crate::merkle::{Hash, TILE_WIDTH, Tile, TreeEdge};

/// Something full that must be published before the next checkpoint.
#[derive(Debug)]
pub(super) enum Publication {
    Hashes(Tile),
    Entries(u64, Vec<Vec<u8>>),
}

/// Entries that fill no bundle yet.
#[derive(Debug)]
pub(super) struct Shelf {
    pub(super) index: u64,
    pub(super) entries: Vec<Vec<u8>>,
}

impl Shelf {
    /// Puts the next entry; gives the bundle that became full.
    fn put(&mut self, entry: Vec<u8>) -> Option<Publication> {
        self.entries.push(entry);
        if self.entries.len() < TILE_WIDTH {
            return None;
        }
        let full = Publication::Entries(self.index, std::mem::take(&mut self.entries));
        self.index += 1;
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
        let shelf = Shelf { index: edge.size() / TILE_WIDTH as u64, entries: Vec::new() };
        Self { edge, shelf, unpublished: VecDeque::new() }
    }

    /// The number of the first record that it needs to go on.
    pub(super) fn first_needed(&self) -> u64 {
        self.shelf.index * TILE_WIDTH as u64
    }

    /// Adds the next record.
    pub(super) fn add(&mut self, hash: Hash, leaf: Vec<u8>) {
        let mut full = Vec::new();
        self.edge.push(hash, &mut full);
        self.unpublished.extend(full.into_iter().map(Publication::Hashes));
        self.put(leaf);
    }

    /// Puts an entry whose hash the edge has already.
    pub(super) fn put(&mut self, leaf: Vec<u8>) {
        self.unpublished.extend(self.shelf.put(leaf));
    }
}
