//! What is done to a log while things go wrong, and what it promised meanwhile.

use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use prov_core::{Error, SecretBytes, codes as core_codes};

use crate::disk::{Mounted, State, World};
use crate::journal::{Journal, JournalOptions, Notices};
use crate::merkle::{Hash, TILE_WIDTH};
use crate::note::SigningKey;
use crate::segment;

/// The seed of the key that every log here is signed with.
const SEED: [u8; 32] = [5; 32];

/// What begins the leaf of an event that the log records about itself.
pub(super) const NOTICE: &[u8] = b"notice ";

/// A log, and how much is done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) origin: String,
    /// Enough for full tiles, and for segments that are pruned.
    pub(super) long: bool,
}

impl Case {
    /// Names of different lengths put everything at different places of its sectors.
    pub(super) fn new(number: usize, long: bool) -> Self {
        Self { origin: format!("{}.example/log", "a".repeat(1 + number * 23)), long }
    }
}

/// How a log is opened.
pub(super) fn options(dir: &Path, case: &Case) -> JournalOptions {
    JournalOptions {
        dir: dir.to_owned(),
        key: SigningKey::from_seed(&case.origin, &SecretBytes::new(SEED.to_vec())).unwrap(),
        second: None,
        segment_bytes: if case.long { 8 << 10 } else { 1 << 10 },
        queue_events: 512,
        checkpoint_every: Duration::from_hours(1),
        remembered: None,
        notices: Notices::new(|notice| format!("notice {notice:?}").into_bytes()),
    }
}

/// What whoever uses a log was told, in order.
#[derive(Debug, Clone)]
pub(super) enum Promise {
    /// The leaf is durable, and has this number.
    Recorded(u64, Vec<u8>),
    /// There was no room for the leaf.
    Refused(Vec<u8>),
    /// The first records, so many, have this root.
    Signed(u64, Hash),
    /// What is before this may go. Noted before it is asked for.
    MayGo(u64),
}

/// Everything that was asked of a log.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Every leaf, whatever became of it.
    pub(super) asked: Vec<Vec<u8>>,
    pub(super) promises: Vec<Promise>,
    /// What went wrong that must not.
    pub(super) wrong: Vec<String>,
}

/// Somebody who uses a log.
#[derive(Debug)]
pub(super) struct User<'a> {
    world: &'a World,
    dir: &'a Path,
    pub(super) ledger: Ledger,
}

impl<'a> User<'a> {
    pub(super) fn new(mounted: &'a Mounted, dir: &'a Path) -> Self {
        Self { world: &mounted.world, dir, ledger: Ledger::default() }
    }

    fn note(&mut self, promise: Promise) {
        self.ledger.promises.push(promise);
        self.world.promised(self.ledger.promises.len());
    }

    /// Opens the log; where the disk fails meanwhile, again when it is well.
    fn open(&mut self, case: &Case) -> Option<Journal> {
        if let Ok(journal) = Journal::open(options(self.dir, case)) {
            return Some(journal);
        }
        self.world.mend();
        match Journal::open(options(self.dir, case)) {
            Ok(journal) => Some(journal),
            Err(error) => {
                self.ledger.wrong.push(format!("does not open on a disk that is well: {error:?}"));
                None
            }
        }
    }

    /// Records so many leaves at once.
    async fn record(&mut self, journal: &Journal, count: usize) {
        let first = self.ledger.asked.len();
        let leaves: Vec<Vec<u8>> = (first..first + count)
            .map(|n| format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(n * 37 % 160)).into_bytes())
            .collect();
        self.ledger.asked.extend(leaves.iter().cloned());
        let answers = join_all(leaves.iter().map(|leaf| journal.append(leaf.clone()))).await;
        for (leaf, answer) in leaves.into_iter().zip(answers) {
            match answer {
                Ok(seq) => self.note(Promise::Recorded(seq, leaf)),
                Err(error) if error.is(core_codes::STORAGE_FULL) => {
                    self.note(Promise::Refused(leaf));
                }
                // Whether it is there is not known, and was not promised.
                Err(_) => {}
            }
        }
    }

    async fn checkpoint(&mut self, journal: &Journal) {
        if let Ok(signed) = journal.checkpoint().await {
            self.note(Promise::Signed(signed.size, signed.root));
        }
    }

    async fn prune(&mut self, journal: &Journal) -> Result<(), Error> {
        let full = journal.newest_checkpoint().size / TILE_WIDTH as u64 * TILE_WIDTH as u64;
        let segments = segment::list(self.dir).unwrap_or_default();
        let before = segments.iter().rev().skip(1).find(|first| **first <= full);
        let Some(before) = before.copied().filter(|before| *before > 0) else { return Ok(()) };
        self.note(Promise::MayGo(before));
        journal.prune(before, Timestamp::UNIX_EPOCH).await
    }

    /// What is done to a log: records alone and in groups, segments that are left for the next,
    /// checkpoints, closing, opening again; to a long one also full tiles and pruning.
    pub(super) async fn run(&mut self, case: &Case) {
        let Some(journal) = self.open(case) else { return };
        self.record(&journal, 1).await;
        self.record(&journal, 2).await;
        self.checkpoint(&journal).await;
        for count in if case.long { [90, 80, 60] } else { [4, 1, 7] } {
            self.record(&journal, count).await;
        }
        self.checkpoint(&journal).await;
        self.record(&journal, if case.long { 40 } else { 3 }).await;
        self.checkpoint(&journal).await;
        if case.long {
            let _ = self.prune(&journal).await;
        }
        self.record(&journal, 1).await;
        // There is room again.
        self.world.mend();
        self.record(&journal, 3).await;
        self.checkpoint(&journal).await;
        journal.finish_close();
        drop(journal);
        let Some(journal) = self.open(case) else { return };
        self.record(&journal, 1).await;
        self.record(&journal, 1).await;
        self.checkpoint(&journal).await;
        journal.finish_close();
    }
}

/// A disk with this on it, for one log.
pub(super) fn mount(dir: &Path, state: State) -> Mounted {
    Mounted::new(dir.parent().unwrap(), state)
}
