//! What the tests stand on.

use std::sync::Arc;
use std::time::Duration;

use prov_core::audit::{MemoryRecorder, Outcome};
use prov_core::store::{MemoryStore, Store};
use prov_core::{
    Authentication, AuthenticationMethod, Clock, Identity, ManualClock, Principal, PrincipalKind,
    RequestFacts, RequestId, Role, SecurityContext, SystemClock,
};
use prov_secrets::ssh::{Ssh, SshAuthority};
use prov_secrets::{LeaseOptions, Leases};

use crate::directory_engine::DirectoryEngine;

/// A signed-in developer.
pub(crate) fn caller(id: &str, name: &str) -> SecurityContext {
    let clock = SystemClock::new();
    let principal = Principal::new(PrincipalKind::User, id, name).with_roles([Role::Developer]);
    context(principal, &clock)
}

pub(crate) fn context(principal: Principal, clock: &dyn Clock) -> SecurityContext {
    let authentication = Authentication::new(AuthenticationMethod::AccessToken, clock.now());
    let request = RequestFacts::new(RequestId::generate(clock).unwrap(), clock.now());
    SecurityContext::new(Arc::new(Identity { principal, authentication }), Arc::new(request))
}

/// Short waits.
pub(crate) fn options() -> LeaseOptions {
    LeaseOptions::default()
        .with_timeouts(Duration::from_millis(200), Duration::from_millis(200))
        .with_backoff(Duration::from_secs(1), Duration::from_mins(1))
        .settling_within(Duration::from_mins(5))
}

/// Leases over a directory, on a clock that stands still.
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) recorder: MemoryRecorder,
    pub(crate) engine: Arc<DirectoryEngine>,
    pub(crate) leases: Arc<Leases>,
    _directory: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = ManualClock::at("2026-03-02T09:00:00.123456789Z".parse().unwrap());
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        let recorder = MemoryRecorder::new();
        let directory = tempfile::tempdir().unwrap();
        let outside = directory.path().join("outside");
        let engine = Arc::new(DirectoryEngine::new(outside, Arc::new(clock.clone())));
        let leases = open(&store, &clock, &recorder, &engine, options()).await;
        Self { clock, store, recorder, engine, leases, _directory: directory }
    }

    /// Another process over the same store and outside system.
    pub(crate) async fn reopened(&self, options: LeaseOptions) -> Arc<Leases> {
        open(&self.store, &self.clock, &self.recorder, &self.engine, options).await
    }

    pub(crate) fn recorded(&self) -> Vec<(String, Outcome)> {
        let events = self.recorder.events();
        events.iter().map(|event| (event.action.as_str().to_owned(), event.outcome)).collect()
    }
}

async fn open(
    store: &Arc<MemoryStore>,
    clock: &ManualClock,
    recorder: &MemoryRecorder,
    engine: &Arc<DirectoryEngine>,
    options: LeaseOptions,
) -> Arc<Leases> {
    let store: Arc<dyn Store> = Arc::<MemoryStore>::clone(store);
    Leases::builder(store, Arc::new(clock.clone()), Arc::new(recorder.clone()))
        .engine(Arc::<DirectoryEngine>::clone(engine))
        .options(options)
        .open()
        .await
        .unwrap()
}

/// An SSH certificate authority.
pub(crate) struct SshWorld {
    pub(crate) recorder: MemoryRecorder,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) leases: Arc<Leases>,
    pub(crate) ssh: Arc<Ssh>,
}

impl SshWorld {
    pub(crate) async fn new(clock: Arc<dyn Clock>) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        Self::over(store, clock).await
    }

    pub(crate) async fn over(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        let recorder = MemoryRecorder::new();
        let log = Arc::new(recorder.clone());
        let (s, c) = (Arc::clone(&store), Arc::clone(&clock));
        let authority = SshAuthority::open(s, c, Arc::<MemoryRecorder>::clone(&log)).await.unwrap();
        let leases = Leases::builder(Arc::clone(&store), Arc::clone(&clock), log)
            .engine(Arc::<SshAuthority>::clone(&authority))
            .open()
            .await
            .unwrap();
        let ssh = Arc::new(Ssh::new(authority, Arc::clone(&leases), clock).unwrap());
        Self { recorder, store, leases, ssh }
    }

    pub(crate) async fn on_this_machine() -> Self {
        Self::new(Arc::new(SystemClock::new())).await
    }
}
