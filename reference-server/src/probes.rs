//! `/livez`, `/readyz`, `/metrics`, the version and the OpenAPI document.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use prov_core::{Health, HealthCheck, HealthState};
use prov_http::Route;
use prov_http::axum::Json;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::metrics::Metrics;

/// A component that does not say how it is in this time is down.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the probes look at.
#[derive(Debug, Clone)]
pub(crate) struct Probes {
    checks: Arc<[Arc<dyn HealthCheck>]>,
    metrics: Arc<Metrics>,
}

impl Probes {
    /// Probes over these components.
    #[must_use]
    pub(crate) fn new(checks: Vec<Arc<dyn HealthCheck>>, metrics: Arc<Metrics>) -> Self {
        Self { checks: checks.into(), metrics }
    }
}

/// Whether the server can take requests, and the state of each part.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct Readiness {
    /// `up`, `degraded` or `down`: the worst of the parts.
    pub(crate) status: &'static str,
    /// Each part by name.
    pub(crate) components: BTreeMap<&'static str, ComponentState>,
}

/// The state of one part.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ComponentState {
    /// `up`, `degraded` or `down`.
    pub(crate) state: &'static str,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

/// The version of the running program.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct VersionInfo {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its version (Semantic Versioning).
    pub(crate) version: &'static str,
}

/// The routes of the probes.
#[must_use]
pub(crate) fn router(probes: Probes) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(livez))
        .routes(routes!(readyz))
        .routes(routes!(metrics))
        .routes(routes!(version))
        .with_state(probes)
}

/// Who may use them: they tell nothing that an attacker could use.
#[must_use]
pub(crate) fn routes() -> Vec<Route> {
    ["/livez", "/readyz", "/metrics", "/api/v1/version"]
        .map(|path| Route::public(Method::GET, path))
        .into()
}

/// Whether the process answers at all.
#[utoipa::path(get, path = "/livez", tag = "probes", responses((status = 200, body = String)))]
async fn livez() -> &'static str {
    "ok\n"
}

/// Whether the server can take requests, and the state of each component.
#[utoipa::path(get, path = "/readyz", tag = "probes", responses(
    (status = 200, body = Readiness, description = "It can."),
    (status = 503, body = Readiness, description = "It can't; `components` says why."),
))]
async fn readyz(State(probes): State<Probes>) -> Response {
    let mut components = BTreeMap::new();
    let mut worst = HealthState::Up;
    for check in &*probes.checks {
        let health = tokio::time::timeout(PATIENCE, check.health())
            .await
            .unwrap_or_else(|_| Health::down("no answer within a second"));
        worst = worse(worst, health.state);
        let state = ComponentState { state: name(health.state), detail: health.detail };
        components.insert(check.component(), state);
    }
    let status =
        if worst == HealthState::Down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let mut response = Json(Readiness { status: name(worst), components }).into_response();
    *response.status_mut() = status;
    // Its body says what is wrong; the edge must not put a general problem in its place.
    response.extensions_mut().insert(prov_http::KeepBody);
    response
}

fn worse(a: HealthState, b: HealthState) -> HealthState {
    let rank = |state| match state {
        HealthState::Up => 0,
        HealthState::Degraded => 1,
        _ => 2,
    };
    if rank(b) > rank(a) { b } else { a }
}

fn name(state: HealthState) -> &'static str {
    match state {
        HealthState::Up => "up",
        HealthState::Degraded => "degraded",
        _ => "down",
    }
}

/// Counters and gauges as `OpenMetrics` text.
#[utoipa::path(get, path = "/metrics", tag = "probes", responses((status = 200, body = String)))]
async fn metrics(State(probes): State<Probes>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], probes.metrics.text()).into_response()
}

/// The version of the running program.
#[utoipa::path(get, path = "/api/v1/version", tag = "probes", responses((status = 200, body = VersionInfo)))]
async fn version() -> Json<VersionInfo> {
    Json(VersionInfo { name: "prov", version: env!("CARGO_PKG_VERSION") })
}
