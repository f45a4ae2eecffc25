//! What can happen.

use prov_core::audit::{ActionInfo, CATALOGUE};
use prov_http::axum::{ApiResult, CommonErrors, Json};
use serde::Serialize;

/// Every action that prov itself records.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditActionList)]
pub(super) struct ActionList {
    /// The actions, by area.
    items: Vec<ActionDocument>,
}

/// An action.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditAction)]
struct ActionDocument {
    /// Its name, dotted words.
    action: &'static str,
    /// What it means.
    meaning: &'static str,
    /// Which log its events stand in: `standard` or `break_glass`.
    log: &'static str,
}

impl From<&ActionInfo> for ActionDocument {
    fn from(info: &ActionInfo) -> Self {
        let log = crate::log::api_name(info.retention_class());
        Self { action: info.name, meaning: info.meaning, log }
    }
}

/// The catalogue of actions. An application that embeds prov may record others of its own.
#[utoipa::path(get, path = "/api/v1/audit/actions", tag = "audit",
    responses((status = 200, body = ActionList), CommonErrors))]
pub(super) async fn list_actions() -> ApiResult<Json<ActionList>> {
    Ok(Json(ActionList { items: CATALOGUE.iter().map(Into::into).collect() }))
}
