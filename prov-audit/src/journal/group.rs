//! What one sync makes durable, on its way to the keeper.

use super::shared::Pending;
use crate::merkle::Hash;
use crate::segment::{FRAME_HEADER, write_frame};

/// Records that are written together: their frames, and what the keeper needs to know of each.
#[derive(Debug, Default)]
pub(super) struct Group {
    frames: Vec<u8>,
    /// Of each record its hash, and the length of its leaf.
    records: Vec<(Hash, usize)>,
}

impl Group {
    /// Puts the next record, which has this number.
    pub(super) fn put(&mut self, seq: u64, pending: &Pending) {
        write_frame(&mut self.frames, seq, &pending.leaf);
        self.records.push((pending.hash, pending.leaf.len()));
    }

    /// The bytes of the frames.
    pub(super) fn frames(&self) -> &[u8] {
        &self.frames
    }

    /// How many records.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Hash and leaf of each.
    pub(super) fn records(&self) -> impl Iterator<Item = (Hash, &[u8])> {
        let mut rest = &*self.frames;
        self.records.iter().map_while(move |(hash, length)| {
            let (leaf, behind) = rest.get(FRAME_HEADER..)?.split_at_checked(*length)?;
            rest = behind;
            Some((*hash, leaf))
        })
    }

    /// Empty again, with the room it has.
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.records.clear();
    }
}
