//! What is allowed.

use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use prov_audit::{Log, Query};
use prov_auth::{AuthService, User};
use prov_authz::authzen::{AuthzenOptions, AuthzenService};
use prov_authz::{
    CedarEngine, CedarOptions, DecisionService, Grants, Inventory, PolicyFeed, PolicyHistory,
    PolicyLife, PolicyReloader, PrincipalPage, PrincipalSource, RecordedDecision,
    RecordedDecisions, RecordedPage, ShadowedEngine, TrustRoot, Window,
};
use prov_core::audit::Recorder;
use prov_core::{Clock, Kind, Principal, Result};

use super::identity::Identity;
use super::storage::Storage;
use crate::background::Background;
use crate::config::{Cedar, Config};
use crate::metrics::{
    FactorMetrics, IdentityMetrics, JoinMetrics, Metrics, PolicyMetrics, SinkMetrics,
    WitnessMetrics,
};

pub(super) struct Policies {
    /// What answers for the health of the policies.
    pub(super) engine: Arc<CedarEngine>,
    /// What decides requests, and has a candidate decide them too when one is being tried.
    pub(super) shadowed: Arc<ShadowedEngine>,
    pub(super) decisions: Arc<DecisionService>,
    pub(super) reloader: Option<Arc<PolicyReloader>>,
    pub(super) inventory: Arc<Inventory>,
}

impl Policies {
    /// What is counted, that of the policies, the identities, second factors and the log's sinks included.
    pub(super) fn metrics(
        &self,
        identity: &Identity,
        log: &Arc<Log>,
        clock: &Arc<dyn Clock>,
    ) -> Arc<Metrics> {
        let policies = PolicyMetrics::new(Arc::clone(&self.shadowed), Arc::clone(clock));
        let identities = IdentityMetrics::new(Arc::clone(&identity.auth));
        let factors = FactorMetrics(Arc::clone(&identity.mfa));
        let sinks = SinkMetrics::new(Arc::clone(log), Arc::clone(clock));
        let witnesses = WitnessMetrics::new(Arc::clone(log));
        let joined = JoinMetrics::new(Arc::clone(log));
        Metrics::new(policies, identities, factors, sinks, witnesses, joined)
    }
}

pub(super) async fn open(
    config: &Config,
    identity: &Identity,
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    background: &mut Background,
) -> Result<Policies> {
    let Storage { store, log, .. } = storage;
    let recorder: Arc<dyn Recorder> = Arc::<Log>::clone(log);
    let (engine, reloader) = engine(&config.cedar, storage, clock, background).await?;
    // What is known is in force before anything is decided.
    let inventory = Inventory::open(
        Arc::clone(&engine),
        Arc::clone(store),
        Arc::clone(&recorder),
        Arc::clone(clock),
    )
    .await?;
    let follower = Arc::clone(&inventory);
    background.run("inventory", |stop| follower.follow(stop));
    let shadowed = Arc::new(ShadowedEngine::new(Arc::clone(&engine)));
    let mut decisions = DecisionService::new(Arc::clone(&engine), recorder, Arc::clone(clock))
        .with_principals(Arc::new(Users(Arc::clone(&identity.auth))))
        .with_recorded(Arc::new(Recorded(Arc::clone(log))))
        .with_shadow(Arc::clone(&shadowed))
        .with_inventory(Arc::clone(&inventory));
    if let Some(reloader) = &reloader {
        decisions = decisions.with_reloader(Arc::clone(reloader));
    }
    Ok(Policies { engine, shadowed, decisions: Arc::new(decisions), reloader, inventory })
}

