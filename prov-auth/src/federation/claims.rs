//! ID tokens and logout tokens: what they must say.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use prov_core::{Amr, Error, Result, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Issuer;
use super::record::same;
use crate::codes;
use crate::token::{Algorithm, VerificationKeys, base64url, from_object};

/// How far the clocks of issuer and server may differ.
const LEEWAY: i64 = 30;
/// The longest life of an ID token that is accepted: it is used at once.
const LONGEST_LIFE: i64 = 24 * 60 * 60;
/// How long after it was made a logout token is taken.
pub(crate) const LOGOUT_WITHIN: Duration = Duration::from_mins(5);
/// The event of a logout token (OIDC Back-Channel Logout 1.0, section 2.4).
const LOGOUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// For whom a token is: one name or several (RFC 7519, section 4.1.3).
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    pub(crate) fn names(&self, wanted: &str) -> bool {
        match self {
            Self::One(name) => name == wanted,
            Self::Several(names) => names.iter().any(|name| name == wanted),
        }
    }

    fn is_one(&self) -> bool {
        matches!(self, Self::One(_)) || matches!(self, Self::Several(names) if names.len() == 1)
    }
}

#[derive(Debug, Deserialize)]
struct IdClaims {
    iss: String,
    sub: String,
    aud: Audience,
    azp: Option<String>,
    exp: i64,
    iat: i64,
    nbf: Option<i64>,
    nonce: Option<String>,
    auth_time: Option<i64>,
    amr: Option<Vec<String>>,
    at_hash: Option<String>,
    sid: Option<String>,
    preferred_username: Option<String>,
    email: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// What an ID token says that holds.
#[derive(Debug, Clone)]
pub(crate) struct IdToken {
    pub(crate) subject: String,
    pub(crate) session: Option<String>,
    pub(crate) authenticated_at: Timestamp,
    pub(crate) amr: Vec<Amr>,
    pub(crate) groups: Vec<String>,
    pub(crate) username: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
}

/// What an ID token must answer.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a Issuer,
    pub(crate) nonce: &'a str,
    pub(crate) access_token: Option<&'a str>,
    pub(crate) max_age: Option<u32>,
    pub(crate) now: Timestamp,
}

impl IdToken {
    /// Reads and checks an ID token (OpenID Connect Core 1.0, section 3.1.3.7), of which the signature is
    /// checked first.
    ///
    /// # Errors
    /// [`codes::TOKEN_FORGED`] when none of these keys signed it; [`codes::FEDERATION_FAILED`] for any
    /// other reason.
    pub(crate) fn open(
        compact: &str,
        keys: &VerificationKeys,
        expected: &Expected<'_>,
    ) -> Result<Self> {
        let opened = keys.open_typed(compact)?;
        // RFC 8725, section 3.11: an access token or a logout token is no ID token.
        if !opened.kind.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("JWT")) {
            return Err(failed("not of the type of an ID token"));
        }
        let claims: IdClaims = from_object(&opened.payload)
            .map_err(|e| failed("the claims are not valid").source(e))?;
        claims.check(expected)?;
        if let (Some(hash), Some(token)) = (&claims.at_hash, expected.access_token) {
            check_at_hash(hash, token, opened.algorithm)?;
        }
        claims.into_token(expected)
    }
}

impl IdClaims {
    fn check(&self, expected: &Expected<'_>) -> Result<()> {
        let Expected { issuer, nonce, now, .. } = expected;
        if self.iss != issuer.issuer {
            return Err(failed("by another issuer"));
        }
        if !self.aud.names(&issuer.client_id) {
            return Err(failed("for another client"));
        }
        let party = self.azp.as_deref();
        if party.is_some_and(|azp| azp != issuer.client_id)
            || (party.is_none() && !self.aud.is_one())
        {
            return Err(failed("for another authorized party"));
        }
        if !self.nonce.as_deref().is_some_and(|given| same(given, nonce)) {
            return Err(failed("with another nonce"));
        }
        check_subject(&self.sub)?;
        check_times(self.iat, self.nbf, self.exp, now.as_second())
    }

    fn into_token(self, expected: &Expected<'_>) -> Result<IdToken> {
        let now = expected.now;
        // A moment in the future would make a sign-in look recent for longer than it is.
        let authenticated = self.auth_time.unwrap_or(self.iat).min(now.as_second());
        let authenticated_at = Timestamp::from_second(authenticated)
            .map_err(|e| failed("a time out of range").source(e))?;
        if let Some(max_age) = expected.max_age {
            let age = now.as_second().saturating_sub(authenticated);
            if self.auth_time.is_none() || age > i64::from(max_age).saturating_add(LEEWAY) {
                return Err(failed("signed in longer ago than was asked"));
            }
        }
        let amr = self.amr.unwrap_or_default();
        let groups = groups_of(&self.rest, &expected.issuer.groups_claim);
        let name = self.rest.get("name").and_then(Value::as_str).map(str::to_owned);
        Ok(IdToken {
            subject: self.sub,
            session: self.sid,
            authenticated_at,
            amr: if expected.issuer.trusts_second_factor { known_amr(&amr) } else { Vec::new() },
            groups,
            username: self.preferred_username,
            email: self.email,
            name,
        })
    }
}

