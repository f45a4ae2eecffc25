//! A text that is signed by the key it brings, which proves that its maker holds that key and nothing else
//! (RFC 9449, section 4.2).

use jsonwebtoken::jwk::Jwk;
use prov_core::Result;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::header::Presence;
use super::{
    Algorithm, Parts, PublicHalf, VerificationKey, decode, forged, from_object, malformed,
};

/// What the header of a proof says. Of the ways to bring a key only `jwk` is one.
#[derive(Debug, Deserialize)]
struct ProofHeader {
    #[serde(rename = "alg")]
    algorithm: String,
    #[serde(rename = "typ")]
    kind: String,
    jwk: Map<String, Value>,
    // The mere presence of these is refused.
    #[serde(default)]
    crit: Presence,
    #[serde(default)]
    b64: Presence,
    #[serde(default)]
    jku: Presence,
    #[serde(default)]
    x5u: Presence,
    #[serde(default)]
    x5c: Presence,
}

/// The private members of any kind of key, and the one of a shared secret (RFC 7518, section 6).
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// A proof whose signature holds.
#[derive(Debug)]
pub(crate) struct OpenedProof {
    /// Of the key that made it (RFC 7638, by SHA-256).
    pub(crate) thumbprint: String,
    pub(crate) payload: Vec<u8>,
}

/// Opens a DPoP proof.
pub(crate) fn open_proof(compact: &str) -> Result<OpenedProof> {
    let parts = Parts::of(compact)?;
    let header: ProofHeader = from_object(&decode(parts.header)?)
        .map_err(|e| malformed("the header is not valid").source(e))?;
    let ProofHeader { algorithm, kind, jwk, crit, b64, jku, x5u, x5c } = header;
    if !kind.eq_ignore_ascii_case("dpop+jwt") {
        return Err(forged("not of the type of a proof"));
    }
    if [crit, b64, jku, x5u, x5c].contains(&Presence::Present) {
        return Err(malformed("the header names an extension or another key"));
    }
    if PRIVATE.iter().any(|private| jwk.contains_key(*private)) {
        return Err(malformed("it shows a private key"));
    }
    let jwk = Jwk::deserialize(Value::Object(jwk))
        .map_err(|e| malformed("its key is not a JSON Web Key").source(e))?;
    let public = PublicHalf::of_jwk(&jwk.algorithm)?;
    // RFC 9864, section 2.2, calls EdDSA by its curve.
    let fits = match public.algorithm() {
        Algorithm::EdDsa => ["EdDSA", "Ed25519"].contains(&&*algorithm),
        own => own.as_str() == algorithm,
    };
    if !fits {
        return Err(forged("signed by another algorithm than that of the key"));
    }
    let key = VerificationKey::new(None, &public)?;
    key.check(parts.signed.as_bytes(), &decode(parts.signature)?)?;
    Ok(OpenedProof { thumbprint: public.thumbprint()?, payload: decode(parts.payload)? })
}