/// What decides, and what keeps it up where policies are not those that are built in.
async fn engine(
    cedar: &Cedar,
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    background: &mut Background,
) -> Result<(Arc<CedarEngine>, Option<Arc<PolicyReloader>>)> {
    let options = CedarOptions::default()
        .with_corporate_networks(cedar.corporate_networks.iter().cloned())
        .with_inventory(cedar.inventory);
    let Some(feed) = feed(cedar) else {
        return Ok((Arc::new(CedarEngine::shipped(Arc::clone(clock), options)?), None));
    };
    let history = PolicyHistory::new(Arc::clone(&storage.store)).keeping(cedar.history);
    let mut life = PolicyLife::new(feed, options).with_history(history);
    if !cedar.trust_root.is_empty() {
        life = life.with_trust(TrustRoot::new(&cedar.trust_root, cedar.threshold)?);
    }
    let recorder: Arc<dyn Recorder> = Arc::<Log>::clone(&storage.log);
    let reloader = Arc::new(PolicyReloader::open(life, recorder, Arc::clone(clock)).await?);
    if cedar.hot_reload || cedar.policies_path.is_none() {
        let (watcher, clock) = (Arc::clone(&reloader), Arc::clone(clock));
        let interval = cedar.reload_interval;
        background.run("policies", move |stop| watcher.run(clock, interval, stop));
    }
    Ok((Arc::clone(reloader.engine()), Some(reloader)))
}

fn feed(cedar: &Cedar) -> Option<PolicyFeed> {
    match &cedar.policies_path {
        Some(folder) => Some(PolicyFeed::Directory(folder.clone())),
        None => cedar.from_store.then_some(PolicyFeed::Store),
    }
}

/// Permissions given for a time, and kept up with.
pub(super) async fn grants(
    policies: &Policies,
    auth: &Arc<AuthService>,
    storage: &Storage,
    clock: &Arc<dyn Clock>,
    background: &mut Background,
) -> Result<Arc<Grants>> {
    let (engine, store) = (Arc::clone(&policies.engine), Arc::clone(&storage.store));
    let recorder: Arc<dyn Recorder> = Arc::<Log>::clone(&storage.log);
    let users = Arc::new(Users(Arc::clone(auth)));
    let grants = Grants::open(engine, store, recorder, Arc::clone(clock), users).await?;
    let following = Arc::clone(&grants);
    background.run("grants", |stop| following.follow(stop));
    Ok(grants)
}

/// The same decisions in the words of `AuthZEN`.
pub(super) fn authzen(
    config: &Config,
    decisions: &Arc<DecisionService>,
) -> Result<Arc<AuthzenService>> {
    let options = AuthzenOptions::default();
    let options = match &config.server.public_url {
        Some(url) => options.published_at(url)?,
        None => options,
    };
    Ok(Arc::new(AuthzenService::new(Arc::clone(decisions), options)))
}

/// Users as principals, for questions about others.
#[derive(Debug)]
struct Users(Arc<AuthService>);

#[async_trait]
impl PrincipalSource for Users {
    async fn principal(&self, id: &str) -> Result<Option<Principal>> {
        match self.0.user(id).await {
            // Whoever is locked may do nothing.
            Ok(user) => Ok((!user.locked).then(|| user.principal())),
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn principals(&self, after: Option<&str>, limit: NonZeroU32) -> Result<PrincipalPage> {
        let page = self.0.users(limit, after.map(str::to_owned)).await?;
        let items = page.users.iter().filter(|user| !user.locked).map(User::principal).collect();
        Ok(PrincipalPage::new(items, page.next))
    }
}

/// Decisions as the audit log has them, for simulations.
#[derive(Debug)]
struct Recorded(Arc<Log>);

#[async_trait]
impl RecordedDecisions for Recorded {
    async fn recorded(&self, window: Window, cursor: Option<&str>) -> Result<RecordedPage> {
        let mut query = Query::new().from(window.from).to(window.to);
        query.limit = NonZeroU32::new(1000);
        query.cursor = cursor.map(str::to_owned);
        let page = self.0.query(&query).await?;
        let items = page.items.into_iter().filter_map(|event| {
            let record = event.decision.filter(|decision| decision.asked.is_some())?;
            let address = event.request.and_then(|request| request.ip);
            let recorded = RecordedDecision::new(record);
            Some(recorded.by(event.actor.id, event.actor.name).from_address(address))
        });
        Ok(RecordedPage { items: items.collect(), next: page.next_cursor })
    }
}
