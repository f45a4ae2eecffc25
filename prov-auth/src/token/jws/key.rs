//! Public keys that check signatures.

use std::fmt;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use hashbrown::HashMap;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use prov_core::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Jws, decode, forged, roca};
use crate::codes;

/// How tokens are signed (RFC 7518, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 to 4096 bits.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A public key bound to one algorithm.
#[derive(Debug, Clone)]
pub struct VerificationKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl VerificationKey {
    /// The key in a JSON Web Key (RFC 7517).
    ///
    /// # Errors
    /// [`codes::VERIFICATION_KEY_REFUSED`] unless it is a public RSA key of 2048 to 4096 bits with an
    /// odd exponent from 65537 to 2³², names `RS256` as its algorithm, is for signatures where it says
    /// what it is for (`use`, `key_ops`), and does not bear the mark of the flawed key generator known
    /// as ROCA (CVE-2017-15361).
    pub fn from_jwk(jwk: &Value) -> Result<Self> {
        let jwk = Jwk::deserialize(jwk).map_err(|e| refused("not a JSON Web Key").source(e))?;
        let AlgorithmParameters::RSA(rsa) = &jwk.algorithm else {
            return Err(refused("not an RSA key"));
        };
        if jwk.common.key_algorithm != Some(KeyAlgorithm::RS256) {
            return Err(refused("its `alg` is not RS256"));
        }
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return Err(refused("its `use` is not `sig`"));
        }
        let operations = jwk.common.key_operations.as_ref();
        if operations.is_some_and(|known| !known.contains(&KeyOperations::Verify)) {
            return Err(refused("its `key_ops` do not include `verify`"));
        }
        let (modulus, exponent) = (decode(&rsa.n)?, decode(&rsa.e)?);
        Self::rsa(jwk.common.key_id, &modulus, &exponent)
    }

    /// An RSA key by its numbers, big-endian.
    pub(crate) fn rsa(id: Option<String>, modulus: &[u8], exponent: &[u8]) -> Result<Self> {
        if !(256..=512).contains(&modulus.len()) || modulus.first().is_none_or(|high| *high < 0x80)
        {
            return Err(refused("its modulus has not 2048 to 4096 bits, in steps of 8"));
        }
        let odd = exponent.last().is_some_and(|low| low % 2 == 1);
        if !odd || !(3..=4).contains(&exponent.len()) || exponent.first() == Some(&0) {
            return Err(refused("its exponent is even, below 65537 or above 2^32"));
        }
        if roca::bears_mark(modulus) {
            return Err(refused("its modulus comes from the flawed generator of CVE-2017-15361"));
        }
        let key = RsaPublicKeyComponents { n: modulus, e: exponent }
            .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
            .map_err(|e| refused("not a usable RSA key").source(e))?;
        Ok(Self { id, algorithm: Algorithm::Rs256, key })
    }

    /// The key's id (`kid`).
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The only algorithm this key checks.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The payload of a compact JWS that this key signed.
    ///
    /// # Errors
    /// [`codes::TOKEN_MALFORMED`] or [`codes::TOKEN_FORGED`].
    pub fn open(&self, compact: &str) -> Result<Vec<u8>> {
        let jws = Jws::parse(compact)?;
        let differs = |ours: &str| jws.header.key_id.as_deref().is_some_and(|named| named != ours);
        if self.id().is_some_and(differs) {
            return Err(forged("signed by another key"));
        }
        jws.verified_by(self)
    }

    pub(super) fn check(&self, message: &[u8], signature: &[u8]) -> Result<()> {
        self.key.verify_sig(message, signature).map_err(|_| forged("the signature does not hold"))
    }
}

/// Public keys, found by their ids.
#[derive(Debug, Clone, Default)]
pub struct VerificationKeys {
    by_id: HashMap<String, VerificationKey>,
}

impl VerificationKeys {
    /// The keys of a JWK set. Those that can't be used here are left out (RFC 7517, section 5).
    ///
    /// # Errors
    /// [`codes::VERIFICATION_KEY_REFUSED`] when it is no JWK set, or two of its keys, usable or not,
    /// have the same id: a name that means two keys means none.
    pub fn from_jwks(jwks: &Value) -> Result<Self> {
        let keys = jwks.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or_else(|| refused("not a JWK set"))?;
        let mut ids: Vec<_> = keys.iter().filter_map(|jwk| jwk.get("kid")?.as_str()).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(refused("two keys of the set have the same id"));
        }
        let usable = keys.iter().filter_map(|jwk| VerificationKey::from_jwk(jwk).ok());
        let by_id = usable.filter_map(|key| Some((key.id.clone()?, key))).collect();
        Ok(Self { by_id })
    }

    /// The key of this id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&VerificationKey> {
        self.by_id.get(id)
    }

    /// The payload of a compact JWS that the key it names signed.
    ///
    /// # Errors
    /// As [`VerificationKey::open`]; also when the key is not of this set.
    pub fn open(&self, compact: &str) -> Result<Vec<u8>> {
        let jws = Jws::parse(compact)?;
        let named = jws.header.key_id.as_deref().and_then(|id| self.find(id));
        let key = named.ok_or_else(|| forged("signed by an unknown key"))?;
        jws.verified_by(key)
    }
}

fn refused(why: &'static str) -> Error {
    Error::new(codes::VERIFICATION_KEY_REFUSED).context(why)
}
