//! Copies of what is about to be pruned: the events of a segment as JSON Lines, and beside them the
//! proof that these are all events of that range, under a signed checkpoint.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::audit::RetentionClass;
use prov_core::{Error, Result, codes as core_codes};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::codes;
use crate::files::{io_error, make_folder, write_whole};
use crate::format::{Format, Writer};
use crate::log::ExportedLeaf;
use crate::merkle::Hash;
use crate::note::{Checkpoint, VerifierKey};
use crate::proof::verify_range;

/// What stands beside the events.
#[derive(Debug, Serialize, Deserialize)]
struct RangeProof {
    from: u64,
    to: u64,
    /// Base64.
    hashes: Vec<String>,
    /// The signed note that the proof leads to.
    checkpoint: String,
}

/// What checking an archived file found: it holds all events of this range, as they were written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ArchiveReport {
    /// The name of the log.
    pub origin: String,
    /// The number of the first event.
    pub from: u64,
    /// The number behind the last one.
    pub to: u64,
    /// How many events the checkpoint covers that vouches for them.
    pub signed_size: u64,
}

/// Writes events and their proof; both are durable when this returns. Gives the file.
pub(crate) fn write(
    folder: &Path,
    class: RetentionClass,
    leaves: &[ExportedLeaf],
    proof: &[Hash],
    checkpoint: &Checkpoint,
) -> Result<PathBuf> {
    let failed = |e| io_error(e, "writing the archive of the audit log");
    let folder = folder.join(crate::log::class_name(class));
    make_folder(&folder).map_err(failed)?;
    let from = leaves.first().map_or(0, |leaf| leaf.seq);
    let to = leaves.last().map_or(0, |leaf| leaf.seq + 1);
    let range = RangeProof {
        from,
        to,
        hashes: proof.iter().map(|hash| STANDARD.encode(hash)).collect(),
        checkpoint: checkpoint.note.clone(),
    };
    let mut text = Vec::new();
    serde_json::to_writer_pretty(&mut text, &range)
        .map_err(|e| Error::new(core_codes::INTERNAL).context("writing a proof").source(e))?;
    // Writing to memory does not fail.
    let _ = text.write_all(b"\n");
    let name = folder.join(format!("{from:020}-{to:020}.jsonl"));
    write_whole(&beside(&name), &text, true).map_err(failed)?;
    let mut writer = Writer::new(Format::Jsonl, checkpoint.origin.clone(), class);
    write_whole(&name, writer.write(leaves).as_bytes(), true).map_err(failed)?;
    Ok(name)
}

fn beside(file: &Path) -> PathBuf {
    file.with_extension("proof.json")
}

/// A line of it.
#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    #[serde(borrow)]
    leaf: &'a RawValue,
}

/// Checks an archived file, which lies beside its proof, with the public key of the log: that it
/// holds all events of its range, none left out, none added, none changed.
///
/// # Errors
/// [`core_codes::INVALID_REQUEST`] when it does not, or when the proof is none.
pub fn verify_archive(file: &Path, key: &VerifierKey) -> Result<ArchiveReport> {
    let refuse = |what: String| Error::new(core_codes::INVALID_REQUEST).detail(what);
    let proof = std::fs::read(beside(file))
        .map_err(|e| refuse(format!("`{}` can't be read", beside(file).display())).source(e))?;
    let malformed = || refuse("the proof beside the archive is none".to_owned());
    let proof: RangeProof = serde_json::from_slice(&proof).map_err(|e| malformed().source(e))?;
    let hashes: Option<Vec<Hash>> =
        proof.hashes.iter().map(|hash| STANDARD.decode(hash).ok()?.try_into().ok()).collect();
    let hashes = hashes.ok_or_else(malformed)?;
    let checkpoint = Checkpoint::open(&proof.checkpoint, key)?;
    let unreadable = |e| refuse(format!("`{}` can't be read", file.display())).source(e);
    let (mut leaves, mut next) = (Vec::new(), proof.from);
    for line in BufReader::new(std::fs::File::open(file).map_err(unreadable)?).lines() {
        let line = line.map_err(unreadable)?;
        let line: Line<'_> = serde_json::from_str(&line)
            .map_err(|e| Error::new(codes::DAMAGED).detail("a line is no event").source(e))?;
        if line.seq != next {
            return Err(refuse(format!("event {next} is not where it belongs")));
        }
        next += 1;
        leaves.push(line.leaf.get().as_bytes().to_vec());
    }
    if next != proof.to {
        return Err(refuse(format!("event {next} and those behind it are missing")));
    }
    verify_range(&leaves, proof.from, &hashes, &checkpoint)?;
    let (from, to) = (proof.from, proof.to);
    Ok(ArchiveReport { origin: checkpoint.origin, from, to, signed_size: checkpoint.size })
}
