//! Signed texts in compact form (RFC 7515): the one path on which every signature is checked.
//!
//! Rules, each stricter than or equal to RFC 7515 and RFC 8725:
//! * The algorithm comes from the key; the header must merely agree (RFC 8725, section 3.1).
//! * Keys are found by `kid` among those that are known, except of proofs, which are for keys that nobody
//!   knows ([`open_proof`]). `jwk`, `jku`, `x5u`, `x5c`, `x5t` and
//!   `x5t#S256` in a header are refused: no token says which key to trust.
//! * `crit` and `b64` are refused, because no extension is understood (RFC 7515, section 4.1.11).
//! * A member that stands twice in an object is refused (RFC 7515, section 4).
//! * Base64url is canonical: no padding, no line breaks, no stray bits (RFC 7515, section 2).

mod algorithm;
mod header;
mod key;
mod proof;
mod public;
mod roca;
mod strict_json;

pub use algorithm::Algorithm;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use header::Header;
pub use key::{VerificationKey, VerificationKeys};
pub(crate) use proof::open_proof;
use prov_core::{Error, Result};
pub(crate) use public::{PublicHalf, stored as stored_bytes};
pub(crate) use strict_json::from_object;

use crate::codes;

/// The longest token that is looked at, in bytes.
pub(super) const MAX_LENGTH: usize = 8 * 1024;

/// A compact JWS taken apart; nothing in it is believed yet.
#[derive(Debug)]
pub(super) struct Jws<'t> {
    pub(super) header: Header,
    signed: &'t str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'t> Jws<'t> {
    /// Takes `compact` apart.
    pub(super) fn parse(compact: &'t str) -> Result<Self> {
        let parts = Parts::of(compact)?;
        Ok(Self {
            header: Header::parse(&decode(parts.header)?)?,
            signed: parts.signed,
            payload: decode(parts.payload)?,
            signature: decode(parts.signature)?,
        })
    }

    /// The payload, if `key` signed it.
    pub(super) fn verified_by(self, key: &VerificationKey) -> Result<Vec<u8>> {
        if self.header.algorithm != key.algorithm().as_str() {
            return Err(forged("signed by another algorithm than that of the key"));
        }
        key.check(self.signed.as_bytes(), &self.signature)?;
        Ok(self.payload)
    }
}

/// The parts of a compact JWS, as they are written.
struct Parts<'t> {
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
    /// Header and payload: what is signed.
    signed: &'t str,
}

impl<'t> Parts<'t> {
    fn of(compact: &'t str) -> Result<Self> {
        if compact.len() > MAX_LENGTH {
            return Err(malformed("longer than 8 KiB"));
        }
        let (signed, signature) =
            compact.rsplit_once('.').ok_or_else(|| malformed("not three parts"))?;
        // A fourth part leaves a dot in the payload, which is no base64url.
        let (header, payload) =
            signed.split_once('.').ok_or_else(|| malformed("not three parts"))?;
        Ok(Self { header, payload, signature, signed })
    }
}

/// The payload of a text, of which nothing is checked: only to find out which keys could tell more.
pub(crate) fn unverified_payload(compact: &str) -> Option<Vec<u8>> {
    if compact.len() > MAX_LENGTH {
        return None;
    }
    let (_, rest) = compact.split_once('.')?;
    decode(rest.split_once('.')?.0).ok()
}

/// Canonical base64url without padding.
pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Result<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|e| malformed("not canonical base64url").source(e))
}

/// A token that breaks a rule of its own.
pub(super) fn malformed(why: &'static str) -> Error {
    Error::new(codes::TOKEN_MALFORMED).context(why)
}

/// A token that none of our keys vouches for.
pub(super) fn forged(why: &'static str) -> Error {
    Error::new(codes::TOKEN_FORGED).context(why)
}
