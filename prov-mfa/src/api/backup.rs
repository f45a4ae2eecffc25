//! Backup codes.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use prov_http::axum::{CommonErrors, Context, Json};

use super::{BackupCodesBody, BackupVerifiedBody, BackupVerifyRequest, MfaApiError};
use crate::MfaService;

/// Makes ten new backup codes.
///
/// Earlier ones are void. They are shown for the only time. Needs a second factor proved in the last
/// 15 minutes, by the token or by `verify` in this session.
#[utoipa::path(
    post,
    path = "/api/v1/mfa/backup-codes",
    tag = "mfa",
    responses((status = 201, description = "The codes.", body = BackupCodesBody), CommonErrors)
)]
pub(super) async fn generate(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
) -> Result<(StatusCode, Json<BackupCodesBody>), MfaApiError> {
    let made = service.generate_backup_codes(&context).await?;
    Ok((StatusCode::CREATED, Json(BackupCodesBody::of(made))))
}

/// Checks a backup code and uses it up.
///
/// The answer tells how many are left, with a warning when two or fewer are.
#[utoipa::path(
    post,
    path = "/api/v1/mfa/backup-codes/verify",
    tag = "mfa",
    request_body = BackupVerifyRequest,
    responses((status = 200, description = "The code held.", body = BackupVerifiedBody), CommonErrors)
)]
pub(super) async fn verify(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
    Json(request): Json<BackupVerifyRequest>,
) -> Result<Json<BackupVerifiedBody>, MfaApiError> {
    let verified = service.verify_backup_code(&context, &request.code).await?;
    Ok(Json(BackupVerifiedBody::of(verified)))
}
