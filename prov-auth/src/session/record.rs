//! How sessions are remembered.

use std::net::IpAddr;

use prov_core::store::{Entity, Term};
use prov_core::{Amr, Confirmation, SessionId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::Session;
use crate::federation::Origin;
use crate::refresh::SpentToken;

/// A session. No token stands in it in a form that could be used: the current refresh token is a
/// hash, and what a spent one was answered with is sealed under that spent token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    pub(crate) id: SessionId,
    pub(crate) user: UserId,
    pub(crate) client_id: String,
    pub(crate) device: Option<String>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) created_at: Timestamp,
    pub(crate) last_used_at: Timestamp,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) amr: Vec<Amr>,
    /// At which identity provider it began, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    /// What its tokens are bound to, refresh tokens included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bound_to: Option<Confirmation>,
    /// Whether it is good for nothing but enrolling a second factor.
    #[serde(default)]
    pub(crate) enrolment_only: bool,
    /// Which refresh token of the family is current; rises by one with every rotation.
    pub(crate) generation: u64,
    /// SHA-256 of the current refresh token.
    pub(crate) current: String,
    /// Those spent within the grace, oldest first.
    pub(crate) spent: Vec<SpentToken>,
    /// When the current refresh token ends.
    pub(crate) expires_at: Timestamp,
    /// When the session ends however much it is used.
    pub(crate) ends_at: Timestamp,
}

impl SessionRecord {
    /// Finds the sessions of a user.
    pub(crate) fn user_term(user: &UserId) -> Term {
        Term::new("user", user.as_str())
    }

    /// How its access tokens are presented (RFC 6749, section 7.1).
    pub(crate) fn token_type(&self) -> &'static str {
        let key = self.bound_to.as_ref().and_then(|bound_to| bound_to.key.as_ref());
        if key.is_some() { "DPoP" } else { "Bearer" }
    }

    /// What its user may see.
    pub(crate) fn public(&self) -> Session {
        Session {
            id: self.id.clone(),
            device: self.device.clone(),
            ip: self.ip,
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            expires_at: self.expires_at,
            authenticated_at: self.authenticated_at,
            amr: self.amr.clone(),
        }
    }
}

impl Entity for SessionRecord {
    const KIND: &'static str = "auth.session";

    fn id(&self) -> String {
        self.id.as_str().to_owned()
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
