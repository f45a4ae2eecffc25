//! The HTTP API: thin handlers over [`AuthService`]; access is decided by the route table before
//! them.

mod account;
mod answers;
mod discovery;
mod federation;
mod federation_requests;
mod issuers;
mod keys;
mod login;
mod notices;
mod oauth;
mod requests;
mod teams;
mod tokens;
mod users;

use std::sync::Arc;
use std::time::Duration;

pub use answers::{
    ApiTokenBody, CreatedUserBody, IssuedApiTokenBody, KeyBody, KnownDeviceBody, LoginAnswer,
    MeBody, MfaRequiredBody, RotatedKeysBody, SessionBody, SignInCodeBody, TeamBody,
    TemporaryPasswordBody, TokenBody, UserBody,
};
pub use discovery::DiscoveryBody;
pub use federation_requests::{CallbackQuery, ExchangeRequest, LogoutForm, StartQuery};
use http::Method;
pub use issuers::{AcceptedTokensBody, GroupRuleBody, IssuerBody, NewIssuerRequest};
pub use notices::NoticeBody;
pub use oauth::IntrospectionBody;
use prov_http::Route;
pub use requests::{
    BootstrapRequest, ExpiredPasswordRequest, LoginMfaRequest, LoginRequest, NewApiTokenRequest,
    NewTeamRequest, NewUserRequest, PasswordRequest, RefreshRequest, RolesRequest,
    RotateApiTokenRequest, RotateRequest, StepUpRequest, TeamsRequest, TokenForm, UserPatch,
};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes as endpoints;

use crate::AuthService;

/// All endpoints, with their descriptions. Mount it at the root: the paths are whole.
pub fn router(service: Arc<AuthService>) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(endpoints!(login::login))
        .routes(endpoints!(login::login_mfa))
        .routes(endpoints!(login::step_up))
        .routes(endpoints!(login::refresh))
        .routes(endpoints!(login::logout))
        .routes(endpoints!(login::bootstrap))
        .routes(endpoints!(oauth::revoke))
        .routes(endpoints!(oauth::introspect))
        .routes(endpoints!(account::me))
        .routes(endpoints!(account::change_password))
        .routes(endpoints!(account::renew_password))
        .routes(endpoints!(account::sessions, account::end_all_sessions))
        .routes(endpoints!(account::end_session))
        .routes(endpoints!(account::devices))
        .routes(endpoints!(account::forget_device))
        .routes(endpoints!(account::notices))
        .routes(endpoints!(tokens::list, tokens::create))
        .routes(endpoints!(tokens::rotate))
        .routes(endpoints!(tokens::delete))
        .routes(endpoints!(keys::keys))
        .routes(endpoints!(keys::rotate))
        .routes(endpoints!(keys::jwks))
        .routes(endpoints!(discovery::discovery))
        .routes(endpoints!(federation::start))
        .routes(endpoints!(federation::callback))
        .routes(endpoints!(federation::exchange))
        .routes(endpoints!(federation::logout))
        .routes(endpoints!(issuers::list, issuers::create))
        .routes(endpoints!(issuers::delete))
        .routes(endpoints!(users::list, users::create))
        .routes(endpoints!(users::show, users::update, users::delete))
        .routes(endpoints!(users::reset_password))
        .routes(endpoints!(users::set_roles))
        .routes(endpoints!(users::set_teams))
        .routes(endpoints!(users::lock))
        .routes(endpoints!(users::unlock))
        .routes(endpoints!(teams::list, teams::create))
        .routes(endpoints!(teams::delete))
        .with_state(service)
}

