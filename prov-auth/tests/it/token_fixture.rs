//! An issuer and a verifier over one store, and the means to sign what the issuer never would.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use prov_auth::{
    AccessClaims, IssuedToken, Revocations, SigningKeyOptions, SigningKeys, TokenIssuer,
    TokenOptions, TokenVerifier,
};
use prov_core::store::MemoryStore;
use prov_core::{Amr, Clock, ManualClock, Role, SecretText, SessionId, UserId};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://prov.example.com";
pub(crate) const AUDIENCE: [&str; 2] = ["orchestrator", "cli"];

/// One node.
pub(crate) struct Node {
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) keys: Arc<SigningKeys>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) issuer: TokenIssuer,
    pub(crate) verifier: Arc<TokenVerifier>,
    private_key: RsaKeyPair,
}

pub(crate) fn options() -> TokenOptions {
    TokenOptions::new(ISSUER, AUDIENCE)
}

pub(crate) fn pem(pair: &RsaKeyPair) -> SecretText {
    let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    pem_of(der.as_ref())
}

pub(crate) fn pem_of(pkcs8: &[u8]) -> SecretText {
    SecretText::new(labelled("PRIVATE KEY", pkcs8))
}

/// The public half as SPKI.
pub(crate) fn public_pem(pair: &RsaKeyPair) -> String {
    let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    labelled("PUBLIC KEY", der.as_ref())
}

pub(crate) fn labelled(label: &str, der: &[u8]) -> String {
    let body = BASE64_STANDARD.encode(der);
    let lines = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap());
    let text = lines.collect::<Vec<_>>().join("\n");
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

impl Node {
    pub(crate) async fn start() -> Self {
        let clock = ManualClock::at("2026-03-02T09:00:00.25Z".parse().unwrap());
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        let private_key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
        Self::over(store, clock, private_key).await
    }

    /// Another node, or this one after a restart.
    pub(crate) async fn again(&self) -> Self {
        let pkcs8 = AsDer::<Pkcs8V1Der<'_>>::as_der(&self.private_key).unwrap();
        let private_key = RsaKeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        Self::over(Arc::clone(&self.store), self.clock.clone(), private_key).await
    }

    /// A verifier of a node that starts now with whatever keys are in the store.
    pub(crate) async fn again_without_key(&self) -> TokenVerifier {
        let time: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let given = SigningKeyOptions::default();
        let keys = SigningKeys::open(self.store.clone(), time.clone(), given).await.unwrap();
        TokenVerifier::new(Arc::new(keys), self.revocations.clone(), time, &options()).unwrap()
    }

    async fn over(store: Arc<MemoryStore>, clock: ManualClock, private_key: RsaKeyPair) -> Self {
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let options = options();
        let given = SigningKeyOptions::default().with_private_key(pem(&private_key));
        let keys = SigningKeys::open(store.clone(), time.clone(), given).await.unwrap();
        let keys = Arc::new(keys);
        let revocations = Revocations::open(store.clone(), time.clone()).await.unwrap();
        let issuer =
            TokenIssuer::new(keys.clone(), revocations.clone(), time.clone(), &options).unwrap();
        let verifier =
            TokenVerifier::new(keys.clone(), revocations.clone(), time, &options).unwrap();
        let verifier = Arc::new(verifier);
        Self { clock, store, keys, revocations, issuer, verifier, private_key }
    }

    pub(crate) fn claims(&self) -> AccessClaims {
        let user = UserId::generate(&self.clock).unwrap();
        let session = SessionId::generate(&self.clock).unwrap();
        AccessClaims::new(user, session, "alice", "prov-cli", self.clock.now())
            .with_amr([Amr::Pwd, Amr::Otp, Amr::Mfa])
            .with_roles([Role::Operator])
            .with_teams(["sre".parse().unwrap(), "security".parse().unwrap()])
    }

    pub(crate) fn issue(&self, claims: &AccessClaims) -> IssuedToken {
        self.issuer.issue(claims).unwrap()
    }

    /// A token that holds.
    pub(crate) fn token(&self) -> String {
        self.issue(&self.claims()).token.expose().to_owned()
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// The id of the key that [`Node::sign`] signs with.
    pub(crate) fn key_id(&self) -> String {
        let keys = self.keys.keys();
        let (n, _) = self.numbers();
        let jwks = self.keys.jwks();
        let known = jwks["keys"].as_array().unwrap().iter().find(|jwk| jwk["n"] == n.as_str());
        let id = known.unwrap()["kid"].as_str().unwrap().to_owned();
        assert!(keys.iter().any(|key| key.id == id));
        id
    }

    /// Modulus and exponent of the active key in base64url.
    pub(crate) fn numbers(&self) -> (String, String) {
        use aws_lc_rs::signature::KeyPair as _;
        let public = self.private_key.public_key();
        (
            b64(public.modulus().big_endian_without_leading_zero()),
            b64(public.exponent().big_endian_without_leading_zero()),
        )
    }

    pub(crate) fn header(&self) -> Value {
        json!({"alg": "RS256", "typ": "at+jwt", "kid": self.key_id()})
    }

    /// Claims that hold.
    pub(crate) fn body(&self) -> Value {
        let now = self.clock.now().as_second();
        json!({
            "iss": ISSUER, "sub": UserId::generate(&self.clock).unwrap(), "aud": AUDIENCE,
            "client_id": "prov-cli", "iat": now, "nbf": now, "exp": now + 900, "auth_time": now,
            "jti": "tok_1", "sid": SessionId::generate(&self.clock).unwrap(),
            "preferred_username": "alice", "amr": ["pwd"], "roles": ["viewer"], "teams": [], "gen": 0,
        })
    }

    /// Signs any header and payload with the active private key, so that nothing but the one thing under
    /// test is wrong.
    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        self.sign_raw(&b64(header), &b64(payload))
    }

    pub(crate) fn sign_raw(&self, header: &str, payload: &str) -> String {
        let signed = format!("{header}.{payload}");
        let mut signature = vec![0; self.private_key.public_modulus_len()];
        self.private_key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .unwrap();
        format!("{signed}.{}", b64(signature))
    }

    /// The code a token is refused with; `None` when it is accepted.
    pub(crate) fn refusal(&self, token: &str) -> Option<prov_core::Code> {
        self.verifier.verify(token).err().map(|error| error.code())
    }
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
