//! Bodies of answers.

use std::time::Duration;

use prov_core::{Enrolment, SecretText, Timestamp};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::{
    ApiToken, CreatedUser, Device, IssuedApiToken, KeyState, LoginOutcome, Me, RotatedKeys,
    Session, SigningKeyInfo, Team, TokenSet, User,
};

/// A secret that this answer shows for the only time; elsewhere it stays redacted.
#[expect(clippy::ref_option, reason = "the form serde asks for")]
mod shown {
    use super::{SecretText, Serializer};

    pub(super) fn one<S: Serializer>(secret: &SecretText, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(secret.expose())
    }

    pub(super) fn perhaps<S: Serializer>(
        secret: &Option<SecretText>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => one(secret, s),
            None => s.serialize_none(),
        }
    }
}

/// Tokens (RFC 6749, section 5.1).
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct TokenBody {
    /// The access token, a JWT (RFC 9068).
    #[serde(serialize_with = "shown::one")]
    #[schema(value_type = String)]
    access_token: SecretText,
    /// How the access token is presented: `Bearer`, or `DPoP` for one that is bound to a key.
    #[schema(example = "Bearer")]
    pub token_type: &'static str,
    /// For how many seconds the access token is good.
    #[schema(example = 900)]
    pub expires_in: u64,
    /// Good for one exchange. Absent after a step-up, where the one at hand stays good.
    #[serde(serialize_with = "shown::perhaps", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretText>,
    /// The session.
    pub session_id: String,
    /// Present when a second factor must be enrolled and the tokens are good for nothing else until
    /// then: enrol one, and prove it with `POST /api/v1/auth/step-up`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enrolment_required: bool,
    /// By when a second factor must be enrolled (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrol_by: Option<String>,
}

impl TokenBody {
    pub(super) fn of(tokens: TokenSet, expires_in: Duration) -> Self {
        Self {
            access_token: tokens.access_token,
            token_type: tokens.token_type,
            expires_in: whole_seconds(expires_in),
            refresh_token: tokens.refresh_token,
            session_id: tokens.session.as_str().to_owned(),
            enrolment_required: tokens.enrolment == Enrolment::Overdue,
            enrol_by: match tokens.enrolment {
                Enrolment::DueBy(at) => Some(at.to_string()),
                Enrolment::NotAsked | Enrolment::Overdue => None,
            },
        }
    }
}

/// A device the caller has signed in on.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct KnownDeviceBody {
    /// Names it.
    pub id: String,
    /// What it called itself when it was new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// From which address its user last signed in on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// When its user first signed in on it (RFC 3339).
    pub created_at: String,
    /// When its user last signed in on it (RFC 3339).
    pub last_used_at: String,
}

impl From<Device> for KnownDeviceBody {
    fn from(device: Device) -> Self {
        Self {
            id: device.id.to_string(),
            name: device.name,
            ip: device.ip.map(|ip| ip.to_string()),
            created_at: device.created_at.to_string(),
            last_used_at: device.last_used_at.to_string(),
        }
    }
}

/// Somebody came back from an identity provider, and is not signed in yet.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct SignInCodeBody {
    /// Good once, at `/api/v1/auth/oidc/exchange`.
    #[serde(serialize_with = "shown::one")]
    #[schema(value_type = String)]
    pub(super) code: SecretText,
    /// Which sign-in of this browser it is.
    pub flow: String,
    /// For how many seconds the code is good.
    #[schema(example = 60)]
    pub expires_in: u64,
}

/// A second factor is due.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct MfaRequiredBody {
    /// Always true.
    pub mfa_required: bool,
    /// To be sent back with the second factor.
    #[serde(serialize_with = "shown::one")]
    #[schema(value_type = String)]
    challenge: SecretText,
    /// The factors that can be answered with.
    #[schema(example = json!(["totp", "backup_code"]))]
    pub methods: Vec<String>,
    /// With `webauthn` among them: what the browser is to be asked, for
    /// `PublicKeyCredential.parseRequestOptionsFromJSON`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub webauthn: Option<serde_json::Value>,
    /// For how many seconds the challenge is good.
    #[schema(example = 300)]
    pub expires_in: u64,
}

