//! Checking a proof that was handed out: no log, no network, only the public key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::{Error, Result, codes as core_codes};

use crate::merkle::{Hash, leaf_hash, root_of_range, verify_consistency, verify_inclusion};
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

/// Checks that the log of the newer checkpoint continues that of the older one: nothing was changed
/// or taken out between them. Both checkpoints must have been opened with the log's key.
///
/// # Errors
/// [`core_codes::INVALID_REQUEST`] when they are of two logs, or the proof does not lead from one to
/// the other. Two checkpoints of one log that do not fit together prove that it was forked: keep both.
pub fn verify_extension(older: &Checkpoint, newer: &Checkpoint, proof: &[Hash]) -> Result<()> {
    let refuse = |what| Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
    if older.origin != newer.origin {
        return refuse("the checkpoints are of two logs");
    }
    if verify_consistency((older.size, &older.root), (newer.size, &newer.root), proof) {
        Ok(())
    } else {
        refuse("the log does not continue the one of the older checkpoint: keep both as evidence")
    }
}

/// Checks that these leaves are all events of the log numbered `first` and on, none left out, none
/// added, none changed.
///
/// # Errors
/// [`core_codes::INVALID_REQUEST`] when they are not.
pub fn verify_range(
    leaves: &[impl AsRef<[u8]>],
    first: u64,
    proof: &[Hash],
    checkpoint: &Checkpoint,
) -> Result<()> {
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf.as_ref())).collect();
    let end = first.saturating_add(hashes.len() as u64);
    let root = root_of_range(&hashes, &(first..end), checkpoint.size, proof);
    if root == Some(checkpoint.root) {
        Ok(())
    } else {
        Err(Error::new(core_codes::INVALID_REQUEST)
            .detail("these are not all the events of that range, as they were written"))
    }
}
