//! Exporting logs, in the form that whoever receives it likes best.

use std::collections::VecDeque;
use std::fmt::Write;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use prov_core::audit::{Action, RetentionClass};
use prov_core::{Error, Result, codes as core_codes};
use prov_http::axum::{ApiResult, CommonErrors, Context, Facts, Query};
use serde::Deserialize;

use super::{ApiState, LogName};
use crate::format::{Format, Writer};
use crate::joining::JoinedLog;
use crate::log::{LeafReader, unknown_log};

/// Says which logs an export has, from where to where, and what is wrong with each.
const LOGS: HeaderName = HeaderName::from_static("audit-logs");

/// What is exported.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
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
    log: Option<LogName>,
    /// The name of a joined log instead, of whichever server.
    origin: Option<String>,
    /// Every joined log instead, one after the other; with `log` those of a class.
    #[serde(default)]
    #[param(value_type = Option<bool>)]
    all: bool,
    /// The first event, by its place in the log; 0 unless said.
    #[param(value_type = Option<u64>)]
    from_seq: Option<u64>,
    /// Ends before this event; with the newest unless said.
    to_seq: Option<u64>,
}

/// The leaves of a log, or of all, in order, streamed. Every record keeps the log's name, its place there,
/// the hash of its leaf (RFC 6962) and the leaf's exact bytes, so that it can be checked against a
/// checkpoint. Personal data stays sealed. The header `Audit-Logs` says which events of which logs they are
/// (`NAME;from=0;to=500`), how many more a log has that are not here yet (`behind=3`), and what is wrong with
/// it (`alarm=gap`). From behind the end there are none, and `from` says where the log ends.
#[utoipa::path(get, path = "/api/v1/audit/export", tag = "audit", params(ExportQuery),
    responses((status = 200, body = String, content_type = "application/jsonl"), CommonErrors))]
pub(super) async fn export_log(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Query(asked): Query<ExportQuery>,
) -> ApiResult<Response> {
    let mut logs = VecDeque::new();
    for (origin, class) in asked.logs(&state)? {
        let mut reader =
            state.log.joined_leaves(&origin, asked.from_seq.unwrap_or_default()).await?;
        if let Some(end) = asked.to_seq {
            reader.end_at(end);
        }
        logs.push_back(Exported { origin, class, reader });
    }
    let from = asked.from_seq.unwrap_or_default().to_string();
    let what = [("format", asked.format.to_string()), ("from_seq", from)];
    let which = logs.iter().map(|log| log.origin.as_str()).collect::<Vec<_>>().join(" ");
    let what = what.into_iter().chain([("logs", which)]).collect::<Vec<_>>();
    state.record(&context, &facts, Action::AUDIT_EXPORT, &what).await?;
    let said = said(&logs, &state.log.joined());
    let writer = Writer::new(asked.format, String::new(), RetentionClass::Standard);
    let pieces = stream::try_unfold(Some((logs, writer)), next_piece);
    let mut response = Response::new(Body::from_stream(pieces));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asked.format.media_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(said) = HeaderValue::from_maybe_shared(Bytes::from(said)) {
        headers.insert(LOGS, said);
    }
    Ok(response)
}

impl ExportQuery {
    /// The logs that are asked for.
    fn logs(&self, state: &ApiState) -> Result<Vec<(String, RetentionClass)>> {
        let refuse =
            |field, what: &str| Err(Error::new(core_codes::INVALID_REQUEST).field(field, what));
        let own = |log: LogName| {
            let class = RetentionClass::from(log);
            (state.log.verifier_key(class).name().to_owned(), class)
        };
        let joined = || state.log.joined_names();
        match (self.all, &self.origin) {
            (true, Some(_)) => refuse("all", "either every log, or the one of a name"),
            (true, None) if self.from_seq.is_some() || self.to_seq.is_some() => {
                refuse("all", "a range of places is of one log; name it with `origin`")
            }
            (true, None) => {
                let class = self.log.map(RetentionClass::from);
                let fits = |(_, of): &(_, RetentionClass)| class.is_none_or(|class| class == *of);
                Ok(joined().into_iter().filter(fits).collect())
            }
            (false, Some(origin)) => {
                let found = joined().into_iter().find(|(name, _)| name == origin);
                found.map(|one| vec![one]).ok_or_else(unknown_log)
            }
            (false, None) => Ok(vec![own(self.log.unwrap_or_default())]),
        }
    }
}

/// A log on its way out.
struct Exported {
    origin: String,
    class: RetentionClass,
    reader: LeafReader,
}

/// Which events they are, and what is not there.
fn said(logs: &VecDeque<Exported>, joined: &[JoinedLog]) -> String {
    let mut text = String::new();
    for log in logs {
        let (comma, range) = (if text.is_empty() { "" } else { ", " }, log.reader.range());
        let _ = write!(text, "{comma}{};from={};to={}", log.origin, range.start, range.end);
        let Some(known) = joined.iter().find(|known| known.origin == log.origin) else { continue };
        if known.behind > 0 {
            let _ = write!(text, ";behind={}", known.behind);
        }
        if let Some(alarm) = &known.alarm {
            let _ = write!(text, ";alarm={}", alarm.kind);
        }
    }
    text
}

type Progress = Option<(VecDeque<Exported>, Writer)>;

async fn next_piece(progress: Progress) -> Result<Option<(Bytes, Progress)>> {
    let Some((mut logs, mut writer)) = progress else { return Ok(None) };
    while let Some(log) = logs.front_mut() {
        let leaves = log.reader.next().await?;
        if !leaves.is_empty() {
            writer.turn_to(log.origin.as_str(), log.class);
            let piece = writer.write(&leaves);
            return Ok(Some((piece.into(), Some((logs, writer)))));
        }
        logs.pop_front();
    }
    Ok(Some((writer.end().into(), None)))
}
