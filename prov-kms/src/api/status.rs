//! State over HTTP.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use prov_core::{Health, HealthCheck, HealthState};
use prov_http::axum::{ApiResult, CommonErrors, Json, Listed};

use super::shapes::{BackendShape, StatusShape};
use crate::Kms;

/// Asks the backend now; nothing is remembered.
async fn state_of(kms: &Kms) -> StatusShape {
    let Health { state, detail, .. } = kms.health().await;
    StatusShape {
        state,
        detail,
        backend: kms.envelope().backend().info().name.to_owned(),
        default_key_id: Kms::DEFAULT_KEY.to_owned(),
        cached_data_keys: kms.envelope().cached_keys(),
    }
}

/// Shows the state of the service
///
/// Always 200: the state stands in the answer.
#[utoipa::path(
    get, path = "/api/v1/kms/status", tag = "kms",
    responses((status = 200, description = "The state", body = StatusShape), CommonErrors),
)]
pub(super) async fn status(State(kms): State<Arc<Kms>>) -> ApiResult<Json<StatusShape>> {
    Ok(Json(state_of(&kms).await))
}

/// Asks whether the service can work
///
/// 503 when it can't, for monitors that read nothing but the status.
#[utoipa::path(
    get, path = "/api/v1/kms/health", tag = "kms",
    responses(
        (status = 200, description = "It can work, at least in part", body = StatusShape),
        CommonErrors,
    ),
)]
pub(super) async fn health(
    State(kms): State<Arc<Kms>>,
) -> ApiResult<(StatusCode, Json<StatusShape>)> {
    let state = state_of(&kms).await;
    let status = match state.state {
        HealthState::Down => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::OK,
    };
    Ok((status, Json(state)))
}

/// Lists backends
///
/// With what each can do.
#[utoipa::path(
    get, path = "/api/v1/kms/backends", tag = "kms",
    responses((status = 200, description = "The backends", body = Listed<BackendShape>), CommonErrors),
)]
pub(super) async fn backends(State(kms): State<Arc<Kms>>) -> ApiResult<Json<Listed<BackendShape>>> {
    let active = std::iter::once(true).chain(std::iter::repeat(false));
    let all = kms.envelope().backends().zip(active);
    let items = all.map(|(backend, active)| BackendShape::new(backend.info(), active)).collect();
    Ok(Json(Listed::new(items, None)))
}
