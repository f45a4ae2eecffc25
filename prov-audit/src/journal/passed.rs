//! Roots that a log must have had on its way, held against it before it signs anything.
//!
//! Whoever can write the directory could otherwise put a past of their own there, and have the log itself
//! sign it when it is opened next.

use prov_core::{Error, Result};

use crate::codes;
use crate::merkle::{Hash, TreeEdge, tree_root};
use crate::note::Checkpoint;
use crate::tiles::{TileFiles, TilesAt};

/// A root that is known from elsewhere than the list of checkpoints and the records.
#[derive(Debug)]
struct Wanted {
    size: u64,
    root: Hash,
    /// What it is if the log has another root there, or does not reach so far.
    refusal: fn() -> Error,
    is_there: bool,
}

/// What is wanted of a log that is being read.
#[derive(Debug)]
pub(super) struct Passed(Vec<Wanted>);

impl Passed {
    /// What somebody else remembers; and the newest checkpoint that stands in a file of its own, with every
    /// signature it has: of those in the list it may not be the newest.
    pub(super) fn wanted(remembered: Option<(u64, Hash)>, published: Option<&Checkpoint>) -> Self {
        let remembered = remembered
            .map(|(size, root)| (size, root, (|| codes::ROLLED_BACK.into()) as fn() -> Error));
        let published = published.map(|known| {
            let refusal: fn() -> Error = || {
                Error::new(codes::DAMAGED).detail(
                    "the audit log does not have the root that its published checkpoint says; verify \
                     the log to see more",
                )
            };
            (known.size, known.root, refusal)
        });
        let all = remembered.into_iter().chain(published);
        Self(
            all.map(|(size, root, refusal)| Wanted { size, root, refusal, is_there: size == 0 })
                .collect(),
        )
    }

    /// Looks into the tiles of a tree of `size`.
    pub(super) fn read(&mut self, files: &TileFiles, size: u64) -> Result<()> {
        let tiles = TilesAt { files, size };
        for wanted in self.0.iter_mut().filter(|wanted| (1..=size).contains(&wanted.size)) {
            wanted.is_there = tree_root(&tiles, 0, wanted.size)? == wanted.root;
        }
        Ok(())
    }

    /// Looks at a tree that has grown by one record.
    pub(super) fn pass(&mut self, edge: &TreeEdge) {
        for wanted in self.0.iter_mut().filter(|wanted| wanted.size == edge.size()) {
            wanted.is_there = edge.root() == wanted.root;
        }
    }

    /// What the log lacks of it.
    pub(super) fn wrong(&self) -> Option<Error> {
        self.0.iter().find(|wanted| !wanted.is_there).map(|wanted| (wanted.refusal)())
    }
}
