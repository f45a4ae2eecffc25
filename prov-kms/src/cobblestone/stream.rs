//! Messages of any length, 16 KiB of them in memory at a time.

use std::io::{self, Read, Write};

use prov_core::{Error, Result, random};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{CHUNK, COMMITMENT, InputKey, SALT, TAG};
use crate::failure::{file_failed, refused_by_library, undecryptable};

/// Encrypts all of `input` and returns the number of plaintext bytes.
pub(crate) fn seal_stream(
    key: &InputKey,
    context: &[u8],
    input: &mut impl Read,
    output: &mut impl Write,
) -> Result<u64> {
    let mut keys = {
        let salt: [u8; SALT] = random::bytes()?;
        let keys = key.derive(&salt, context)?;
        write(output, &salt)?;
        write(output, &keys.commitment)?;
        keys
    };
    let mut chunk = Zeroizing::new(vec![0; CHUNK + TAG]);
    let mut total: u64 = 0;
    loop {
        let filled = fill(input, chunk.get_mut(..CHUNK).ok_or_else(misplaced)?)?;
        let (plain, rest) = chunk.split_at_mut_checked(filled).ok_or_else(misplaced)?;
        let tag = keys.cipher.seal(plain)?;
        *rest.first_chunk_mut().ok_or_else(misplaced)? = tag;
        // Chunk and tag in one piece: each write may be a system call.
        write(output, chunk.get(..filled + TAG).ok_or_else(misplaced)?)?;
        total = total.saturating_add(filled as u64);
        if filled < CHUNK {
            output.flush().map_err(|e| file_failed("writing the ciphertext", e))?;
            return Ok(total);
        }
    }
}

/// Decrypts all of `input` and returns the number of plaintext bytes. What was written before an
/// error is authentic, but not the whole.
pub(crate) fn open_stream(
    key: &InputKey,
    context: &[u8],
    input: &mut impl Read,
    output: &mut impl Write,
) -> Result<u64> {
    let (mut salt, mut commitment) = ([0; SALT], [0; COMMITMENT]);
    if fill(input, &mut salt)? < SALT || fill(input, &mut commitment)? < COMMITMENT {
        return Err(undecryptable());
    }
    let mut keys = key.derive(&salt, context)?;
    if !bool::from(keys.commitment.ct_eq(&commitment)) {
        return Err(undecryptable());
    }
    let mut chunk = Zeroizing::new(vec![0; CHUNK + TAG]);
    let mut total: u64 = 0;
    loop {
        let filled = fill(input, &mut chunk)?;
        let plain = keys.cipher.open(chunk.get_mut(..filled).ok_or_else(undecryptable)?)?;
        write(output, plain)?;
        total = total.saturating_add(plain.len() as u64);
        if filled < CHUNK + TAG {
            output.flush().map_err(|e| file_failed("writing the plaintext", e))?;
            return Ok(total);
        }
    }
}

/// Reads until the buffer is full or the input ends.
fn fill(input: &mut impl Read, mut buffer: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while !buffer.is_empty() {
        match input.read(buffer) {
            Ok(0) => break,
            Ok(n) => {
                filled += n;
                buffer = buffer.get_mut(n..).unwrap_or_default();
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(file_failed("reading the input", e)),
        }
    }
    Ok(filled)
}

/// A part of the chunk buffer that must be there was not: our bug.
fn misplaced() -> Error {
    refused_by_library("placing a chunk")
}

/// Writes all of `bytes`; a full disk is told as such.
fn write(output: &mut impl Write, bytes: &[u8]) -> Result<()> {
    output.write_all(bytes).map_err(|e| file_failed("writing the output", e))
}
