//! Sealing an answer under the token that asked for it.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::{Error, Result, SecretText, Timestamp, codes};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::RefreshToken;

/// What a rotation answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenPair {
    pub(crate) access_token: SecretText,
    pub(crate) access_expires_at: Timestamp,
    pub(crate) refresh_token: SecretText,
}

/// The pair in clear, only ever inside the seal.
#[derive(Serialize, Deserialize)]
struct Clear<'a> {
    access_token: &'a str,
    access_expires_at: Timestamp,
    refresh_token: &'a str,
}

impl TokenPair {
    /// Seals the pair under the token it was the answer to.
    pub(super) fn seal(&self, under: &RefreshToken) -> Result<String> {
        let clear = Clear {
            access_token: self.access_token.expose(),
            access_expires_at: self.access_expires_at,
            refresh_token: self.refresh_token.expose(),
        };
        let mut bytes =
            Zeroizing::new(serde_json::to_vec(&clear).map_err(|e| failed("serializing", e))?);
        let nonce = key(under)?
            .seal_in_place_append_tag(Aad::from(aad(under)), &mut *bytes)
            .map_err(|e| failed("sealing", e))?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&bytes);
        Ok(STANDARD.encode(sealed))
    }

    /// Opens what [`TokenPair::seal`] made under the same token.
    pub(super) fn open(sealed: &str, under: &RefreshToken) -> Result<Self> {
        let sealed = STANDARD.decode(sealed).map_err(|e| damaged(&e.to_string()))?;
        let (nonce, ciphertext) =
            sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(|| damaged("too short"))?;
        let mut bytes = Zeroizing::new(ciphertext.to_vec());
        let clear = key(under)?
            .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(aad(under)), &mut bytes)
            .map_err(|_| damaged("does not open"))?;
        let clear: Clear<'_> =
            serde_json::from_slice(clear).map_err(|e| damaged(&e.to_string()))?;
        Ok(Self {
            access_token: SecretText::new(clear.access_token),
            access_expires_at: clear.access_expires_at,
            refresh_token: SecretText::new(clear.refresh_token),
        })
    }
}

fn key(under: &RefreshToken) -> Result<RandomizedNonceKey> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"prov refresh successor v1")
        .extract(&under.random[..])
        .expand(&[b"seal"], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key[..]))
        .map_err(|e| failed("deriving the key for", e))?;
    RandomizedNonceKey::new(&AES_256_GCM, &key[..]).map_err(|e| failed("making the key for", e))
}

fn aad(under: &RefreshToken) -> Vec<u8> {
    let mut aad = under.session.as_str().as_bytes().to_vec();
    aad.extend_from_slice(&under.generation.to_be_bytes());
    aad
}

fn failed(what: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(codes::INTERNAL).context(format!("{what} the answer to a refresh")).source(error)
}

fn damaged(why: &str) -> Error {
    Error::new(codes::STORE_CORRUPT)
        .context("opening the answer to a refresh")
        .source(why.to_owned())
}
