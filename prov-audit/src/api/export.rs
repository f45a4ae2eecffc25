//! Exporting the log, in the form that whoever receives it likes best.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use prov_core::Result;
use prov_core::audit::{Action, RetentionClass};
use prov_http::axum::{ApiResult, CommonErrors, Context, Facts, Query};
use serde::Deserialize;

use super::{ApiState, LogName};
use crate::format::{Format, Writer};
use crate::log::LeafReader;

/// What is exported.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    /// `jsonl` unless said; `json`, `csv`, `splunk`, `ecs`, `syslog`, `cloudwatch`, `ocsf` or `cef`.
    #[serde(default)]
    #[param(inline, value_type = Option<Format>)]
    format: Format,
    /// `standard` unless said, or `break_glass`.
    #[serde(default)]
    #[param(inline, value_type = Option<LogName>)]
    log: LogName,
    /// The first event, by its place in the log; 0 unless said.
    #[serde(default)]
    #[param(value_type = Option<u64>)]
    from_seq: u64,
    /// Ends before this event; with the newest unless said.
    to_seq: Option<u64>,
}

/// The leaves of a log, in order, streamed. Every record keeps the log's name, its place there, the
/// hash of its leaf (RFC 6962) and the leaf's exact bytes, so that it can be checked against a
/// checkpoint. Personal data stays sealed.
#[utoipa::path(get, path = "/api/v1/audit/export", tag = "audit", params(ExportQuery),
    responses((status = 200, body = String, content_type = "application/jsonl"), CommonErrors))]
pub(super) async fn export_log(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Query(asked): Query<ExportQuery>,
) -> ApiResult<Response> {
    let class = RetentionClass::from(asked.log);
    let mut reader = state.log.leaves(class, asked.from_seq).await?;
    if let Some(end) = asked.to_seq {
        reader.end_at(end);
    }
    let what = [("format", asked.format.to_string()), ("from_seq", asked.from_seq.to_string())];
    state.record(&context, &facts, Action::AUDIT_EXPORT, &what).await?;
    let writer = Writer::new(asked.format, state.log.verifier_key(class).name(), class);
    let pieces = stream::try_unfold(Some((reader, writer)), next_piece);
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asked.format.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

type Progress = Option<(LeafReader, Writer)>;

async fn next_piece(progress: Progress) -> Result<Option<(Bytes, Progress)>> {
    let Some((mut reader, mut writer)) = progress else { return Ok(None) };
    let leaves = reader.next().await?;
    if leaves.is_empty() {
        return Ok(Some((writer.end().into(), None)));
    }
    let piece = writer.write(&leaves);
    Ok(Some((piece.into(), Some((reader, writer)))))
}
