//! What can be chosen about a SQLite database.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prov_core::Clock;

/// How to open a [`SqliteStore`](super::SqliteStore).
#[derive(Debug, Clone)]
#[must_use = "options open nothing until they are given to `SqliteStore::open_with`"]
pub struct SqliteOptions {
    pub(super) path: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) readers: usize,
    pub(super) busy_timeout: Duration,
    pub(super) max_size: Option<u64>,
}

impl SqliteOptions {
    /// The database file at `path`, which is made if there is none, with its folder. Records end by
    /// `clock`.
    pub fn new(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self {
            path: path.into(),
            clock,
            readers: 4,
            busy_timeout: Duration::from_secs(5),
            max_size: None,
        }
    }

    /// How many connections read single records, and how many scan: 4 of each unless said; at
    /// least one. Each keeps up to 512 KiB of pages in memory.
    pub fn readers(mut self, readers: usize) -> Self {
        self.readers = readers.max(1);
        self
    }

    /// How long to wait while a tool (a backup, a shell) holds the database: 5 s unless said.
    pub fn busy_timeout(mut self, wait: Duration) -> Self {
        self.busy_timeout = wait;
        self
    }

    /// The size in bytes that the database file may grow to; unlimited unless said. Beyond it
    /// commits fail as on a full disk.
    pub fn max_size(mut self, bytes: u64) -> Self {
        self.max_size = Some(bytes);
        self
    }
}
