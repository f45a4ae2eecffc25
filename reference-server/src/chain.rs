//! The chain of layers, outermost first:
//! edge → metrics → rate limit → (a task of its own:) audit → authentication → second factor → authorization
//! → idempotency → router.
//!
//! Rate limiting comes before any cryptography. Audit stands outside authentication, so that
//! refusals are recorded, and answers only after its record is durable. A kept answer to a repeated
//! request stands innermost, so that whoever repeats it must be allowed it again.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, Request, Response};
use prov_audit::AuditLayer;
use prov_auth::{AuthnLayer, RateLimitLayer};
use prov_authz::AuthzLayer;
use prov_core::Clock;
use prov_http::{EdgeLayer, IdempotencyLayer, RouteTable, TrustedProxies};
use prov_mfa::RequireMfaLayer;
use tokio_util::task::TaskTracker;
use tower::util::BoxCloneSyncService;
use tower_layer::Layer;
use tower_service::Service;

use crate::detach::DetachLayer;
use crate::metrics::MetricsLayer;

/// An answer that takes longer is given up, its work is not.
const PATIENCE: Duration = Duration::from_secs(30);

/// The layers, made.
pub(crate) struct Layers {
    pub(crate) proxies: TrustedProxies,
    pub(crate) metrics: MetricsLayer,
    pub(crate) rate_limit: RateLimitLayer,
    pub(crate) audit: AuditLayer,
    pub(crate) authn: AuthnLayer,
    pub(crate) mfa: RequireMfaLayer,
    pub(crate) authz: AuthzLayer,
    pub(crate) idempotency: IdempotencyLayer,
    pub(crate) over_tls: bool,
}

/// Everything behind the listener, as one service.
#[derive(Clone)]
pub struct Chain {
    service: BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>,
    tasks: TaskTracker,
    over_tls: bool,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain").field("over_tls", &self.over_tls).finish_non_exhaustive()
    }
}

impl Chain {
    pub(crate) fn new(
        layers: Layers,
        table: RouteTable,
        clock: Arc<dyn Clock>,
        router: Router,
    ) -> Self {
        let edge = EdgeLayer::new(clock).trusting(layers.proxies).with_routes(Arc::new(table));
        let once = layers.idempotency.layer(router);
        let guarded = layers.authn.layer(layers.mfa.layer(layers.authz.layer(once)));
        let tasks = TaskTracker::new();
        let detached = DetachLayer::new(tasks.clone(), PATIENCE).layer(layers.audit.layer(guarded));
        let service = edge.layer(layers.metrics.layer(layers.rate_limit.layer(detached)));
        Self { service: BoxCloneSyncService::new(service), tasks, over_tls: layers.over_tls }
    }

    /// Waits for work whose client has gone away.
    pub(crate) async fn finish(&self, patience: Duration) {
        self.tasks.close();
        if tokio::time::timeout(patience, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "work did not end in time");
        }
    }
}

impl Service<Request<Body>> for Chain {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let answer = self.service.call(request);
        let over_tls = self.over_tls;
        Box::pin(async move {
            let mut response = answer.await?;
            harden(response.headers_mut(), over_tls);
            Ok(response)
        })
    }
}

/// The headers every answer carries, unless a handler knows better.
fn harden(headers: &mut HeaderMap, over_tls: bool) {
    const SAME_ORIGIN: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    // Room for all of them at once: growing the map name by name costs more than writing them.
    headers.reserve(8);
    let mut unless_set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    unless_set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    unless_set(CACHE_CONTROL, "no-store");
    unless_set(CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'");
    unless_set(X_FRAME_OPTIONS, "DENY");
    unless_set(REFERRER_POLICY, "no-referrer");
    unless_set(SAME_ORIGIN, "same-origin");
    if over_tls {
        unless_set(STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
}
