//! Keys over HTTP.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed, PageQuery, Path, Query};

use super::shapes::{CreateKeyRequest, KeyShape};
use crate::{KeyName, Kms};

/// Lists keys
///
/// By name, page by page.
#[utoipa::path(
    get, path = "/api/v1/kms/keys", tag = "kms", params(PageQuery),
    responses((status = 200, description = "A page of keys", body = Listed<KeyShape>), CommonErrors),
)]
pub(super) async fn list(
    State(kms): State<Arc<Kms>>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Listed<KeyShape>>> {
    let page = kms.keys(query.limit()?, query.after()?).await?;
    let items = page.items.into_iter().map(|key| key.entity.into()).collect();
    Ok(Json(Listed::new(items, page.next.as_deref())))
}

/// Creates a key
///
/// At the active backend.
#[utoipa::path(
    post, path = "/api/v1/kms/keys", tag = "kms", request_body = CreateKeyRequest,
    responses((status = 201, description = "Created", body = KeyShape), CommonErrors),
)]
pub(super) async fn create(
    State(kms): State<Arc<Kms>>,
    Context(caller): Context,
    Json(request): Json<CreateKeyRequest>,
) -> ApiResult<(StatusCode, Json<KeyShape>)> {
    let key = kms.create_key(&caller, &request.key_id).await?;
    Ok((StatusCode::CREATED, Json(key.into())))
}

/// Shows a key
///
/// What is known of it; never the key.
#[utoipa::path(
    get, path = "/api/v1/kms/keys/{id}", tag = "kms",
    params(("id" = String, Path, description = "The key's name")),
    responses((status = 200, description = "The key", body = KeyShape), CommonErrors),
)]
pub(super) async fn show(
    State(kms): State<Arc<Kms>>,
    Path(id): Path<KeyName>,
) -> ApiResult<Json<KeyShape>> {
    Ok(Json(kms.key(&id).await?.into()))
}

/// Rotates a key
///
/// Gives it a new version; older ciphertexts still decrypt.
#[utoipa::path(
    post, path = "/api/v1/kms/keys/{id}/rotate", tag = "kms",
    params(("id" = String, Path, description = "The key's name")),
    responses((status = 200, description = "Rotated", body = KeyShape), CommonErrors),
)]
pub(super) async fn rotate(
    State(kms): State<Arc<Kms>>,
    Context(caller): Context,
    Path(id): Path<KeyName>,
) -> ApiResult<Json<KeyShape>> {
    Ok(Json(kms.rotate_key(&caller, &id).await?.into()))
}

/// Disables a key
///
/// Nothing encrypts or decrypts with it until it is enabled again.
#[utoipa::path(
    post, path = "/api/v1/kms/keys/{id}/disable", tag = "kms",
    params(("id" = String, Path, description = "The key's name")),
    responses((status = 200, description = "Disabled", body = KeyShape), CommonErrors),
)]
pub(super) async fn disable(
    State(kms): State<Arc<Kms>>,
    Context(caller): Context,
    Path(id): Path<KeyName>,
) -> ApiResult<Json<KeyShape>> {
    Ok(Json(kms.disable_key(&caller, &id).await?.into()))
}

/// Enables a key
///
/// After it was disabled.
#[utoipa::path(
    post, path = "/api/v1/kms/keys/{id}/enable", tag = "kms",
    params(("id" = String, Path, description = "The key's name")),
    responses((status = 200, description = "Enabled", body = KeyShape), CommonErrors),
)]
pub(super) async fn enable(
    State(kms): State<Arc<Kms>>,
    Context(caller): Context,
    Path(id): Path<KeyName>,
) -> ApiResult<Json<KeyShape>> {
    Ok(Json(kms.enable_key(&caller, &id).await?.into()))
}
