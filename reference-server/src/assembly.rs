//! Wiring: every component made in the order in which each stands on the one before.

mod identity;
mod notices;
mod policies;
mod second_factors;
mod secrets;
mod sinks;
mod storage;
mod witnesses;

use std::sync::Arc;
use std::time::Duration;

use prov_audit::api::ApiState;
use prov_audit::{AuditLayer, Log};
use prov_auth::{AuthService, RateLimitLayer, Revocations, SigningKeys};
use prov_authz::authzen::AuthzenService;
use prov_authz::{AuthzLayer, CedarEngine, DecisionService, Grants, Inventory, PolicyReloader};
use prov_core::audit::{Action, Event, Outcome, Recorder};
use prov_core::{Clock, Error, HealthCheck, Result, SecurityContext, SystemClock, codes};
use prov_http::{IdempotencyLayer, IdempotencyOptions, TrustedProxies};
use prov_kms::Kms;
use prov_mfa::{MfaService, RequireMfaLayer};
use prov_secrets::api::SecretsState;
use prov_store::Database;

use crate::api;
use crate::background::Background;
use crate::chain::{Chain, Layers};
use crate::config::Config;
use crate::metrics::MetricsLayer;
use crate::probes::Probes;
use crate::reload::Reloader;

/// The assembled server: what answers requests, and what must be stopped when it ends.
#[derive(Debug)]
pub struct Assembly {
    /// Everything behind the listener.
    pub chain: Chain,
    /// Users and sign-in, for the bootstrap.
    pub auth: Arc<AuthService>,
    /// May be told a new limit while it runs.
    pub rate_limit: RateLimitLayer,
    /// Reloads the policies, when they come from a folder.
    pub policies: Option<Arc<PolicyReloader>>,
    clock: Arc<dyn Clock>,
    audit: ApiState,
    log: Arc<Log>,
    database: Arc<dyn Database>,
    background: Background,
}

/// What the routers are made of.
pub(crate) struct Services {
    pub(crate) auth: Arc<AuthService>,
    pub(crate) mfa: Arc<MfaService>,
    pub(crate) decisions: Arc<DecisionService>,
    pub(crate) authzen: Arc<AuthzenService>,
    pub(crate) grants: Arc<Grants>,
    pub(crate) audit: ApiState,
    pub(crate) kms: Arc<Kms>,
    pub(crate) secrets: SecretsState,
}

impl Assembly {
    /// Opens everything. Nothing listens yet.
    ///
    /// # Errors
    /// When a component can't be opened; the error names it and says what to do.
    pub async fn open(config: &Config) -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mut background = Background::new();

        let storage = storage::open(config, &clock).await?;
        let recorder: Arc<dyn Recorder> = Arc::<Log>::clone(&storage.log);
        record_start(&*recorder, &*clock).await?;

        let kms = kms(&storage, &recorder, &clock).await?;
        let identity = identity::open(config, &storage.store, &recorder, &clock).await?;
        let policies = policies::open(config, &identity, &storage, &clock, &mut background).await?;
        let grants =
            policies::grants(&policies, &identity.auth, &storage, &clock, &mut background).await?;
        let secrets =
            secrets::open(config, &storage.store, &recorder, &clock, &mut background).await?;
        identity.look_after(&mut background);
        background.purge(Arc::clone(&storage.store));

