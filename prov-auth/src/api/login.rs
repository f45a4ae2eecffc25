//! Signing in and out.

use std::sync::Arc;

use axum::extract::State;
use axum::response::AppendHeaders;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, SET_COOKIE};
use prov_core::SecretText;
use prov_http::axum::{ApiResult, CommonErrors, Context, Facts, Json};
use prov_http::device_cookie;

use super::{
    BootstrapRequest, LoginAnswer, LoginMfaRequest, LoginRequest, RefreshRequest, StepUpRequest,
    TokenBody, UserBody,
};
use crate::{AuthService, LoginOutcome};

/// What a browser keeps to be recognised as this device.
pub(super) type DeviceCookie = AppendHeaders<Option<(HeaderName, HeaderValue)>>;

/// The answer to a sign-in, with the cookie of a new device.
pub(super) fn answered(
    service: &AuthService,
    mut outcome: LoginOutcome,
) -> (DeviceCookie, Json<LoginAnswer>) {
    let device = match &mut outcome {
        LoginOutcome::Tokens(tokens) => tokens.device.take(),
        LoginOutcome::MfaRequired { .. } => None,
    };
    let answer = LoginAnswer::of(outcome, |tokens| service.expires_in(tokens));
    (cookie(device.as_ref()), Json(answer))
}

fn cookie(device: Option<&SecretText>) -> DeviceCookie {
    AppendHeaders(device.and_then(device_cookie).map(|cookie| (SET_COOKIE, cookie)))
}

/// Signs in with a password.
///
/// Answers tokens, or a challenge when a second factor is due. An unknown user, a wrong password and
/// a locked user get one answer, after the same time. Too many attempts: 429 with `Retry-After`. A
/// password that must be changed first: 403 `auth.password_change_required`, see
/// `POST /api/v1/auth/password/expired`.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login",
    tag = "auth",
    request_body = LoginRequest,
    responses((status = 200, description = "Tokens, or a challenge.", body = LoginAnswer), CommonErrors)
)]
pub(super) async fn login(
    State(service): State<Arc<AuthService>>,
    Facts(facts): Facts,
    Json(request): Json<LoginRequest>,
) -> ApiResult<(DeviceCookie, Json<LoginAnswer>)> {
    let outcome = service.login(&request.username, &request.password, &facts).await?;
    Ok(answered(&service, outcome))
}

/// Answers a sign-in challenge with a second factor.
///
/// A challenge is good for five minutes, five attempts and one success.
#[utoipa::path(
    post,
    path = "/api/v1/auth/login/mfa",
    tag = "auth",
    request_body = LoginMfaRequest,
    responses((status = 200, description = "Signed in.", body = TokenBody), CommonErrors)
)]
pub(super) async fn login_mfa(
    State(service): State<Arc<AuthService>>,
    Facts(facts): Facts,
    Json(request): Json<LoginMfaRequest>,
) -> ApiResult<(DeviceCookie, Json<TokenBody>)> {
    let (challenge, response) = request.parts()?;
    let mut tokens = service.login_mfa(&challenge, &response, &facts).await?;
    let device = tokens.device.take();
    let expires_in = service.expires_in(&tokens);
    Ok((cookie(device.as_ref()), Json(TokenBody::of(tokens, expires_in))))
}

/// Proves the signed-in user again.
///
/// Answers an access token with a fresh `auth_time`, which refreshing keeps; the one it was asked with ends. Where a second factor is
/// enrolled, the password is not enough.
#[utoipa::path(
    post,
    path = "/api/v1/auth/step-up",
    tag = "auth",
    request_body = StepUpRequest,
    responses((status = 200, description = "An access token; the refresh token stays good.", body = TokenBody), CommonErrors)
)]
pub(super) async fn step_up(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Json(request): Json<StepUpRequest>,
) -> ApiResult<Json<TokenBody>> {
    let tokens = service.step_up(&context, request.proof()?).await?;
    let expires_in = service.expires_in(&tokens);
    Ok(Json(TokenBody::of(tokens, expires_in)))
}

/// Exchanges a refresh token for new tokens.
///
/// A token is good for one exchange. Sent again within ten seconds, as after a lost answer, it gets
/// the same tokens; later, its session ends.
#[utoipa::path(
    post,
    path = "/api/v1/auth/refresh",
    tag = "auth",
    request_body = RefreshRequest,
    responses((status = 200, description = "New tokens.", body = TokenBody), CommonErrors)
)]
pub(super) async fn refresh(
    State(service): State<Arc<AuthService>>,
    Facts(facts): Facts,
    Json(request): Json<RefreshRequest>,
) -> ApiResult<Json<TokenBody>> {
    let tokens = service.refresh(&request.refresh_token, &facts).await?;
    let expires_in = service.expires_in(&tokens);
    Ok(Json(TokenBody::of(tokens, expires_in)))
}

/// Signs out.
///
/// Ends the session of this request with all its tokens, on every node.
#[utoipa::path(
    post,
    path = "/api/v1/auth/logout",
    tag = "auth",
    responses((status = 204, description = "Signed out."), CommonErrors)
)]
pub(super) async fn logout(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
) -> ApiResult<StatusCode> {
    service.logout(&context).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes the first administrator.
///
/// Takes the one-time token that the server shows on its terminal while there is no user; refused
/// for ever once there is one.
#[utoipa::path(
    post,
    path = "/api/v1/auth/bootstrap",
    tag = "auth",
    request_body = BootstrapRequest,
    responses((status = 201, description = "The administrator, who can sign in now.", body = UserBody), CommonErrors)
)]
pub(super) async fn bootstrap(
    State(service): State<Arc<AuthService>>,
    Facts(facts): Facts,
    Json(request): Json<BootstrapRequest>,
) -> ApiResult<(StatusCode, Json<UserBody>)> {
    let BootstrapRequest { token, username, password } = request;
    let user = service.bootstrap(&token, &username, &password, &facts).await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}
