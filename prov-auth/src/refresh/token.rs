//! The text of a refresh token.

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::{Result, SecretText, SessionId, random};
use zeroize::Zeroizing;

/// Every refresh token starts with this, so that secret scanners know it.
const PREFIX: &str = "prov_rt_";
const ULID_CHARS: usize = 26;
const GENERATION: usize = 8;
const RANDOM: usize = 32;
const MAC: usize = 32;

/// The key of the MAC in every refresh token of an installation.
#[derive(Debug, Clone)]
pub(crate) struct RefreshKey(hmac::Key);

impl RefreshKey {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

/// A refresh token that this installation made: session, generation, 256 random bits, MAC. Whether
/// it is still good, the session says.
#[derive(Debug, Clone)]
pub(crate) struct RefreshToken {
    pub(crate) session: SessionId,
    pub(crate) generation: u64,
    pub(super) random: Zeroizing<[u8; RANDOM]>,
    text: SecretText,
}

impl RefreshToken {
    /// A fresh token.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub(crate) fn generate(key: &RefreshKey, session: &SessionId, generation: u64) -> Result<Self> {
        let random = Zeroizing::new(random::bytes::<RANDOM>()?);
        let mac = hmac::sign(&key.0, &signed(session, generation, &random));
        let mut payload = Zeroizing::new(Vec::with_capacity(GENERATION + RANDOM + MAC));
        payload.extend_from_slice(&generation.to_be_bytes());
        payload.extend_from_slice(&random[..]);
        payload.extend_from_slice(mac.as_ref());
        let ulid = session.as_str().split_once('_').map_or("", |(_, ulid)| ulid);
        let text = format!("{PREFIX}{ulid}{}", URL_SAFE_NO_PAD.encode(&payload));
        Ok(Self { session: session.clone(), generation, random, text: SecretText::new(text) })
    }

    /// Whether a text claims to be a refresh token.
    pub(crate) fn is_claimed_by(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Reads a token; `None` for whatever this installation did not make.
    pub(crate) fn read(key: &RefreshKey, text: &SecretText) -> Option<Self> {
        let rest = text.expose().strip_prefix(PREFIX)?;
        let (ulid, payload) = rest.split_at_checked(ULID_CHARS)?;
        let session: SessionId = format!("{}_{ulid}", SessionId::PREFIX).parse().ok()?;
        if payload.len() > 2 * (GENERATION + RANDOM + MAC) {
            return None;
        }
        let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
        let (generation, payload) = payload.split_first_chunk::<GENERATION>()?;
        let (random, mac) = payload.split_first_chunk::<RANDOM>()?;
        let generation = u64::from_be_bytes(*generation);
        hmac::verify(&key.0, &signed(&session, generation, random), mac).ok()?;
        Some(Self { session, generation, random: Zeroizing::new(*random), text: text.clone() })
    }

    /// The text for the client.
    pub(crate) fn text(&self) -> &SecretText {
        &self.text
    }

    /// What is remembered of it: SHA-256, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        hex::encode(digest::digest(&digest::SHA256, self.text.expose().as_bytes()))
    }
}

fn signed(session: &SessionId, generation: u64, random: &[u8; RANDOM]) -> Zeroizing<Vec<u8>> {
    let mut signed = Zeroizing::new(b"prov refresh token v1\0".to_vec());
    signed.extend_from_slice(session.as_str().as_bytes());
    signed.extend_from_slice(&generation.to_be_bytes());
    signed.extend_from_slice(random);
    signed
}
