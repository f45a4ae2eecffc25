//! Records in a PostgreSQL database, for any number of processes.

mod fault;
mod link;
mod news;
mod options;
mod readers;
mod rows;
mod schema;
mod session;
mod tls;
mod writer;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
pub use options::PostgresOptions;
use parking_lot::Mutex;
use prov_core::store::{Batch, ChangeSender, Changes, Key, Page, Record, Scan, Store, Version};
use prov_core::{Clock, Health, HealthCheck, Result};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::link::Link;
use self::news::{Listener, Sender};
use self::readers::{Query, Readers};
use self::writer::Writer;
use crate::bounds::Bounds;
use crate::group::{QUEUE, REMEMBERED_CHANGES, Waiting};
use crate::{Database, ending};

/// Above every id: no UTF-8 text has this byte.
const END: &[u8] = &[0xFF];

/// A [`Store`] in a PostgreSQL database (13 or newer), in tables named `prov_*` of the user's schema.
///
/// * **Group commit**: each process commits what waits as one transaction, in two round trips.
///   Processes that write the same keys take turns by advisory locks.
/// * **Changes** of other processes arrive by LISTEN and NOTIFY. When that connection is lost,
///   listeners hear [`Change::Missed`](prov_core::store::Change::Missed), and again when it is back.
/// * **Bounded waits**: without an answer a call fails with
///   [`STORE_UNAVAILABLE`](prov_core::codes::STORE_UNAVAILABLE), soon, and at once for half a second
///   after a failed attempt to connect. If the connection breaks during a commit, whether it took
///   place is not known to the caller: compare-and-swap makes it safe to try again.
///
/// It needs sessions of its own: a pooler between them must pool sessions, not transactions. Its
/// tasks run on the tokio runtime that opened it; dropping the store stops them.
#[derive(Debug)]
pub struct PostgresStore {
    options: Arc<PostgresOptions>,
    readers: Readers,
    queue: Mutex<Option<mpsc::Sender<Waiting>>>,
    tasks: Mutex<Option<Tasks>>,
    changes: ChangeSender,
    transactions: Arc<AtomicU64>,
    is_listening: Arc<AtomicBool>,
}

/// What runs in the background; dropping it stops it.
#[derive(Debug)]
struct Tasks {
    writer: JoinSet<()>,
    listener: JoinSet<()>,
}

impl PostgresStore {
    /// Opens the database at `url`, see [`PostgresOptions`], and makes the tables if there are none.
    /// Records end by `clock`.
    ///
    /// # Errors
    /// As [`PostgresOptions::new`] and [`open_with`](Self::open_with).
    pub async fn open(url: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::open_with(PostgresOptions::new(url, clock)?).await
    }

    /// Opens the database that `options` name, and makes the tables if there are none.
    ///
    /// # Errors
    /// [`STORE_UNAVAILABLE`](prov_core::codes::STORE_UNAVAILABLE) when it can't be reached, or refuses
    /// the user; [`DATABASE_TOO_NEW`](crate::codes::DATABASE_TOO_NEW) when a newer version wrote it.
    pub async fn open_with(options: PostgresOptions) -> Result<Self> {
        let options = Arc::new(options);
        schema::prepare(&Link::open(&options, None).await?, &options).await?;
        let changes = ChangeSender::new(REMEMBERED_CHANGES);
        let me = Sender::new()?;
        let is_listening = Arc::new(AtomicBool::new(false));
        let listener = Listener::open(
            Arc::clone(&options),
            me.clone(),
            changes.clone(),
            Arc::clone(&is_listening),
        )
        .await?;
        let transactions = Arc::new(AtomicU64::new(0));
        let (queue, waiting) = mpsc::channel(QUEUE);
        let writer =
            Writer::new(Arc::clone(&options), changes.clone(), me, Arc::clone(&transactions));
        let mut tasks = Tasks { writer: JoinSet::new(), listener: JoinSet::new() };
        tasks.writer.spawn(writer.run(waiting));
        tasks.listener.spawn(listener.run());
        Ok(Self {
            readers: Readers::new(Arc::clone(&options)),
            options,
            queue: Mutex::new(Some(queue)),
            tasks: Mutex::new(Some(tasks)),
            changes,
            transactions,
            is_listening,
        })
    }