/// What signing in answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
#[non_exhaustive]
pub enum LoginAnswer {
    /// Signed in.
    Tokens(TokenBody),
    /// A second factor is due.
    MfaRequired(MfaRequiredBody),
}

impl LoginAnswer {
    pub(super) fn of(
        outcome: LoginOutcome,
        expires_in: impl FnOnce(&TokenSet) -> Duration,
    ) -> Self {
        match outcome {
            LoginOutcome::Tokens(tokens) => {
                let expires_in = expires_in(&tokens);
                Self::Tokens(TokenBody::of(tokens, expires_in))
            }
            LoginOutcome::MfaRequired { challenge, methods, passkey_options, expires_in } => {
                Self::MfaRequired(MfaRequiredBody {
                    mfa_required: true,
                    challenge,
                    webauthn: passkey_options,
                    methods: methods.iter().map(text_of).collect(),
                    expires_in: whole_seconds(expires_in),
                })
            }
        }
    }
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct UserBody {
    /// For ever the same.
    #[schema(example = "user_01JQ8ZK3V9M2T4R6X8Y0A1B2C3")]
    pub id: String,
    /// The name to sign in with.
    pub username: String,
    /// An address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The name people read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Roles held directly.
    pub roles: Vec<String>,
    /// Teams.
    pub teams: Vec<String>,
    /// Whether signing in is refused.
    pub locked: bool,
    /// Whether the password is good for nothing but its own change.
    pub must_change_password: bool,
    /// The identity provider they come from, if they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The organization, as it follows from the identity provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When anything of it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<User> for UserBody {
    fn from(user: User) -> Self {
        Self {
            id: user.id.as_str().to_owned(),
            username: user.username.into(),
            email: user.email,
            display_name: user.display_name,
            roles: user.roles.iter().map(ToString::to_string).collect(),
            teams: user.teams.iter().map(ToString::to_string).collect(),
            locked: user.locked,
            must_change_password: user.must_change_password,
            issuer: user.issuer,
            organization: user.organization,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}

/// A user that was made.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct CreatedUserBody {
    /// The user.
    #[serde(flatten)]
    pub user: UserBody,
    /// The password that was made, shown this once.
    #[serde(serialize_with = "shown::perhaps", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    temporary_password: Option<SecretText>,
}

impl From<CreatedUser> for CreatedUserBody {
    fn from(created: CreatedUser) -> Self {
        Self { user: created.user.into(), temporary_password: created.temporary_password }
    }
}

/// A password that was made.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct TemporaryPasswordBody {
    /// Shown this once; good for nothing but its own change.
    #[serde(serialize_with = "shown::one")]
    #[schema(value_type = String)]
    temporary_password: SecretText,
}

impl From<SecretText> for TemporaryPasswordBody {
    fn from(temporary_password: SecretText) -> Self {
        Self { temporary_password }
    }
}

/// Who the caller is.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct MeBody {
    /// Stable id.
    pub id: String,
    /// The name people know the caller by.
    pub name: String,
    /// Roles, as the credential says.
    pub roles: Vec<String>,
    /// Teams, as the credential says.
    pub teams: Vec<String>,
    /// By which factors the caller proved who they are.
    #[schema(example = json!(["pwd", "otp", "mfa"]))]
    pub amr: Vec<String>,
    /// When they did.
    #[schema(value_type = String, format = DateTime)]
    pub auth_time: Timestamp,
    /// The session of this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The account, if the caller has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<UserBody>,
}

impl From<Me> for MeBody {
    fn from(me: Me) -> Self {
        Self {
            id: me.principal.id,
            name: me.principal.name,
            roles: me.principal.roles.iter().map(ToString::to_string).collect(),
            teams: me.principal.teams.iter().map(ToString::to_string).collect(),
            amr: me.authentication.amr.iter().map(|amr| amr.as_str().to_owned()).collect(),
            auth_time: me.authentication.authenticated_at,
            session_id: me.authentication.session.map(|id| id.as_str().to_owned()),
            user: me.user.map(Into::into),
        }
    }
}

