//! What this node knows about its leases at the moment.

use std::sync::atomic::Ordering;

use serde::Serialize;

use super::Leases;

/// The figures of every engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LeaseStats {
    /// One line per engine.
    pub engines: Vec<EngineStats>,
}

/// The figures of one engine, counted since this process started unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct EngineStats {
    /// Which.
    pub engine: String,
    /// Leases this node watches now.
    pub live: u64,
    /// Leases that could not be ended at the last attempt and are tried again.
    pub retrying: u64,
    /// Credentials handed out.
    pub issued: u64,
    /// Leases prolonged.
    pub renewed: u64,
    /// Leases ended before their time.
    pub revoked: u64,
    /// Leases that ended at their time.
    pub expired: u64,
    /// Calls to the engine that failed.
    pub failures: u64,
}

impl Leases {
    /// What this node knows; read from memory.
    #[must_use]
    pub fn stats(&self) -> LeaseStats {
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let engines = self.lanes.values().map(|lane| EngineStats {
            engine: lane.info.name.clone(),
            live: lane.scheduled() as u64,
            retrying: lane.retrying() as u64,
            issued: read(&lane.counts.issued),
            renewed: read(&lane.counts.renewed),
            revoked: read(&lane.counts.revoked),
            expired: read(&lane.counts.expired),
            failures: read(&lane.counts.failures),
        });
        LeaseStats { engines: engines.collect() }
    }
}