    /// How many transactions this process has made durable. Fewer than commits when callers shared
    /// them.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    async fn ask(&self, batch: Batch) -> Result<Version> {
        let queue = self.queue.lock().clone().ok_or_else(fault::closed)?;
        let (answer, answered) = oneshot::channel();
        queue.send(Waiting { batch, answer }).await.map_err(|_| fault::closed())?;
        answered.await.map_err(|_| fault::closed())?
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        let now = ending::to_number(self.options.clock.now());
        let rows = self.readers.rows(Query::Get, &[&key.kind, &key.id.as_bytes(), &now]).await?;
        rows.first().map(rows::record).transpose()
    }

    async fn scan(&self, scan: &Scan) -> Result<Page> {
        let Bounds { lower, upper } = Bounds::of(scan);
        let (lower, upper) = (lower.as_bytes(), upper.as_ref().map_or(END, String::as_bytes));
        let now = ending::to_number(self.options.clock.now());
        let limit = usize::try_from(scan.limit.min(Scan::MAX_LIMIT).get()).unwrap_or(usize::MAX);
        // One more than asked for tells whether there is a next page.
        let fetched = i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX);
        let rows = match &scan.term {
            None => {
                let values: readers::Values<'_> = &[&scan.kind, &lower, &upper, &now, &fetched];
                self.readers.rows(Query::Scan, values).await?
            }
            Some(term) => {
                let (name, value) = (&term.name, term.value.as_bytes());
                let values: readers::Values<'_> =
                    &[&scan.kind, &lower, &upper, &now, &fetched, name, &value];
                self.readers.rows(Query::Find, values).await?
            }
        };
        let records: Vec<Record> =
            rows.iter().take(limit).map(rows::record).collect::<Result<_>>()?;
        let more = rows.len() > limit;
        let next = records.last().filter(|_| more).map(|record| record.id.clone());
        Ok(Page { records, next })
    }

    async fn commit(&self, batch: Batch) -> Result<Version> {
        let limit = self.options.statement_timeout.saturating_mul(4);
        match timeout(limit, self.ask(batch)).await {
            Ok(answer) => answer,
            Err(_) => Err(fault::too_slow("committing", limit)),
        }
    }

    async fn purge(&self, limit: NonZeroU32) -> Result<u32> {
        let (now, limit) = (ending::to_number(self.options.clock.now()), i64::from(limit.get()));
        let rows = self.readers.rows(Query::Purge, &[&now, &limit]).await?;
        let gone: i64 = rows.first().map_or(Ok(0), |row| rows::column(row, 0))?;
        Ok(u32::try_from(gone).unwrap_or(u32::MAX))
    }

    fn changes(&self) -> Changes {
        self.changes.subscribe()
    }

    fn hears_changes(&self) -> bool {
        self.is_listening.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl HealthCheck for PostgresStore {
    fn component(&self) -> &'static str {
        "store"
    }

    async fn health(&self) -> Health {
        let key = Key::new("store.probe", "room");
        match timeout(Duration::from_millis(900), self.get(&key)).await {
            Ok(Ok(_)) if self.is_listening.load(Ordering::Relaxed) => Health::up(),
            Ok(Ok(_)) => Health::degraded("changes of other nodes are not heard just now"),
            Ok(Err(error)) => Health::down(error.public_detail()),
            Err(_) => Health::down("the database does not answer"),
        }
    }
}

#[async_trait]
impl Database for PostgresStore {
    async fn close(&self) {
        drop(self.queue.lock().take());
        let tasks = self.tasks.lock().take();
        if let Some(mut tasks) = tasks {
            if let Some(Err(error)) = tasks.writer.join_next().await {
                tracing::error!(%error, "the writer of the store ended early");
            }
            tasks.listener.shutdown().await;
        }
        self.readers.close().await;
    }
}
