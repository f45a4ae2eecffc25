//! The chain of layers over one axum handler, one layer more in each row.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use prov_audit::{AuditLayer, Log, LogOptions};
use prov_auth::{
    AccessClaims, AuthnLayer, RateLimit, RateLimitLayer, Revocations, SigningKeyOptions,
    SigningKeys, TokenIssuer, TokenOptions, TokenVerifier,
};
use prov_authz::{AuthzLayer, CedarEngine, CedarOptions};
use prov_core::audit::{MemoryRecorder, Recorder};
use prov_core::store::{MemoryStore, Store};
use prov_core::{Amr, Clock, Result, Role, SessionId, SystemClock, UserId};
use prov_http::{EdgeLayer, PeerAddr, Route, RouteTable};
use prov_mfa::RequireMfaLayer;
use tower::util::BoxCloneSyncService;
use tower_layer::Layer;

use crate::measure::Measured;
use crate::{Row, one_after_another, together};

/// The path of the one handler.
const PATH: &str = "/work";

/// How many requests each row answers.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "a bench names all its counts")]
pub struct Counts {
    /// Rows without tokens, and with a token seen before.
    pub plain: usize,
    /// Rows with a fresh token each time; a signature is made for each before the row is measured.
    pub fresh: usize,
    /// Rows whose audit event is durable before the answer.
    pub durable: usize,
}

/// What the layers stand on.
struct Floor {
    clock: Arc<dyn Clock>,
    issuer: TokenIssuer,
    verifier: Arc<TokenVerifier>,
    engine: Arc<CedarEngine>,
    store: Arc<dyn Store>,
}

impl Floor {
    async fn lay() -> Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let tokens = TokenOptions::new("bench", ["bench"]).with_cache_entries(1024);
        let keys =
            SigningKeys::open(Arc::clone(&store), Arc::clone(&clock), SigningKeyOptions::default());
        let keys = Arc::new(keys.await?);
        let revocations = Revocations::open(Arc::clone(&store), Arc::clone(&clock)).await?;
        let parts = || (Arc::clone(&keys), Arc::clone(&revocations), Arc::clone(&clock));
        let (k, r, c) = parts();
        let issuer = TokenIssuer::new(k, r, c, &tokens)?;
        let (k, r, c) = parts();
        let verifier = Arc::new(TokenVerifier::new(k, r, c, &tokens)?);
        let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default())?;
        Ok(Self { clock, issuer, verifier, engine: Arc::new(engine), store })
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    fn token(&self) -> Result<String> {
        let (user, session) = (UserId::generate(&*self.clock)?, SessionId::generate(&*self.clock)?);
        let claims = AccessClaims::new(user, session, "bench", "bench", self.clock.now())
            .with_amr([Amr::Pwd, Amr::Otp, Amr::Mfa])
            .with_roles([Role::Admin]);
        Ok(self.issuer.issue(&claims)?.token.expose().to_owned())
    }

    fn edge(&self) -> Result<EdgeLayer> {
        let routes = RouteTable::new([Route::guarded(Method::GET, PATH, "read", "status")])?;
        Ok(EdgeLayer::new(self.clock()).with_routes(Arc::new(routes)))
    }

    fn rate_limit(&self) -> Result<RateLimitLayer> {
        let limit: RateLimit = "1000000/s".parse()?;
        Ok(RateLimitLayer::new(limit, self.clock()))
    }

    fn authn(&self) -> AuthnLayer {
        let verifier = Arc::<TokenVerifier>::clone(&self.verifier);
        AuthnLayer::new(vec![verifier], self.clock())
    }

    fn authz(&self) -> AuthzLayer {
        AuthzLayer::new(Arc::<CedarEngine>::clone(&self.engine), self.clock())
    }

    fn audit(&self, recorder: Arc<dyn Recorder>) -> AuditLayer {
        AuditLayer::new(recorder, self.clock())
    }
}

