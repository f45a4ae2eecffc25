//! Engines, their figures, and issuing by any of them.

use axum::extract::State;
use http::StatusCode;
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed, Path};

use super::SecretsState;
use super::documents::{EngineDocument, GenerateBody, SecretDocument, StatsDocument};
use crate::Order;

/// The secret engines.
#[utoipa::path(
    get, path = "/api/v1/secrets/engines", tag = "secrets",
    responses((status = 200, description = "What is installed", body = Listed<EngineDocument>), CommonErrors),
)]
pub(super) async fn list(State(state): State<SecretsState>) -> Json<Listed<EngineDocument>> {
    let engines = state.leases.engines().into_iter().map(EngineDocument::from);
    Json(Listed::new(engines.collect(), None))
}

/// Figures of leases, per engine.
#[utoipa::path(
    get, path = "/api/v1/secrets/stats", tag = "secrets",
    responses((status = 200, description = "What this node knows", body = StatsDocument), CommonErrors),
)]
pub(super) async fn stats(State(state): State<SecretsState>) -> Json<StatsDocument> {
    let engines = state.leases.stats().engines.into_iter().map(Into::into).collect();
    Json(StatsDocument { engines })
}

/// Issues a credential under a lease.
#[utoipa::path(
    post, path = "/api/v1/secrets/{engine}/generate", tag = "secrets",
    params(("engine" = String, Path, description = "The engine's name")),
    request_body = GenerateBody,
    responses((status = 201, description = "The credential, shown once", body = SecretDocument), CommonErrors),
)]
pub(super) async fn generate(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Path(engine): Path<String>,
    Json(body): Json<GenerateBody>,
) -> ApiResult<(StatusCode, Json<SecretDocument>)> {
    let order = Order::by_role(body.role).for_ttl(body.ttl);
    let grant = state.leases.issue(&ctx, &engine, order).await?;
    Ok((StatusCode::CREATED, Json(grant.into())))
}
