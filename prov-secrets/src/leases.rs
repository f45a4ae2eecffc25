//! The lease manager: no credential without a lease, no lease without an end.

mod bulk;
mod ending;
mod index;
mod issue;
mod listing;
mod options;
mod reaper;
mod recovery;
mod renew;
mod stats;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

pub use bulk::{Revocation, RevocationReport};
pub(crate) use index::{Counts, Lane};
pub use issue::{Grant, Order};
pub use listing::{LeaseFilter, LeasePage};
pub use options::{LONGEST_TTL, LeaseOptions, SHORTEST_TTL};
pub(crate) use options::{check_ttl, later, until};
use parking_lot::Mutex;
use prov_core::audit::Recorder;
use prov_core::store::{Changes, Store, StoreExt};
use prov_core::{Clock, Error, Result, Timestamp};
pub use stats::{EngineStats, LeaseStats};

use crate::lease::{Lease, LeaseId};
use crate::{EngineInfo, SecretEngine, codes};

/// Hands out credentials of [`SecretEngine`]s, each under a lease, and ends every one of them.
///
/// The order is what makes it safe against a crash at any moment:
///
/// 1. the **intent** is durable before the engine acts;
/// 2. the **active** lease is durable before the credential is handed out;
/// 3. what has an intent and no active lease is revoked by its name at the next start;
/// 4. a revocation is durable before it is tried, and tried until it succeeds.
///
/// A lease never contains the secret. A credential of unknown outcome (a timeout, a caller that went
/// away) is revoked at once, and once more after [`LeaseOptions::settle`].
///
/// Several nodes may share one store: each attempt to end a lease is claimed by compare-and-swap.
#[derive(Debug)]
pub struct Leases {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    recorder: Arc<dyn Recorder>,
    options: LeaseOptions,
    lanes: BTreeMap<String, Lane>,
    /// What changed since [`LeasesBuilder::open`]; taken by [`Leases::run`].
    news: Mutex<Option<Changes>>,
    /// Rises with every revocation this node knows of.
    revocations: AtomicU64,
}

/// Collects the engines; [`open`](Self::open) cleans up after a crash and starts.
#[derive(Debug)]
#[must_use = "leases exist once they are opened"]
pub struct LeasesBuilder {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    recorder: Arc<dyn Recorder>,
    options: LeaseOptions,
    engines: Vec<Arc<dyn SecretEngine>>,
}

impl LeasesBuilder {
    /// With this engine.
    pub fn engine(mut self, engine: Arc<dyn SecretEngine>) -> Self {
        self.engines.push(engine);
        self
    }

    /// With these limits and intervals.
    pub fn options(mut self, options: LeaseOptions) -> Self {
        self.options = options;
        self
    }

    /// Reads every live lease and takes over what an earlier process of this node left: its intents
    /// are marked for revocation, durably, before anything new is issued.
    ///
    /// # Errors
    /// When two engines have one name, a name is not allowed, or the store can't be read.
    pub async fn open(self) -> Result<Arc<Leases>> {
        let mut lanes = BTreeMap::new();
        for engine in self.engines {
            let name = checked_name(engine.info())?;
            if lanes.insert(name, Lane::new(engine)).is_some() {
                return Err(Error::new(codes::ENGINE_BROKEN).context("two engines of one name"));
            }
        }
        let leases = Arc::new(Leases {
            news: Mutex::new(Some(self.store.changes())),
            store: self.store,
            clock: self.clock,
            recorder: self.recorder,
            options: self.options,
            lanes,
            revocations: AtomicU64::new(0),
        });
        leases.recover().await?;
        Ok(leases)
    }
}

impl Leases {
    /// Starts with no engine and the default options.
    pub fn builder(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        recorder: Arc<dyn Recorder>,
    ) -> LeasesBuilder {
        let options = LeaseOptions::default();
        LeasesBuilder { store, clock, recorder, options, engines: Vec::new() }
    }

    /// What is installed, by name.
    #[must_use]
    pub fn engines(&self) -> Vec<EngineInfo> {
        self.lanes.values().map(|lane| lane.info.clone()).collect()
    }

    /// One lease, also an ended one that is still on record.
    ///
    /// # Errors
    /// [`codes::LEASE_UNKNOWN`] when there is none of this id.
    pub async fn show(&self, id: &LeaseId) -> Result<Lease> {
        self.load(id).await
    }

    /// The wall clock in whole milliseconds, the resolution of leases: what is due now is taken now.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }

    async fn load(&self, id: &LeaseId) -> Result<Lease> {
        let stored = self.store.load::<Lease>(id.as_str()).await?;
        stored.map(|stored| stored.entity).ok_or_else(|| codes::LEASE_UNKNOWN.into())
    }

    fn lane(&self, engine: &str) -> Result<&Lane> {
        self.lanes.get(engine).ok_or_else(|| {
            Error::new(codes::ENGINE_UNKNOWN)
                .detail("no secret engine of this name; see the list of engines")
        })
    }
}

/// An engine's name stands in paths beside fixed words.
fn checked_name(info: EngineInfo) -> Result<String> {
    const TAKEN: [&str; 8] =
        ["engines", "leases", "roles", "stats", "kv", "wrap", "unwrap", "rotation"];
    let well_formed = info.name.len() <= 32
        && info.name.starts_with(|c: char| c.is_ascii_lowercase())
        && info.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if well_formed && !TAKEN.contains(&info.name.as_str()) {
        Ok(info.name)
    } else {
        Err(Error::new(codes::ENGINE_BROKEN).context("an engine's name is not allowed"))
    }
}
