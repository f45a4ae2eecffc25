//! A text that is signed by the key it brings, which proves that its maker holds that key and nothing else
//! (RFC 9449, section 4.2).

use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, ParsedPublicKey};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters,
    EllipticCurveKeyType, Jwk,
};
use prov_core::Result;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::header::Presence;
use super::key::refused;
use super::public::thumbprint_of;
use super::{Algorithm, Parts, PublicHalf, decode, encode, forged, from_object, malformed};

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
    let (key, thumbprint) = key_of(&algorithm, &jwk.algorithm)?;
    key.verify_sig(parts.signed.as_bytes(), &decode(parts.signature)?)
        .map_err(|_| forged("the signature does not hold"))?;
    Ok(OpenedProof { thumbprint, payload: decode(parts.payload)? })
}

/// The key that a proof brings, to be used by the algorithm it names and no other, and its thumbprint. A key
/// says nothing of its algorithm here: RSA keys sign by either of two.
fn key_of(algorithm: &str, key: &AlgorithmParameters) -> Result<(ParsedPublicKey, String)> {
    if let AlgorithmParameters::EllipticCurve(point) = key
        && (algorithm, &point.curve) == ("ES384", &EllipticCurve::P384)
    {
        return on_p384(point);
    }
    let public = PublicHalf::of_jwk(key)?;
    let parsed = match (public.algorithm(), algorithm) {
        (Algorithm::Rs256, "PS256") => public.parsed_for_pss()?,
        // RFC 9864, section 2.2, calls EdDSA by its curve.
        (Algorithm::EdDsa, "Ed25519") => public.parsed()?,
        (own, named) if own.as_str() == named => public.parsed()?,
        _ => return Err(forged("signed by another algorithm than that of the key")),
    };
    Ok((parsed, public.thumbprint()?))
}

/// The bytes of a coordinate of P-384.
const COORDINATE: usize = 48;

/// A key on P-384 (RFC 7518, section 3.4), by which clients sign and this service does not.
fn on_p384(point: &EllipticCurveKeyParameters) -> Result<(ParsedPublicKey, String)> {
    let (x, y) = (decode(&point.x)?, decode(&point.y)?);
    if x.len() != COORDINATE || y.len() != COORDINATE {
        return Err(refused("its coordinates have not 48 bytes each"));
    }
    let bytes = [&[4], x.as_slice(), &y].concat();
    let key = ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, bytes)
        .map_err(|e| refused("not a usable key").source(e))?;
    let point = EllipticCurveKeyParameters {
        key_type: EllipticCurveKeyType::EC,
        curve: EllipticCurve::P384,
        x: encode(x),
        y: encode(y),
    };
    let algorithm = AlgorithmParameters::EllipticCurve(point);
    let thumbprint = thumbprint_of(&Jwk { common: CommonParameters::default(), algorithm })?;
    Ok((key, thumbprint))
}
