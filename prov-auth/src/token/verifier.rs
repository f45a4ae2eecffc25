//! Verifying access tokens.

use std::sync::Arc;

use prov_core::{Attempt, Authenticator, Clock, Identity, Presented, Result, Timestamp};

use super::TokenOptions;
use super::cache::{Fingerprint, Verified, VerifiedTokens};
use super::jws::{Jws, MAX_LENGTH, forged, malformed};
use super::wire::{Claims, TYPE, Window};
use crate::signing_keys::KeyRing;
use crate::{Revocations, SigningKeys, codes};

/// What API tokens start with; they are another authenticator's.
const API_TOKEN_PREFIX: &str = "prov_";

/// Verifies access tokens (RFC 9068, section 4) from memory alone.
///
/// A token that held is remembered by its SHA-256; every later sight of it still asks whether it has
/// ended, whether it, its session or its subject was revoked, and whether the signing keys have
/// changed. Refusals carry a specific [`Code`](prov_core::Code) for the log; the
/// [`AuthnLayer`](crate::AuthnLayer) tells clients only that the token is not valid.
#[derive(Debug)]
pub struct TokenVerifier {
    keys: Arc<SigningKeys>,
    revocations: Arc<Revocations>,
    clock: Arc<dyn Clock>,
    options: TokenOptions,
    known: VerifiedTokens,
}

impl TokenVerifier {
    /// A verifier of tokens signed by `keys`.
    ///
    /// # Errors
    /// [`prov_core::codes::INVALID_REQUEST`] naming the option that can't be right.
    pub fn new(
        keys: Arc<SigningKeys>,
        revocations: Arc<Revocations>,
        clock: Arc<dyn Clock>,
        options: &TokenOptions,
    ) -> Result<Self> {
        options.check()?;
        let known = VerifiedTokens::new(options.cache_entries);
        Ok(Self { keys, revocations, clock, options: options.clone(), known })
    }

    /// Whose token this is. Whether it is bound to something, it says; that the request proves the possession of
    /// that is for the caller to see, as the [`AuthnLayer`](crate::AuthnLayer) does. One that is good for nothing but enrolling a second factor holds as well, and
    /// says so ([`Authentication::enrolment_only`](prov_core::Authentication::enrolment_only)): the
    /// [`AuthnLayer`](crate::AuthnLayer) lets it through to nothing else.
    ///
    /// # Errors
    /// [`codes::TOKEN_MALFORMED`], [`codes::TOKEN_FORGED`], [`codes::TOKEN_FOREIGN`],
    /// [`codes::TOKEN_PREMATURE`], [`codes::TOKEN_EXPIRED`] or [`codes::TOKEN_REVOKED`]; and
    /// [`codes::REVOCATIONS_UNKNOWN`] when nobody can say whether it was revoked.
    pub fn verify(&self, token: &str) -> Result<Arc<Identity>> {
        if token.len() > MAX_LENGTH {
            return Err(malformed("longer than 8 KiB"));
        }
        self.revocations.require_known()?;
        let now = self.clock.now().as_second();
        let ring = self.keys.ring();
        let fingerprint = Fingerprint::of(token);
        if let Some((identity, window)) = self.known.find(&fingerprint, ring.version()) {
            window.check(now)?;
            return self.unless_revoked(identity);
        }
        let (identity, window) = self.verify_signed(token, &ring, now)?;
        let identity = self.unless_revoked(Arc::new(identity))?;
        let verified = Verified { identity: Arc::clone(&identity), window, keys: ring.version() };
        self.known.insert(fingerprint, verified);
        Ok(identity)
    }

    /// What a token that holds says of itself, also what no request needs.
    ///
    /// # Errors
    /// As [`TokenVerifier::verify`].
    pub(crate) fn read(&self, token: &str) -> Result<ReadToken> {
        self.revocations.require_known()?;
        let (now, ring) = (self.clock.now().as_second(), self.keys.ring());
        let (read, _) = self.open(token, &ring, now, |claims| {
            let issued_at = Timestamp::from_second(claims.iat)
                .map_err(|e| malformed("a time out of range").source(e))?;
            let (client_id, audience) = (claims.client_id.to_string(), claims.aud.names());
            let identity = Arc::new(claims.into_identity(&self.options)?);
            Ok(ReadToken { identity, client_id, audience, issued_at })
        })?;
        let identity = self.unless_revoked(read.identity)?;
        Ok(ReadToken { identity, ..read })
    }

    fn verify_signed(&self, token: &str, ring: &KeyRing, now: i64) -> Result<(Identity, Window)> {
        self.open(token, ring, now, |claims| claims.into_identity(&self.options))
    }

    /// What `read` makes of the claims of a token of ours that holds now, and how long it does.
    fn open<T>(
        &self,
        token: &str,
        ring: &KeyRing,
        now: i64,
        read: impl FnOnce(Claims<'_>) -> Result<T>,
    ) -> Result<(T, Window)> {
        let jws = Jws::parse(token)?;
        if !jws.header.kind.as_deref().is_some_and(is_access_token) {
            return Err(forged("not of the type of an access token"));
        }
        let named = jws.header.key_id.as_deref().and_then(|id| ring.verification_key(id));
        let (key, key_ends) = named.ok_or_else(|| forged("signed by an unknown key"))?;
        let payload = jws.verified_by(key)?;
        let claims = Claims::parse(&payload)?;
        let mut window = claims.check(&self.options)?;
        if let Some(end) = key_ends {
            window = window.until(end.as_second());
        }
        window.check(now)?;
        Ok((read(claims)?, window))
    }

    fn unless_revoked(&self, identity: Arc<Identity>) -> Result<Arc<Identity>> {
        if self.revocations.is_revoked(&identity) {
            return Err(codes::TOKEN_REVOKED.into());
        }
        Ok(identity)
    }
}

/// What a token that holds says of itself.
#[derive(Debug)]
pub(crate) struct ReadToken {
    pub(crate) identity: Arc<Identity>,
    pub(crate) client_id: String,
    pub(crate) audience: Vec<String>,
    pub(crate) issued_at: Timestamp,
}

/// RFC 9068, section 4, step 1: `at+jwt` or `application/at+jwt`, a media type and so without case.
fn is_access_token(kind: &str) -> bool {
    kind.eq_ignore_ascii_case(TYPE) || kind.eq_ignore_ascii_case("application/at+jwt")
}

/// The schemes an access token is presented with: to whom it belongs, or with the proof of a key (RFC 9449,
/// section 7.1). Whether the scheme is the right one for the token, the layer finds out.
pub(crate) fn is_for_tokens(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("Bearer") || scheme.eq_ignore_ascii_case("DPoP")
}

impl Authenticator for TokenVerifier {
    fn scheme(&self) -> &'static str {
        "Bearer"
    }

    fn authenticate(&self, presented: &Presented<'_>) -> Attempt {
        let Some((scheme, token)) = presented.authorization.and_then(|value| value.split_once(' '))
        else {
            return Attempt::NotRequested;
        };
        let token = token.trim_start_matches(' ');
        if !is_for_tokens(scheme) || token.starts_with(API_TOKEN_PREFIX) {
            return Attempt::NotRequested;
        }
        match self.verify(token) {
            Ok(identity) => Attempt::Authenticated(identity),
            Err(error) => Attempt::Refused(error),
        }
    }
}
