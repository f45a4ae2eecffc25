//! The caller's own account.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use prov_core::{Error, SessionId, codes};
use prov_http::axum::{ApiResult, CommonErrors, Context, Facts, Json, Listed, Path};

use super::{
    ExpiredPasswordRequest, KnownDeviceBody, MeBody, NoticeBody, PasswordRequest, SessionBody,
};
use crate::AuthService;

/// Says who the caller is.
///
/// Roles and teams are those of the credential; the account, if there is one, is as it is now.
#[utoipa::path(
    get,
    path = "/api/v1/auth/me",
    tag = "auth",
    responses((status = 200, description = "The caller.", body = MeBody), CommonErrors)
)]
pub(super) async fn me(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
) -> ApiResult<Json<MeBody>> {
    Ok(Json(service.me(&context).await?.into()))
}

/// Lists the devices the caller has signed in on.
///
/// A device is known by a cookie, which is no credential: it tells the caller's own attempts from those
/// of strangers, and makes a sign-in elsewhere news.
#[utoipa::path(
    get,
    path = "/api/v1/auth/devices",
    tag = "auth",
    responses((status = 200, description = "All of them; there are at most 50.", body = Listed<KnownDeviceBody>), CommonErrors)
)]
pub(super) async fn devices(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
) -> ApiResult<Json<Listed<KnownDeviceBody>>> {
    let items = service.devices(&context).await?.into_iter().map(KnownDeviceBody::from).collect();
    Ok(Json(Listed::new(items, None)))
}

/// Lists what the caller was told of their account.
///
/// Whatever changes how they sign in, sign-ins on new devices, attempts in vain that became many, and API
/// tokens that end soon. Nobody can delete a notice: whoever signs in with what they stole could hide that they
/// did. Each ends by itself after 90 days.
#[utoipa::path(
    get,
    path = "/api/v1/auth/notices",
    tag = "auth",
    responses((status = 200, description = "All of them, newest first; there are at most 20 of each kind, the oldest ten and the newest ten.", body = Listed<NoticeBody>), CommonErrors)
)]
pub(super) async fn notices(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
) -> ApiResult<Json<Listed<NoticeBody>>> {
    let items = service.notices(&context).await?.into_iter().map(NoticeBody::from).collect();
    Ok(Json(Listed::new(items, None)))
}

/// Recognises a device no more.
///
/// The next sign-in on it is that of a new device. Its sessions go on: end them at
/// `/api/v1/auth/sessions`.
#[utoipa::path(
    delete,
    path = "/api/v1/auth/devices/{id}",
    tag = "auth",
    params(("id" = String, Path, description = "The device.")),
    responses((status = 204, description = "It is forgotten."), CommonErrors)
)]
pub(super) async fn forget_device(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id = id
        .parse()
        .map_err(|_: Error| Error::new(codes::NOT_FOUND).detail("you have no such device"))?;
    service.forget_device(&context, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the caller's password.
///
/// Verifies the current one, and ends the caller's other sessions.
#[utoipa::path(
    post,
    path = "/api/v1/auth/password",
    tag = "auth",
    request_body = PasswordRequest,
    responses((status = 204, description = "Changed."), CommonErrors)
)]
pub(super) async fn change_password(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Json(request): Json<PasswordRequest>,
) -> ApiResult<StatusCode> {
    service.change_password(&context, &request.current_password, &request.new_password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Replaces a password that is good for nothing else.
///
/// For a temporary password, or one that must be changed before signing in. Counted and throttled
/// as signing in is. Signs nobody in: do that next, with the new password.
#[utoipa::path(
    post,
    path = "/api/v1/auth/password/expired",
    tag = "auth",
    request_body = ExpiredPasswordRequest,
    responses((status = 204, description = "Replaced: sign in with the new one."), CommonErrors)
)]
pub(super) async fn renew_password(
    State(service): State<Arc<AuthService>>,
    Facts(facts): Facts,
    Json(request): Json<ExpiredPasswordRequest>,
) -> ApiResult<StatusCode> {
    let ExpiredPasswordRequest { username, current_password, new_password } = request;
    service.renew_password(&username, &current_password, &new_password, &facts).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the caller's sessions.
///
/// One for each signed-in device; `current` marks the one of this request.
#[utoipa::path(
    get,
    path = "/api/v1/auth/sessions",
    tag = "auth",
    responses((status = 200, description = "All of them, oldest first.", body = Listed<SessionBody>), CommonErrors)
)]
pub(super) async fn sessions(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
) -> ApiResult<Json<Listed<SessionBody>>> {
    let current = context.authentication().session.as_ref().map(SessionId::as_str);
    let sessions = service.sessions(&context).await?;
    let items = sessions.into_iter().map(|s| SessionBody::of(s, current)).collect();
    Ok(Json(Listed::new(items, None)))
}

/// Ends one of the caller's sessions.
///
/// All its tokens hold no more, on every node.
#[utoipa::path(
    delete,
    path = "/api/v1/auth/sessions/{id}",
    tag = "auth",
    params(("id" = String, Path, description = "The session.")),
    responses((status = 204, description = "Ended."), CommonErrors)
)]
pub(super) async fn end_session(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Path(id): Path<String>,
) -> ApiResult<StatusCode> {
    let id: SessionId = id.parse().map_err(|_| {
        Error::new(codes::INVALID_REQUEST)
            .field("id", "a session id looks like `sess_` and 26 characters")
    })?;
    service.end_session(&context, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all of the caller's sessions.
///
/// This one included: the caller has to sign in again.
#[utoipa::path(
    delete,
    path = "/api/v1/auth/sessions",
    tag = "auth",
    responses((status = 204, description = "Ended."), CommonErrors)
)]
pub(super) async fn end_all_sessions(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
) -> ApiResult<StatusCode> {
    service.end_all_sessions(&context).await?;
    Ok(StatusCode::NO_CONTENT)
}
