//! Cobblestone-256: the chunked encryption of C2SP (<https://c2sp.org/chunked-encryption>) with
//! HKDF-Expand-SHA512 and AES-256-GCM. Every prov ciphertext is one.
//!
//! From the input key, a random 24-byte salt and the context come a single-use key, a base nonce and
//! a 32-byte **commitment** to all three: no ciphertext opens under two keys or two contexts. The
//! message is cut into chunks of 16 KiB, the last one always shorter, so that a cut message does not
//! open. Under one input key 2⁵⁵ messages of 32 MiB are safe.

mod chunks;
mod keys;
mod message;
mod stream;

pub(crate) use keys::InputKey;
pub(crate) use message::{open, seal, sealed_len};
pub(crate) use stream::{open_stream, seal_stream};

/// Plaintext bytes in every chunk but the last.
const CHUNK: usize = 16 * 1024;
/// Bytes of an AES-GCM tag.
const TAG: usize = 16;
/// Random bytes at the start of a message.
const SALT: usize = 24;
/// Bytes that commit to key, salt and context.
const COMMITMENT: usize = 32;

#[cfg(test)]
mod tests;
