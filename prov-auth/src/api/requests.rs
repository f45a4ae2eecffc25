//! Bodies of requests.

use std::time::Duration;

use prov_core::{
    Error, FactorMethod, FactorResponse, Result, Role, Scope, SecretText, TeamName, codes,
    duration_text,
};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::{NewApiToken, NewUser, Rotation, StepUp, UserChanges};

/// Signs in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LoginRequest {
    /// The name to sign in with.
    #[schema(example = "alice")]
    pub username: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    pub password: SecretText,
}

/// Answers a sign-in challenge.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LoginMfaRequest {
    /// The challenge, as signing in answered it.
    #[schema(value_type = String)]
    pub challenge: SecretText,
    /// Which factor: `totp`, `backup_code` or `webauthn`.
    #[schema(value_type = String, example = "totp")]
    pub method: FactorMethod,
    /// The code of an app or from the paper.
    #[schema(value_type = Option<String>, example = "123456")]
    pub code: Option<SecretText>,
    /// The assertion of a passkey, as the browser's `toJSON` gives it.
    #[schema(value_type = Option<Object>)]
    pub assertion: Option<serde_json::Value>,
}

impl LoginMfaRequest {
    pub(super) fn parts(self) -> Result<(SecretText, FactorResponse)> {
        let response = FactorResponse::of(self.method, self.code, self.assertion.as_ref())?;
        Ok((self.challenge, response))
    }
}

/// Proves the signed-in user again: either `password`, or `method` and `code` or `assertion`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StepUpRequest {
    /// The password; enough only while no second factor is enrolled.
    #[schema(value_type = Option<String>, format = Password)]
    pub password: Option<SecretText>,
    /// Which factor: `totp`, `backup_code` or `webauthn`.
    #[schema(value_type = Option<String>, example = "totp")]
    pub method: Option<FactorMethod>,
    /// The code of an app or from the paper.
    #[schema(value_type = Option<String>)]
    pub code: Option<SecretText>,
    /// The assertion of a passkey, as the browser's `toJSON` gives it; see
    /// `POST /api/v1/mfa/webauthn/authenticate/begin`.
    #[schema(value_type = Option<Object>)]
    pub assertion: Option<serde_json::Value>,
}

impl StepUpRequest {
    pub(super) fn proof(self) -> Result<StepUp> {
        match (self.password, self.method, self.code, self.assertion) {
            (Some(password), None, None, None) => Ok(StepUp::Password(password)),
            (None, Some(method), code, assertion) => {
                FactorResponse::of(method, code, assertion.as_ref()).map(StepUp::Factor)
            }
            _ => Err(Error::new(codes::INVALID_REQUEST)
                .field("method", "give either `password`, or `method` and `code` or `assertion`")),
        }
    }
}

/// Exchanges a refresh token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RefreshRequest {
    /// The refresh token; it is spent.
    #[schema(value_type = String)]
    pub refresh_token: SecretText,
}

/// Makes the first administrator.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BootstrapRequest {
    /// The one-time token that the server showed at its start.
    #[schema(value_type = String)]
    pub token: SecretText,
    /// The administrator's name.
    #[schema(example = "admin")]
    pub username: String,
    /// Their password.
    #[schema(value_type = String, format = Password)]
    pub password: SecretText,
}

/// Changes the caller's password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PasswordRequest {
    /// The password until now.
    #[schema(value_type = String, format = Password)]
    pub current_password: SecretText,
    /// The password from now on.
    #[schema(value_type = String, format = Password)]
    pub new_password: SecretText,
}

/// Replaces a password that is good for nothing else.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExpiredPasswordRequest {
    /// The name to sign in with.
    #[schema(example = "alice")]
    pub username: String,
    /// The password until now, such as a temporary one.
    #[schema(value_type = String, format = Password)]
    pub current_password: SecretText,
    /// The password from now on.
    #[schema(value_type = String, format = Password)]
    pub new_password: SecretText,
}

