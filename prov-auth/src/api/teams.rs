//! Teams.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use prov_core::{Error, TeamName, codes};
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Listed, PageQuery, Path, Query};

use super::{NewTeamRequest, TeamBody};
use crate::AuthService;

/// Lists teams.
///
/// By name.
#[utoipa::path(
    get,
    path = "/api/v1/teams",
    tag = "teams",
    params(PageQuery),
    responses((status = 200, description = "A page of teams.", body = Listed<TeamBody>), CommonErrors)
)]
pub(super) async fn list(
    State(service): State<Arc<AuthService>>,
    Query(page): Query<PageQuery>,
) -> ApiResult<Json<Listed<TeamBody>>> {
    let found = service.teams(page.limit()?, page.after()?).await?;
    let items = found.teams.into_iter().map(Into::into).collect();
    Ok(Json(Listed::new(items, found.next.as_deref())))
}

/// Makes a team.
///
/// Policies can name it from now on.
#[utoipa::path(
    post,
    path = "/api/v1/teams",
    tag = "teams",
    request_body = NewTeamRequest,
    responses((status = 201, description = "The team.", body = TeamBody), CommonErrors)
)]
pub(super) async fn create(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Json(request): Json<NewTeamRequest>,
) -> ApiResult<(StatusCode, Json<TeamBody>)> {
    let team = service.create_team(&context, &request.name, request.description).await?;
    Ok((StatusCode::CREATED, Json(team.into())))
}

/// Deletes a team.
///
/// Only one that nobody belongs to and no shipped policy names.
#[utoipa::path(
    delete,
    path = "/api/v1/teams/{id}",
    tag = "teams",
    params(("id" = String, Path, description = "The team's name.")),
    responses((status = 204, description = "Deleted."), CommonErrors)
)]
pub(super) async fn delete(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let name: TeamName = id.parse().map_err(|error: Error| {
        Error::new(codes::INVALID_REQUEST).field("id", error.public_detail())
    })?;
    service.delete_team(&context, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
