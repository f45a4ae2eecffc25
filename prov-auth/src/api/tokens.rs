//! API tokens.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use prov_core::{Error, Result, codes};
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed, Path};

use super::{ApiTokenBody, IssuedApiTokenBody, NewApiTokenRequest, RotateApiTokenRequest};
use crate::{ApiTokenId, AuthService};

fn named(id: &str) -> Result<ApiTokenId> {
    id.parse().map_err(|_| {
        Error::new(codes::INVALID_REQUEST)
            .field("id", "the id of an API token looks like `pat_` and 26 characters")
    })
}

/// Lists the caller's API tokens.
///
/// Oldest first, without their values, which nobody keeps.
#[utoipa::path(
    get,
    path = "/api/v1/auth/tokens",
    tag = "auth",
    responses((status = 200, description = "All of them.", body = Listed<ApiTokenBody>), CommonErrors)
)]
pub(super) async fn list(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
) -> ApiResult<Json<Listed<ApiTokenBody>>> {
    let tokens = service.list_api_tokens(&context).await?;
    Ok(Json(Listed::new(tokens.into_iter().map(Into::into).collect(), None)))
}

/// Makes an API token.
///
/// For a program that acts for the caller. It may do what its scopes cover and the caller may do at the
/// moment of each use, and it ends. The answer shows its value this once.
#[utoipa::path(
    post,
    path = "/api/v1/auth/tokens",
    tag = "auth",
    request_body = NewApiTokenRequest,
    responses((status = 201, description = "The token and its value.", body = IssuedApiTokenBody), CommonErrors)
)]
pub(super) async fn create(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Json(request): Json<NewApiTokenRequest>,
) -> ApiResult<(StatusCode, Json<IssuedApiTokenBody>)> {
    let made = service.create_api_token(&context, request.into()).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// Gives an API token a new value.
///
/// The new value is good as long as the first was. The old one ends at once, or after `overlap`.
#[utoipa::path(
    post,
    path = "/api/v1/auth/tokens/{id}/rotate",
    tag = "auth",
    params(("id" = String, Path, description = "The token's id.")),
    request_body = Option<RotateApiTokenRequest>,
    responses((status = 200, description = "The token and its value.", body = IssuedApiTokenBody), CommonErrors)
)]
pub(super) async fn rotate(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
    body: Option<Json<RotateApiTokenRequest>>,
) -> ApiResult<Json<IssuedApiTokenBody>> {
    let overlap = body.map_or_else(Default::default, |Json(request)| request.overlap);
    Ok(Json(service.rotate_api_token(&context, &named(&id)?, overlap).await?.into()))
}

/// Deletes an API token.
///
/// It holds no more, on every node.
#[utoipa::path(
    delete,
    path = "/api/v1/auth/tokens/{id}",
    tag = "auth",
    params(("id" = String, Path, description = "The token's id.")),
    responses((status = 204, description = "Deleted."), CommonErrors)
)]
pub(super) async fn delete(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    service.delete_api_token(&context, &named(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}
