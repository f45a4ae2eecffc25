//! Revocation (RFC 7009) and introspection (RFC 7662).

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use prov_core::{Confirmation, Identity, Scope};
use prov_http::axum::{ApiResult, CommonErrors, Context, Facts, Form, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::TokenForm;
use crate::{ActiveToken, AuthService, Introspection};

/// What is told of a token (RFC 7662, section 2.2).
#[derive(Debug, Default, Serialize, ToSchema)]
#[non_exhaustive]
pub struct IntrospectionBody {
    /// Whether it holds; if not, nothing else is told.
    pub active: bool,
    /// `Bearer` for an access token, `DPoP` for one that is bound to a key, `refresh_token` for the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The name people know the subject by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Who asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// For whom it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<Vec<String>>,
    /// When it was made, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// When it ends, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    /// Its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    /// When the subject last proved who they are, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// What it is good for at most, an API token's alone (RFC 6749, section 3.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// What it is bound to (RFC 9449, section 6.2; RFC 8705, section 3.2): whoever takes it has to see that this
    /// is its sender's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, example = json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}))]
    pub cnf: Option<Confirmation>,
    /// By which factors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amr: Option<Vec<String>>,
    /// Roles held directly.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<String>>,
    /// Teams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub teams: Option<Vec<String>>,
}

impl IntrospectionBody {
    fn of(introspection: Introspection, issuer: &str) -> Self {
        let Introspection::Active(token) = introspection else { return Self::default() };
        let told = match token {
            ActiveToken::Access { identity, client_id, audience, issued_at } => Self {
                client_id: Some(client_id),
                aud: Some(audience),
                iat: Some(issued_at.as_second()),
                ..Self::of_identity(&identity)
            },
            ActiveToken::Api(identity) => Self {
                iat: Some(identity.authentication.authenticated_at.as_second()),
                ..Self::of_identity(&identity)
            },
            ActiveToken::Refresh { user, session, expires_at } => Self {
                token_type: Some("refresh_token".to_owned()),
                sub: Some(user.id.as_str().to_owned()),
                username: Some(user.username.into()),
                exp: Some(expires_at.as_second()),
                sid: Some(session.as_str().to_owned()),
                ..Self::default()
            },
        };
        Self { active: true, iss: Some(issuer.to_owned()), ..told }
    }

    fn of_identity(identity: &Identity) -> Self {
        let (principal, how) = (&identity.principal, &identity.authentication);
        let texts = |scopes: &Vec<Scope>| scopes.iter().map(ToString::to_string).collect();
        let joined = |texts: Vec<String>| texts.join(" ");
        let by_key = how.confirmation.as_ref().is_some_and(|bound_to| bound_to.key.is_some());
        Self {
            token_type: Some(if by_key { "DPoP" } else { "Bearer" }.to_owned()),
            sub: Some(principal.id.clone()),
            username: Some(principal.name.clone()),
            exp: how.expires_at.map(prov_core::Timestamp::as_second),
            jti: how.token_id.clone(),
            sid: how.session.as_ref().map(|id| id.as_str().to_owned()),
            auth_time: Some(how.authenticated_at.as_second()),
            cnf: how.confirmation.as_deref().cloned(),
            scope: how.scopes.as_ref().map(texts).map(joined),
            amr: Some(how.amr.iter().map(|amr| amr.as_str().to_owned()).collect()),
            roles: Some(principal.roles.iter().map(ToString::to_string).collect()),
            teams: Some(principal.teams.iter().map(ToString::to_string).collect()),
            ..Self::default()
        }
    }
}

/// Revokes a token (RFC 7009).
///
/// An access token is revoked alone, a refresh token with its session. A token that does not hold
/// is answered with 200 as well.
#[utoipa::path(
    post,
    path = "/api/v1/auth/revoke",
    tag = "auth",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "The token holds no more."), CommonErrors)
)]
pub(super) async fn revoke(
    State(service): State<Arc<AuthService>>,
    Facts(facts): Facts,
    Form(form): Form<TokenForm>,
) -> ApiResult<StatusCode> {
    service.revoke(&form.token, &facts).await?;
    Ok(StatusCode::OK)
}

/// Says what a token is worth (RFC 7662).
///
/// Access tokens of this audience, and the caller's own refresh tokens; of any other the answer is
/// `{"active": false}` and nothing else.
#[utoipa::path(
    post,
    path = "/api/v1/auth/introspect",
    tag = "auth",
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "What it is worth.", body = IntrospectionBody), CommonErrors)
)]
pub(super) async fn introspect(
    State(service): State<Arc<AuthService>>,
    Context(context): Context,
    Form(form): Form<TokenForm>,
) -> ApiResult<Json<IntrospectionBody>> {
    let told = service.introspect(&context, &form.token).await?;
    Ok(Json(IntrospectionBody::of(told, service.issuer())))
}
