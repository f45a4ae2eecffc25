//! All components, wired as a server would wire them.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request};
use prov_audit::{AuditLayer, Log};
use prov_auth::{AuthService, RateLimitLayer};
use prov_authz::{AuthzLayer, CedarEngine, CedarOptions};
use prov_core::store::Store;
use prov_core::{Clock, ManualClock};
use prov_http::{EdgeLayer, PeerAddr, Route, RouteTable};
use prov_kms::{Kms, LocalKeyring, SealedStore};
use prov_mfa::{MfaService, RECENT_SECOND_FACTOR, RequireMfaLayer};
use prov_secrets::Leases;
use prov_secrets::ssh::{Ssh, SshAuthority};
use tower::ServiceExt;

use super::{Answer, deployment};
use crate::Failure;

/// How many requests one address may send. Few, so that the example can show what is too many.
pub(super) const RATE_LIMIT: &str = "20/min";

/// A server without a socket.
#[derive(Debug)]
#[non_exhaustive]
pub struct House {
    /// The example's own clock.
    pub clock: ManualClock,
    /// The audit log.
    pub log: Arc<Log>,
    /// Users and sign-in.
    pub auth: Arc<AuthService>,
    app: Router,
}

impl House {
    /// Opens everything in this folder.
    ///
    /// # Errors
    /// When a component can't be opened.
    pub async fn open(folder: &Path) -> Result<Self, Failure> {
        let monday_at_ten = ManualClock::at("2026-03-02T10:00:00Z".parse()?);
        let clock: Arc<dyn Clock> = Arc::new(monday_at_ten.clone());

        let url = format!("sqlite:{}", folder.join("prov.db").display());
        let database = prov_store::connect(&url, clock.clone()).await?;
        let below: Arc<dyn Store> = database.clone();
        let keyring = LocalKeyring::open(below, &folder.join("root.key"), clock.clone()).await?;
        let keyring = Arc::new(keyring);
        let store = Arc::new(SealedStore::open(database, &*keyring, &*clock).await?);
        let log = Log::embedded(folder.join("audit"), "flow.example", store.clone(), clock.clone());
        let log = log.await?;

        let kms = Kms::open(keyring, store.clone(), log.clone(), clock.clone()).await?;
        let mfa = MfaService::embedded(store.clone(), log.clone(), clock.clone())?;
        let (records, factors) = (store.clone(), mfa.clone());
        let auth =
            AuthService::embedded("flow.example", factors, records, log.clone(), clock.clone());
        let auth = auth.await?;
        let authority = SshAuthority::open(store.clone(), clock.clone(), log.clone()).await?;
        let leases = Leases::builder(store, clock.clone(), log.clone());
        let leases = leases.engine(authority.clone()).open().await?;
        let ssh = Ssh::new(authority, leases, clock.clone())?;

        let app = deployment::router(kms, ssh, &*clock)
            .await?
            .merge(prov_auth::api::router(auth.clone()))
            .merge(prov_mfa::api::router(mfa, auth.clone()));
        let app = layered(app, &auth, &log, &clock)?;
        Ok(Self { clock: monday_at_ten, log, auth, app })
    }

    /// Sends a request from this address, and waits for the whole answer.
    ///
    /// # Errors
    /// When the answer can't be read.
    pub async fn ask(&self, from: [u8; 4], request: Request<Body>) -> Result<Answer, Failure> {
        let mut request = request;
        request.extensions_mut().insert(PeerAddr(SocketAddr::from((from, 40_000))));
        let response = match self.app.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        Answer::read(response).await
    }
}

/// The chain: what stands last in this list sees a request first.
fn layered(
    app: Router,
    auth: &AuthService,
    log: &Arc<Log>,
    clock: &Arc<dyn Clock>,
) -> Result<Router, Failure> {
    let engine = Arc::new(CedarEngine::shipped(clock.clone(), CedarOptions::default())?);
    let mut routes = [prov_auth::api::routes(), prov_mfa::api::routes()].concat();
    let deploy = Route::guarded(Method::POST, "/deployments/{server}", "deploy", "servers");
    routes.push(deploy.with_second_factor(RECENT_SECOND_FACTOR));
    let edge = EdgeLayer::new(clock.clone()).with_routes(Arc::new(RouteTable::new(routes)?));
    Ok(app
        .layer(AuthzLayer::with_mapper(engine, clock.clone(), deployment::protection))
        .layer(RequireMfaLayer::new(clock.clone()))
        .layer(auth.authn_layer())
        .layer(AuditLayer::new(log.clone(), clock.clone()))
        .layer(RateLimitLayer::new(RATE_LIMIT.parse()?, clock.clone()))
        .layer(edge))
}
