//! Key pairs: made here or given by the operator.

use std::thread;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize, PublicKey as RsaPublicKey};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use jsonwebtoken::{DecodingKey, EncodingKey};
use prov_core::{Error, Result, SecretBytes, SecretText, codes as core_codes};

use crate::codes;
use crate::token::{Algorithm, PublicHalf, VerificationKey};

/// A key pair, its public half, its id.
#[derive(Debug)]
pub(super) struct SigningPair {
    id: String,
    public: PublicHalf,
    private: Private,
}

/// The private half.
#[derive(Debug)]
enum Private {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningPair {
    /// A fresh pair, made on a thread of its own because RSA takes 50 to 500 ms of CPU.
    pub(super) async fn generate_aside(algorithm: Algorithm) -> Result<Self> {
        let (answer, made) = tokio::sync::oneshot::channel();
        let spawned = thread::Builder::new().name("prov-auth-keygen".into()).spawn(move || {
            // Fails only when the caller went away meanwhile.
            drop(answer.send(Private::generate(algorithm)));
        });
        spawned.map_err(|e| failed("starting a thread to make a signing key").source(e))?;
        let private = made.await.map_err(|e| failed("making a signing key").source(e))?;
        Self::of(private.map_err(|e| failed("making a signing key").source(e))?)
    }

    /// The pair in a PEM text: PKCS#8, or PKCS#1 for RSA.
    pub(super) fn from_pem(pem: &SecretText) -> Result<Self> {
        let refused = || Error::new(codes::SIGNING_KEY_REFUSED);
        let pair = Self::of(Private::from_pem(pem.expose().as_bytes()).ok_or_else(refused)?)?;
        // What no verifier would accept is of no use for signing.
        VerificationKey::new(Some(pair.id.clone()), &pair.public)
            .map_err(|e| refused().source(e))?;
        Ok(pair)
    }

    /// The pair in a stored PKCS#8 document.
    pub(super) fn from_pkcs8(algorithm: Algorithm, pkcs8: &SecretBytes) -> Result<Self> {
        let pkcs8 = pkcs8.expose();
        let private = match algorithm {
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(pkcs8).map(Private::Rsa),
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map(Private::P256)
            }
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(pkcs8).map(Private::Ed25519),
        };
        Self::of(private.map_err(|e| {
            Error::new(core_codes::STORE_CORRUPT).context("reading a signing key").source(e)
        })?)
    }

    fn of(private: Private) -> Result<Self> {
        let public = match &private {
            Private::Rsa(pair) => rsa_half(pair.public_key()),
            Private::P256(pair) => PublicHalf::of_point(pair.public_key().as_ref())?,
            Private::Ed25519(pair) => {
                PublicHalf::Ed25519 { x: pair.public_key().as_ref().to_vec() }
            }
        };
        Ok(Self { id: public.thumbprint()?, public, private })
    }

    /// The thumbprint of the public half (RFC 7638).
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) const fn public(&self) -> &PublicHalf {
        &self.public
    }

    /// The private key as PKCS#8.
    pub(super) fn pkcs8(&self) -> Result<SecretBytes> {
        let unwritable = |e| failed("encoding a signing key").source(e);
        let der = match &self.private {
            Private::Rsa(pair) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map_err(unwritable)?.as_ref().to_vec()
            }
            Private::P256(pair) => pair.to_pkcs8v1().map_err(unwritable)?.as_ref().to_vec(),
            Private::Ed25519(pair) => pair.to_pkcs8v1().map_err(unwritable)?.as_ref().to_vec(),
        };
        Ok(SecretBytes::new(der))
    }

    /// Signs (RFC 7518, sections 3.3 and 3.4; RFC 8037, section 3.1).
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let rng = SystemRandom::new();
        let signature = match &self.private {
            Private::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let signed = pair.sign(&RSA_PKCS1_SHA256, &rng, message, &mut signature);
                signed.map(|()| signature)
            }
            Private::P256(pair) => pair.sign(&rng, message).map(|made| made.as_ref().to_vec()),
            Private::Ed25519(pair) => pair.try_sign(message).map(|made| made.as_ref().to_vec()),
        };
        signature.map_err(|e| failed("signing a token").source(e))
    }
}

impl Private {
    fn generate(algorithm: Algorithm) -> Result<Self, aws_lc_rs::error::Unspecified> {
        match algorithm {
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048).map(Self::Rsa),
            Algorithm::Es256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self::P256)
            }
            Algorithm::EdDsa => Ed25519KeyPair::generate().map(Self::Ed25519),
        }
    }

    /// Whatever kind of key the text holds; what is none holds nothing.
    fn from_pem(pem: &[u8]) -> Option<Self> {
        // Gives PKCS#1 whatever the PEM holds.
        let rsa = EncodingKey::from_rsa_pem(pem).ok();
        if let Some(pair) = rsa.and_then(|der| RsaKeyPair::from_der(der.as_bytes()).ok()) {
            return Some(Self::Rsa(pair));
        }
        let curve = EncodingKey::from_ec_pem(pem).ok();
        let read = |der: &[u8]| EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
        if let Some(pair) = curve.and_then(|der| read(der.as_bytes()).ok()) {
            return Some(Self::P256(pair));
        }
        let edwards = EncodingKey::from_ed_pem(pem).ok()?;
        Ed25519KeyPair::from_pkcs8(edwards.as_bytes()).ok().map(Self::Ed25519)
    }
}

/// Refuses a public key (PEM, SPKI) that is not the one of this pair.
pub(super) fn require_match(pair: Option<&SigningPair>, pem: &str) -> Result<()> {
    let refused = |why: &'static str| Error::new(codes::SIGNING_KEY_REFUSED).detail(why);
    let public = public_of_pem(pem.as_bytes())
        .ok_or_else(|| refused("the public key is no RSA, P-256 or Ed25519 public key as PEM"))?;
    let Some(pair) = pair else {
        return Err(refused("a public key is given without its private key; give both or neither"));
    };
    if public == pair.public {
        Ok(())
    } else {
        Err(refused("the public key does not belong to the private key; give the two of one pair"))
    }
}

fn public_of_pem(pem: &[u8]) -> Option<PublicHalf> {
    if let Ok(key) = DecodingKey::from_rsa_pem(pem) {
        let der = key.try_get_as_bytes().ok()?;
        return RsaPublicKey::from_der(der).ok().map(|public| rsa_half(&public));
    }
    if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        return PublicHalf::of_point(key.try_get_as_bytes().ok()?).ok();
    }
    let key = DecodingKey::from_ed_pem(pem).ok()?;
    Some(PublicHalf::Ed25519 { x: key.try_get_as_bytes().ok()?.to_vec() })
}

fn rsa_half(public: &RsaPublicKey) -> PublicHalf {
    PublicHalf::Rsa {
        modulus: public.modulus().big_endian_without_leading_zero().to_vec(),
        exponent: public.exponent().big_endian_without_leading_zero().to_vec(),
    }
}

fn failed(context: &'static str) -> Error {
    Error::new(core_codes::INTERNAL).context(context)
}
