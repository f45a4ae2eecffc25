//! What is trusted of a trust domain (SPIFFE Trust Domain and Bundle, section 4).

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prov_core::{Error, Result, codes as core_codes};
use serde_json::Value;

use super::TrustDomain;
use crate::VerificationKeys;

/// More keys than any trust domain needs.
const MOST_KEYS: usize = 256;

/// The keys of one trust domain: those that sign JWT-SVIDs, and the certificates that X509-SVIDs lead to.
#[derive(Debug, Clone, Default)]
pub struct TrustBundle {
    pub(super) jwt: VerificationKeys,
    #[cfg_attr(
        not(feature = "x509-svid"),
        expect(dead_code, reason = "certificates need the feature")
    )]
    pub(super) x509: Vec<Vec<u8>>,
}

impl TrustBundle {
    /// Reads a bundle in the form of SPIFFE: a JWK set whose keys say `jwt-svid` or `x509-svid` under
    /// `use`. Keys for anything else are left out, as the specification says.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when it is no bundle, a certificate in it can't be read, or two keys
    /// have one id.
    pub fn read(json: &[u8]) -> Result<Self> {
        let bundle: Value =
            serde_json::from_slice(json).map_err(|e| refused("not JSON").source(e))?;
        let keys = bundle.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or_else(|| refused("it has no `keys`"))?;
        if keys.len() > MOST_KEYS {
            return Err(refused("it has more keys than anybody needs"));
        }
        let jwt =
            jwt_keys(&bundle).map_err(|e| refused("its keys can't be told apart").source(e))?;
        let x509 = keys.iter().filter(|key| is_for(key, "x509-svid"));
        let x509 = x509.map(certificate).collect::<Result<_>>()?;
        Ok(Self { jwt, x509 })
    }
}

fn is_for(key: &Value, purpose: &str) -> bool {
    key.get("use").and_then(Value::as_str) == Some(purpose)
}

/// The keys of a JWK set that sign JWT-SVIDs.
pub(super) fn jwt_keys(set: &Value) -> Result<VerificationKeys> {
    let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten();
    let keys = keys.filter(|key| is_for(key, "jwt-svid")).map(|key| {
        // SPIFFE's own word for what a JWK calls `sig`.
        let mut key = key.clone();
        key.as_object_mut().map(|members| members.remove("use"));
        key
    });
    VerificationKeys::from_foreign_jwks(&serde_json::json!({ "keys": keys.collect::<Vec<_>>() }))
}

/// The certificate of a key: exactly one, as DER in base64.
fn certificate(key: &Value) -> Result<Vec<u8>> {
    let chain = key.get("x5c").and_then(Value::as_array);
    let one = chain.and_then(|chain| match chain.as_slice() {
        [one] => one.as_str(),
        _ => None,
    });
    let one = one.ok_or_else(|| refused("an `x509-svid` key has not exactly one certificate"))?;
    BASE64_STANDARD.decode(one).map_err(|e| refused("a certificate is no base64").source(e))
}

fn refused(why: &'static str) -> Error {
    Error::new(core_codes::INVALID_REQUEST).detail("the trust bundle can't be read").context(why)
}

/// The bundles of all trust domains that are known, replaced while requests go on.
#[derive(Debug, Default)]
pub struct TrustBundles {
    known: ArcSwap<HashMap<TrustDomain, Arc<TrustBundle>>>,
    /// Where is looked for a domain that is not known here.
    others: Vec<Arc<Self>>,
}

impl TrustBundles {
    /// These, and no others.
    #[must_use]
    pub fn new(bundles: impl IntoIterator<Item = (TrustDomain, TrustBundle)>) -> Arc<Self> {
        let known = Self::default();
        known.replace(bundles);
        Arc::new(known)
    }

    /// Those of several sources, as each is at the time: of a domain that several know, the bundle of the
    /// first counts, and no other.
    #[must_use]
    pub fn joined(sources: impl IntoIterator<Item = Arc<Self>>) -> Arc<Self> {
        Arc::new(Self { known: ArcSwap::default(), others: sources.into_iter().collect() })
    }

    /// These from now on: what a bundle no longer holds is not trusted by the next request.
    pub fn replace(&self, bundles: impl IntoIterator<Item = (TrustDomain, TrustBundle)>) {
        let bundles = bundles.into_iter().map(|(domain, bundle)| (domain, Arc::new(bundle)));
        self.known.store(Arc::new(bundles.collect()));
    }

    pub(super) fn of(&self, domain: &TrustDomain) -> Option<Arc<TrustBundle>> {
        let known = self.known.load().get(domain).cloned();
        known.or_else(|| self.others.iter().find_map(|other| other.of(domain)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bundles_are_read_by_what_their_keys_are_for() {
        let der = BASE64_STANDARD.encode([0x30, 0x00]);
        let okp = |id: &str, word: &str| {
            json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "use": word,
                   "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
        };
        let text = json!({
            "keys": [
                okp("a", "jwt-svid"), okp("b", "sig"), {"use": "x509-svid", "kty": "EC", "x5c": [der]},
                {"use": "something-new"},
            ],
            "spiffe_sequence": 7, "spiffe_refresh_hint": 300,
        });
        let bundle = TrustBundle::read(text.to_string().as_bytes()).unwrap();
        assert!(bundle.jwt.find("a").is_some() && bundle.jwt.find("b").is_none());
        assert_eq!(bundle.x509, [vec![0x30, 0x00]]);
        for bad in [
            json!(null),
            json!({}),
            json!({"keys": {}}),
            json!({"keys": [{"use": "x509-svid"}]}),
            json!({"keys": [{"use": "x509-svid", "x5c": [der, der]}]}),
            json!({"keys": [{"use": "x509-svid", "x5c": ["!"]}]}),
            json!({"keys": [okp("a", "jwt-svid"), okp("a", "jwt-svid")]}),
            json!({"keys": vec![json!({}); 257]}),
        ] {
            assert!(TrustBundle::read(bad.to_string().as_bytes()).is_err(), "{bad}");
        }
        assert!(TrustBundle::read(b"{").is_err());
    }

    #[test]
    fn of_several_sources_the_first_that_knows_a_domain_counts() {
        let domain = |text: &str| text.parse::<TrustDomain>().unwrap();
        let holding = |byte: u8| TrustBundle { x509: vec![vec![byte]], ..TrustBundle::default() };
        let first = TrustBundles::new([(domain("a.org"), holding(1))]);
        let second =
            TrustBundles::new([(domain("a.org"), holding(2)), (domain("b.org"), holding(3))]);
        let both = TrustBundles::joined([Arc::clone(&first), Arc::clone(&second)]);
        let held = |name: &str| both.of(&domain(name)).map(|bundle| bundle.x509[0][0]);
        assert_eq!((held("a.org"), held("b.org"), held("c.org")), (Some(1), Some(3), None));
        // An empty bundle of the first is its word as well: nothing is trusted.
        first.replace([(domain("a.org"), TrustBundle::default())]);
        assert!(both.of(&domain("a.org")).unwrap().x509.is_empty());
        first.replace([]);
        second.replace([(domain("b.org"), holding(4))]);
        assert_eq!((held("a.org"), held("b.org")), (None, Some(4)));
    }
}
