//! Keys of every algorithm: made here, given by the operator, and changed from one to another.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use prov_auth::codes::{SIGNING_KEY_REFUSED, TOKEN_FORGED};
use prov_auth::{
    AccessClaims, Algorithm, KeyState, Revocations, Rotation, SigningKeyOptions, SigningKeys,
    TokenIssuer, TokenVerifier,
};
use prov_core::store::MemoryStore;
use prov_core::{Clock, ManualClock, SecretText, SessionId, UserId};
use serde_json::{Value, json};

use crate::token_fixture::{b64, labelled, options, pem_of};

struct Signer {
    clock: ManualClock,
    store: Arc<MemoryStore>,
    keys: Arc<SigningKeys>,
    issuer: TokenIssuer,
    verifier: TokenVerifier,
}

impl Signer {
    async fn new(given: SigningKeyOptions) -> Self {
        let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        Self::over(store, clock, given).await
    }

    async fn over(store: Arc<MemoryStore>, clock: ManualClock, given: SigningKeyOptions) -> Self {
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let keys = Arc::new(SigningKeys::open(store.clone(), time.clone(), given).await.unwrap());
        let revocations = Revocations::open(store.clone(), time.clone()).await.unwrap();
        let options = options();
        let issuer = TokenIssuer::new(keys.clone(), revocations.clone(), time.clone(), &options);
        let verifier = TokenVerifier::new(keys.clone(), revocations, time, &options).unwrap();
        Self { clock, store, keys, issuer: issuer.unwrap(), verifier }
    }

    fn token(&self) -> String {
        let user = UserId::generate(&self.clock).unwrap();
        let session = SessionId::generate(&self.clock).unwrap();
        let claims = AccessClaims::new(user, session, "alice", "cli", self.clock.now());
        self.issuer.issue(&claims).unwrap().token.expose().to_owned()
    }

    fn active(&self) -> Algorithm {
        let keys = self.keys.keys();
        keys.iter().find(|key| key.state == KeyState::Active).unwrap().algorithm
    }
}

fn header_of(token: &str) -> Value {
    let header = token.split_once('.').unwrap().0;
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

#[tokio::test]
async fn every_algorithm_signs_what_it_verifies_and_publishes_its_key() {
    for (algorithm, kind, signature) in [
        (Algorithm::Rs256, "RSA", 256),
        (Algorithm::Es256, "EC", 64),
        (Algorithm::EdDsa, "OKP", 64),
    ] {
        let signer = Signer::new(SigningKeyOptions::default().with_algorithm(algorithm)).await;
        let token = signer.token();
        let header = header_of(&token);
        assert_eq!(header["alg"], algorithm.as_str());
        assert!(signer.verifier.verify(&token).is_ok());
        let (message, made) = token.rsplit_once('.').unwrap();
        assert_eq!(BASE64_URL_SAFE_NO_PAD.decode(made).unwrap().len(), signature);
        assert!(signer.verifier.verify(&format!("{message}.{}", b64(vec![1; signature]))).is_err());
        let jwks = signer.keys.jwks();
        for jwk in jwks["keys"].as_array().unwrap() {
            assert_eq!((&jwk["kty"], &jwk["alg"]), (&kind.into(), &algorithm.as_str().into()));
            assert!(["d", "p", "q"].iter().all(|name| jwk.get(name).is_none()), "{jwk}");
            // An independent reader of JWKs computes the same name (RFC 7638).
            let read: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk.clone()).unwrap();
            let thumbprint = read.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap();
            assert_eq!(jwk["kid"], thumbprint);
        }
        let again =
            Signer::over(signer.store.clone(), signer.clock.clone(), SigningKeyOptions::default());
        assert!(again.await.verifier.verify(&token).is_ok(), "after a restart");
    }
}

/// RFC 8725, section 3.1: the header can't choose.
#[tokio::test]
async fn a_token_that_names_another_algorithm_than_its_keys_is_refused() {
    for algorithm in Algorithm::ALL {
        let signer = Signer::new(SigningKeyOptions::default().with_algorithm(algorithm)).await;
        let token = signer.token();
        let (header, rest) = (header_of(&token), token.split_once('.').unwrap().1);
        for other in ["RS256", "ES256", "EdDSA", "HS256", "none", "ES384", "PS256", "Ed25519"] {
            if other == algorithm.as_str() {
                continue;
            }
            let forged = json!({"alg": other, "typ": "at+jwt", "kid": header["kid"]}).to_string();
            let error = signer.verifier.verify(&format!("{}.{rest}", b64(forged))).unwrap_err();
            assert!(error.is(TOKEN_FORGED), "{algorithm} as {other}: {error}");
        }
    }
}

#[tokio::test]
async fn keys_of_ones_own_may_be_of_every_kind() {
    let curve = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let edwards = Ed25519KeyPair::generate().unwrap();
    let other = Ed25519KeyPair::generate().unwrap();
    let spki = |prefix: &[u8], key: &[u8]| labelled("PUBLIC KEY", &[prefix, key].concat());
    // The fixed beginnings of SubjectPublicKeyInfo (RFC 5480; RFC 8410).
    let p256 = b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
    let ed25519 = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
    let (curve_public, edwards_public, strange) = (
        spki(p256, curve.public_key().as_ref()),
        spki(ed25519, edwards.public_key().as_ref()),
        spki(ed25519, other.public_key().as_ref()),
    );
    let (curve, edwards): (SecretText, SecretText) = (
        pem_of(curve.to_pkcs8v1().unwrap().as_ref()),
        pem_of(edwards.to_pkcs8v1().unwrap().as_ref()),
    );
    for (private, public, algorithm) in
        [(&curve, &curve_public, Algorithm::Es256), (&edwards, &edwards_public, Algorithm::EdDsa)]
    {
        let given = SigningKeyOptions::default()
            .with_private_key(private.clone())
            .with_public_key(public.clone());
        let signer = Signer::new(given).await;
        assert_eq!(signer.active(), algorithm);
        assert!(signer.verifier.verify(&signer.token()).is_ok());
    }
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap()));
    for (private, public) in [(&curve, &edwards_public), (&edwards, &strange)] {
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let given = SigningKeyOptions::default()
            .with_private_key(private.clone())
            .with_public_key(public.clone());
        let refused = SigningKeys::open(store, clock.clone(), given).await.unwrap_err();
        assert!(refused.is(SIGNING_KEY_REFUSED));
    }
}

#[tokio::test]
async fn another_algorithm_begins_with_the_next_key() {
    let signer = Signer::new(SigningKeyOptions::default()).await;
    let old = signer.token();
    let given = SigningKeyOptions::default().with_algorithm(Algorithm::Es256);
    let signer = Signer::over(signer.store, signer.clock, given).await;
    assert_eq!(signer.active(), Algorithm::Rs256, "nothing unpublished signs");
    assert_eq!(signer.keys.keys().len(), 2, "the key that will never sign is gone");
    assert!(signer.keys.rotate(Rotation::Published).await.is_err(), "the new one is new");
    signer.clock.advance(Duration::from_mins(5));
    signer.keys.rotate(Rotation::Published).await.unwrap();
    assert_eq!(signer.active(), Algorithm::Es256);
    assert!(
        signer.verifier.verify(&old).is_ok() && signer.verifier.verify(&signer.token()).is_ok()
    );
}