        sinks::start(config, &storage.log, &mut background).await?;
        let metrics = policies.metrics(&identity, &storage.log, &clock);
        let checks = checks(&storage, &kms, &identity, &policies);
        let audit = witnesses::start(config, &storage, &clock, &mut background).await?;
        let services = Services {
            auth: Arc::clone(&identity.auth),
            mfa: Arc::clone(&identity.mfa),
            grants,
            authzen: policies::authzen(config, &policies.decisions)?,
            decisions: policies.decisions,
            audit: audit.clone(),
            kms,
            secrets,
        };
        let probes = Probes::new(checks, Arc::clone(&metrics));
        let (router, table) = api::build(services, probes, config.server.max_body)?;
        let rate_limit = rate_limit(config, &recorder, &clock, &mut background)?;
        let layers = Layers {
            proxies: proxies(config)?,
            metrics: MetricsLayer::new(metrics, Arc::clone(&clock)),
            rate_limit: rate_limit.clone(),
            audit: AuditLayer::new(recorder, Arc::clone(&clock)),
            authn: identity.authn(),
            mfa: RequireMfaLayer::new(Arc::clone(&clock)),
            authz: AuthzLayer::new(policies.shadowed, Arc::clone(&clock)),
            idempotency: idempotency(config, &storage, &clock)?,
            over_tls: config.server.tls.is_some(),
        };
        Ok(Self {
            chain: Chain::new(layers, table, Arc::clone(&clock), router),
            auth: identity.auth,
            rate_limit,
            policies: policies.reloader,
            clock,
            audit,
            log: storage.log,
            database: storage.database,
            background,
        })
    }

    /// Where events go.
    pub(crate) fn recorder(&self) -> Arc<dyn Recorder> {
        Arc::<Log>::clone(&self.log)
    }

    /// What must end before connections can: answers that go on for ever.
    pub(crate) fn audit_api(&self) -> ApiState {
        self.audit.clone()
    }

    /// The time.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Applies a changed configuration at SIGHUP, until the assembly is closed.
    pub(crate) fn reload_on_hangup(
        &mut self,
        reloader: Reloader,
        running: Config,
    ) -> std::io::Result<()> {
        let follow = reloader.listen(running, self.background.stop_asked())?;
        self.background.run("configuration", |_| follow);
        Ok(())
    }

    /// Stops background work, records the end, and closes log and store. Nothing may be asked of the
    /// chain any more.
    ///
    /// # Errors
    /// When the log can't be closed in order; what was acknowledged is safe all the same.
    pub async fn close(self) -> Result<()> {
        const PATIENCE: Duration = Duration::from_secs(5);
        self.chain.finish(PATIENCE).await;
        self.background.stop(PATIENCE).await;
        let context = SecurityContext::system("server", &*self.clock)?;
        let event = Event::new(&*self.clock, Action::SERVER_STOP, Outcome::Success);
        let recorded = self.log.record(event.in_context(&context)).await.map(drop);
        let closed = self.log.close().await;
        self.database.close().await;
        recorded.and(closed)
    }
}

/// Whom readiness asks.
fn checks(
    storage: &storage::Storage,
    kms: &Arc<Kms>,
    identity: &identity::Identity,
    policies: &policies::Policies,
) -> Vec<Arc<dyn HealthCheck>> {
    let always: [Arc<dyn HealthCheck>; 7] = [
        Arc::<dyn Database>::clone(&storage.database),
        Arc::<Log>::clone(&storage.log),
        Arc::<Kms>::clone(kms),
        Arc::<SigningKeys>::clone(&identity.keys),
        Arc::<Revocations>::clone(&identity.revocations),
        Arc::<CedarEngine>::clone(&policies.engine),
        Arc::<Inventory>::clone(&policies.inventory),
    ];
    always.into_iter().chain(identity.agent()).collect()
}

async fn kms(
    storage: &storage::Storage,
    recorder: &Arc<dyn Recorder>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<Kms>> {
    let (backend, store) = (Arc::clone(&storage.backend), Arc::clone(&storage.store));
    Kms::open(backend, store, Arc::clone(recorder), Arc::clone(clock)).await.map(Arc::new)
}

/// The limit, with its refusals recorded beside the requests.
fn rate_limit(
    config: &Config,
    recorder: &Arc<dyn Recorder>,
    clock: &Arc<dyn Clock>,
    background: &mut Background,
) -> Result<RateLimitLayer> {
    let limit = config.server.rate_limit.parse()?;
    let (layer, refusals) =
        RateLimitLayer::new(limit, Arc::clone(clock)).reporting_to(Arc::clone(recorder));
    background.run("rate limit reports", |stop| refusals.run(stop));
    Ok(layer)
}

/// Answers of requests with an `Idempotency-Key`, sealed like every record.
fn idempotency(
    config: &Config,
    storage: &storage::Storage,
    clock: &Arc<dyn Clock>,
) -> Result<IdempotencyLayer> {
    let options = IdempotencyOptions::default()
        .on_node(&config.server.node)
        .with_max_body(config.server.max_body);
    IdempotencyLayer::new(Arc::clone(&storage.store), Arc::clone(clock), options)
}

fn proxies(config: &Config) -> Result<TrustedProxies> {
    TrustedProxies::new(config.server.trusted_proxies.iter().map(String::as_str))
}

/// The first event of a run. A log that can't be written stops the start.
async fn record_start(recorder: &dyn Recorder, clock: &dyn Clock) -> Result<()> {
    let context = SecurityContext::system("server", clock)?;
    let event = Event::new(clock, Action::SERVER_START, Outcome::Success)
        .in_context(&context)
        .with("version", env!("CARGO_PKG_VERSION"));
    recorder.record(event).await.map(drop)
}

/// An error of reading a file that the configuration names.
pub(crate) fn unreadable(path: &std::path::Path, error: std::io::Error) -> Error {
    let what = format!("`{}` can't be read: {error}", path.display());
    Error::new(codes::INVALID_REQUEST).detail(what).source(error)
}
