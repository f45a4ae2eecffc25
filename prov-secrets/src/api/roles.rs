//! Roles: the rules for kinds of credentials. For now those of the SSH certificate authority.

use axum::extract::State;
use http::StatusCode;
use prov_core::{Error, codes};
use prov_http::axum::{
    ApiError, ApiResult, CommonErrors, Context, Json, Listed, PageQuery, Path, Query,
};

use super::SecretsState;
use super::role_document::RoleDocument;
use crate::ssh::SshRole;

/// The roles, by name.
#[utoipa::path(
    get, path = "/api/v1/secrets/roles", tag = "secrets", params(PageQuery),
    responses((status = 200, description = "A page of roles", body = Listed<RoleDocument>), CommonErrors),
)]
pub(super) async fn list(
    State(state): State<SecretsState>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Listed<RoleDocument>>> {
    let (roles, next) = state.ssh.roles().list(page.after()?, page.limit()?).await?;
    let items = roles.into_iter().map(RoleDocument::from).collect();
    Ok(Json(Listed::new(items, next.as_deref())))
}

/// Adds a role.
#[utoipa::path(
    post, path = "/api/v1/secrets/roles", tag = "secrets", request_body = RoleDocument,
    responses((status = 201, description = "The role", body = RoleDocument), CommonErrors),
)]
pub(super) async fn create(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Json(body): Json<RoleDocument>,
) -> ApiResult<(StatusCode, Json<RoleDocument>)> {
    let role = SshRole::from(body);
    state.ssh.roles().create(&ctx, &role).await?;
    Ok((StatusCode::CREATED, Json(role.into())))
}

/// One role.
#[utoipa::path(
    get, path = "/api/v1/secrets/roles/{id}", tag = "secrets",
    params(("id" = String, Path, description = "The role's name")),
    responses((status = 200, description = "The role", body = RoleDocument), CommonErrors),
)]
pub(super) async fn show(
    State(state): State<SecretsState>,
    Path(name): Path<String>,
) -> ApiResult<Json<RoleDocument>> {
    Ok(Json(state.ssh.roles().show(&name).await?.into()))
}

/// Sets the rules of a role, whether it exists or not.
#[utoipa::path(
    put, path = "/api/v1/secrets/roles/{id}", tag = "secrets",
    params(("id" = String, Path, description = "The role's name")), request_body = RoleDocument,
    responses((status = 200, description = "The role", body = RoleDocument), CommonErrors),
)]
pub(super) async fn set(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Path(name): Path<String>,
    Json(mut body): Json<RoleDocument>,
) -> ApiResult<Json<RoleDocument>> {
    if body.name.is_empty() {
        body.name.clone_from(&name);
    }
    if body.name != name {
        let error = Error::new(codes::INVALID_REQUEST);
        return Err(ApiError(error.field("name", "not the name in the path; roles keep theirs")));
    }
    let role = SshRole::from(body);
    state.ssh.roles().set(&ctx, &role).await?;
    Ok(Json(role.into()))
}

/// Deletes a role. Certificates that were signed by it keep what they say until they end.
#[utoipa::path(
    delete, path = "/api/v1/secrets/roles/{id}", tag = "secrets",
    params(("id" = String, Path, description = "The role's name")),
    responses((status = 204, description = "It is gone"), CommonErrors),
)]
pub(super) async fn delete(
    State(state): State<SecretsState>,
    Context(ctx): Context,
    Path(name): Path<String>,
) -> ApiResult<StatusCode> {
    state.ssh.roles().delete(&ctx, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
