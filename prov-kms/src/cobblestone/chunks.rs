use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use prov_core::Result;

use super::TAG;
use crate::failure::{refused_by_library, undecryptable};

/// The scheme's bound: 2³⁸ chunks, 4 PiB.
const MAX_CHUNKS: u64 = 1 << 38;

/// Seals or opens the chunks of one message, in order. The key is used for this message only, so a
/// nonce made of the chunk's number never repeats under it.
pub(super) struct ChunkCipher {
    /// The message's single-use key.
    key: LessSafeKey,
    /// Derived with the key, so that equal chunk numbers of two messages have unrelated nonces.
    base_nonce: [u8; 12],
    /// The number of the next chunk, from 0.
    next: u64,
}

impl ChunkCipher {
    /// A cipher that stands before its first chunk; `None` unless the key has 32 bytes.
    pub(super) fn new(key: &[u8], base_nonce: [u8; 12]) -> Option<Self> {
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        Some(Self { key, base_nonce, next: 0 })
    }

    /// Encrypts the chunk in place and returns its tag.
    pub(super) fn seal(&mut self, chunk: &mut [u8]) -> Result<[u8; TAG]> {
        let refused = || refused_by_library("sealing a chunk");
        let nonce = self.nonce().ok_or_else(refused)?;
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce, Aad::empty(), chunk)
            .map_err(|_| refused())?;
        tag.as_ref().try_into().map_err(|_| refused())
    }

    /// Decrypts chunk and tag in place and returns the plaintext's part of them.
    pub(super) fn open<'c>(&mut self, chunk: &'c mut [u8]) -> Result<&'c mut [u8]> {
        let nonce = self.nonce().ok_or_else(undecryptable)?;
        self.key.open_in_place(nonce, Aad::empty(), chunk).map_err(|_| undecryptable())
    }

    /// The base nonce with the chunk's number added to its end by XOR.
    fn nonce(&mut self) -> Option<Nonce> {
        if self.next >= MAX_CHUNKS {
            return None;
        }
        let mut nonce = self.base_nonce;
        for (byte, number) in nonce.iter_mut().skip(4).zip(self.next.to_be_bytes()) {
            *byte ^= number;
        }
        self.next += 1;
        Some(Nonce::assume_unique_for_key(nonce))
    }
}
