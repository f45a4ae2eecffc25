//! Witnesses: those of this log, and this server as one for the logs of others.

use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};
use prov_core::{Error, codes as core_codes};
use prov_http::KeepBody;
use prov_http::axum::{ApiError, ApiResult, CommonErrors, Facts, Json, Path};
use serde::Serialize;

use super::ApiState;
use crate::codes;
use crate::witness::{Submitted, WatchedLog, WitnessingStatus};

/// A request to a witness is not longer: 63 hashes, and a checkpoint with signatures of others.
const LONGEST: usize = 64 << 10;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// What a witness answers that has seen another size (C2SP tlog-witness).
const SIZE: HeaderValue = HeaderValue::from_static("text/x.tlog.size");

/// The witnesses of this server's log, and what this server vouches for itself.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditWitnesses)]
pub(super) struct Witnesses {
    /// How far the witnesses of this log are.
    #[serde(flatten)]
    status: WitnessingStatus,
    /// This server as a witness; absent when it is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<OwnWitness>,
}

/// This server as a witness for the logs of others.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = AuditOwnWitness)]
struct OwnWitness {
    /// Its name in cosignatures.
    name: String,
    /// Its public keys (C2SP tlog-cosignature): Ed25519, and ML-DSA-44.
    keys: Vec<String>,
    /// The logs it watches.
    logs: Vec<WatchedLog>,
}

/// The witnesses of the log: what they have cosigned, and how each of them is; and what this server has
/// cosigned of the logs of others.
#[utoipa::path(get, path = "/api/v1/audit/witnesses", tag = "audit",
    responses((status = 200, body = Witnesses), CommonErrors))]
pub(super) async fn list_witnesses(State(state): State<ApiState>) -> ApiResult<Json<Witnesses>> {
    let own = match &state.witness {
        None => None,
        Some(witness) => Some(OwnWitness {
            name: witness.name().to_owned(),
            keys: witness.keys().map(ToString::to_string).into(),
            logs: witness.logs().await?,
        }),
    };
    Ok(Json(Witnesses { status: state.witnessing(), own }))
}

/// Cosigns a checkpoint of a log that is watched, when it continues what was seen of it (C2SP
/// tlog-witness). The body is `old` and a size, the hashes of the consistency proof, an empty line, and
/// the checkpoint; the answer is lines of signatures.
#[utoipa::path(post, path = "/api/v1/audit/witness/add-checkpoint", tag = "audit",
    request_body(content = String, content_type = "text/plain",
        description = "As C2SP tlog-witness says."),
    responses(
        (status = 200, description = "The witness's signature lines.", body = String,
            content_type = "text/plain"),
        (status = 409, description = "The size that was cosigned last: the proof must begin there.",
            body = String, content_type = "text/x.tlog.size"),
        CommonErrors))]
pub(super) async fn add_checkpoint(
    State(state): State<ApiState>,
    Facts(facts): Facts,
    body: Bytes,
) -> Result<Response, ApiError> {
    let witness = state.witness.as_ref().ok_or_else(|| Error::new(codes::UNKNOWN_LOG))?;
    if body.len() > LONGEST {
        return Err(Error::new(core_codes::TOO_LARGE).into());
    }
    Ok(match witness.add_checkpoint(&facts, &body).await? {
        Submitted::Cosigned(lines) => ([(CONTENT_TYPE, TEXT)], lines).into_response(),
        Submitted::Seen(size) => {
            let kind = [(CONTENT_TYPE, SIZE)];
            // The protocol says what stands in the body.
            let kept = Extension(KeepBody);
            (StatusCode::CONFLICT, kept, kind, format!("{size}\n")).into_response()
        }
    })
}

/// The newest checkpoint of a watched log that was cosigned, with the signatures of the log and of this
/// witness: for those who compare what a log shows to whom (C2SP tlog-witness, monitor retrieval).
#[utoipa::path(get, path = "/api/v1/audit/witness/{origin_hash}/checkpoint", tag = "audit",
    params(("origin_hash" = String, Path,
        description = "SHA-256 of the log's name, in lower-case hexadecimal")),
    responses((status = 200, description = "A signed note.", body = String, content_type = "text/plain"),
        CommonErrors))]
pub(super) async fn read_cosigned(
    State(state): State<ApiState>,
    Path(hash): Path<String>,
) -> Result<Response, ApiError> {
    let witness = state.witness.as_ref().ok_or_else(|| Error::new(codes::UNKNOWN_LOG))?;
    let note = witness.checkpoint(&hash).await?;
    Ok(([(CONTENT_TYPE, TEXT)], note).into_response())
}
