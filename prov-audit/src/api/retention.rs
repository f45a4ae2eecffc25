//! How long events are kept, and what may not be pruned or erased.

use axum::extract::State;
use http::StatusCode;
use prov_core::audit::RetentionClass;
use prov_http::axum::{ApiResult, CommonErrors, Context, Json, Path};
use serde::Serialize;

use super::ApiState;
use crate::retention::{Hold, NewHold, Retention};

/// How long events are kept, and what there is.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditRetentionState)]
pub(super) struct RetentionState {
    /// How long each class is kept.
    #[serde(flatten)]
    retention: Retention,
    /// The number of the oldest event of the standard class that is kept.
    standard_oldest: u64,
    /// The number of the oldest event of the break-glass class that is kept.
    break_glass_oldest: u64,
}

/// The holds that are in force.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditHoldList)]
pub(super) struct HoldList {
    /// The holds, the oldest first.
    items: Vec<Hold>,
}

/// How long events of each class are kept, and which is the oldest there is.
#[utoipa::path(get, path = "/api/v1/audit/retention", tag = "audit",
    responses((status = 200, body = RetentionState), CommonErrors))]
pub(super) async fn read_retention(
    State(state): State<ApiState>,
) -> ApiResult<Json<RetentionState>> {
    Ok(Json(RetentionState {
        retention: state.log.retention().await?,
        standard_oldest: state.log.oldest(RetentionClass::Standard).await?,
        break_glass_oldest: state.log.oldest(RetentionClass::BreakGlass).await?,
    }))
}

/// Sets how long events of each class are kept; never shorter than the configuration says.
#[utoipa::path(put, path = "/api/v1/audit/retention", tag = "audit", request_body = Retention,
    responses((status = 200, body = Retention), CommonErrors))]
pub(super) async fn set_retention(
    State(state): State<ApiState>,
    Context(context): Context,
    Json(wanted): Json<Retention>,
) -> ApiResult<Json<Retention>> {
    state.log.set_retention(&context, wanted).await?;
    Ok(Json(wanted))
}

/// The holds that are in force.
#[utoipa::path(get, path = "/api/v1/audit/holds", tag = "audit",
    responses((status = 200, body = HoldList), CommonErrors))]
pub(super) async fn list_holds(State(state): State<ApiState>) -> ApiResult<Json<HoldList>> {
    Ok(Json(HoldList { items: state.log.holds().await? }))
}

/// Places a hold: what it is about is neither pruned nor erased until it is released.
#[utoipa::path(post, path = "/api/v1/audit/holds", tag = "audit", request_body = NewHold,
    responses((status = 201, body = Hold), CommonErrors))]
pub(super) async fn place_hold(
    State(state): State<ApiState>,
    Context(context): Context,
    Json(hold): Json<NewHold>,
) -> ApiResult<(StatusCode, Json<Hold>)> {
    let hold = state.log.place_hold(&context, hold).await?;
    Ok((StatusCode::CREATED, Json(hold)))
}

/// Releases a hold.
#[utoipa::path(delete, path = "/api/v1/audit/holds/{id}", tag = "audit",
    params(("id" = String, Path, description = "the hold's id")),
    responses((status = 204, description = "It is released."), CommonErrors))]
pub(super) async fn release_hold(
    State(state): State<ApiState>,
    Context(context): Context,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    state.log.release_hold(&context, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
