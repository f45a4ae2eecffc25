//! Messages in memory.

use prov_core::{Result, random};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{CHUNK, COMMITMENT, InputKey, SALT, TAG};
use crate::failure::{refused_by_library, undecryptable};

/// The length of the ciphertext of `plaintext_len` bytes.
pub(crate) const fn sealed_len(plaintext_len: usize) -> usize {
    SALT + COMMITMENT + plaintext_len + TAG * (plaintext_len / CHUNK + 1)
}

/// Appends the ciphertext of `plaintext`, bound to `context`, to `out`.
pub(crate) fn seal(
    key: &InputKey,
    context: &[u8],
    plaintext: &[u8],
    out: &mut Vec<u8>,
) -> Result<()> {
    let salt: [u8; SALT] = random::bytes()?;
    let mut keys = key.derive(&salt, context)?;
    out.reserve(sealed_len(plaintext.len()));
    out.extend_from_slice(&salt);
    out.extend_from_slice(&keys.commitment);
    // The last chunk is short, so a message that ends with a whole chunk has an empty one after it.
    let ends_whole = plaintext.len().is_multiple_of(CHUNK);
    let empty: Option<&[u8]> = ends_whole.then_some(&[]);
    for chunk in plaintext.chunks(CHUNK).chain(empty) {
        let start = out.len();
        out.extend_from_slice(chunk);
        let placed = out.get_mut(start..).ok_or_else(|| refused_by_library("placing a chunk"))?;
        let tag = keys.cipher.seal(placed)?;
        out.extend_from_slice(&tag);
    }
    Ok(())
}

/// The plaintext of a ciphertext that was made with this key and context.
/// The commitment is checked before anything is decrypted, and nothing is given out unless all of it
/// is authentic.
pub(crate) fn open(key: &InputKey, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let (salt, rest) = sealed.split_first_chunk::<SALT>().ok_or_else(undecryptable)?;
    let (commitment, body) = rest.split_first_chunk::<COMMITMENT>().ok_or_else(undecryptable)?;
    if body.len().is_multiple_of(CHUNK + TAG) {
        // The short chunk that ends every message is missing.
        return Err(undecryptable());
    }
    let mut keys = key.derive(salt, context)?;
    if !bool::from(keys.commitment.ct_eq(commitment)) {
        return Err(undecryptable());
    }
    let mut out = Zeroizing::new(Vec::with_capacity(body.len()));
    for chunk in body.chunks(CHUNK + TAG) {
        let start = out.len();
        out.extend_from_slice(chunk);
        let placed = out.get_mut(start..).ok_or_else(undecryptable)?;
        let plain = keys.cipher.open(placed)?.len();
        out.truncate(start + plain);
    }
    Ok(out)
}
