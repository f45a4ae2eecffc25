//! Random bytes from the operating system.

use crate::{Error, Result, codes};

/// `N` random bytes.
///
/// # Errors
/// [`codes::INTERNAL`] when the operating system has no randomness to give; nothing that needed it
/// may go on.
pub fn bytes<const N: usize>() -> Result<[u8; N]> {
    let mut out = [0; N];
    fill(&mut out)?;
    Ok(out)
}

/// Fills `out` with random bytes.
///
/// # Errors
/// As [`bytes()`].
pub fn fill(out: &mut [u8]) -> Result<()> {
    getrandom::fill(out).map_err(|e| {
        Error::new(codes::INTERNAL).context("the operating system gave no random bytes").source(e)
    })
}
