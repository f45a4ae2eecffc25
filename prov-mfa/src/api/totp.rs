//! Authenticator apps.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use prov_http::axum::{CommonErrors, Context, Json, Path};

use super::{
    EnrollRequest, EnrollmentBody, MfaApiError, ProofRequest, TotpVerifiedBody, TotpVerifyRequest,
};
use crate::{FactorId, MfaService, TotpId, codes};

/// Begins to enrol an authenticator app.
///
/// The answer shows the secret for the only time. The app counts after `verify` with its first code,
/// within 15 minutes. Where a second factor exists, one has to be proved in the last 15 minutes;
/// where none does, the password: `POST /api/v1/auth/step-up`.
#[utoipa::path(
    post,
    path = "/api/v1/mfa/totp/enroll",
    tag = "mfa",
    request_body = Option<EnrollRequest>,
    responses((status = 201, description = "The secret, and as QR codes.", body = EnrollmentBody), CommonErrors)
)]
pub(super) async fn enroll(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
    body: Option<Json<EnrollRequest>>,
) -> Result<(StatusCode, Json<EnrollmentBody>), MfaApiError> {
    let request = body.map(|Json(request)| request).unwrap_or_default();
    let begun = service.enroll(&context, request.name()).await?;
    Ok((StatusCode::CREATED, Json(EnrollmentBody::of(&begun)?)))
}

/// Checks a code of an authenticator app and uses it up.
///
/// The first code confirms the enrolment. Afterwards this session may change second factors for 15
/// minutes. Five codes in vain within five minutes, and none is looked at: 429 with `Retry-After`.
#[utoipa::path(
    post,
    path = "/api/v1/mfa/totp/verify",
    tag = "mfa",
    request_body = TotpVerifyRequest,
    responses((status = 200, description = "The code held.", body = TotpVerifiedBody), CommonErrors)
)]
pub(super) async fn verify(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
    Json(request): Json<TotpVerifyRequest>,
) -> Result<Json<TotpVerifiedBody>, MfaApiError> {
    let id = device(&request.id)?;
    let verified = service.verify_totp(&context, &id, &request.code).await?;
    Ok(Json(TotpVerifiedBody::of(verified)))
}

/// Removes an authenticator app.
///
/// Needs a second factor proved in the last 15 minutes, or a code in the body. With the last app, the
/// backup codes go too.
#[utoipa::path(
    delete,
    path = "/api/v1/mfa/totp/{id}",
    tag = "mfa",
    params(("id" = String, Path, description = "The app.")),
    request_body = Option<ProofRequest>,
    responses((status = 204, description = "It is gone."), CommonErrors)
)]
pub(super) async fn disable(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
    Path(id): Path<String>,
    body: Option<Json<ProofRequest>>,
) -> Result<StatusCode, MfaApiError> {
    let proof = body.map(|Json(proof)| proof.into_response()).transpose()?;
    service.remove(&context, &FactorId::Totp(device(&id)?), proof.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A text that is no id names nothing.
fn device(id: &str) -> prov_core::Result<TotpId> {
    id.parse().map_err(|_| codes::FACTOR_UNKNOWN.into())
}
