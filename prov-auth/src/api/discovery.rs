//! The discovery document.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CACHE_CONTROL;
use prov_http::axum::{ApiResult, CommonErrors, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{AuthService, Discovery};

/// What can be found out about this issuer (OpenID Connect Discovery 1.0, section 3; RFC 8414, section
/// 2). It says what is true and leaves out what is not: there is no authorization endpoint, and no ID
/// token is issued.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct DiscoveryBody {
    /// Who issues, exactly as tokens name it.
    #[schema(example = "https://prov.example.com")]
    pub issuer: String,
    /// The public keys.
    pub jwks_uri: String,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: String,
    /// `none`: whoever holds a token may revoke it.
    pub revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    /// Where it is asked what a token is worth (RFC 7662).
    pub introspection_endpoint: String,
    /// `Bearer`: with an access token (RFC 8414, section 2).
    pub introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    /// None: nothing is authorized by redirection.
    pub response_types_supported: Vec<&'static str>,
    /// `public`: a subject is the same for everybody.
    pub subject_types_supported: Vec<&'static str>,
    /// What tokens are signed with.
    #[schema(example = json!(["RS256"]))]
    pub id_token_signing_alg_values_supported: Vec<&'static str>,
    /// What proofs of possession may be signed by (RFC 9449, section 5.1); absent when none are taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["ES256", "EdDSA"]))]
    pub dpop_signing_alg_values_supported: Vec<&'static str>,
    /// Whether tokens are bound to the certificates of clients that have one (RFC 8705, section 3.3).
    pub tls_client_certificate_bound_access_tokens: bool,
    /// What access tokens say.
    pub claims_supported: Vec<&'static str>,
}

/// The claims of an access token.
const CLAIMS: [&str; 15] = [
    "iss",
    "sub",
    "aud",
    "client_id",
    "iat",
    "nbf",
    "exp",
    "auth_time",
    "jti",
    "sid",
    "cnf",
    "preferred_username",
    "amr",
    "roles",
    "teams",
];

impl From<Discovery> for DiscoveryBody {
    fn from(found: Discovery) -> Self {
        let at = |path: &str| format!("{}{path}", found.public_url);
        Self {
            jwks_uri: at("/.well-known/jwks.json"),
            revocation_endpoint: at("/api/v1/auth/revoke"),
            revocation_endpoint_auth_methods_supported: vec!["none"],
            introspection_endpoint: at("/api/v1/auth/introspect"),
            introspection_endpoint_auth_methods_supported: vec!["Bearer"],
            response_types_supported: Vec::new(),
            subject_types_supported: vec!["public"],
            id_token_signing_alg_values_supported: found
                .algorithms
                .iter()
                .map(|algorithm| algorithm.as_str())
                .collect(),
            dpop_signing_alg_values_supported: found.proof_algorithms,
            tls_client_certificate_bound_access_tokens: found.binds_to_certificates,
            claims_supported: CLAIMS.to_vec(),
            issuer: found.issuer,
        }
    }
}

/// What verifiers can find out by themselves.
///
/// Everything in it comes from the configuration, nothing from the request. 404 while the server does
/// not know its public URL.
#[utoipa::path(
    get,
    path = "/.well-known/openid-configuration",
    tag = "auth",
    responses((status = 200, description = "The document.", body = DiscoveryBody), CommonErrors)
)]
pub(super) async fn discovery(
    State(service): State<Arc<AuthService>>,
) -> ApiResult<impl IntoResponse> {
    let max_age = format!("public, max-age={}", service.keys().max_age().as_secs());
    Ok(([(CACHE_CONTROL, max_age)], Json(DiscoveryBody::from(service.discovery()?))))
}
