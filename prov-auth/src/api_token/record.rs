//! How API tokens are remembered.

use std::time::Duration;

use prov_core::store::{Entity, Term};
use prov_core::{Scope, Timestamp, UserId, duration_text};
use serde::{Deserialize, Serialize};

use super::{ApiToken, ApiTokenId};
use crate::refresh::later;

/// An API token. No value stands in it in a form that could be used: it is a keyed hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ApiTokenRecord {
    pub(crate) id: String,
    pub(crate) user: UserId,
    pub(crate) name: String,
    pub(crate) scopes: Vec<Scope>,
    pub(crate) created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rotated_at: Option<Timestamp>,
    pub(crate) expires_at: Timestamp,
    /// How long a value is good; a new one is good as long again.
    #[serde(with = "duration_text")]
    pub(crate) lifetime: Duration,
    /// HMAC-SHA-256 of the value, in hexadecimal.
    pub(crate) digest: String,
    /// Whether its owner was told that this value ends soon.
    #[serde(default)]
    pub(crate) reminded: bool,
    /// The value before, while it still holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<PreviousValue>,
    /// In which generation of revocations the value was made.
    pub(crate) generation: u64,
}

/// A value that was replaced and holds for a while.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PreviousValue {
    pub(crate) digest: String,
    pub(crate) until: Timestamp,
}

impl ApiTokenRecord {
    /// Finds the tokens of a user.
    pub(crate) fn user_term(user: &UserId) -> Term {
        Term::new("user", user.as_str())
    }

    /// Whether it is time to tell its owner that it ends soon: 7 days before, or a quarter of its life where
    /// that is less. Who makes one for hours knows.
    pub(crate) fn is_to_be_reminded_of(&self, now: Timestamp) -> bool {
        const EARLIEST: Duration = Duration::from_hours(7 * 24);
        const SHORTEST: Duration = Duration::from_hours(24);
        let soon = later(now, EARLIEST.min(self.lifetime / 4));
        !self.reminded
            && self.lifetime >= SHORTEST
            && now < self.expires_at
            && self.expires_at <= soon
    }

    /// What its owner may see.
    pub(crate) fn public(&self, id: ApiTokenId, last_used_at: Option<Timestamp>) -> ApiToken {
        ApiToken {
            id,
            name: self.name.clone(),
            scopes: self.scopes.clone(),
            created_at: self.created_at,
            rotated_at: self.rotated_at,
            expires_at: self.expires_at,
            last_used_at,
        }
    }
}

impl Entity for ApiTokenRecord {
    const KIND: &'static str = "auth.api_token";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn terms(&self) -> Vec<Term> {
        vec![Self::user_term(&self.user)]
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// When a token was last used: apart from the token, so that writing it is news to nobody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ApiTokenUse {
    pub(crate) id: String,
    pub(crate) last_used_at: Timestamp,
    pub(crate) expires_at: Timestamp,
}

impl Entity for ApiTokenUse {
    const KIND: &'static str = "auth.api_token_use";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}
