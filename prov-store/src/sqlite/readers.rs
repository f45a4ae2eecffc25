//! Connections that read, each used by one thread at a time.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use prov_core::Result;
use rusqlite::Connection;

use super::fault;

/// A few connections; none once closed.
#[derive(Debug)]
pub(super) struct Readers {
    connections: Box<[Mutex<Option<Connection>>]>,
    next: AtomicUsize,
}

impl Readers {
    /// `count` connections made by `open`.
    pub(super) fn open(count: usize, open: impl Fn() -> Result<Connection>) -> Result<Self> {
        let connections =
            (0..count).map(|_| open().map(|db| Mutex::new(Some(db)))).collect::<Result<_>>()?;
        Ok(Self { connections, next: AtomicUsize::new(0) })
    }

    /// Reads with the first free connection, or else with the next whose turn it is.
    pub(super) fn with<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let free = self.connections.iter().find_map(Mutex::try_lock).or_else(|| {
            let turn = self.next.fetch_add(1, Ordering::Relaxed);
            let chosen = turn.checked_rem(self.connections.len())?;
            self.connections.get(chosen).map(Mutex::lock)
        });
        match free.as_deref() {
            Some(Some(db)) => read(db),
            _ => Err(fault::closed()),
        }
    }

    /// Waits for reads under way and closes every connection.
    pub(super) fn close(&self) {
        for connection in &self.connections {
            drop(connection.lock().take());
        }
    }
}