/// A token, form-encoded (RFC 7009, section 2.1; RFC 7662, section 2.1). Other parameters are
/// ignored, as the RFCs demand.
#[derive(Debug, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct TokenForm {
    /// The token.
    #[schema(value_type = String)]
    pub token: SecretText,
    /// What it might be; not needed, tokens here tell themselves apart.
    pub token_type_hint: Option<String>,
}

/// Makes an API token.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NewApiTokenRequest {
    /// What to call it, 1 to 128 characters.
    #[schema(example = "backup job")]
    pub name: String,
    /// What it is to be good for: an action and a part of the API each; `*` for any.
    #[schema(value_type = Vec<String>, example = json!(["read:users", "*:kms"]))]
    pub scopes: Vec<Scope>,
    /// How long it is good, `1m` to `366d`.
    #[serde(with = "duration_text")]
    #[schema(value_type = String, example = "90d")]
    pub expires_in: Duration,
}

impl From<NewApiTokenRequest> for NewApiToken {
    fn from(request: NewApiTokenRequest) -> Self {
        Self::new(request.name, request.scopes, request.expires_in)
    }
}

/// Gives an API token a new value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RotateApiTokenRequest {
    /// How long the old value holds on, `24h` at most; left out: it ends at once.
    #[serde(default, with = "duration_text")]
    #[schema(value_type = Option<String>, example = "1h")]
    pub overlap: Duration,
}

/// Makes a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NewUserRequest {
    /// 1 to 64 characters of `a-z`, `0-9`, `.`, `_`, `-`, `+`, `@`.
    #[schema(example = "alice")]
    pub username: String,
    /// The first password; without one, a temporary password is answered.
    #[schema(value_type = Option<String>, format = Password)]
    pub password: Option<SecretText>,
    /// Whether the first password must be changed before anything else: yes, unless said otherwise.
    pub must_change_password: Option<bool>,
    /// An address.
    pub email: Option<String>,
    /// The name people read.
    pub display_name: Option<String>,
    /// Roles: `admin`, `operator`, `developer`, `auditor`, `viewer`.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub roles: Vec<Role>,
    /// Teams; each must exist.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub teams: Vec<TeamName>,
}

impl From<NewUserRequest> for NewUser {
    fn from(request: NewUserRequest) -> Self {
        let mut new = Self::new(request.username).with_roles(request.roles);
        new.teams = request.teams;
        new.password = request.password;
        new.must_change_password = request.must_change_password.unwrap_or(true);
        new.email = request.email;
        new.display_name = request.display_name;
        new
    }
}

/// Changes a user's details. What is left out stays; `null` takes away.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct UserPatch {
    /// The address.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub email: Option<Option<String>>,
    /// The name people read.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub display_name: Option<Option<String>>,
}

impl From<UserPatch> for UserChanges {
    fn from(patch: UserPatch) -> Self {
        Self { email: patch.email, display_name: patch.display_name }
    }
}

/// A field that is there, if only as `null`.
#[expect(clippy::option_option, reason = "left out, taken away and set are three things")]
fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Sets a user's roles.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RolesRequest {
    /// All of them.
    #[schema(value_type = Vec<String>, example = json!(["developer"]))]
    pub roles: Vec<Role>,
}

/// Sets a user's teams.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TeamsRequest {
    /// All of them; each must exist.
    #[schema(value_type = Vec<String>, example = json!(["sre"]))]
    pub teams: Vec<TeamName>,
}

/// Makes a team.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct NewTeamRequest {
    /// 1 to 64 characters of `a-z`, `0-9` and `-`, starting with a letter.
    #[schema(value_type = String, example = "database")]
    pub name: TeamName,
    /// What it is for.
    pub description: Option<String>,
}

/// Rotates the signing keys.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RotateRequest {
    /// `published` (the default) or `at_once`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "published")]
    pub rotation: Rotation,
}
