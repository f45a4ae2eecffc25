//! Checking a proof that was handed out: no log, no network, only the public key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::{Error, Result, codes as core_codes};

use crate::merkle::{Hash, leaf_hash, verify_inclusion};
use crate::note::{Checkpoint, VerifierKey, open};

/// Checks a C2SP tlog-proof: that the log of this key vouches for exactly this leaf. Gives the
/// leaf's place in the log and the checkpoint that covers it.
///
/// # Errors
/// [`core_codes::INVALID_REQUEST`] when the text is no such proof, is signed with another key, or is
/// about another leaf.
pub fn verify_proof(leaf: &[u8], proof: &str, key: &VerifierKey) -> Result<(u64, Checkpoint)> {
    let refuse = |what| Error::new(core_codes::INVALID_REQUEST).detail(what);
    let malformed = || refuse("not a proof: it starts with `c2sp.org/tlog-proof@v1`");
    let (head, note) = proof.split_once("\n\n").ok_or_else(malformed)?;
    let mut lines = head.lines().peekable();
    if lines.next() != Some("c2sp.org/tlog-proof@v1") {
        return Err(malformed());
    }
    // Unauthenticated by its own rules, and of no use here.
    lines.next_if(|line| line.starts_with("extra "));
    let index = lines
        .next()
        .and_then(|line| line.strip_prefix("index "))
        .and_then(|text| text.parse::<u64>().ok().filter(|index| index.to_string() == text))
        .ok_or_else(malformed)?;
    let hashes = lines
        .map(|line| STANDARD.decode(line).ok()?.try_into().ok())
        .collect::<Option<Vec<Hash>>>()
        .ok_or_else(malformed)?;
    let checkpoint = open(note, key)
        .ok_or_else(|| refuse("the proof's checkpoint is not signed with this key"))?;
    if verify_inclusion(leaf_hash(leaf), index, checkpoint.size, &hashes, &checkpoint.root) {
        Ok((index, checkpoint))
    } else {
        Err(refuse("the proof does not lead from this event to the checkpoint"))
    }
}
