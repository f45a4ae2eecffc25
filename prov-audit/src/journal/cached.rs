//! What of a log's own files the system keeps in memory.

use std::collections::VecDeque;
use std::path::Path;

use crate::disk::{self, File};
use crate::segment;

/// So many of the segments that were left last stay in memory: what is asked for most is new.
const MOST_LEFT: usize = 2;

/// The segments that were written since the log was opened and may still be in memory.
///
/// A log that is written fast would otherwise fill the memory of the machine with what hardly anybody
/// reads, and each page of it is one more to be had from the system first, which on virtual machines
/// costs more than to write it. Where segments that were left are let go, the next ones get their
/// pages.
#[derive(Debug, Default)]
pub(super) struct Cached {
    active: Option<u64>,
    left: VecDeque<u64>,
}

impl Cached {
    /// Learns which segment is written; gives those that may be let go.
    fn enter(&mut self, active: u64) -> impl Iterator<Item = u64> {
        if self.active != Some(active) {
            self.left.extend(self.active.replace(active));
        }
        let most = self.left.len().saturating_sub(MOST_LEFT);
        self.left.drain(..most)
    }

    /// Lets go of what is old when `active`, of the log in this folder, is written.
    pub(super) fn follow(&mut self, dir: &Path, active: u64) {
        for first in self.enter(active) {
            // One that was pruned meanwhile is in no memory either.
            if let Ok(file) = File::open(segment::file(dir, first)) {
                disk::let_go(&file);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_let_go_once_when_two_newer_ones_were_left() {
        let mut cached = Cached::default();
        let gone: Vec<Vec<u64>> =
            [0, 0, 10, 10, 20, 30, 30, 40].map(|active| cached.enter(active).collect()).into();
        let none = Vec::new;
        assert_eq!(gone, [none(), none(), none(), none(), none(), vec![0], none(), vec![10]]);
    }
}
