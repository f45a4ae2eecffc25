//! Factors of whatever kind.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use prov_http::axum::{CommonErrors, Context, Json, Listed, Path};

use super::{DeviceBody, DevicePatch, MfaApiError, ProofRequest, StatusBody};
use crate::{FactorId, MfaService};

/// Lists the caller's second factors.
///
/// Secrets are never shown again.
#[utoipa::path(
    get,
    path = "/api/v1/mfa/devices",
    tag = "mfa",
    responses((status = 200, description = "All of them; there are at most 16.", body = Listed<DeviceBody>), CommonErrors)
)]
pub(super) async fn list(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
) -> Result<Json<Listed<DeviceBody>>, MfaApiError> {
    let items = service.devices(&context).await?.into_iter().map(DeviceBody::of).collect();
    Ok(Json(Listed::new(items, None)))
}

/// Gives a second factor another name.
///
/// The name is for its owner only.
#[utoipa::path(
    patch,
    path = "/api/v1/mfa/devices/{id}",
    tag = "mfa",
    params(("id" = String, Path, description = "The factor.")),
    request_body = DevicePatch,
    responses((status = 200, description = "The factor now.", body = DeviceBody), CommonErrors)
)]
pub(super) async fn rename(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
    Path(id): Path<String>,
    Json(patch): Json<DevicePatch>,
) -> Result<Json<DeviceBody>, MfaApiError> {
    let id: FactorId = id.parse()?;
    Ok(Json(DeviceBody::of(service.rename(&context, &id, &patch.name).await?)))
}

/// Removes a second factor.
///
/// Needs a second factor proved in the last 15 minutes, or a proof in the body. With the last factor,
/// the backup codes go too.
#[utoipa::path(
    delete,
    path = "/api/v1/mfa/devices/{id}",
    tag = "mfa",
    params(("id" = String, Path, description = "The factor.")),
    request_body = Option<ProofRequest>,
    responses((status = 204, description = "It is gone."), CommonErrors)
)]
pub(super) async fn remove(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
    Path(id): Path<String>,
    body: Option<Json<ProofRequest>>,
) -> Result<StatusCode, MfaApiError> {
    let id: FactorId = id.parse()?;
    let proof = body.map(|Json(proof)| proof.into_response()).transpose()?;
    service.remove(&context, &id, proof.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Tells what second factors the caller has.
///
/// With a warning when backup codes run out.
#[utoipa::path(
    get,
    path = "/api/v1/mfa/status",
    tag = "mfa",
    responses((status = 200, description = "What there is.", body = StatusBody), CommonErrors)
)]
pub(super) async fn status(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
) -> Result<Json<StatusBody>, MfaApiError> {
    Ok(Json(StatusBody::of(service.status(&context).await?)))
}
