//! Passkeys and security keys.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::AppendHeaders;
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, SET_COOKIE};
use prov_core::{Error, SecurityContext, codes as core_codes};
use prov_http::axum::{CommonErrors, Context, Facts, Json};
use prov_http::device_cookie;

use super::shapes::{
    AssertionAnswerBody, AssertionBeginRequest, AssertionFinishRequest, AssertionPurpose,
    DeviceBody, PasskeyBeginRequest, PasskeyFinishRequest, PasskeyRequestBody,
};
use super::{ApiState, MfaApiError};
use crate::{MfaService, PasskeyOutcome};

/// What a browser keeps to be recognised as this device.
type DeviceCookie = AppendHeaders<Option<(HeaderName, HeaderValue)>>;

/// Begins to register a passkey or security key.
///
/// Answers what the browser is to be asked: give `options` to
/// `PublicKeyCredential.parseCreationOptionsFromJSON`, and what `navigator.credentials.create` yields,
/// by its `toJSON`, to `finish`, in the same session, within five minutes. Where a second factor
/// exists, one has to be proved in the last 15 minutes; where none does, the password.
#[utoipa::path(
    post,
    path = "/api/v1/mfa/webauthn/register/begin",
    tag = "mfa",
    request_body = Option<PasskeyBeginRequest>,
    responses((status = 200, description = "What to ask the browser.", body = PasskeyRequestBody), CommonErrors)
)]
pub(super) async fn register_begin(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
    body: Option<Json<PasskeyBeginRequest>>,
) -> Result<Json<PasskeyRequestBody>, MfaApiError> {
    let request = body.map(|Json(request)| request).unwrap_or_default();
    let begun = service.begin_passkey(&context, request.name()).await?;
    Ok(Json(PasskeyRequestBody::of(begun)))
}

/// Registers a passkey or security key.
///
/// From then on it is a second factor, and where it can be, a way to sign in without user name and
/// password. A registration takes one answer.
#[utoipa::path(
    post,
    path = "/api/v1/mfa/webauthn/register/finish",
    tag = "mfa",
    request_body = PasskeyFinishRequest,
    responses((status = 201, description = "It is registered.", body = DeviceBody), CommonErrors)
)]
pub(super) async fn register_finish(
    State(service): State<Arc<MfaService>>,
    Context(context): Context,
    Json(request): Json<PasskeyFinishRequest>,
) -> Result<(StatusCode, Json<DeviceBody>), MfaApiError> {
    let added = service.finish_passkey(&context, request.credential).await?;
    Ok((StatusCode::CREATED, Json(DeviceBody::of(added))))
}

/// Begins to prove a passkey: to sign in, or again in a session.
///
/// Give `options` to `PublicKeyCredential.parseRequestOptionsFromJSON`. To sign in, any passkey of this
/// site may answer, and nothing is said of any user. A proof is for whoever is signed in: its answer
/// goes to `finish`, or to `POST /api/v1/auth/step-up`.
#[utoipa::path(
    post,
    path = "/api/v1/mfa/webauthn/authenticate/begin",
    tag = "mfa",
    request_body = AssertionBeginRequest,
    responses((status = 200, description = "What to ask the browser.", body = PasskeyRequestBody), CommonErrors)
)]
pub(super) async fn authenticate_begin(
    State(service): State<Arc<MfaService>>,
    Facts(facts): Facts,
    context: Option<Extension<SecurityContext>>,
    Json(request): Json<AssertionBeginRequest>,
) -> Result<Json<PasskeyRequestBody>, MfaApiError> {
    let begun = match (request.purpose, context) {
        (AssertionPurpose::SignIn, _) => service.begin_passkey_sign_in(&facts).await?,
        (AssertionPurpose::Proof, Some(Extension(context))) => {
            service.begin_passkey_proof(&context).await?
        }
        (AssertionPurpose::Proof, None) => {
            return Err(Error::new(core_codes::UNAUTHENTICATED)
                .detail("a proof is for whoever is signed in")
                .into());
        }
    };
    Ok(Json(PasskeyRequestBody::of(begun)))
}

/// Takes a proved passkey.
///
/// One that signs in answers with tokens, as `POST /api/v1/auth/login` does; no second factor is due,
/// because the passkey verified its user. One that proves somebody again answers
/// `{"verified": true}`, and the session may change second factors for 15 minutes.
#[utoipa::path(
    post,
    path = "/api/v1/mfa/webauthn/authenticate/finish",
    tag = "mfa",
    request_body = AssertionFinishRequest,
    responses((status = 200, description = "Tokens, or that it held.", body = AssertionAnswerBody), CommonErrors)
)]
pub(super) async fn authenticate_finish(
    State(state): State<ApiState>,
    Facts(facts): Facts,
    context: Option<Extension<SecurityContext>>,
    Json(request): Json<AssertionFinishRequest>,
) -> Result<(DeviceCookie, Json<AssertionAnswerBody>), MfaApiError> {
    let context = context.as_ref().map(|Extension(context)| context);
    let assertion = request.assertion.to_string().into();
    let outcome = state.mfa.finish_passkey_assertion(context, &assertion, &facts).await?;
    let (device, answer) = match outcome {
        PasskeyOutcome::Proved => (None, AssertionAnswerBody::proved()),
        PasskeyOutcome::Recognised { user, factor } => {
            let mut session = state.sign_in.sign_in(&user, &factor, &facts).await?;
            (session.device.take(), AssertionAnswerBody::signed_in(session))
        }
    };
    let cookie = device.as_ref().and_then(device_cookie).map(|cookie| (SET_COOKIE, cookie));
    Ok((AppendHeaders(cookie), Json(answer)))
}
