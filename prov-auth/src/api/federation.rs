//! Signing in with an identity provider, by browser.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{COOKIE, HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use prov_core::{Error, SecretText, codes};
use prov_http::axum::{ApiResult, CommonErrors, Facts, Form, Json, Path, Query};

use super::login::{DeviceCookie, answered};
use super::{CallbackQuery, ExchangeRequest, LoginAnswer, LogoutForm, SignInCodeBody, StartQuery};
use crate::{AuthService, FederatedAnswer, FederatedOutcome, FederatedStart};

/// The cookie that binds one sign-in to the browser: with the prefix wherever there is TLS, so that no other
/// host can set it.
fn cookie_name(service: &AuthService, flow: &str) -> String {
    let prefix = if service.is_reached_over_tls() { "__Host-" } else { "" };
    format!("{prefix}prov-oidc-{flow}")
}

fn browser_of(service: &AuthService, flow: &str, headers: &HeaderMap) -> Option<SecretText> {
    let wanted = cookie_name(service, flow);
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut values = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(name, value)| (name == wanted).then_some(value));
    // Two of one name: somebody has put one there.
    let value = values.next().filter(|_| values.next().is_none())?;
    Some(SecretText::new(value))
}

fn redirect(location: &str) -> ApiResult<Response> {
    let mut value = HeaderValue::try_from(location)
        .map_err(|e| Error::new(codes::INTERNAL).context("an address for a browser").source(e))?;
    value.set_sensitive(true);
    Ok((StatusCode::SEE_OTHER, [(LOCATION, value)]).into_response())
}

/// Sends the browser to an identity provider.
///
/// Authorization code with PKCE, `state` bound to this browser by a cookie, and `nonce`. A program on the
/// person's machine names where it waits (`return_to`); without it, the callback answers a code to the browser.
/// Either fetches tokens with it afterwards (`POST /api/v1/auth/oidc/exchange`): following a link signs nobody
/// in.
#[utoipa::path(
    get,
    path = "/api/v1/auth/oidc/{issuer}/start",
    tag = "auth",
    params(("issuer" = String, Path, description = "The issuer's name."), StartQuery),
    responses((status = 303, description = "To the identity provider, with a cookie."), CommonErrors)
)]
pub(super) async fn start(
    State(service): State<Arc<AuthService>>,
    Path(issuer): Path<String>,
    Query(query): Query<StartQuery>,
) -> ApiResult<Response> {
    let mut start = FederatedStart::default().within(query.max_age);
    match (query.return_to, query.code_challenge) {
        (Some(address), Some(challenge)) => start = start.for_program(address, challenge),
        (None, None) => {}
        _ => {
            return Err(Error::new(codes::INVALID_REQUEST)
                .field("code_challenge", "give it together with `return_to`")
                .into());
        }
    }
    let sent = service.federated_start(&issuer, start).await?;
    let name = cookie_name(&service, &sent.flow);
    let secure = if service.is_reached_over_tls() { "; Secure" } else { "" };
    // Lax: the answer comes by a link from the identity provider's site.
    let cookie = format!(
        "{name}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        sent.browser.expose(),
        sent.expires_in.as_secs()
    );
    let mut cookie = HeaderValue::try_from(cookie)
        .map_err(|e| Error::new(codes::INTERNAL).context("a cookie").source(e))?;
    cookie.set_sensitive(true);
    let mut response = redirect(&sent.location)?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

/// Takes the browser back from an identity provider.
///
/// Answers a code for `/api/v1/auth/oidc/exchange`, or sends the browser on to the program that waits, with
/// the code. Nobody is signed in before somebody fetches it. Whatever does not hold is one answer: start again.
#[utoipa::path(
    get,
    path = "/api/v1/auth/oidc/{issuer}/callback",
    tag = "auth",
    params(("issuer" = String, Path, description = "The issuer's name."), CallbackQuery),
    responses(
        (status = 200, description = "A code to fetch the sign-in with.", body = SignInCodeBody),
        (status = 303, description = "To the program that waits."),
        CommonErrors
    )
)]
pub(super) async fn callback(
    State(service): State<Arc<AuthService>>,
    Facts(facts): Facts,
    Path(issuer): Path<String>,
    Query(query): Query<CallbackQuery>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let flow = FederatedAnswer::flow_of(&query.state);
    let answer = FederatedAnswer::new(query.state, browser_of(&service, &flow, &headers))
        .with_code(query.code)
        .with_error(query.error)
        .by_issuer(query.iss);
    match service.federated_callback(&issuer, &answer, &facts).await? {
        FederatedOutcome::Confirm { code, expires_in } => {
            let expires_in = expires_in.as_secs();
            Ok(Json(SignInCodeBody { code, flow, expires_in }).into_response())
        }
        FederatedOutcome::Handover { location } => redirect(&location),
    }
}

/// Hands a program, or the browser that began, the tokens of a sign-in by browser.
///
/// The code is good once, for a minute, and for whoever has the verifier; a browser names the `flow` that it was
/// answered with instead, and has the cookie of it. A second use ends what the first one gave.
#[utoipa::path(
    post,
    path = "/api/v1/auth/oidc/exchange",
    tag = "auth",
    request_body = ExchangeRequest,
    responses((status = 200, description = "Tokens, or a challenge.", body = LoginAnswer), CommonErrors)
)]
pub(super) async fn exchange(
    State(service): State<Arc<AuthService>>,
    Facts(facts): Facts,
    headers: HeaderMap,
    Json(request): Json<ExchangeRequest>,
) -> ApiResult<(DeviceCookie, Json<LoginAnswer>)> {
    let ExchangeRequest { code, code_verifier, flow } = request;
    let code_verifier = match (code_verifier, flow) {
        (Some(verifier), None) => verifier,
        // Lax cookies come with no POST from another site.
        (None, Some(flow)) => browser_of(&service, &flow, &headers).unwrap_or_default(),
        _ => {
            return Err(Error::new(codes::INVALID_REQUEST)
                .field("code_verifier", "give it, or the `flow` of a browser")
                .into());
        }
    };
    let outcome = service.federated_exchange(&code, &code_verifier, &facts).await?;
    Ok(answered(&service, outcome))
}

/// Takes an identity provider's word that somebody has signed out there.
///
/// Ends the sessions that began in that session, or as that subject (OpenID Connect Back-Channel Logout
/// 1.0).
#[utoipa::path(
    post,
    path = "/api/v1/auth/oidc/{issuer}/logout",
    tag = "auth",
    params(("issuer" = String, Path, description = "The issuer's name.")),
    request_body(content = LogoutForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Ended."), CommonErrors)
)]
pub(super) async fn logout(
    State(service): State<Arc<AuthService>>,
    Facts(facts): Facts,
    Path(issuer): Path<String>,
    Form(form): Form<LogoutForm>,
) -> ApiResult<StatusCode> {
    service.federated_logout(&issuer, &form.logout_token, &facts).await?;
    Ok(StatusCode::OK)
}
