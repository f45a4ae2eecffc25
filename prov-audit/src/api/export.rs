//! Exporting the log as it is: every leaf with its exact bytes, so that whoever receives it can
//! verify it. Personal data stays sealed.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use prov_core::Result;
use prov_core::audit::{Action, RetentionClass};
use prov_http::axum::{ApiResult, CommonErrors, Context, Facts, Query};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ApiState, LogName};
use crate::leaf::Leaf;
use crate::log::{ExportedLeaf, LeafReader};

/// In which form.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// One JSON object on each line.
    #[default]
    Jsonl,
    /// One JSON array.
    Json,
    /// RFC 4180, with a head line.
    Csv,
}

/// What is exported.
#[derive(Debug, Clone, Copy, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    /// `jsonl` unless said, `json` or `csv`.
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
}

/// The raw leaves of a log, in order, streamed. `hash` is the leaf hash of exactly the bytes of
/// `leaf` (RFC 6962), so that the export can be checked against a checkpoint.
#[utoipa::path(get, path = "/api/v1/audit/export", tag = "audit", params(ExportQuery),
    responses((status = 200, body = String, content_type = "application/jsonl"), CommonErrors))]
pub(super) async fn export_log(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Query(asked): Query<ExportQuery>,
) -> ApiResult<Response> {
    let class = RetentionClass::from(asked.log);
    let reader = state.log.leaves(class, asked.from_seq).await?;
    let format = format!("{:?}", asked.format).to_lowercase();
    let from = [("format", format), ("from_seq", asked.from_seq.to_string())];
    state.record(&context, &facts, Action::AUDIT_EXPORT, &from).await?;
    let writer = Writer { format: asked.format, class, started: false };
    let pieces = stream::try_unfold(Some((reader, writer)), next_piece);
    let mut response = Response::new(Body::from_stream(pieces));
    let media = match asked.format {
        Format::Jsonl => "application/jsonl",
        Format::Json => "application/json",
        Format::Csv => "text/csv; charset=utf-8; header=present",
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
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

/// One leaf in JSON. The leaf stands there byte for byte.
#[derive(Serialize)]
struct Line<'a> {
    log: RetentionClass,
    seq: u64,
    hash: String,
    leaf: &'a RawValue,
}

struct Writer {
    format: Format,
    class: RetentionClass,
    started: bool,
}

const CSV_HEAD: &str = "log,seq,hash,time,id,action,outcome,actor_kind,actor_id,resource_type,\
                        resource_id,request_id,method,path,leaf\r\n";

impl Writer {
    fn write(&mut self, leaves: &[ExportedLeaf]) -> String {
        let mut text = String::new();
        for leaf in leaves {
            let first = !std::mem::replace(&mut self.started, true);
            match self.format {
                Format::Jsonl => {
                    text.push_str(&self.json(leaf));
                    text.push('\n');
                }
                Format::Json => {
                    text.push_str(if first { "[" } else { ",\n" });
                    text.push_str(&self.json(leaf));
                }
                Format::Csv => {
                    text.push_str(if first { CSV_HEAD } else { "" });
                    text.push_str(&self.csv(leaf));
                }
            }
        }
        text
    }

    fn end(&self) -> String {
        match (self.format, self.started) {
            (Format::Json, true) => "]\n".to_owned(),
            (Format::Json, false) => "[]\n".to_owned(),
            (Format::Csv, false) => CSV_HEAD.to_owned(),
            _ => String::new(),
        }
    }

    fn json(&self, leaf: &ExportedLeaf) -> String {
        // Leaves are JSON by construction; one that is not could not be read back either.
        let raw = serde_json::from_slice::<&RawValue>(&leaf.leaf).unwrap_or(RawValue::NULL);
        let hash = hex::encode(leaf.hash);
        let line = Line { log: self.class, seq: leaf.seq, hash, leaf: raw };
        serde_json::to_string(&line).unwrap_or_default()
    }

    fn csv(&self, exported: &ExportedLeaf) -> String {
        let raw = String::from_utf8_lossy(&exported.leaf).into_owned();
        let mut cells = vec![
            crate::log::class_name(self.class).replace('-', "_"),
            exported.seq.to_string(),
            hex::encode(exported.hash),
        ];
        if let Some(leaf) = Leaf::read(&exported.leaf) {
            cells.extend([
                leaf.time.to_string(),
                leaf.id.to_string(),
                leaf.action,
                leaf.outcome.as_str().to_owned(),
                word(&leaf.actor.kind),
                leaf.actor.id.unwrap_or_default(),
            ]);
            let (kind, id) = leaf.resource.map(|r| (r.kind, r.id)).unwrap_or_default();
            let request = leaf.request;
            let request_id = request.id.map(|id| id.to_string()).unwrap_or_default();
            cells.extend([kind, id, request_id]);
            cells.extend([request.method, request.path].map(Option::unwrap_or_default));
        }
        cells.resize(14, String::new());
        cells.push(raw);
        let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
        cells.join(",") + "\r\n"
    }
}

/// The name of a unit variant.
fn word(kind: &impl Serialize) -> String {
    let value = serde_json::to_value(kind).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// A cell by RFC 4180. What a spreadsheet would take for a formula gets an apostrophe before it.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if formula { "'" } else { "" };
    if formula || cell.contains([',', '"', '\r', '\n']) {
        format!("\"{mark}{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
