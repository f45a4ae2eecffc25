//! Connections that read. Statements of several callers travel on one connection at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::try_join4;
use prov_core::{Error, Result};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement};

use super::link::{Link, bounded, raced};
use super::{PostgresOptions, fault, rows};

/// How long after a failed attempt nobody tries to connect again: callers are refused at once
/// instead of waiting for one time limit after the other.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// A statement that needs no transaction around it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Query {
    Get,
    Scan,
    Find,
    Purge,
}

/// Values for a statement.
pub(super) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

#[derive(Debug)]
struct Reader {
    link: Link,
    get: Statement,
    scan: Statement,
    find: Statement,
    purge: Statement,
}

impl Reader {
    async fn open(options: &PostgresOptions) -> Result<Self> {
        let link = Link::open(options, None).await?;
        let prepare = |sql| link.client.prepare(sql);
        let (get, scan, find, purge) = bounded("preparing statements", options.connect_limit(), {
            try_join4(
                prepare(rows::GET),
                prepare(rows::SCAN),
                prepare(rows::FIND),
                prepare(rows::PURGE),
            )
        })
        .await?;
        Ok(Self { link, get, scan, find, purge })
    }

    fn statement(&self, query: Query) -> &Statement {
        match query {
            Query::Get => &self.get,
            Query::Scan => &self.scan,
            Query::Find => &self.find,
            Query::Purge => &self.purge,
        }
    }
}

/// One place of the pool.
#[derive(Debug)]
enum Slot {
    Empty,
    Open(Arc<Reader>),
    Paused(Instant),
    Closed,
}

/// A few connections, made when they are needed.
#[derive(Debug)]
pub(super) struct Readers {
    slots: Box<[Mutex<Slot>]>,
    next: AtomicUsize,
    options: Arc<PostgresOptions>,
}

impl Readers {
    pub(super) fn new(options: Arc<PostgresOptions>) -> Self {
        let slots = (0..options.readers).map(|_| Mutex::new(Slot::Empty)).collect();
        Self { slots, next: AtomicUsize::new(0), options }
    }

    /// The rows of a query, once more on a new connection if the old one turns out to be lost.
    pub(super) async fn rows(&self, query: Query, values: Values<'_>) -> Result<Vec<Row>> {
        let limit = self.options.statement_timeout.saturating_add(PAUSE);
        let mut retried = false;
        loop {
            let reader = self.reader().await?;
            let rows = reader.link.client.query(reader.statement(query), values);
            match raced("reading", limit, rows).await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(error)) if fault::is_lost(&error) && !retried => {
                    self.forget(&reader).await;
                    retried = true;
                }
                Ok(Err(error)) => return Err(fault::meaning(error, "reading")),
                Err(too_slow) => {
                    self.forget(&reader).await;
                    return Err(too_slow);
                }
            }
        }
    }

    /// Lets every connection go.
    pub(super) async fn close(&self) {
        for slot in &self.slots {
            *slot.lock().await = Slot::Closed;
        }
    }

    async fn reader(&self) -> Result<Arc<Reader>> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let chosen = turn.checked_rem(self.slots.len()).and_then(|at| self.slots.get(at));
        let Some(slot) = chosen else { return Err(fault::closed()) };
        let mut slot = slot.lock().await;
        match &*slot {
            Slot::Open(reader) if !reader.link.client.is_closed() => return Ok(Arc::clone(reader)),
            Slot::Paused(until) if Instant::now() < *until => return Err(paused()),
            Slot::Closed => return Err(fault::closed()),
            _ => {}
        }
        match Reader::open(&self.options).await {
            Ok(reader) => {
                let reader = Arc::new(reader);
                *slot = Slot::Open(Arc::clone(&reader));
                Ok(reader)
            }
            Err(error) => {
                *slot = Slot::Paused(Instant::now() + PAUSE);
                Err(error)
            }
        }
    }

    async fn forget(&self, lost: &Arc<Reader>) {
        for slot in &self.slots {
            let mut slot = slot.lock().await;
            if matches!(&*slot, Slot::Open(reader) if Arc::ptr_eq(reader, lost)) {
                *slot = Slot::Empty;
            }
        }
    }
}

/// Refused because the last attempt failed just now.
pub(super) fn paused() -> Error {
    Error::new(prov_core::codes::STORE_UNAVAILABLE)
        .retry_after(PAUSE)
        .context("the last attempt to connect failed a moment ago")
}
