//! The logs of all nodes.

use axum::extract::State;
use prov_http::axum::{ApiResult, CommonErrors, Json};
use serde::Serialize;

use super::ApiState;
use crate::joining::JoinedLog;

/// Every joined log.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditJoinedLogList)]
pub(super) struct JoinedList {
    /// This server's own logs first; empty where logs are not joined.
    items: Vec<JoinedLog>,
}

/// The logs that questions are answered from, of this server and of the others that share its store: how
/// far each of them is here, and what is wrong with it.
#[utoipa::path(get, path = "/api/v1/audit/logs", tag = "audit",
    responses((status = 200, body = JoinedList), CommonErrors))]
pub(super) async fn list_logs(State(state): State<ApiState>) -> ApiResult<Json<JoinedList>> {
    Ok(Json(JoinedList { items: state.log.joined() }))
}
