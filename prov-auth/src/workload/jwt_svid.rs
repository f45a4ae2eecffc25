//! JWT-SVIDs (The JWT SPIFFE Verifiable Identity Document, sections 2 to 4).

use prov_core::{Error, Result, Timestamp};
use serde::Deserialize;

use super::{SpiffeId, TrustBundles};
use crate::codes;
use crate::federation::Audience;
use crate::token::{from_object, unverified_payload};

/// How far the clocks of issuer and server may differ.
const LEEWAY: i64 = 5;
/// The longest life that is accepted.
const LONGEST_LIFE: i64 = 24 * 60 * 60;

#[derive(Debug, Deserialize)]
struct Claims {
    sub: String,
    aud: Audience,
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
}

#[derive(Deserialize)]
struct Claimed {
    sub: String,
}

/// A document that holds.
#[derive(Debug)]
pub(super) struct JwtSvid {
    pub(super) id: SpiffeId,
    pub(super) ends: Timestamp,
}

/// Whose document a token claims to be; `None` for a token of another kind.
pub(super) fn claimed(token: &str) -> Option<String> {
    let claimed: Claimed = from_object(&unverified_payload(token)?).ok()?;
    claimed.sub.starts_with("spiffe://").then_some(claimed.sub)
}

/// Reads and checks a document: its trust domain's keys, its audience, its end.
pub(super) fn open(
    token: &str,
    claimed: &str,
    bundles: &TrustBundles,
    audience: &[String],
    now: i64,
) -> Result<JwtSvid> {
    let id: SpiffeId = claimed.parse().map_err(|e| refused("no SPIFFE ID").source(e))?;
    let bundle = bundles.of(id.trust_domain()).ok_or_else(|| refused("an unknown trust domain"))?;
    let opened = bundle.jwt.open_typed(token)?;
    // Section 2.3 there: `JWT` or `JOSE`, if anything.
    if !opened.kind.as_deref().is_none_or(|kind| matches!(kind, "JWT" | "JOSE")) {
        return Err(refused("not of the type of a JWT-SVID"));
    }
    let claims: Claims =
        from_object(&opened.payload).map_err(|e| refused("the claims are not valid").source(e))?;
    if claims.sub != claimed || !audience.iter().any(|name| claims.aud.names(name)) {
        return Err(Error::new(codes::TOKEN_FOREIGN));
    }
    let begins = claims.iat.unwrap_or(i64::MIN).max(claims.nbf.unwrap_or(i64::MIN));
    if now < begins.saturating_sub(LEEWAY) {
        return Err(Error::new(codes::TOKEN_PREMATURE));
    }
    if now >= claims.exp.saturating_add(LEEWAY) {
        return Err(Error::new(codes::TOKEN_EXPIRED));
    }
    if claims.exp.saturating_sub(claims.iat.unwrap_or(now)) > LONGEST_LIFE {
        return Err(refused("it lives longer than a day"));
    }
    let ends =
        Timestamp::from_second(claims.exp).map_err(|e| refused("a time out of range").source(e))?;
    Ok(JwtSvid { id, ends })
}

pub(super) fn refused(why: &'static str) -> Error {
    Error::new(codes::WORKLOAD_REFUSED).context(why)
}
