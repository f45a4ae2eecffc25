//! What a disk may hold after the power failed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::state::{Change, Node, State};

/// Numbers that look random and are the same in every run (`SplitMix64`).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    fn coin(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// How the power fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cut {
    /// It does not: the program is killed, and the system writes everything in its own time.
    Killed,
    /// Nothing that was not synced is there.
    AllLost,
    /// Of what was not synced any sectors are there, names in the order in which they were made.
    TornInOrder,
    /// Any sectors and any names are there, whatever was first.
    Torn,
    /// As `Torn`; where a file became longer there may be what lay on the disk before.
    TornWithGarbage,
}

impl Cut {
    pub(crate) const ALL: [Self; 5] =
        [Self::Killed, Self::AllLost, Self::TornInOrder, Self::Torn, Self::TornWithGarbage];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::AllLost => "power cut, unsynced lost",
            Self::TornInOrder => "power cut, sectors torn",
            Self::Torn => "power cut, sectors and names torn",
            Self::TornWithGarbage => "power cut, torn over old bytes",
        }
    }

    /// What is there when the machine starts again.
    pub(crate) fn of(self, state: &State, dice: &mut Dice) -> State {
        if self == Self::Killed {
            return state.clone();
        }
        let mut names = state.durable.clone();
        let kept = dice.below(state.pending.len() as u64 + 1);
        for (number, change) in (0..).zip(&state.pending) {
            let is_there = match self {
                Self::AllLost | Self::Killed => false,
                Self::TornInOrder => number < kept,
                Self::Torn | Self::TornWithGarbage => dice.coin(),
            };
            if is_there {
                change.apply(&mut names);
            }
        }
        // What lies in a folder that is not there is not there either.
        let folders = names.folders.clone();
        let is_there = |path: &PathBuf| path.ancestors().skip(1).all(|a| folders.contains(a));
        names.files.retain(|path, _| is_there(path));
        names.folders.retain(|path| is_there(path));
        let nodes: HashMap<u64, Arc<Node>> = names
            .files
            .values()
            .map(|node| {
                let bytes = self.content(state.node(*node), dice);
                let durable = bytes.clone();
                (*node, Arc::new(Node { bytes, durable, ..Node::default() }))
            })
            .collect();
        State::of(names, nodes)
    }

    fn content(self, node: &Node, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = node.durable.clone();
        if self == Self::AllLost {
            return bytes;
        }
        let sector = [512, 512, 4096, 64][usize::try_from(dice.below(4)).unwrap()];
        for change in &node.pending {
            match change {
                Change::Length(_) if dice.coin() => change.apply(&mut bytes),
                Change::Length(_) => {}
                Change::Write(at, written) => self.tear(&mut bytes, *at, written, sector, dice),
            }
        }
        bytes
    }

    /// Writes some sectors of what was written.
    fn tear(self, bytes: &mut Vec<u8>, at: usize, written: &[u8], sector: usize, dice: &mut Dice) {
        let (mut from, end) = (at, at + written.len());
        let old_length = bytes.len();
        if dice.coin() && old_length < end {
            // The file's length is written on its own.
            bytes.resize(end, 0);
        }
        while from < end {
            let to = ((from / sector + 1) * sector).min(end);
            if dice.coin() {
                Change::Write(from, written[from - at..to - at].to_vec()).apply(bytes);
            } else if self == Self::TornWithGarbage && from >= old_length && bytes.len() >= to {
                bytes[from..to].iter_mut().for_each(|b| *b = dice.number().to_le_bytes()[0]);
            }
            from = to;
        }
    }
}
