//! How the sinks are.

use axum::extract::State;
use prov_http::axum::{ApiResult, CommonErrors, Json};
use serde::Serialize;

use super::ApiState;
use crate::sink::SinkStatus;

/// Every sink.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditSinkList)]
pub(super) struct SinkList {
    /// The sinks, in the order of the configuration.
    items: Vec<SinkStatus>,
}

/// The receivers that events are delivered to: how each is, and how far behind.
#[utoipa::path(get, path = "/api/v1/audit/sinks", tag = "audit",
    responses((status = 200, body = SinkList), CommonErrors))]
pub(super) async fn list_sinks(State(state): State<ApiState>) -> ApiResult<Json<SinkList>> {
    Ok(Json(SinkList { items: state.log.sinks() }))
}
