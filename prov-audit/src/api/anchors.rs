//! Time stamps.

use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_http::axum::{ApiResult, CommonErrors, Json, Path, Query};
use serde::Serialize;

use super::ApiState;
use super::documents::WhichLog;
use crate::anchors::Anchor;

/// The time stamps of a log.
#[derive(Debug, Default, Serialize, utoipa::ToSchema)]
#[schema(as = AuditAnchors)]
pub(super) struct Anchors {
    /// The newest that holds; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) newest: Option<Anchor>,
    /// How many events each time-stamped checkpoint covers, oldest first.
    pub(super) sizes: Vec<u64>,
    /// How often the authority failed since it last did not.
    pub(super) failures: u64,
    /// Why it failed last, while it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_error: Option<String>,
}

/// A checkpoint, and the word of an authority that there was so much by a moment.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditAnchorFiles)]
pub(super) struct AnchorFiles {
    /// The signed note that was time-stamped, exactly (C2SP tlog-checkpoint).
    checkpoint: String,
    /// The authority's answer (`TimeStampResp` of RFC 3161, DER), base64.
    tsr: String,
}

/// The checkpoints that an authority time-stamped (RFC 3161), and how that goes.
#[utoipa::path(get, path = "/api/v1/audit/anchors", tag = "audit", params(WhichLog),
    responses((status = 200, body = Anchors), CommonErrors))]
pub(super) async fn list_anchors(
    State(state): State<ApiState>,
    Query(which): Query<WhichLog>,
) -> ApiResult<Json<Anchors>> {
    Ok(Json(state.anchors(which.log.into()).await?))
}

/// A time-stamped checkpoint with the answer of the authority, as `openssl ts -verify` takes them.
#[utoipa::path(get, path = "/api/v1/audit/anchors/{size}", tag = "audit",
    params(("size" = u64, Path, description = "how many events the checkpoint covers"), WhichLog),
    responses((status = 200, body = AnchorFiles), CommonErrors))]
pub(super) async fn read_anchor(
    State(state): State<ApiState>,
    Path(size): Path<u64>,
    Query(which): Query<WhichLog>,
) -> ApiResult<Json<AnchorFiles>> {
    let (checkpoint, answer) = state.log.anchor(which.log.into(), size).await?;
    Ok(Json(AnchorFiles { checkpoint, tsr: STANDARD.encode(answer) }))
}
