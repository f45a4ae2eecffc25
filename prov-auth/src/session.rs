//! Sessions: one signed-in device, and one family of refresh tokens.

mod record;

use std::net::IpAddr;

use prov_core::{Amr, Enrolment, SecretText, SessionId, Timestamp};
pub(crate) use record::SessionRecord;
use serde::{Deserialize, Serialize};

/// One signed-in device of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Session {
    /// Names it; access tokens carry it as `sid`.
    pub id: SessionId,
    /// What the device called itself when it signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// From which address it signed in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// When it signed in.
    pub created_at: Timestamp,
    /// When its refresh token was last exchanged.
    pub last_used_at: Timestamp,
    /// When it ends unless it is used before.
    pub expires_at: Timestamp,
    /// When its user last proved who they are.
    pub authenticated_at: Timestamp,
    /// By which factors.
    pub amr: Vec<Amr>,
}

/// What a client is handed when it has signed in or refreshed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenSet {
    /// The access token, a JWT (RFC 9068).
    pub access_token: SecretText,
    /// When the access token ends.
    pub access_expires_at: Timestamp,
    /// The refresh token; absent after a step-up, where the one at hand stays good.
    pub refresh_token: Option<SecretText>,
    /// The session.
    pub session: SessionId,
    /// Whether a second factor must be enrolled, and by when.
    pub enrolment: Enrolment,
    /// What the device is to present from now on, if it was never seen before.
    pub device: Option<SecretText>,
    /// The scheme to present the access token with: `Bearer`, or `DPoP` for one that is bound to a key.
    pub token_type: &'static str,
}
