//! Random bytes from the operating system.

use std::cell::RefCell;

use crate::{Error, Result, codes};

/// So many bytes for identifiers are asked for at once.
const AHEAD: usize = 512;

thread_local! {
    /// Bytes for identifiers to come, and how many of them are given away.
    static FOR_IDS: RefCell<([u8; AHEAD], usize)> = const { RefCell::new(([0; AHEAD], AHEAD)) };
}

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

/// `N` random bytes for an identifier, which is unique and no secret. Each thread asks the operating
/// system for many at a time: an identifier costs no system call. No byte is given twice, but a process
/// that forks without `exec` gives parent and child the same: for keys, tokens and nonces [`bytes()`] is
/// the one to ask.
///
/// # Errors
/// As [`bytes()`].
pub(crate) fn for_id<const N: usize>() -> Result<[u8; N]> {
    const { assert!(N <= AHEAD, "longer than what is asked for at once") };
    // A thread that ends has no such store any more.
    FOR_IDS.try_with(|ahead| take(&mut ahead.borrow_mut())).unwrap_or_else(|_| bytes())
}

fn take<const N: usize>((ahead, given): &mut ([u8; AHEAD], usize)) -> Result<[u8; N]> {
    if *given + N > AHEAD {
        fill(ahead)?;
        *given = 0;
    }
    let mut out = [0; N];
    let next = ahead.get_mut(*given..).and_then(|rest| rest.first_chunk_mut()).unwrap_or(&mut out);
    // What was given away is not kept.
    let taken = std::mem::replace(next, [0; N]);
    *given += N;
    Ok(taken)
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn bytes_for_identifiers_come_once_and_are_kept_nowhere() {
        let mut ahead = ([0; AHEAD], AHEAD);
        let mut seen = HashSet::new();
        for _ in 0..1_000 {
            assert!(seen.insert(take::<10>(&mut ahead).unwrap()), "given before");
            assert!(seen.insert(take::<16>(&mut ahead).unwrap()[..10].try_into().unwrap()));
            let (left, given) = &ahead;
            assert!(left[..*given].iter().all(|byte| *byte == 0), "what was given is still there");
        }
        assert_ne!(for_id::<16>().unwrap(), std::thread::spawn(for_id).join().unwrap().unwrap());
    }
}
