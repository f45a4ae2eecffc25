//! Bodies about passkeys.

use prov_core::SignedIn;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Shown;
use crate::PasskeyRequest;

/// What a passkey is called when nothing is said.
const DEFAULT_NAME: &str = "passkey";

/// Begins a registration.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PasskeyBeginRequest {
    /// What the user calls it, 1 to 64 characters.
    #[schema(example = "laptop")]
    pub name: Option<String>,
}

impl PasskeyBeginRequest {
    pub(in crate::api) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(DEFAULT_NAME)
    }
}

/// What the browser is to be asked.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct PasskeyRequestBody {
    /// The options, for `parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON` of
    /// `PublicKeyCredential` (WebAuthn level 3, section 5.1).
    #[schema(value_type = Object)]
    pub options: Value,
    /// For how many seconds an answer is waited for.
    #[schema(example = 300)]
    pub expires_in: u64,
}

impl PasskeyRequestBody {
    pub(in crate::api) fn of(begun: PasskeyRequest) -> Self {
        Self { options: begun.options, expires_in: begun.expires_in.as_secs() }
    }
}

/// Finishes a registration.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PasskeyFinishRequest {
    /// What `navigator.credentials.create` yielded, by its `toJSON`.
    #[schema(value_type = Object)]
    pub credential: Value,
}

/// What a passkey is to be proved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AssertionPurpose {
    /// Signing in, by whoever the passkey names.
    #[default]
    SignIn,
    /// Proving whoever is signed in again.
    Proof,
}

/// Begins to prove a passkey.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AssertionBeginRequest {
    /// What for; signing in, when nothing is said.
    #[serde(default)]
    pub purpose: AssertionPurpose,
}

/// Proves a passkey.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AssertionFinishRequest {
    /// What `navigator.credentials.get` yielded, by its `toJSON`.
    #[schema(value_type = Object)]
    pub assertion: Value,
}

/// What a proved passkey is answered with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[non_exhaustive]
pub enum AssertionAnswerBody {
    /// It signed somebody in.
    SignedIn(SignedInBody),
    /// It proved whoever is signed in again.
    Proved {
        /// Always true; what does not hold is a problem.
        verified: bool,
    },
}

/// Tokens (RFC 6749, section 5.1).
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct SignedInBody {
    /// The access token, a JWT (RFC 9068).
    #[schema(value_type = String)]
    access_token: Shown,
    /// `Bearer`, or `DPoP` for tokens that are bound to a key.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// For how many seconds the access token is good.
    #[schema(example = 900)]
    pub expires_in: u64,
    /// Good for one exchange.
    #[schema(value_type = String)]
    refresh_token: Shown,
    /// The session.
    pub session_id: String,
}

impl AssertionAnswerBody {
    pub(in crate::api) const fn proved() -> Self {
        Self::Proved { verified: true }
    }

    pub(in crate::api) fn signed_in(session: SignedIn) -> Self {
        Self::SignedIn(SignedInBody {
            access_token: Shown(session.access_token),
            token_type: session.token_type,
            expires_in: session.expires_in.as_secs(),
            refresh_token: Shown(session.refresh_token),
            session_id: session.session.as_str().to_owned(),
        })
    }
}

/// Changes a factor's name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DevicePatch {
    /// What the user calls it, 1 to 64 characters.
    #[schema(example = "laptop")]
    pub name: String,
}
