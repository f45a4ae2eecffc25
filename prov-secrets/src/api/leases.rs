//! Leases.

use axum::extract::State;
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed, Path, Query};

use super::SecretsState;
use super::documents::{
    LeaseDocument, LeaseQuery, RenewBody, ReportDocument, RevokePrefixBody, RevokeUserBody,
};
use crate::LeaseId;

/// Leases on record, oldest first.
#[utoipa::path(
    get, path = "/api/v1/secrets/leases", tag = "secrets", params(LeaseQuery),
    responses((status = 200, description = "A page of leases", body = Listed<LeaseDocument>), CommonErrors),
)]
pub(super) async fn list(
    State(state): State<SecretsState>,
    Query(query): Query<LeaseQuery>,
) -> ApiResult<Json<Listed<LeaseDocument>>> {
    let (filter, page) = query.into_parts();
    let found = state.leases.list(&filter, page.after()?, page.limit()?).await?;
    let items = found.items.into_iter().map(LeaseDocument::from).collect();
    Ok(Json(Listed::new(items, found.next.as_deref())))
}

/// One lease.
#[utoipa::path(
    get, path = "/api/v1/secrets/leases/{id}", tag = "secrets",
    params(("id" = String, Path, description = "The lease")),
    responses((status = 200, description = "The lease", body = LeaseDocument), CommonErrors),
)]
pub(super) async fn show(
    State(state): State<SecretsState>,
    Path(id): Path<String>,
) -> ApiResult<Json<LeaseDocument>> {
    Ok(Json(state.leases.show(&id.parse()?).await?.into()))
}

/// Prolongs a lease.
#[utoipa::path(
    post, path = "/api/v1/secrets/leases/{id}/renew", tag = "secrets",
    params(("id" = String, Path, description = "The lease")), request_body = RenewBody,
    responses((status = 200, description = "The lease, with its new end", body = LeaseDocument), CommonErrors),
)]
pub(super) async fn renew(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Path(id): Path<String>,
    Json(body): Json<RenewBody>,
) -> ApiResult<Json<LeaseDocument>> {
    let id: LeaseId = id.parse()?;
    Ok(Json(state.leases.renew(&ctx, &id, body.ttl).await?.into()))
}

/// Revokes a lease. `state` tells whether the outside system has done it: `revoked`, or `revoking`
/// while it is tried again.
#[utoipa::path(
    post, path = "/api/v1/secrets/leases/{id}/revoke", tag = "secrets",
    params(("id" = String, Path, description = "The lease")),
    responses((status = 200, description = "The lease", body = LeaseDocument), CommonErrors),
)]
pub(super) async fn revoke(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Path(id): Path<String>,
) -> ApiResult<Json<LeaseDocument>> {
    let id: LeaseId = id.parse()?;
    Ok(Json(state.leases.revoke(&ctx, &id).await?.into()))
}

/// Revokes every live lease under a path, continuing past failures.
#[utoipa::path(
    post, path = "/api/v1/secrets/leases/revoke-prefix", tag = "secrets",
    request_body = RevokePrefixBody,
    responses((status = 200, description = "What became of each", body = ReportDocument), CommonErrors),
)]
pub(super) async fn revoke_prefix(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Json(body): Json<RevokePrefixBody>,
) -> ApiResult<Json<ReportDocument>> {
    Ok(Json(state.leases.revoke_prefix(&ctx, &body.prefix).await?.into()))
}

/// Revokes every live lease of one principal, of every engine, continuing past failures.
#[utoipa::path(
    post, path = "/api/v1/secrets/leases/revoke-user", tag = "secrets",
    request_body = RevokeUserBody,
    responses((status = 200, description = "What became of each", body = ReportDocument), CommonErrors),
)]
pub(super) async fn revoke_user(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Json(body): Json<RevokeUserBody>,
) -> ApiResult<Json<ReportDocument>> {
    Ok(Json(state.leases.revoke_user(&ctx, &body.user).await?.into()))
}
