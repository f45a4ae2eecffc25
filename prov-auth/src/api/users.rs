//! Users.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use prov_core::UserId;
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed, PageQuery, Path, Query};

use super::{
    CreatedUserBody, NewUserRequest, RolesRequest, TeamsRequest, TemporaryPasswordBody, UserBody,
    UserPatch,
};
use crate::AuthService;

/// The user that a path names, by id or by name.
async fn named(service: &AuthService, id: &str) -> prov_core::Result<UserId> {
    match id.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(service.user(id).await?.id),
    }
}

/// Lists users.
///
/// In the order in which they were made.
#[utoipa::path(
    get,
    path = "/api/v1/users",
    tag = "users",
    params(PageQuery),
    responses((status = 200, description = "A page of users.", body = Listed<UserBody>), CommonErrors)
)]
pub(super) async fn list(
    State(service): State<Arc<AuthService>>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Listed<UserBody>>> {
    let found = service.users(page.limit()?, page.after()?).await?;
    let items = found.users.into_iter().map(Into::into).collect();
    Ok(Json(Listed::new(items, found.next.as_deref())))
}

/// Makes a user.
///
/// Nobody gives roles or teams they do not hold. Without `password`, a temporary one is made and
/// shown this once; it must be changed before signing in, within 24 hours.
#[utoipa::path(
    post,
    path = "/api/v1/users",
    tag = "users",
    request_body = NewUserRequest,
    responses((status = 201, description = "The user.", body = CreatedUserBody), CommonErrors)
)]
pub(super) async fn create(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Json(request): Json<NewUserRequest>,
) -> ApiResult<(StatusCode, Json<CreatedUserBody>)> {
    let created = service.create_user(&context, request.into()).await?;
    Ok((StatusCode::CREATED, Json(created.into())))
}

/// Shows a user.
///
/// By id or by name.
#[utoipa::path(
    get,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = String, Path, description = "The user's id or name.")),
    responses((status = 200, description = "The user.", body = UserBody), CommonErrors)
)]
pub(super) async fn show(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
) -> ApiResult<Json<UserBody>> {
    let user = service.user(&id).await?;
    context.request().note_found(user.id.as_str());
    Ok(Json(user.into()))
}

/// Changes a user's details.
///
/// What is left out stays; `null` takes away.
#[utoipa::path(
    patch,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = String, Path, description = "The user's id or name.")),
    request_body = UserPatch,
    responses((status = 200, description = "The user.", body = UserBody), CommonErrors)
)]
pub(super) async fn update(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
    Json(patch): Json<UserPatch>,
) -> ApiResult<Json<UserBody>> {
    let id = named(&service, &id).await?;
    Ok(Json(service.update_user(&context, &id, patch.into()).await?.into()))
}

/// Deletes a user.
///
/// Ends everything of theirs. The last administrator who can sign in stays.
#[utoipa::path(
    delete,
    path = "/api/v1/users/{id}",
    tag = "users",
    params(("id" = String, Path, description = "The user's id or name.")),
    responses((status = 204, description = "Deleted."), CommonErrors)
)]
pub(super) async fn delete(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id = named(&service, &id).await?;
    service.delete_user(&context, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Resets a user's password.
///
/// Ends everything of theirs and shows a temporary password this once; it must be changed before
/// signing in, within 24 hours. Second factors stay.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/password-reset",
    tag = "users",
    params(("id" = String, Path, description = "The user's id or name.")),
    responses((status = 200, description = "The temporary password.", body = TemporaryPasswordBody), CommonErrors)
)]
pub(super) async fn reset_password(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
) -> ApiResult<Json<TemporaryPasswordBody>> {
    let id = named(&service, &id).await?;
    Ok(Json(service.reset_password(&context, &id).await?.into()))
}

/// Sets a user's roles.
///
/// Access tokens made before hold no more; refreshing gives one with the new roles.
#[utoipa::path(
    put,
    path = "/api/v1/users/{id}/roles",
    tag = "users",
    params(("id" = String, Path, description = "The user's id or name.")),
    request_body = RolesRequest,
    responses((status = 200, description = "The user.", body = UserBody), CommonErrors)
)]
pub(super) async fn set_roles(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
    Json(request): Json<RolesRequest>,
) -> ApiResult<Json<UserBody>> {
    let id = named(&service, &id).await?;
    Ok(Json(service.set_roles(&context, &id, &request.roles).await?.into()))
}

/// Sets a user's teams.
///
/// Access tokens made before hold no more; refreshing gives one with the new teams.
#[utoipa::path(
    put,
    path = "/api/v1/users/{id}/teams",
    tag = "users",
    params(("id" = String, Path, description = "The user's id or name.")),
    request_body = TeamsRequest,
    responses((status = 200, description = "The user.", body = UserBody), CommonErrors)
)]
pub(super) async fn set_teams(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
    Json(request): Json<TeamsRequest>,
) -> ApiResult<Json<UserBody>> {
    let id = named(&service, &id).await?;
    Ok(Json(service.set_teams(&context, &id, &request.teams).await?.into()))
}

/// Locks a user.
///
/// Nothing of theirs holds any more, and signing in answers as if the password were wrong.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/lock",
    tag = "users",
    params(("id" = String, Path, description = "The user's id or name.")),
    responses((status = 200, description = "The user.", body = UserBody), CommonErrors)
)]
pub(super) async fn lock(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
) -> ApiResult<Json<UserBody>> {
    let id = named(&service, &id).await?;
    Ok(Json(service.lock_user(&context, &id).await?.into()))
}

/// Unlocks a user.
///
/// They can sign in again.
#[utoipa::path(
    post,
    path = "/api/v1/users/{id}/unlock",
    tag = "users",
    params(("id" = String, Path, description = "The user's id or name.")),
    responses((status = 200, description = "The user.", body = UserBody), CommonErrors)
)]
pub(super) async fn unlock(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
) -> ApiResult<Json<UserBody>> {
    let id = named(&service, &id).await?;
    Ok(Json(service.unlock_user(&context, &id).await?.into()))
}
