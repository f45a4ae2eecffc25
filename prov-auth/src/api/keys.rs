//! Signing keys.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed};

use super::{KeyBody, RotateRequest, RotatedKeysBody};
use crate::{AuthService, Rotation};

/// Lists the signing keys.
///
/// Only what is public about them: id, state, age.
#[utoipa::path(
    get,
    path = "/api/v1/auth/keys",
    tag = "auth",
    responses((status = 200, description = "All of them, the newest first.", body = Listed<KeyBody>), CommonErrors)
)]
pub(super) async fn keys(State(service): State<Arc<AuthService>>) -> Json<Listed<KeyBody>> {
    let items = service.signing_keys().into_iter().map(Into::into).collect();
    Json(Listed::new(items, None))
}

/// Rotates the signing keys.
///
/// The pending key signs from now on. By default only once it has been published long enough for
/// every verifier to know it; `at_once` is for a key that has leaked.
#[utoipa::path(
    post,
    path = "/api/v1/auth/keys/rotate",
    tag = "auth",
    request_body = Option<RotateRequest>,
    responses((status = 200, description = "What changed.", body = RotatedKeysBody), CommonErrors)
)]
pub(super) async fn rotate(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    body: Option<Json<RotateRequest>>,
) -> ApiResult<Json<RotatedKeysBody>> {
    let rotation = body.map_or_else(Rotation::default, |Json(request)| request.rotation);
    Ok(Json(service.rotate_signing_keys(&context, rotation).await?.into()))
}

/// The public keys, for whoever verifies access tokens.
///
/// A JWK set (RFC 7517): the key that signs, the one that will, and those that did until their last
/// token has ended. May be cached as long as `Cache-Control` says.
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "auth",
    responses((status = 200, description = "The JWK set.", body = serde_json::Value, content_type = "application/jwk-set+json"), CommonErrors)
)]
pub(super) async fn jwks(State(service): State<Arc<AuthService>>) -> impl IntoResponse {
    let keys = service.keys();
    let max_age = format!("public, max-age={}", keys.max_age().as_secs());
    let headers = [(CACHE_CONTROL, max_age), (CONTENT_TYPE, "application/jwk-set+json".to_owned())];
    (headers, keys.jwks().to_string())
}
