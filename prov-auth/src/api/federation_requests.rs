//! What browsers, programs and identity providers send.

use prov_core::SecretText;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// How a browser begins.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StartQuery {
    /// Where a program waits on the person's own machine: an `http` URL of a loopback address with a port
    /// (RFC 8252, section 7.3). Needs `code_challenge`.
    pub return_to: Option<String>,
    /// The PKCE challenge (S256) of the verifier that the program has.
    pub code_challenge: Option<String>,
    /// How many seconds ago the person may have signed in there; 0: anew.
    pub max_age: Option<u32>,
}

/// What an identity provider sends back by way of the browser (RFC 6749, section 4.1.2; RFC 9207).
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[non_exhaustive]
pub struct CallbackQuery {
    /// What was sent.
    #[serde(default)]
    pub state: String,
    /// The code.
    #[param(value_type = Option<String>)]
    pub code: Option<SecretText>,
    /// Why there is none.
    pub error: Option<String>,
    /// Who answers.
    pub iss: Option<String>,
}

/// What a program sends to get its tokens.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExchangeRequest {
    /// The code that the browser brought.
    #[schema(value_type = String)]
    pub code: SecretText,
    /// The verifier of the challenge it began with (RFC 7636).
    #[schema(value_type = Option<String>)]
    pub code_verifier: Option<SecretText>,
    /// Of a browser that began by itself: what it was answered with the code.
    pub flow: Option<String>,
}

/// A logout token (OpenID Connect Back-Channel Logout 1.0, section 2.5).
#[derive(Debug, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct LogoutForm {
    /// The token.
    #[schema(value_type = String)]
    pub logout_token: SecretText,
}