/// Who may use each endpoint.
///
/// The public ones, and why: whoever signs in, refreshes, makes the first administrator or replaces
/// an expired password is not signed in yet and brings a credential of its own; whoever holds a
/// token may revoke it (RFC 7009), also when nothing else of theirs holds any more; the JWKS and the
/// discovery document are for every verifier. Whoever goes to an identity provider and comes back from
/// it is not signed in yet either, and a provider that ends sessions brings a token of its own.
/// Introspection is for whoever is signed in (RFC 7662, section 2.1).
#[must_use]
pub fn routes() -> Vec<Route> {
    // What lasts longer than a session is made by somebody who is there.
    const RECENT: Duration = Duration::from_mins(15);
    const USERS: &str = "users";
    const TEAMS: &str = "teams";
    const KEYS: &str = "signing-keys";
    const ISSUERS: &str = "issuers";
    let mut all = public_routes();
    all.extend([
        Route::guarded(Method::GET, "/api/v1/auth/issuers", "list", ISSUERS),
        Route::guarded(Method::POST, "/api/v1/auth/issuers", "admin", ISSUERS),
        Route::guarded(Method::DELETE, "/api/v1/auth/issuers/{id}", "admin", ISSUERS),
        Route::self_service(Method::POST, "/api/v1/auth/step-up")
            .with_secret_answer()
            .during_enrolment(),
        Route::self_service(Method::POST, "/api/v1/auth/logout").during_enrolment(),
        Route::self_service(Method::POST, "/api/v1/auth/introspect")
            .without_effect()
            .with_scope("introspect", "tokens"),
        Route::self_service(Method::GET, "/api/v1/auth/me")
            .with_scope("read", "account")
            .during_enrolment(),
        Route::self_service(Method::POST, "/api/v1/auth/password"),
        Route::self_service(Method::GET, "/api/v1/auth/sessions"),
        Route::self_service(Method::DELETE, "/api/v1/auth/sessions"),
        Route::self_service(Method::DELETE, "/api/v1/auth/sessions/{id}"),
        Route::self_service(Method::GET, "/api/v1/auth/devices"),
        Route::self_service(Method::DELETE, "/api/v1/auth/devices/{id}"),
        Route::self_service(Method::GET, "/api/v1/auth/notices"),
        Route::self_service(Method::GET, "/api/v1/auth/tokens"),
        Route::self_service(Method::POST, "/api/v1/auth/tokens")
            .with_recent_sign_in(RECENT)
            .with_secret_answer(),
        Route::self_service(Method::POST, "/api/v1/auth/tokens/{id}/rotate")
            .with_recent_sign_in(RECENT)
            .with_secret_answer(),
        Route::self_service(Method::DELETE, "/api/v1/auth/tokens/{id}"),
        Route::guarded(Method::GET, "/api/v1/auth/keys", "list", KEYS),
        Route::guarded(Method::POST, "/api/v1/auth/keys/rotate", "admin", KEYS),
        Route::guarded(Method::GET, "/api/v1/users", "list", USERS),
        Route::guarded(Method::POST, "/api/v1/users", "create", USERS).with_secret_answer(),
        Route::guarded(Method::GET, "/api/v1/users/{id}", "read", USERS),
        Route::guarded(Method::PATCH, "/api/v1/users/{id}", "update", USERS),
        Route::guarded(Method::DELETE, "/api/v1/users/{id}", "delete", USERS),
        Route::guarded(Method::POST, "/api/v1/users/{id}/password-reset", "admin", USERS)
            .with_secret_answer(),
        Route::guarded(Method::PUT, "/api/v1/users/{id}/roles", "admin", USERS),
        Route::guarded(Method::PUT, "/api/v1/users/{id}/teams", "admin", USERS),
        Route::guarded(Method::POST, "/api/v1/users/{id}/lock", "update", USERS),
        Route::guarded(Method::POST, "/api/v1/users/{id}/unlock", "update", USERS),
        Route::guarded(Method::GET, "/api/v1/teams", "list", TEAMS),
        Route::guarded(Method::POST, "/api/v1/teams", "create", TEAMS),
        Route::guarded(Method::DELETE, "/api/v1/teams/{id}", "delete", TEAMS),
    ]);
    all
}

fn public_routes() -> Vec<Route> {
    vec![
        Route::public(Method::POST, "/api/v1/auth/login"),
        Route::public(Method::POST, "/api/v1/auth/login/mfa"),
        Route::public(Method::POST, "/api/v1/auth/refresh"),
        Route::public(Method::POST, "/api/v1/auth/revoke"),
        Route::public(Method::POST, "/api/v1/auth/bootstrap"),
        Route::public(Method::POST, "/api/v1/auth/password/expired"),
        Route::public(Method::GET, "/.well-known/jwks.json"),
        Route::public(Method::GET, "/.well-known/openid-configuration"),
        Route::public(Method::GET, "/api/v1/auth/oidc/{issuer}/start"),
        Route::public(Method::GET, "/api/v1/auth/oidc/{issuer}/callback"),
        Route::public(Method::POST, "/api/v1/auth/oidc/exchange"),
        Route::public(Method::POST, "/api/v1/auth/oidc/{issuer}/logout"),
    ]
}
