//! The one connection that commits, group by group.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prov_core::store::{Change, ChangeSender, Key, Version};
use prov_core::{Error, Result};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_postgres::{Error as PgError, Row};

use super::link::raced;
use super::news::Sender;
use super::readers::{PAUSE, paused};
use super::session::Session;
use super::{PostgresOptions, fault, rows};
use crate::group::{self, MAX_GROUP, States, Waiting};

/// How often a transaction that lost a race, or its connection before it wrote, is run again.
const RETRIES: u32 = 5;

/// Commits what waits.
#[derive(Debug)]
pub(super) struct Writer {
    options: Arc<PostgresOptions>,
    changes: ChangeSender,
    me: Sender,
    transactions: Arc<AtomicU64>,
    session: Option<Session>,
    paused_until: Option<Instant>,
}

/// Why a transaction was not made, and what may help.
struct Failure {
    error: Error,
    remedy: Remedy,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// Nothing was written: the same again.
    Again,
    /// One batch may be to blame, so that the others succeed without it.
    Alone,
    None,
}

impl Failure {
    fn final_(error: Error) -> Self {
        Self { error, remedy: Remedy::None }
    }

    fn of(error: PgError, doing: &'static str, if_lost: Remedy) -> Self {
        let remedy = if fault::is_lost_race(&error) {
            Remedy::Again
        } else if fault::is_lost(&error) {
            if_lost
        } else {
            Remedy::Alone
        };
        Self { error: fault::meaning(error, doing), remedy }
    }
}

impl Writer {
    /// A writer that connects when there is something to commit.
    pub(super) fn new(
        options: Arc<PostgresOptions>,
        changes: ChangeSender,
        me: Sender,
        transactions: Arc<AtomicU64>,
    ) -> Self {
        Self { options, changes, me, transactions, session: None, paused_until: None }
    }

    /// Commits until every sender is gone.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut group = Vec::new();
        while queue.recv_many(&mut group, MAX_GROUP).await > 0 {
            let mut group = mem::take(&mut group);
            // Who has stopped waiting has been told that it failed.
            group.retain(|waiting| !waiting.answer.is_closed());
            self.commit(group).await;
        }
    }

    async fn commit(&mut self, group: Vec<Waiting>) {
        match self.attempt(&group).await {
            Ok(verdicts) => group::answer(group, verdicts),
            Err(failure) if failure.remedy == Remedy::Alone && group.len() > 1 => {
                for waiting in group {
                    let alone = vec![waiting];
                    match self.attempt(&alone).await {
                        Ok(verdicts) => group::answer(alone, verdicts),
                        Err(failure) => refuse(alone, &failure),
                    }
                }
            }
            Err(failure) => refuse(group, &failure),
        }
    }

    async fn attempt(&mut self, group: &[Waiting]) -> Result<Vec<Result<Version>>, Failure> {
        let mut retries = 0;
        loop {
            let session = self.session().await.map_err(Failure::final_)?;
            match self.transact(&session, group).await {
                Ok(verdicts) => {
                    self.session = Some(session);
                    return Ok(verdicts);
                }
                // The session goes, and with it whatever its transaction had done.
                Err(failure) if failure.remedy == Remedy::Again && retries < RETRIES => {
                    retries += 1;
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The open session, or a new one.
    async fn session(&mut self) -> Result<Session> {
        if let Some(session) = self.session.take().filter(|it| !it.link.client.is_closed()) {
            return Ok(session);
        }
        if self.paused_until.is_some_and(|until| Instant::now() < until) {
            return Err(paused());
        }
        let opened = Session::open(&self.options).await;
        self.paused_until = opened.is_err().then(|| Instant::now() + PAUSE);
        opened
    }

    /// One durable transaction in two round trips: lock and read; write and commit.
    async fn transact(
        &self,
        session: &Session,
        group: &[Waiting],
    ) -> Result<Vec<Result<Version>>, Failure> {
        let limit = self.options.statement_timeout.saturating_add(PAUSE);
        let batches = || group.iter().map(|waiting| &waiting.batch);
        let keys: Vec<&Key> = group::keys(batches()).into_iter().collect();
        let begun = raced("reading states", limit, session.begin(&keys, group.len())).await;
        let (states, versions) = begun
            .map_err(Failure::final_)?
            .map_err(|e| Failure::of(e, "reading states", Remedy::Again))?;
        let states = states_of(&keys, &states).map_err(Failure::final_)?;
        let mut versions = versions_of(&versions).map_err(Failure::final_)?;
        let now = self.options.clock.now();
        // The server gave one version per batch.
        let settled = group::settle(batches(), states, now, || {
            versions.next().unwrap_or(Version::from_number(u64::MAX))
        });
        let news: Vec<String> = settled.changed().map(|key| self.me.payload(key)).collect();
        let failure = match raced("committing", limit, session.finish(&settled, &news)).await {
            Ok(Ok(())) => {
                if settled.has_effect() {
                    self.transactions.fetch_add(1, Ordering::Relaxed);
                    settled.tell(&self.changes);
                }
                return Ok(settled.verdicts);
            }
            Ok(Err(error)) => Failure::of(error, "committing", Remedy::None),
            Err(too_slow) => Failure::final_(too_slow),
        };
        self.doubt(failure.remedy == Remedy::None);
        Err(failure)
    }

    /// A connection that is lost during COMMIT leaves open whether it was committed. The callers hear
    /// that the store is not available; the listeners, that something may have changed.
    fn doubt(&self, is_in_doubt: bool) {
        if is_in_doubt {
            self.changes.send(Change::Missed);
        }
    }
}

fn refuse(group: Vec<Waiting>, failure: &Failure) {
    tracing::error!(error = ?failure.error, "a commit failed");
    group::refuse(group, &failure.error);
}

/// The states in the rows, under the keys of the batches, which outlive the rows.
fn states_of<'b>(keys: &[&'b Key], rows: &[Row]) -> Result<States<'b>> {
    let found = rows.iter().map(|row| {
        let (key, state) = rows::state(row)?;
        let asked = keys.binary_search(&&key).ok().and_then(|at| keys.get(at));
        Ok(asked.map(|key| (*key, state)))
    });
    found.filter_map(Result::transpose).collect()
}

fn versions_of(rows: &[Row]) -> Result<std::vec::IntoIter<Version>> {
    let versions = rows.iter().map(|row| rows::version(rows::column(row, 0)?));
    Ok(versions.collect::<Result<Vec<_>>>()?.into_iter())
}
