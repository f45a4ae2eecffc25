//! Proving and verifying.

use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::audit::Action;
use prov_http::axum::{ApiResult, CommonErrors, Context, Facts, Json, Path, Query};
use uuid::Uuid;

use super::ApiState;
use super::documents::{
    CheckpointDocument, CheckpointQuery, ConsistencyQuery, InclusionQuery, ProofDocument,
    ProofQuery, RangeQuery, TreeProofDocument, VerifyQuery,
};
use crate::log::CLASSES;
use crate::verify::Report;

/// Verifies the whole log from its files: every record, tile and checkpoint.
#[utoipa::path(get, path = "/api/v1/audit/verify", tag = "audit", params(VerifyQuery),
    responses((status = 200, body = Report), CommonErrors))]
pub(super) async fn verify_log(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Query(which): Query<VerifyQuery>,
) -> ApiResult<Json<Report>> {
    let report = match which.origin {
        Some(origin) => state.log.verify_joined(&origin).await?,
        None => state.log.verify(which.log.into()).await?,
    };
    let result = [("intact", report.intact.to_string()), ("records", report.records.to_string())];
    state.record(&context, &facts, Action::AUDIT_VERIFY, &result).await?;
    Ok(Json(report))
}

/// A checkpoint over everything recorded so far, signed now if the newest one does not cover it; of
/// another server's log the newest that is here.
#[utoipa::path(get, path = "/api/v1/audit/checkpoint", tag = "audit", params(CheckpointQuery),
    responses((status = 200, body = CheckpointDocument), CommonErrors))]
pub(super) async fn read_checkpoint(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Query(which): Query<CheckpointQuery>,
) -> ApiResult<Json<CheckpointDocument>> {
    let origin = state.named(which.origin, which.log);
    let (checkpoint, key) = state.log.joined_checkpoint(&origin).await?;
    let own = CLASSES.into_iter().find(|class| state.log.verifier_key(*class) == &key);
    let mut cosigned = None;
    if let Some(class) = own {
        cosigned = state.log.cosigned_checkpoint(class).await?.map(|cosigned| cosigned.note);
    }
    let ml_dsa_44_key = state.log.joined_ml_dsa_44_key(&origin)?.map(|key| key.to_string());
    let size = [("size", checkpoint.size.to_string())];
    state.record(&context, &facts, Action::AUDIT_QUERY, &size).await?;
    Ok(Json(CheckpointDocument {
        origin: checkpoint.origin,
        size: checkpoint.size,
        root: hex::encode(checkpoint.root),
        note: checkpoint.note,
        cosigned,
        verifier_key: key.to_string(),
        ml_dsa_44_key,
    }))
}

/// The proof that an event is in the log, for any verifier of C2SP tlog-proof.
#[utoipa::path(get, path = "/api/v1/audit/proof/{id}", tag = "audit",
    params(("id" = String, Path, description = "the event's id, a UUID"), ProofQuery),
    responses((status = 200, body = ProofDocument), CommonErrors))]
pub(super) async fn read_proof(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Path(id): Path<Uuid>,
    Query(which): Query<ProofQuery>,
) -> ApiResult<Json<ProofDocument>> {
    let proof = match which.origin {
        Some(origin) => state.log.joined_proof(&origin, id).await?,
        None => state.log.proof(id).await?,
    };
    state.record(&context, &facts, Action::AUDIT_QUERY, &[("proof", id.to_string())]).await?;
    Ok(Json(ProofDocument {
        leaf: STANDARD.encode(proof.leaf),
        proof: proof.text,
        verifier_key: proof.key.to_string(),
    }))
}

/// The proof that an event, named by its place, is in the log (RFC 6962, section 2.1.1).
#[utoipa::path(get, path = "/api/v1/audit/proof/inclusion", tag = "audit", params(InclusionQuery),
    responses((status = 200, body = TreeProofDocument), CommonErrors))]
pub(super) async fn prove_inclusion(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Query(asked): Query<InclusionQuery>,
) -> ApiResult<Json<TreeProofDocument>> {
    let origin = state.named(asked.origin, asked.log);
    let (proof, key) = state.log.joined_inclusion_proof(&origin, asked.index, asked.size).await?;
    let what = [("proof", "inclusion".to_owned()), ("index", asked.index.to_string())];
    state.record(&context, &facts, Action::AUDIT_QUERY, &what).await?;
    Ok(Json(TreeProofDocument::new(proof, &key)))
}

/// The proof that the log only grew since it had `from` events (RFC 6962, section 2.1.2).
#[utoipa::path(get, path = "/api/v1/audit/proof/consistency", tag = "audit",
    params(ConsistencyQuery),
    responses((status = 200, body = TreeProofDocument), CommonErrors))]
pub(super) async fn prove_consistency(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Query(asked): Query<ConsistencyQuery>,
) -> ApiResult<Json<TreeProofDocument>> {
    let origin = state.named(asked.origin, asked.log);
    let (proof, key) = state.log.joined_consistency_proof(&origin, asked.from, asked.to).await?;
    let what = [("proof", "consistency".to_owned()), ("from", asked.from.to_string())];
    state.record(&context, &facts, Action::AUDIT_QUERY, &what).await?;
    Ok(Json(TreeProofDocument::new(proof, &key)))
}

/// The proof that the events from `from` to before `to`, as the export gives them, are all there are.
/// Its hashes stand from left to right beside them in the tree.
#[utoipa::path(get, path = "/api/v1/audit/proof/range", tag = "audit", params(RangeQuery),
    responses((status = 200, body = TreeProofDocument), CommonErrors))]
pub(super) async fn prove_range(
    State(state): State<ApiState>,
    Context(context): Context,
    Facts(facts): Facts,
    Query(asked): Query<RangeQuery>,
) -> ApiResult<Json<TreeProofDocument>> {
    let range = asked.from..asked.to;
    let origin = state.named(asked.origin, asked.log);
    let (proof, key) = state.log.joined_range_proof(&origin, range).await?;
    let what = [("proof", "range".to_owned()), ("from", asked.from.to_string())];
    state.record(&context, &facts, Action::AUDIT_QUERY, &what).await?;
    Ok(Json(TreeProofDocument::new(proof, &key)))
}
