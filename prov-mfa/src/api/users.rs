//! What administrators do for others.

use axum::extract::State;
use prov_core::UserId;
use prov_http::axum::{CommonErrors, Context, Json, Path};

use super::{ApiState, MfaApiError, RemovedBody};

/// Removes every second factor of a user.
///
/// For a lost phone: the user signs in with the password alone and enrols again. Backup codes and
/// what counts against the user go as well, and whatever the user is signed in with ends.
#[utoipa::path(
    post,
    path = "/api/v1/mfa/users/{id}/reset",
    tag = "mfa",
    params(("id" = String, Path, description = "The user.")),
    responses((status = 200, description = "What was removed.", body = RemovedBody), CommonErrors)
)]
pub(super) async fn reset(
    State(state): State<ApiState>,
    Context(context): Context,
    Path(id): Path<UserId>,
) -> Result<Json<RemovedBody>, MfaApiError> {
    let removed = state.mfa.reset(&context, &id).await?;
    // Afterwards: until then the lost factor could open a session again.
    state.sign_in.sign_out(&context, &id).await?;
    Ok(Json(RemovedBody::of(removed)))
}
