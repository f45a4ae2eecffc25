//! The time between the password and the second factor.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::store::{Entity, Term};
use prov_core::{Amr, Result, SecretText, Timestamp, UserId, random};
use serde::{Deserialize, Serialize};

use crate::federation::Origin;

/// 256 random bits that a client carries from the first step to the second.
#[derive(Debug, Clone)]
pub(crate) struct ChallengeToken(SecretText);

impl ChallengeToken {
    /// A fresh one.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub(crate) fn generate() -> Result<Self> {
        Ok(Self(SecretText::new(URL_SAFE_NO_PAD.encode(random::bytes::<32>()?))))
    }

    /// What a client sent.
    pub(crate) fn presented(text: &SecretText) -> Self {
        Self(text.clone())
    }

    /// The text for the client.
    pub(crate) fn text(&self) -> &SecretText {
        &self.0
    }

    /// What is remembered of it: SHA-256, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, self.0.expose().as_bytes()))
    }
}

/// A password that held and a second factor that is due.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ChallengeRecord {
    pub(crate) digest: String,
    pub(crate) user: UserId,
    /// When the password in force was chosen: another one ends the challenge. None where an identity
    /// provider vouched.
    pub(crate) password_changed_at: Option<Timestamp>,
    /// By what the first step was taken.
    #[serde(default = "by_password")]
    pub(crate) amr: Vec<Amr>,
    /// When, where an identity provider says so.
    #[serde(default)]
    pub(crate) authenticated_at: Option<Timestamp>,
    /// Which identity provider vouched.
    #[serde(default)]
    pub(crate) origin: Option<Origin>,
    /// Counted down before every attempt, so that parallel ones can't share one.
    pub(crate) attempts_left: u8,
    pub(crate) expires_at: Timestamp,
}

fn by_password() -> Vec<Amr> {
    vec![Amr::Pwd]
}

impl ChallengeRecord {
    /// Attempts at one challenge; the factor's own limit holds across challenges.
    pub(crate) const ATTEMPTS: u8 = 5;

    /// Finds the challenges of a user.
    pub(crate) fn user_term(user: &UserId) -> Term {
        Term::new("user", user.as_str())
    }
}

impl Entity for ChallengeRecord {
    const KIND: &'static str = "auth.challenge";

    fn id(&self) -> String {
        self.digest.clone()
    }

    fn terms(&self) -> Vec<Term> {
        let mut terms = vec![Self::user_term(&self.user)];
        terms.extend(self.origin.iter().flat_map(Origin::terms));
        terms
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}
