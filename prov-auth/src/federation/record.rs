//! What is remembered of signing in with an identity provider.

use aws_lc_rs::{digest, hmac};
use prov_core::store::{Entity, Term};
use prov_core::{Amr, Result, SecretText, Timestamp, UserId, random};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::token::base64url;

/// 256 random bits that somebody carries and brings back; only its hash is remembered.
#[derive(Debug, Clone)]
pub(crate) struct Ticket(SecretText);

impl Ticket {
    /// The characters of one.
    const LENGTH: usize = 43;

    /// A fresh one.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub(crate) fn generate() -> Result<Self> {
        Ok(Self(SecretText::new(base64url(random::bytes::<32>()?))))
    }

    /// What somebody brought; `None` for what can't be one.
    pub(crate) fn presented(text: &str) -> Option<Self> {
        let is_one = text.len() == Self::LENGTH
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        is_one.then(|| Self(SecretText::new(text)))
    }

    pub(crate) fn text(&self) -> &SecretText {
        &self.0
    }

    /// What is remembered of it.
    pub(crate) fn digest(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, self.0.expose().as_bytes()))
    }

    /// The challenge of a PKCE verifier (RFC 7636, section 4.2).
    pub(crate) fn pkce_challenge(verifier: &str) -> String {
        base64url(digest::digest(&digest::SHA256, verifier.as_bytes()))
    }
}

/// Whether two texts of one length are the same, in time that tells nothing.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// Somebody on their way to an identity provider.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FederationState {
    /// Hash of `state`.
    pub(crate) digest: String,
    pub(crate) issuer: String,
    pub(crate) nonce: String,
    /// The PKCE verifier; the store is sealed.
    pub(crate) verifier: String,
    /// Hash of what only the browser has that began.
    pub(crate) browser: String,
    /// How long ago the person may have signed in there, in seconds, if it was asked.
    pub(crate) max_age: Option<u32>,
    /// Where a program waits for the outcome, and its PKCE challenge; otherwise the browser itself fetches it.
    pub(crate) handover: Option<(String, String)>,
    pub(crate) expires_at: Timestamp,
}

impl FederationState {
    pub(crate) fn is_of_browser(&self, ticket: &Ticket) -> bool {
        same(&self.browser, &ticket.digest())
    }
}

impl Entity for FederationState {
    const KIND: &'static str = "auth.federation_state";

    fn id(&self) -> String {
        self.digest.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// A sign-in that a program is about to fetch.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Handover {
    /// Hash of the code.
    pub(crate) digest: String,
    /// The challenge whose verifier the program has.
    pub(crate) challenge: String,
    pub(crate) user: UserId,
    pub(crate) amr: Vec<Amr>,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) origin: Origin,
    pub(crate) generation: u64,
    /// Whether somebody has presented the code.
    #[serde(default)]
    pub(crate) used: bool,
    pub(crate) expires_at: Timestamp,
}

impl Entity for Handover {
    const KIND: &'static str = "auth.federation_handover";

    fn id(&self) -> String {
        self.digest.clone()
    }

    fn terms(&self) -> Vec<Term> {
        self.origin.terms()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// Which account somebody of an issuer has. Its id is a keyed hash of issuer and subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FederatedIdentity {
    pub(crate) digest: String,
    pub(crate) user: UserId,
    /// The issuer's name here.
    pub(crate) issuer: String,
    pub(crate) linked_at: Timestamp,
}

impl FederatedIdentity {
    /// Finds those of a user.
    pub(crate) fn user_term(user: &UserId) -> Term {
        Term::new("user", user.as_str())
    }
}

impl Entity for FederatedIdentity {
    const KIND: &'static str = "auth.federated_identity";

    fn id(&self) -> String {
        self.digest.clone()
    }

    fn terms(&self) -> Vec<Term> {
        vec![Self::user_term(&self.user)]
    }
}

/// At which identity provider a session began, so that it can end when that says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) issuer: String,
    /// Keyed hash of issuer and subject.
    pub(crate) subject: String,
    /// Keyed hash of issuer and session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) session: Option<String>,
    /// Hash of the code that it was fetched with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) handover: Option<String>,
}

impl Origin {
    /// Finds what began at an issuer.
    pub(crate) fn issuer_term(name: &str) -> Term {
        Term::new("issuer", name)
    }

    /// Finds what began as a subject of an issuer.
    pub(crate) fn subject_term(digest: &str) -> Term {
        Term::new("issuer_subject", digest)
    }

    /// Finds what began in a session of an issuer.
    pub(crate) fn session_term(digest: &str) -> Term {
        Term::new("issuer_session", digest)
    }

    /// Finds what a code has given.
    pub(crate) fn handover_term(digest: &str) -> Term {
        Term::new("handover", digest)
    }

    pub(crate) fn terms(&self) -> Vec<Term> {
        let session = self.session.as_deref().map(Self::session_term);
        let handover = self.handover.as_deref().map(Self::handover_term);
        let mut terms = vec![Self::issuer_term(&self.issuer), Self::subject_term(&self.subject)];
        terms.extend(session.into_iter().chain(handover));
        terms
    }
}

/// Makes the keyed hashes: who reads the store can't try subjects out.
#[derive(Debug, Clone)]
pub(crate) struct OriginDigests(hmac::Key);

impl OriginDigests {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    pub(crate) fn subject(&self, issuer: &str, subject: &str) -> String {
        self.of("subject", issuer, subject)
    }

    pub(crate) fn session(&self, issuer: &str, session: &str) -> String {
        self.of("session", issuer, session)
    }

    /// An issuer is a URL and holds no NUL, so that no two pairs are one text.
    fn of(&self, what: &str, issuer: &str, name: &str) -> String {
        let text = format!("{what}\0{issuer}\0{name}");
        hex::encode(hmac::sign(&self.0, text.as_bytes()))
    }
}

/// A logout token that was used, until it can't be any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct UsedLogoutToken {
    pub(crate) digest: String,
    pub(crate) expires_at: Timestamp,
}

impl Entity for UsedLogoutToken {
    const KIND: &'static str = "auth.used_logout_token";

    fn id(&self) -> String {
        self.digest.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_known_by_its_issuer_alone() {
        let digests = OriginDigests::new(&[7; 32]);
        let corp = digests.subject("https://a.example", "alice");
        assert_ne!(corp, digests.subject("https://b.example", "alice"));
        assert_ne!(corp, digests.session("https://a.example", "alice"));
        assert_ne!(corp, OriginDigests::new(&[8; 32]).subject("https://a.example", "alice"));
        assert_eq!(corp, digests.subject("https://a.example", "alice"));
    }

    #[test]
    fn tickets_are_read_strictly_and_pkce_is_that_of_the_rfc() {
        let ticket = Ticket::generate().unwrap();
        let read = Ticket::presented(ticket.text().expose()).unwrap();
        assert_eq!(read.digest(), ticket.digest());
        for text in ["", "x", &"x".repeat(44), &"=".repeat(43), &"é".repeat(43)] {
            assert!(Ticket::presented(text).is_none(), "{text}");
        }
        // RFC 7636, appendix B.
        assert_eq!(
            Ticket::pkce_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }
}