/// The groups under a name or, where dots lead into objects, under a path.
pub(super) fn groups_of(claims: &Map<String, Value>, path: &str) -> Vec<String> {
    let mut steps = path.split('.');
    let nested = steps.next().and_then(|first| claims.get(first));
    let nested = steps.fold(nested, |value, step| value.and_then(|value| value.get(step)));
    match claims.get(path).or(nested) {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => {
            many.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// Those of the methods that have a name here (RFC 8176).
fn known_amr(amr: &[String]) -> Vec<Amr> {
    const KNOWN: [Amr; 6] = [Amr::Pwd, Amr::Otp, Amr::Hwk, Amr::Swk, Amr::User, Amr::Mfa];
    KNOWN.into_iter().filter(|known| amr.iter().any(|named| named == known.as_str())).collect()
}

/// OpenID Connect Core 1.0, section 3.1.3.6: the left half of the hash that belongs to the algorithm. For
/// `EdDSA` no hash is agreed on, and none is checked.
fn check_at_hash(hash: &str, access_token: &str, algorithm: Algorithm) -> Result<()> {
    if algorithm == Algorithm::EdDsa {
        return Ok(());
    }
    let full = digest(&SHA256, access_token.as_bytes());
    let half = full.as_ref().first_chunk::<16>().copied().unwrap_or_default();
    if same(hash, &base64url(half)) {
        return Ok(());
    }
    Err(failed("with the hash of another access token"))
}

pub(super) fn check_subject(subject: &str) -> Result<()> {
    // OpenID Connect Core 1.0, section 2.
    if (1..=255).contains(&subject.len()) && subject.is_ascii() {
        return Ok(());
    }
    Err(failed("the subject is empty, too long or not ASCII"))
}

pub(super) fn check_times(iat: i64, nbf: Option<i64>, exp: i64, now: i64) -> Result<()> {
    let begins = iat.max(nbf.unwrap_or(iat));
    let life = exp.checked_sub(iat);
    if !life.is_some_and(|life| (1..=LONGEST_LIFE).contains(&life)) {
        return Err(failed("the times can't be true together"));
    }
    if now < begins.saturating_sub(LEEWAY) {
        return Err(Error::new(codes::FEDERATION_FAILED).source(Error::new(codes::TOKEN_PREMATURE)));
    }
    if now >= exp.saturating_add(LEEWAY) {
        return Err(Error::new(codes::FEDERATION_FAILED).source(Error::new(codes::TOKEN_EXPIRED)));
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
struct LogoutClaims {
    iss: String,
    aud: Audience,
    iat: i64,
    exp: i64,
    jti: String,
    events: Map<String, Value>,
    sub: Option<String>,
    sid: Option<String>,
    nonce: Option<Value>,
}

/// What a logout token says that holds (OpenID Connect Back-Channel Logout 1.0).
#[derive(Debug, Clone)]
pub(crate) struct LogoutToken {
    pub(crate) id: String,
    pub(crate) subject: Option<String>,
    pub(crate) session: Option<String>,
    /// From when on it can't be used, even a first time.
    pub(crate) useless_at: Timestamp,
}

impl LogoutToken {
    /// Reads and checks a logout token (section 2.6 there). Whether it was used before, the store says.
    ///
    /// # Errors
    /// As [`IdToken::open`].
    pub(crate) fn open(
        compact: &str,
        keys: &VerificationKeys,
        issuer: &Issuer,
        now: Timestamp,
    ) -> Result<Self> {
        let opened = keys.open_typed(compact)?;
        let is_logout = |kind: &str| {
            ["logout+jwt", "application/logout+jwt", "JWT"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(kind))
        };
        if !opened.kind.as_deref().is_none_or(is_logout) {
            return Err(failed("not of the type of a logout token"));
        }
        let claims: LogoutClaims = from_object(&opened.payload)
            .map_err(|e| failed("the claims are not valid").source(e))?;
        if claims.iss != issuer.issuer || !claims.aud.names(&issuer.client_id) {
            return Err(failed("by another issuer or for another client"));
        }
        // What tells it from an ID token.
        if claims.nonce.is_some() || !claims.events.get(LOGOUT_EVENT).is_some_and(Value::is_object)
        {
            return Err(failed("with a nonce, or without the event"));
        }
        if claims.jti.is_empty() || (claims.sub.is_none() && claims.sid.is_none()) {
            return Err(failed("without an id, or naming nobody"));
        }
        check_times(claims.iat, None, claims.exp, now.as_second())?;
        let within = i64::try_from(LOGOUT_WITHIN.as_secs()).unwrap_or(i64::MAX);
        let useless_at = claims.exp.min(claims.iat.saturating_add(within)).saturating_add(LEEWAY);
        if now.as_second() >= useless_at {
            return Err(failed("made too long ago"));
        }
        let useless_at = Timestamp::from_second(useless_at)
            .map_err(|e| failed("a time out of range").source(e))?;
        Ok(Self { id: claims.jti, subject: claims.sub, session: claims.sid, useless_at })
    }
}

/// One public answer; the reason is for the log.
pub(crate) fn failed(why: &'static str) -> Error {
    Error::new(codes::FEDERATION_FAILED).context(why)
}
