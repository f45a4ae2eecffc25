//! RSA key pairs: made here or given by the operator.

use std::thread;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize, PublicKey as RsaPublicKey};
use aws_lc_rs::signature::KeyPair as _;
use jsonwebtoken::jwk::{
    AlgorithmParameters, CommonParameters, Jwk, KeyAlgorithm, PublicKeyUse, RSAKeyParameters,
    RSAKeyType, ThumbprintHash,
};
use jsonwebtoken::{DecodingKey, EncodingKey};
use prov_core::{Error, Result, SecretBytes, SecretText, codes as core_codes};

use crate::codes;
use crate::token::{VerificationKey, base64url};

/// An RSA key pair, its public half in JWK form, its id.
#[derive(Debug)]
pub(super) struct RsaPair {
    id: String,
    pub(super) pair: RsaKeyPair,
}

impl RsaPair {
    /// A fresh pair of 2048 bits, made on a thread of its own because that takes 50 to 500 ms of CPU.
    pub(super) async fn generate_aside() -> Result<Self> {
        let (answer, made) = tokio::sync::oneshot::channel();
        let spawned = thread::Builder::new().name("prov-auth-keygen".into()).spawn(move || {
            // Fails only when the caller went away meanwhile.
            drop(answer.send(RsaKeyPair::generate(KeySize::Rsa2048)));
        });
        spawned.map_err(|e| failed("starting a thread to make a signing key").source(e))?;
        let pair = made.await.map_err(|e| failed("making a signing key").source(e))?;
        Self::of(pair.map_err(|e| failed("making a signing key").source(e))?)
    }

    /// The pair in a PEM text, PKCS#8 or PKCS#1.
    pub(super) fn from_pem(pem: &SecretText) -> Result<Self> {
        let refused = || Error::new(codes::SIGNING_KEY_REFUSED);
        // Gives PKCS#1 whatever the PEM holds.
        let der =
            EncodingKey::from_rsa_pem(pem.expose().as_bytes()).map_err(|e| refused().source(e))?;
        let pair = RsaKeyPair::from_der(der.as_bytes()).map_err(|e| refused().source(e))?;
        let pair = Self::of(pair)?;
        // What no verifier would accept is of no use for signing.
        pair.verification_key().map_err(|e| refused().source(e))?;
        Ok(pair)
    }

    /// The pair in a stored PKCS#8 document.
    pub(super) fn from_pkcs8(pkcs8: &SecretBytes) -> Result<Self> {
        let pair = RsaKeyPair::from_pkcs8(pkcs8.expose()).map_err(|e| {
            Error::new(core_codes::STORE_CORRUPT).context("reading a signing key").source(e)
        })?;
        Self::of(pair)
    }

    fn of(pair: RsaKeyPair) -> Result<Self> {
        let public = pair.public_key();
        let jwk = jwk_of(
            base64url(public.modulus().big_endian_without_leading_zero()),
            base64url(public.exponent().big_endian_without_leading_zero()),
        );
        Ok(Self { id: thumbprint(&jwk)?, pair })
    }

    /// The thumbprint of the public half (RFC 7638).
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Modulus and exponent, big-endian.
    pub(super) fn numbers(&self) -> (Vec<u8>, Vec<u8>) {
        numbers(self.pair.public_key())
    }

    /// The private key as PKCS#8.
    pub(super) fn pkcs8(&self) -> Result<SecretBytes> {
        let der: Pkcs8V1Der<'_> =
            self.pair.as_der().map_err(|e| failed("encoding a signing key").source(e))?;
        Ok(SecretBytes::new(der.as_ref().to_vec()))
    }

    fn verification_key(&self) -> Result<VerificationKey> {
        let (modulus, exponent) = self.numbers();
        VerificationKey::rsa(Some(self.id.clone()), &modulus, &exponent)
    }
}

/// Refuses a public key (PEM, SPKI) that is not the one of this pair.
pub(super) fn require_match(pair: Option<&RsaPair>, pem: &str) -> Result<()> {
    let refused = |why: &'static str| Error::new(codes::SIGNING_KEY_REFUSED).detail(why);
    let unreadable = || refused("the public key is not an RSA public key as PEM (SPKI)");
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|e| unreadable().source(e))?;
    let der = key.try_get_as_bytes().map_err(|e| unreadable().source(e))?;
    let public = RsaPublicKey::from_der(der).map_err(|e| unreadable().source(e))?;
    let Some(pair) = pair else {
        return Err(refused("a public key is given without its private key; give both or neither"));
    };
    if numbers(&public) == pair.numbers() {
        Ok(())
    } else {
        Err(refused("the public key does not belong to the private key; give the two of one pair"))
    }
}

/// Modulus and exponent, big-endian.
fn numbers(public: &RsaPublicKey) -> (Vec<u8>, Vec<u8>) {
    (
        public.modulus().big_endian_without_leading_zero().to_vec(),
        public.exponent().big_endian_without_leading_zero().to_vec(),
    )
}

/// A public key as a JWK for RS256 signatures, without an id.
pub(super) fn jwk_of(n: String, e: String) -> Jwk {
    Jwk {
        common: CommonParameters {
            public_key_use: Some(PublicKeyUse::Signature),
            key_algorithm: Some(KeyAlgorithm::RS256),
            ..CommonParameters::default()
        },
        algorithm: AlgorithmParameters::RSA(RSAKeyParameters { key_type: RSAKeyType::RSA, n, e }),
    }
}

fn thumbprint(jwk: &Jwk) -> Result<String> {
    // Several backends in one program would make the first use panic. An error means that one has been
    // chosen already, which is fine.
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    jwk.thumbprint(ThumbprintHash::SHA256)
        .map_err(|e| failed("computing the thumbprint of a signing key").source(e))
}

fn failed(context: &'static str) -> Error {
    Error::new(core_codes::INTERNAL).context(context)
}
