//! Group commit: what happens when batches that wait at the same time are settled one after the
//! other and written as one transaction.
//!
//! Both databases use it the same way: read the state of every key the group names, [`settle`] in
//! memory, write the outcome, make it durable, and only then answer anybody.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use jiff::Timestamp;
use prov_core::store::{Batch, Change, ChangeSender, Expect, Key, Operation, Term, Version};
use prov_core::{Error, Result, codes};
use tokio::sync::oneshot;

/// The most batches in one transaction: bounds how long the first waits for the last.
pub(crate) const MAX_GROUP: usize = 512;
/// How many jobs may wait for a writer before callers wait to hand theirs over.
pub(crate) const QUEUE: usize = 1024;
/// How many changes are kept for a slow listener.
pub(crate) const REMEMBERED_CHANGES: usize = 4096;

/// A batch whose caller waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) batch: Batch,
    pub(crate) answer: oneshot::Sender<Result<Version>>,
}

/// The state that a key is in, as far as expectations look at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) version: Version,
    pub(crate) expires_at: Option<Timestamp>,
}

impl State {
    fn is_live(self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// The states of the keys that are there.
pub(crate) type States<'b> = HashMap<&'b Key, State>;

/// What remains to be written under a key once the whole group is settled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Write<'b> {
    Put { value: &'b Bytes, state: State, terms: &'b [Term] },
    Delete,
}

/// The outcome of a group.
#[derive(Debug)]
pub(crate) struct Settled<'b> {
    /// One per batch, in order: its version, or why nothing of it is written.
    pub(crate) verdicts: Vec<Result<Version>>,
    /// By key, in order of key.
    pub(crate) writes: BTreeMap<&'b Key, Write<'b>>,
}

impl Settled<'_> {
    /// Whether there is anything to make durable.
    pub(crate) fn has_effect(&self) -> bool {
        self.verdicts.iter().any(Result::is_ok)
    }

    /// The keys that change, in order.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &Key> {
        self.writes.keys().copied()
    }

    /// Tells the listeners of this process.
    pub(crate) fn tell(&self, changes: &ChangeSender) {
        for key in self.changed() {
            changes.send(Change::Changed(key.clone()));
        }
    }
}

/// Every key that the batches name, in order, so that whoever locks them meets no deadlock.
pub(crate) fn keys<'b>(batches: impl Iterator<Item = &'b Batch>) -> BTreeSet<&'b Key> {
    batches.flat_map(Batch::operations).map(|operation| parts(operation).0).collect()
}

/// Settles batches in order: each sees what the ones before it left, and its expectations all look
/// at the state before its own operations. `now` decides what has expired; `next` gives versions,
/// each greater than any before.
pub(crate) fn settle<'b>(
    batches: impl Iterator<Item = &'b Batch>,
    mut states: States<'b>,
    now: Timestamp,
    mut next: impl FnMut() -> Version,
) -> Settled<'b> {
    let mut writes = BTreeMap::new();
    let verdicts = batches
        .map(|batch| {
            if let Some(key) = broken_expectation(batch, &states, now) {
                return Err(Error::new(codes::CONFLICT).context(format!("committing {key:?}")));
            }
            let version = next();
            for operation in batch.operations() {
                apply(operation, version, &mut states, &mut writes);
            }
            Ok(version)
        })
        .collect();
    Settled { verdicts, writes }
}

/// Answers everybody with their own verdict.
pub(crate) fn answer(group: Vec<Waiting>, verdicts: Vec<Result<Version>>) {
    for (waiting, verdict) in group.into_iter().zip(verdicts) {
        // Fails only when the caller has gone; the write stands all the same.
        let _ = waiting.answer.send(verdict);
    }
}

/// Answers everybody that the group as a whole failed.
pub(crate) fn refuse(group: Vec<Waiting>, failure: &Error) {
    for waiting in group {
        let told = Error::new(failure.code())
            .detail(failure.public_detail().to_owned())
            .context(format!("{failure:?}"));
        let _ = waiting.answer.send(Err(told));
    }
}

fn parts(operation: &Operation) -> (&Key, Expect) {
    let (Operation::Put { key, expect, .. }
    | Operation::Delete { key, expect }
    | Operation::Check { key, expect }) = operation;
    (key, *expect)
}

fn broken_expectation<'b>(
    batch: &'b Batch,
    states: &States<'_>,
    now: Timestamp,
) -> Option<&'b Key> {
    batch.operations().iter().map(parts).find_map(|(key, expect)| {
        let live = states.get(key).filter(|state| state.is_live(now));
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => live.is_none(),
            Expect::Version(version) => live.is_some_and(|state| state.version == version),
        };
        (!holds).then_some(key)
    })
}

fn apply<'b>(
    operation: &'b Operation,
    version: Version,
    states: &mut States<'b>,
    writes: &mut BTreeMap<&'b Key, Write<'b>>,
) {
    match operation {
        Operation::Put { key, value, expires_at, terms, .. } => {
            let state = State { version, expires_at: *expires_at };
            states.insert(key, state);
            writes.insert(key, Write::Put { value, state, terms });
        }
        Operation::Delete { key, .. } => {
            if states.remove(key).is_some() {
                writes.insert(key, Write::Delete);
            }
        }
        Operation::Check { .. } => {}
    }
}

#[cfg(test)]
mod tests;
