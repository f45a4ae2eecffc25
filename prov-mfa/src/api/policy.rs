//! Who must have a second factor.

use std::sync::Arc;

use axum::extract::State;
use prov_http::axum::{CommonErrors, Context, Json};

use super::{MfaApiError, PolicyBody};
use crate::MfaService;

/// Tells who must have a second factor.
///
/// By role, inherited ones included, and by team.
#[utoipa::path(
    get,
    path = "/api/v1/mfa/policy",
    tag = "mfa",
    responses((status = 200, description = "The policy in force.", body = PolicyBody), CommonErrors)
)]
pub(super) async fn show(
    State(service): State<Arc<MfaService>>,
    Context(_context): Context,
) -> Result<Json<PolicyBody>, MfaApiError> {
    Ok(Json(PolicyBody::of(service.policy().await?)))
}

/// Sets who must have a second factor.
///
/// It holds from everybody's next sign-in on. Whoever has none then may go on for the grace; after it,
/// their session is good for nothing but enrolling one.
#[utoipa::path(
    put,
    path = "/api/v1/mfa/policy",
    tag = "mfa",
    request_body = PolicyBody,
    responses((status = 200, description = "The policy now.", body = PolicyBody), CommonErrors)
)]
pub(super) async fn set(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
    Json(body): Json<PolicyBody>,
) -> Result<Json<PolicyBody>, MfaApiError> {
    let policy = service.set_policy(&context, body.into_policy()).await?;
    Ok(Json(PolicyBody::of(policy)))
}
