//! The header of a JWS.

use prov_core::Result;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use super::{from_object, malformed};

/// What a header may say. Members not named here are ignored (RFC 7515, section 4).
#[derive(Debug, Deserialize)]
pub(in crate::token) struct Header {
    #[serde(rename = "alg")]
    pub(super) algorithm: String,
    #[serde(rename = "typ")]
    pub(in crate::token) kind: Option<String>,
    #[serde(rename = "kid")]
    pub(in crate::token) key_id: Option<String>,
    // The mere presence of these is refused.
    #[serde(default)]
    crit: Presence,
    #[serde(default)]
    b64: Presence,
    #[serde(default)]
    jwk: Presence,
    #[serde(default)]
    jku: Presence,
    #[serde(default)]
    x5u: Presence,
    #[serde(default)]
    x5c: Presence,
    #[serde(default)]
    x5t: Presence,
    #[serde(default, rename = "x5t#S256")]
    x5t_s256: Presence,
}

/// Whether a member is there, whatever its value (also `null`).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    #[default]
    Absent,
    Present,
}

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self::Present)
    }
}

impl Header {
    /// Reads a header and refuses what no verifier here may act on.
    pub(super) fn parse(json: &[u8]) -> Result<Self> {
        let header: Self =
            from_object(json).map_err(|e| malformed("the header is not valid").source(e))?;
        let Self { crit, b64, jwk, jku, x5u, x5c, x5t, x5t_s256, .. } = header;
        if [crit, b64].contains(&Presence::Present) {
            return Err(malformed("the header names an extension"));
        }
        if [jwk, jku, x5u, x5c, x5t, x5t_s256].contains(&Presence::Present) {
            return Err(malformed("the header brings or names a key of its own"));
        }
        Ok(header)
    }
}
