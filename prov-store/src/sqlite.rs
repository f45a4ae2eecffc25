//! Records in one SQLite file, written by one process.

mod fault;
mod opening;
mod options;
mod readers;
mod rows;
mod schema;
mod writer;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
pub use options::SqliteOptions;
use parking_lot::Mutex;
use prov_core::store::{
    Batch, ChangeSender, Changes, Expect, Key, Operation, Page, Record, Scan, Store, Version,
};
use prov_core::{Clock, Error, Health, HealthCheck, Result, codes};
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use self::readers::Readers;
use self::writer::{Job, Progress, Writer};
use crate::Database;
use crate::group::{QUEUE, REMEMBERED_CHANGES, Waiting};

/// How much must fit for a database that was full to count as having room again.
const PROBE_SIZE: usize = 64 * 1024;

/// A [`Store`] in one SQLite file.
///
/// * **Durable**: `commit` answers after the write-ahead log is synced (`synchronous = FULL`).
/// * **Group commit**: one thread writes; it makes one transaction, and one sync, of all batches that
///   wait. A batch whose expectation does not hold, or that can't be written, fails alone.
/// * **One process**: a lock file beside the database keeps a second process out. Tools may still
///   read it, and `sqlite3`'s `.backup` may copy it, while it is open.
/// * **Damage**: every record carries a checksum; what was altered on disk is never returned.
///
/// Single records are read where they are asked for, which takes microseconds when their page is
/// cached and one disk read when not; scans run on tokio's blocking threads. Dropping the store
/// stops its thread after what it is writing; [`close`](Database::close) does so without blocking
/// the runtime.
#[derive(Debug)]
pub struct SqliteStore {
    clock: Arc<dyn Clock>,
    points: Readers,
    scans: Arc<Readers>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    changes: ChangeSender,
    progress: Arc<Progress>,
}

impl SqliteStore {
    /// Opens the database file at `path`, or makes it. Records end by `clock`. It blocks for a few
    /// file operations: do it at start.
    ///
    /// # Errors
    /// As [`open_with`](Self::open_with).
    pub fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::open_with(&SqliteOptions::new(path.as_ref(), clock))
    }

    /// Opens the database file that `options` name, or makes it.
    ///
    /// # Errors
    /// [`DATABASE_IN_USE`](crate::codes::DATABASE_IN_USE) when another process has it open,
    /// [`DATABASE_TOO_NEW`](crate::codes::DATABASE_TOO_NEW) when a newer version wrote it,
    /// [`DATABASE_FOREIGN`](crate::codes::DATABASE_FOREIGN) when it is not ours,
    /// [`codes::STORE_CORRUPT`] when it is damaged, [`codes::STORAGE_FULL`] when there is no room.
    pub fn open_with(options: &SqliteOptions) -> Result<Self> {
        let (path, ownership) = opening::own(&options.path)?;
        let db = opening::writer(options, &path)?;
        let reader = || opening::reader(options, &path);
        let points = Readers::open(options.readers, reader)?;
        let scans = Arc::new(Readers::open(options.readers, reader)?);
        let changes = ChangeSender::new(REMEMBERED_CHANGES);
        let progress = Arc::new(Progress::default());
        let writer = Writer {
            last_version: rows::last_version(&db)?,
            db,
            clock: Arc::clone(&options.clock),
            changes: changes.clone(),
            progress: Arc::clone(&progress),
            _ownership: ownership,
        };
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("prov-store-sqlite".to_owned())
            .spawn(move || writer.run(queue))
            .map_err(|e| Error::new(codes::INTERNAL).context("starting the writer").source(e))?;
        Ok(Self {
            clock: Arc::clone(&options.clock),
            points,
            scans,
            jobs: Mutex::new(Some(jobs)),
            thread: Mutex::new(Some(thread)),
            changes,
            progress,
        })
    }

    /// How many transactions have been made durable since the store was opened. Fewer than commits
    /// when callers shared them.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.progress.transactions.load(Ordering::Relaxed)
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T>>) -> Job) -> Result<T> {
        let jobs = self.jobs.lock().clone().ok_or_else(fault::closed)?;
        let (answer, answered) = oneshot::channel();
        jobs.send(job(answer)).await.map_err(|_| fault::closed())?;
        answered.await.map_err(|_| fault::closed())?
    }

    async fn on_blocking_thread<T: Send + 'static>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let scans = Arc::clone(&self.scans);
        spawn_blocking(move || scans.with(read)).await.map_err(|e| {
            Error::new(codes::INTERNAL).context("a reading thread ended early").source(e)
        })?
    }

    /// Reads, and writes too when writing failed last time: else a full disk would be reported
    /// until somebody else tries.
    async fn probe(&self) -> Result<()> {
        let (key, now) = (Key::new("store.probe", "room"), self.clock.now());
        let read = key.clone();
        self.on_blocking_thread(move |db| rows::read(db, &read, now)).await?;
        let failing = self.progress.failing.lock().is_some();
        if failing {
            // As much as an ordinary commit may need, and ended already: nobody sees it.
            let (value, expires_at) = (Bytes::from(vec![0; PROBE_SIZE]), Some(now));
            let terms = Vec::new();
            let probe = Operation::Put { key, value, expires_at, terms, expect: Expect::Any };
            self.commit(Batch::new().with(probe)).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.points.with(|db| rows::read(db, key, self.clock.now()))
    }

    async fn scan(&self, scan: &Scan) -> Result<Page> {
        let (scan, now) = (scan.clone(), self.clock.now());
        self.on_blocking_thread(move |db| rows::scan(db, &scan, now)).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version> {
        self.ask(|answer| Job::Commit(Waiting { batch, answer })).await
    }

    async fn purge(&self, limit: NonZeroU32) -> Result<u32> {
        self.ask(|answer| Job::Purge { limit: limit.get(), answer }).await
    }

    fn changes(&self) -> Changes {
        self.changes.subscribe()
    }
}

#[async_trait]
impl HealthCheck for SqliteStore {
    fn component(&self) -> &'static str {
        "store"
    }

    async fn health(&self) -> Health {
        match tokio::time::timeout(Duration::from_millis(900), self.probe()).await {
            Ok(Ok(())) => Health::up(),
            Ok(Err(error)) => Health::down(error.public_detail()),
            Err(_) => Health::down("the database does not answer"),
        }
    }
}

#[async_trait]
impl Database for SqliteStore {
    async fn close(&self) {
        drop(self.jobs.lock().take());
        let thread = self.thread.lock().take();
        let scans = Arc::clone(&self.scans);
        self.points.close();
        let stopped = spawn_blocking(move || {
            scans.close();
            thread.map(JoinHandle::join)
        });
        if !matches!(stopped.await, Ok(None | Some(Ok(())))) {
            tracing::error!("the writer of the store ended by a panic");
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        drop(self.jobs.lock().take());
        if let Some(thread) = self.thread.lock().take() {
            // A panic of the writer has been reported where it happened.
            let _ = thread.join();
        }
    }
}