/// One signed-in device.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct SessionBody {
    /// Names it.
    pub id: String,
    /// Whether it is the one of this request.
    pub current: bool,
    /// What the device calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// From which address it signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// When it signed in.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When its refresh token was last exchanged.
    #[schema(value_type = String, format = DateTime)]
    pub last_used_at: Timestamp,
    /// When it ends unless it is used before.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When its user last proved who they are.
    #[schema(value_type = String, format = DateTime)]
    pub auth_time: Timestamp,
    /// By which factors.
    pub amr: Vec<String>,
}

impl SessionBody {
    pub(super) fn of(session: Session, current: Option<&str>) -> Self {
        Self {
            current: current == Some(session.id.as_str()),
            id: session.id.as_str().to_owned(),
            device: session.device,
            ip: session.ip.map(|ip| ip.to_string()),
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
            auth_time: session.authenticated_at,
            amr: session.amr.iter().map(|amr| amr.as_str().to_owned()).collect(),
        }
    }
}

/// What is known of an API token.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct ApiTokenBody {
    /// Names it.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// What it is good for at most.
    #[schema(example = json!(["read:users"]))]
    pub scopes: Vec<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it got its present value.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub rotated_at: Option<Timestamp>,
    /// When it ends.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_used_at: Option<Timestamp>,
}

impl From<ApiToken> for ApiTokenBody {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.as_str().to_owned(),
            name: token.name,
            scopes: token.scopes.iter().map(ToString::to_string).collect(),
            created_at: token.created_at,
            rotated_at: token.rotated_at,
            expires_at: token.expires_at,
            last_used_at: token.last_used_at,
        }
    }
}

/// An API token and its value.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct IssuedApiTokenBody {
    /// What is known of it.
    #[serde(flatten)]
    pub token: ApiTokenBody,
    /// Shown this once: `prov_` and 49 letters and digits.
    #[serde(serialize_with = "shown::one")]
    #[schema(value_type = String)]
    value: SecretText,
}

impl From<IssuedApiToken> for IssuedApiTokenBody {
    fn from(issued: IssuedApiToken) -> Self {
        Self { token: issued.token.into(), value: issued.value }
    }
}

/// A team.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct TeamBody {
    /// Its id, which is its name.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether the shipped policies name it.
    pub shipped: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<Team> for TeamBody {
    fn from(team: Team) -> Self {
        Self {
            id: team.name.as_str().to_owned(),
            name: team.name.as_str().to_owned(),
            description: team.description,
            shipped: team.shipped,
            created_at: team.created_at,
        }
    }
}

/// What is public about one signing key.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct KeyBody {
    /// Its id (`kid`): the thumbprint of RFC 7638.
    pub id: String,
    /// What it signs with.
    #[schema(example = "RS256")]
    pub algorithm: String,
    /// `pending`, `active` or `retired`.
    #[schema(value_type = String, example = "active")]
    pub state: KeyState,
    /// When it was made and published.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it began to sign.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub activated_at: Option<Timestamp>,
    /// Until when it verifies, once retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verifies_until: Option<Timestamp>,
}

impl From<SigningKeyInfo> for KeyBody {
    fn from(key: SigningKeyInfo) -> Self {
        Self {
            id: key.id,
            algorithm: text_of(&key.algorithm),
            state: key.state,
            created_at: key.created_at,
            activated_at: key.activated_at,
            verifies_until: key.verifies_until,
        }
    }
}

/// What a rotation did, by key ids.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct RotatedKeysBody {
    /// The key that signs now.
    pub active: String,
    /// The key that signed before.
    pub retired: String,
    /// The key that will sign next.
    pub pending: String,
}

impl From<RotatedKeys> for RotatedKeysBody {
    fn from(keys: RotatedKeys) -> Self {
        Self { active: keys.active, retired: keys.retired, pending: keys.pending }
    }
}

/// The name a value has in JSON.
fn text_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

/// Seconds, the last one counted whole.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
