use std::fmt;

use aws_lc_rs::hkdf::{self, HKDF_SHA512};
use prov_core::Result;
use zeroize::Zeroizing;

use super::chunks::ChunkCipher;
use super::{COMMITMENT, SALT};
use crate::failure::refused_by_library;

/// The fixed start of the derivation's info: the scheme, the AEAD's IANA name, a zero byte.
const LABEL: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// A 256-bit key that single-use keys are derived from.
pub(crate) struct InputKey(hkdf::Prk);

impl InputKey {
    /// Takes 32 uniformly random bytes. They are the HKDF key as they are: HKDF-Expand without Extract,
    /// as the scheme says for keys that are uniform already.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(hkdf::Prk::new_less_safe(HKDF_SHA512, key))
    }

    /// The keys of one message.
    pub(super) fn derive(&self, salt: &[u8; SALT], context: &[u8]) -> Result<MessageKeys> {
        let mut okm = Zeroizing::new([0; Okm::LEN]);
        self.0
            .expand(&[LABEL, salt, context], Okm)
            .and_then(|okm_source| okm_source.fill(okm.as_mut()))
            .map_err(|_| refused_by_library("deriving the keys of a message"))?;
        MessageKeys::split(&okm)
    }
}

impl fmt::Debug for InputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What is derived for one message.
pub(super) struct MessageKeys {
    /// Seals or opens the chunks, under a key that no other message has.
    pub(super) cipher: ChunkCipher,
    /// What the message carries, and what is compared before anything is decrypted.
    pub(super) commitment: [u8; COMMITMENT],
}

impl MessageKeys {
    /// Key, base nonce and commitment, in this order.
    fn split(okm: &[u8; Okm::LEN]) -> Result<Self> {
        let refused = || refused_by_library("making the cipher of a message");
        let (key, rest) = okm.split_at(32);
        let (base_nonce, commitment) = rest.split_first_chunk().ok_or_else(refused)?;
        Ok(Self {
            cipher: ChunkCipher::new(key, *base_nonce).ok_or_else(refused)?,
            commitment: commitment.try_into().map_err(|_| refused())?,
        })
    }
}

/// The length of what is derived: key, base nonce, commitment.
#[derive(Debug, Clone, Copy)]
struct Okm;

impl Okm {
    const LEN: usize = 32 + 12 + COMMITMENT;
}

impl hkdf::KeyType for Okm {
    fn len(&self) -> usize {
        Self::LEN
    }
}
