//! A client that holds a key, and makes proofs of it as RFC 9449 says, or as it must not.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use prov_core::{Clock, RequestFacts, SecretText};
use serde_json::{Value, json};

/// Where the server of these tests is reached.
pub(crate) const URL: &str = "https://prov.example.com";

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Whoever holds one key.
pub(crate) struct Holder {
    pair: Pair,
    made: AtomicU32,
}

impl Holder {
    pub(crate) fn new() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { pair: Pair::P256(pair), made: AtomicU32::new(0) }
    }

    pub(crate) fn of_ed25519() -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        Self { pair: Pair::Ed25519(pair), made: AtomicU32::new(0) }
    }

    pub(crate) fn jwk(&self) -> Value {
        match &self.pair {
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
            }
            Pair::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key())})
            }
        }
    }

    /// RFC 7638, by hand.
    pub(crate) fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let text = match &self.pair {
            Pair::P256(_) => {
                format!(r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#, jwk["x"], jwk["y"])
            }
            Pair::Ed25519(_) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":{}}}"#, jwk["x"]),
        };
        encode(digest(&SHA256, text.as_bytes()))
    }

    pub(crate) fn header(&self) -> Value {
        let algorithm = match &self.pair {
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        };
        json!({"typ": "dpop+jwt", "alg": algorithm, "jwk": self.jwk()})
    }

    /// The claims of a new proof for a request at this second.
    pub(crate) fn claims(&self, method: &str, path: &str, second: i64) -> Value {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        json!({
            "jti": format!("proof {made}"), "htm": method,
            "htu": format!("{URL}{path}"), "iat": second,
        })
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = match &self.pair {
            Pair::P256(pair) => encode(pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap()),
            Pair::Ed25519(pair) => encode(pair.sign(signed.as_bytes())),
        };
        format!("{signed}.{signature}")
    }

    /// A good proof for these facts, of a request that presents `token`.
    pub(crate) fn proof(&self, facts: &RequestFacts, token: Option<&str>) -> SecretText {
        let second = facts.received_at.as_second();
        let mut claims = self.claims(&facts.method, &facts.path, second);
        if let Some(token) = token {
            claims["ath"] = encode(digest(&SHA256, token.as_bytes())).into();
        }
        SecretText::new(self.sign(&self.header(), &claims))
    }

    /// The facts with a good proof.
    pub(crate) fn proving(&self, facts: RequestFacts, token: Option<&str>) -> RequestFacts {
        let proof = self.proof(&facts, token);
        facts.with_proof(Some(proof))
    }
}

/// The facts of a request now.
pub(crate) fn facts_of(clock: &dyn Clock, method: &str, path: &str) -> RequestFacts {
    let id = prov_core::RequestId::generate(clock).unwrap();
    RequestFacts::new(id, clock.now()).for_target(method, path)
}
