//! The public half of a key pair, whatever its algorithm.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents,
};
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, EllipticCurve, EllipticCurveKeyParameters,
    EllipticCurveKeyType, Jwk, KeyAlgorithm, OctetKeyPairParameters, OctetKeyPairType,
    PublicKeyUse, RSAKeyParameters, RSAKeyType, ThumbprintHash,
};
use prov_core::Result;
use serde::{Deserialize, Serialize};

use super::key::refused;
use super::{Algorithm, decode, encode, roca};

/// The bytes of a coordinate of P-256, and of a key of Ed25519.
const COORDINATE: usize = 32;

/// The public half of a key pair: big-endian numbers, coordinates or a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum PublicHalf {
    /// For RS256 (RFC 7518, section 6.3.1).
    Rsa {
        #[serde(with = "stored")]
        modulus: Vec<u8>,
        #[serde(with = "stored")]
        exponent: Vec<u8>,
    },
    /// For ES256 (RFC 7518, section 6.2.1).
    P256 {
        #[serde(with = "stored")]
        x: Vec<u8>,
        #[serde(with = "stored")]
        y: Vec<u8>,
    },
    /// For `EdDSA` (RFC 8037, section 2). Read last: a point of P-256 has an `x` as well.
    Ed25519 {
        #[serde(with = "stored")]
        x: Vec<u8>,
    },
}

impl PublicHalf {
    /// What it checks; a key is good for one algorithm only (RFC 8725, section 3.1).
    pub(crate) const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Rsa { .. } => Algorithm::Rs256,
            Self::P256 { .. } => Algorithm::Es256,
            Self::Ed25519 { .. } => Algorithm::EdDsa,
        }
    }

    /// The public half in a JWK.
    pub(super) fn of_jwk(parameters: &AlgorithmParameters) -> Result<Self> {
        match parameters {
            AlgorithmParameters::RSA(rsa) => {
                Ok(Self::Rsa { modulus: decode(&rsa.n)?, exponent: decode(&rsa.e)? })
            }
            AlgorithmParameters::EllipticCurve(point) if point.curve == EllipticCurve::P256 => {
                Ok(Self::P256 { x: decode(&point.x)?, y: decode(&point.y)? })
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                Ok(Self::Ed25519 { x: decode(&key.x)? })
            }
            _ => Err(refused("neither an RSA key nor one on P-256 or Ed25519")),
        }
    }

    /// A point of P-256 in uncompressed form (SEC 1, section 2.3.3).
    pub(crate) fn of_point(point: &[u8]) -> Result<Self> {
        let coordinates = point.split_first().filter(|(form, _)| **form == 4).map(|(_, xy)| xy);
        match coordinates.and_then(|xy| xy.split_at_checked(COORDINATE)) {
            Some((x, y)) if y.len() == COORDINATE => {
                Ok(Self::P256 { x: x.to_vec(), y: y.to_vec() })
            }
            _ => Err(refused("not an uncompressed point of P-256")),
        }
    }

    /// The key as JWK for signatures, without an id.
    pub(crate) fn jwk(&self) -> Jwk {
        let (key_algorithm, algorithm) = match self {
            Self::Rsa { modulus, exponent } => {
                let (n, e) = (encode(modulus), encode(exponent));
                let rsa = RSAKeyParameters { key_type: RSAKeyType::RSA, n, e };
                (KeyAlgorithm::RS256, AlgorithmParameters::RSA(rsa))
            }
            Self::P256 { x, y } => {
                let point = EllipticCurveKeyParameters {
                    key_type: EllipticCurveKeyType::EC,
                    curve: EllipticCurve::P256,
                    x: encode(x),
                    y: encode(y),
                };
                (KeyAlgorithm::ES256, AlgorithmParameters::EllipticCurve(point))
            }
            Self::Ed25519 { x } => {
                let key = OctetKeyPairParameters {
                    key_type: OctetKeyPairType::OctetKeyPair,
                    curve: EllipticCurve::Ed25519,
                    x: encode(x),
                };
                (KeyAlgorithm::EdDSA, AlgorithmParameters::OctetKeyPair(key))
            }
        };
        let common = CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(key_algorithm),
            ..CommonParameters::default()
        };
        Jwk { common, algorithm }
    }

    /// The thumbprint (RFC 7638, by SHA-256). Of the key as it was read: spellings of one key have one.
    pub(crate) fn thumbprint(&self) -> Result<String> {
        thumbprint_of(&self.jwk())
    }

    /// An RSA key, ready to check signatures by RSASSA-PSS (RFC 7518, section 3.5).
    pub(super) fn parsed_for_pss(&self) -> Result<ParsedPublicKey> {
        let Self::Rsa { modulus, exponent } = self else { return Err(refused("not an RSA key")) };
        check_rsa(modulus, exponent)?;
        RsaPublicKeyComponents { n: modulus, e: exponent }
            .to_parsed_public_key(&RSA_PSS_2048_8192_SHA256)
            .map_err(|e| refused("not a usable RSA key").source(e))
    }

    /// The key, ready to check signatures.
    pub(super) fn parsed(&self) -> Result<ParsedPublicKey> {
        let unusable = |e: aws_lc_rs::error::KeyRejected| refused("not a usable key").source(e);
        match self {
            Self::Rsa { modulus, exponent } => {
                check_rsa(modulus, exponent)?;
                RsaPublicKeyComponents { n: modulus, e: exponent }
                    .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
                    .map_err(|e| refused("not a usable RSA key").source(e))
            }
            Self::P256 { x, y } => {
                if x.len() != COORDINATE || y.len() != COORDINATE {
                    return Err(refused("its coordinates have not 32 bytes each"));
                }
                let point = [&[4], x.as_slice(), y].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(unusable)
            }
            Self::Ed25519 { x } if x.len() == COORDINATE => {
                ParsedPublicKey::new(&ED25519, x).map_err(unusable)
            }
            Self::Ed25519 { .. } => Err(refused("it has not 32 bytes")),
        }
    }
}

/// The thumbprint of a key (RFC 7638, by SHA-256).
pub(super) fn thumbprint_of(jwk: &Jwk) -> Result<String> {
    // Several backends in one program would make the first use panic. An error means that one has been
    // chosen already, which is fine.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    let thumbprint = jwk.thumbprint(ThumbprintHash::SHA256);
    thumbprint.map_err(|e| refused("a key without a thumbprint").source(e))
}

fn check_rsa(modulus: &[u8], exponent: &[u8]) -> Result<()> {
    if !(256..=512).contains(&modulus.len()) || modulus.first().is_none_or(|high| *high < 0x80) {
        return Err(refused("its modulus has not 2048 to 4096 bits, in steps of 8"));
    }
    let odd = exponent.last().is_some_and(|low| low % 2 == 1);
    if !odd || !(3..=4).contains(&exponent.len()) || exponent.first() == Some(&0) {
        return Err(refused("its exponent is even, below 65537 or above 2^32"));
    }
    if roca::bears_mark(modulus) {
        return Err(refused("its modulus comes from the flawed generator of CVE-2017-15361"));
    }
    Ok(())
}

/// Bytes as they are stored: base64.
pub(crate) mod stored {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        BASE64_STANDARD.decode(String::deserialize(d)?).map_err(de::Error::custom)
    }
}
