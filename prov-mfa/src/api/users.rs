//! What administrators do for others.

use std::sync::Arc;

use axum::extract::State;
use prov_core::UserId;
use prov_http::axum::{CommonErrors, Context, Json, Path};

use super::{MfaApiError, RemovedBody};
use crate::MfaService;

/// Removes every second factor of a user.
///
/// For a lost phone: the user signs in with the password alone and enrols again. Backup codes and
/// what counts against the user go as well.
#[utoipa::path(
    post,
    path = "/api/v1/mfa/users/{id}/reset",
    tag = "mfa",
    params(("id" = String, Path, description = "The user.")),
    responses((status = 200, description = "What was removed.", body = RemovedBody), CommonErrors)
)]
pub(super) async fn reset(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
    Path(id): Path<UserId>,
) -> Result<Json<RemovedBody>, MfaApiError> {
    Ok(Json(RemovedBody::of(service.reset(&context, &id).await?)))
}