/// Every row. `folder` is where the durable log lies.
///
/// # Errors
/// When a component can't be made.
pub async fn run(counts: Counts, folder: &Path) -> Result<Vec<Row>> {
    let floor = Floor::lay().await?;
    let known = floor.token()?;
    let with_known = |n: usize| -> Vec<_> { (0..n).map(|_| request(Some(&known))).collect() };
    let mut rows = Vec::new();
    // Once more than it is counted, so that caches and branches are warm.
    let _ = one_after_another("warm", &bare(), with_known(counts.plain)).await;
    rows.push(one_after_another("bare axum handler", &bare(), with_known(counts.plain)).await);
    for (name, service) in layered(&floor)? {
        let _ = one_after_another("warm", &service, with_known(counts.plain / 10 + 1)).await;
        rows.push(one_after_another(name, &service, with_known(counts.plain)).await);
    }
    let fresh = (0..counts.fresh).map(|_| floor.token()).collect::<Result<Vec<_>>>()?;
    let fresh = fresh.iter().map(|token| request(Some(token))).collect();
    let whole = without_durable_audit(&floor)?;
    rows.push(one_after_another("all layers, audit in memory, fresh tokens", &whole, fresh).await);
    rows.extend(durable(&floor, counts, folder, &with_known).await?);
    Ok(rows)
}

async fn durable(
    floor: &Floor,
    counts: Counts,
    folder: &Path,
    with_known: &(dyn Fn(usize) -> Vec<Request<Body>> + Sync),
) -> Result<Vec<Row>> {
    let options =
        LogOptions::new(folder.join("log"), "bench/audit", Arc::clone(&floor.store), floor.clock());
    let log = Arc::new(Log::open(options).await?);
    let service = whole_chain(floor, Arc::<Log>::clone(&log))?;
    let _ = together("warm", &service, with_known(counts.durable / 10 + 1), 64).await;
    let one = counts.durable / 10 + 1;
    let rows = vec![
        one_after_another("all layers, durable audit, 1 in flight", &service, with_known(one))
            .await,
        together(
            "all layers, durable audit, 64 in flight",
            &service,
            with_known(counts.durable),
            64,
        )
        .await,
    ];
    log.close().await?;
    Ok(rows)
}

fn bare() -> Measured {
    BoxCloneSyncService::new(router())
}

fn router() -> Router {
    Router::new().route(PATH, get(|| std::future::ready("done")))
}

/// One layer more in each, from the outside in.
fn layered(floor: &Floor) -> Result<Vec<(&'static str, Measured)>> {
    let (edge, limit, authn) = (floor.edge()?, floor.rate_limit()?, floor.authn());
    let mfa = RequireMfaLayer::new(floor.clock());
    Ok(vec![
        ("+ edge", BoxCloneSyncService::new(edge.layer(router()))),
        ("+ rate limit", BoxCloneSyncService::new(edge.layer(limit.layer(router())))),
        (
            "+ authentication, token seen before",
            BoxCloneSyncService::new(edge.layer(limit.layer(authn.layer(router())))),
        ),
        (
            "+ second factor",
            BoxCloneSyncService::new(edge.layer(limit.layer(authn.layer(mfa.layer(router()))))),
        ),
        (
            "+ authorization",
            BoxCloneSyncService::new(
                edge.layer(limit.layer(authn.layer(mfa.layer(floor.authz().layer(router()))))),
            ),
        ),
        ("+ audit in memory: all layers", without_durable_audit(floor)?),
    ])
}

fn without_durable_audit(floor: &Floor) -> Result<Measured> {
    whole_chain(floor, Arc::new(MemoryRecorder::new()))
}

fn whole_chain(floor: &Floor, recorder: Arc<dyn Recorder>) -> Result<Measured> {
    let mfa = RequireMfaLayer::new(floor.clock());
    let inner = floor.authn().layer(mfa.layer(floor.authz().layer(router())));
    let limited = floor.rate_limit()?.layer(floor.audit(recorder).layer(inner));
    Ok(BoxCloneSyncService::new(floor.edge()?.layer(limited)))
}

/// A request from a corporate address, with a token.
fn request(token: Option<&str>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = http::Uri::from_static(PATH);
    request.extensions_mut().insert(PeerAddr(([10, 0, 0, 1], 40_000).into()));
    if let Some(value) = token.and_then(|token| format!("Bearer {token}").parse().ok()) {
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    request
}
