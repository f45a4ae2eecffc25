//! The one thread that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use prov_core::store::{ChangeSender, Version};
use prov_core::{Clock, Code, Error, Result};
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::opening::Ownership;
use super::{fault, rows};
use crate::group::{self, MAX_GROUP, Waiting};

/// Something to write.
#[derive(Debug)]
pub(super) enum Job {
    Commit(Waiting),
    Purge { limit: u32, answer: oneshot::Sender<Result<u32>> },
}

/// What others may know of the writer.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Transactions made durable.
    pub(super) transactions: AtomicU64,
    /// Why the last attempt to write failed, until one succeeds.
    pub(super) failing: Mutex<Option<Code>>,
}

/// Owns the connection that writes, and the database with it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) db: Connection,
    pub(super) last_version: u64,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) changes: ChangeSender,
    pub(super) progress: Arc<Progress>,
    pub(super) _ownership: Ownership,
}

/// Why a transaction was not made.
struct Failure {
    error: Error,
    /// Whether one batch may be to blame, so that the others succeed without it.
    may_be_one: bool,
}

impl Failure {
    fn of_all(error: Error) -> Self {
        Self { error, may_be_one: false }
    }

    fn of_some(error: Error) -> Self {
        Self { error, may_be_one: true }
    }
}

impl Writer {
    /// Writes what comes until every sender is gone.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut waiting = Vec::new();
        while jobs.blocking_recv_many(&mut waiting, MAX_GROUP) > 0 {
            let mut group = Vec::with_capacity(waiting.len());
            for job in waiting.drain(..) {
                match job {
                    Job::Commit(batch) => group.push(batch),
                    Job::Purge { limit, answer } => {
                        let _ = answer.send(self.purge(limit));
                    }
                }
            }
            if !group.is_empty() {
                self.commit(group);
            }
        }
        // So that the next start finds one file and nothing to recover.
        if let Err(error) = self.db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);") {
            tracing::warn!(%error, "the write-ahead log is left for the next start");
        }
    }

    fn commit(&mut self, mut group: Vec<Waiting>) {
        match self.transact(&group) {
            Ok(verdicts) => group::answer(group, verdicts),
            // A batch that can't be written (too large for what room is left, or on a damaged page)
            // must not fail its neighbours: expectations never get here, they are verdicts.
            Err(failure) if failure.may_be_one && group.len() > 1 => {
                for waiting in group.drain(..) {
                    self.commit(vec![waiting]);
                }
            }
            Err(failure) => {
                tracing::error!(error = ?failure.error, "a commit failed, nothing of it is stored");
                *self.progress.failing.lock() = Some(failure.error.code());
                group::refuse(group, &failure.error);
            }
        }
    }

    /// One durable transaction; dropping it half-way rolls back.
    fn transact(&mut self, group: &[Waiting]) -> Result<Vec<Result<Version>>, Failure> {
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(fault::while_("starting a transaction"))
            .map_err(Failure::of_all)?;
        let batches = || group.iter().map(|waiting| &waiting.batch);
        let states =
            rows::states(&transaction, group::keys(batches())).map_err(Failure::of_some)?;
        let last = &mut self.last_version;
        let settled = group::settle(batches(), states, self.clock.now(), || {
            *last = last.saturating_add(1);
            Version::from_number(*last)
        });
        if settled.has_effect() {
            rows::write(&transaction, &settled.writes).map_err(Failure::of_some)?;
            rows::remember_version(&transaction, *last).map_err(Failure::of_some)?;
            transaction
                .commit()
                .map_err(fault::while_("making a transaction durable"))
                .map_err(Failure::of_all)?;
            self.succeeded();
            settled.tell(&self.changes);
        }
        Ok(settled.verdicts)
    }

    fn purge(&mut self, limit: u32) -> Result<u32> {
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(fault::while_("starting a transaction"))?;
        let purged = rows::purge(&transaction, limit, self.clock.now())?;
        transaction.commit().map_err(fault::while_("making a purge durable"))?;
        self.succeeded();
        Ok(purged)
    }

    fn succeeded(&self) {
        self.progress.transactions.fetch_add(1, Ordering::Relaxed);
        *self.progress.failing.lock() = None;
    }
}
