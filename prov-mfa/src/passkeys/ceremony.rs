//! A ceremony that waits for its answer.

use std::time::Duration;

use aws_lc_rs::digest;
use prov_core::store::Entity;
use prov_core::{SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a ceremony is for. An answer to one is no answer to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Purpose {
    /// A new passkey of a user who is signed in.
    Register,
    /// A second factor of a known user.
    Prove,
    /// Signing in, by whoever the passkey names.
    SignIn,
}

/// The server's side of a ceremony. It is deleted when an answer arrives, before the answer is looked
/// at, so that none is looked at twice.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Ceremony {
    /// Of the challenge: SHA-256, in hexadecimal.
    pub(crate) digest: String,
    pub(crate) purpose: Purpose,
    /// Whose answer is expected; nobody's in particular for [`Purpose::SignIn`].
    pub(crate) user: Option<UserId>,
    /// The session that a registration was begun in, and must be finished in.
    pub(crate) session: Option<SessionId>,
    /// What a new passkey is to be called.
    pub(crate) name: Option<String>,
    /// In the form of the library that checks the answer.
    pub(crate) state: Box<RawValue>,
    pub(crate) expires_at: Timestamp,
}

impl Ceremony {
    /// How long an answer is waited for; browsers are told the same.
    pub(crate) const LIFETIME: Duration = Duration::from_mins(5);

    /// What a challenge is remembered by.
    pub(crate) fn digest_of(challenge: &str) -> String {
        hex::encode(digest::digest(&digest::SHA256, challenge.as_bytes()))
    }
}

impl Entity for Ceremony {
    const KIND: &'static str = "mfa.ceremony";

    fn id(&self) -> String {
        self.digest.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}
