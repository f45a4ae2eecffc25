//! An existing axum application, and the lines that secure it.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use http::Method;
use prov_audit::{AuditLayer, Log};
use prov_auth::{AuthService, RateLimitLayer, api as auth_api};
use prov_authz::{AuthzLayer, CedarEngine, CedarOptions};
use prov_core::{Clock, SystemClock};
use prov_http::axum::Context;
use prov_http::{EdgeLayer, Route, RouteTable};
use prov_kms::SealedStore;
use prov_mfa::{MfaService, RECENT_SECOND_FACTOR as FRESH, RequireMfaLayer, api as mfa_api};
use prov_store::connect;

use crate::Failure;

/// The application as it was: three routes, open to everybody.
pub fn status_board() -> Router {
    Router::new()
        .route("/", get(async || "the status board\n"))
        .route("/status", get(async || "all systems nominal\n"))
        .route("/drain", post(drain))
}

/// A handler sees who asks as an extractor; whether they may was decided before.
async fn drain(Context(caller): Context) -> String {
    format!("draining the fleet, as {} wishes\n", caller.principal().name)
}

/// The same application, secured; and the service that knows its users. What is remembered lies in
/// `data`: the database, sealed under the key in `root.key`, and the audit log.
///
/// # Errors
/// When a store, the log or a key can't be opened.
pub async fn secured(app: Router, data: &Path) -> Result<(Router, Arc<AuthService>), Failure> {
    // ── the application's own security: begin ──
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let db = connect(&format!("sqlite:{}/app.db", data.display()), clock.clone()).await?;
    let db = SealedStore::embedded(db, &data.join("root.key"), clock.clone()).await?;
    let log = Log::embedded(data.join("audit"), "board", db.clone(), clock.clone()).await?;
    let mfa = MfaService::embedded(db.clone(), log.clone(), clock.clone())?;
    let auth = AuthService::embedded("board", mfa.clone(), db, log.clone(), clock.clone()).await?;
    let policies = Arc::new(CedarEngine::shipped(clock.clone(), CedarOptions::default())?);
    let mut routes = [auth_api::routes(), mfa_api::routes()].concat();
    routes.push(Route::public(Method::GET, "/"));
    routes.push(Route::guarded(Method::GET, "/status", "read", "status"));
    routes.push(Route::guarded(Method::POST, "/drain", "admin", "fleet").with_second_factor(FRESH));
    let app = app.merge(auth_api::router(auth.clone())).merge(mfa_api::router(mfa, auth.clone()));
    let app = app
        .layer(AuthzLayer::new(policies, clock.clone()))
        .layer(RequireMfaLayer::new(clock.clone()))
        .layer(auth.authn_layer())
        .layer(AuditLayer::new(log, clock.clone()))
        .layer(RateLimitLayer::new("100/min".parse()?, clock.clone()))
        .layer(EdgeLayer::new(clock).with_routes(Arc::new(RouteTable::new(routes)?)));
    // ── the application's own security: end ──
    Ok((app, auth))
}
