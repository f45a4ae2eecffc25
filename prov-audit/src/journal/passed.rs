//! Roots that a log must have had on its way, held against it before it signs anything.
//!
//! Whoever can write the directory could otherwise put a past of their own there, and have the log itself
//! sign it when it is opened next.

use prov_core::{Error, Result};

use crate::codes;
use crate::merkle::{Hash, TreeEdge, tree_root};
use crate::note::Checkpoint;
use crate::tiles::{TileFiles, TilesAt};

/// Where a root is known from.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// From the store.
    Remembered,
    /// From the checkpoint in a file of its own, with every signature it has.
    Published,
}

/// A root that is known from elsewhere than the list of checkpoints and the records.
#[derive(Debug)]
struct Wanted {
    known: Known,
    size: u64,
    root: Hash,
    is_there: bool,
}

/// What is wanted of a log that is being read.
#[derive(Debug)]
pub(super) struct Passed(Vec<Wanted>);

impl Passed {
    /// What somebody else remembers; and what was published, if it is not the newest checkpoint of the list, to
    /// which the records are held anyway.
    pub(super) fn wanted(
        remembered: Option<(u64, Hash)>,
        published: Option<&Checkpoint>,
        newest: &Checkpoint,
    ) -> Self {
        let remembered = remembered.map(|(size, root)| (Known::Remembered, size, root));
        let published = published
            .filter(|published| !published.is_of(newest))
            .map(|published| (Known::Published, published.size, published.root));
        let all = remembered.into_iter().chain(published);
        Self(
            all.map(|(known, size, root)| Wanted { known, size, root, is_there: size == 0 })
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

    /// Whether the log had all of it.
    ///
    /// # Errors
    /// [`codes::ROLLED_BACK`] when it lacks what is remembered; [`codes::DAMAGED`] when what was published.
    pub(super) fn check(&self) -> Result<()> {
        match self.0.iter().find(|wanted| !wanted.is_there).map(|wanted| wanted.known) {
            None => Ok(()),
            Some(Known::Remembered) => Err(codes::ROLLED_BACK.into()),
            Some(Known::Published) => Err(Error::new(codes::DAMAGED).detail(
                "the audit log does not have the root that its published checkpoint says; verify the \
                 log to see more",
            )),
        }
    }
}
