//! Copies of what is about to be pruned: the leaves of a segment, compressed, and beside them the
//! proof that these are all events of that range, under a signed checkpoint.
//!
//! `00000000000000000000-00000000000000009000.jsonl.zst` holds a leaf on each line, its exact bytes, as
//! any `zstd` unpacks them: where a line stands says its number, and its hash follows from it.
//! `….proof.json` names range, hashes and checkpoint.

mod folder;

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
pub(crate) use folder::FolderArchive;
use prov_core::audit::RetentionClass;
use prov_core::{Error, Result, codes as core_codes};
use serde::{Deserialize, Serialize};

use crate::codes;
use crate::log::ExportedLeaf;
use crate::merkle::Hash;
use crate::note::{Checkpoint, CosignerKey, VerifierKey};
use crate::proof::verify_range;
use crate::segment::MAX_LEAF;

/// Beyond this level it takes much longer and gets hardly smaller.
const LEVEL: i32 = 9;

/// More than this is not unpacked: segments have 1 GiB at most.
const LARGEST: u64 = 1 << 30;

const EVENTS: &str = ".jsonl.zst";
const PROOF: &str = ".proof.json";

/// Where events are copied to before they are pruned.
#[async_trait]
pub trait Archive: fmt::Debug + Send + Sync {
    /// Keeps these bytes under this name (`standard/….jsonl.zst`), in the place of what has it; they are
    /// durable when this returns.
    ///
    /// # Errors
    /// When that can't be done, or is not certain: then nothing is pruned.
    async fn put(&self, name: &str, bytes: Bytes) -> Result<()>;

    /// Gives back what was kept under this name.
    ///
    /// # Errors
    /// [`core_codes::NOT_FOUND`] when there is none; when it can't be read.
    async fn read(&self, name: &str) -> Result<Bytes>;
}

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
    /// How many bytes the events take, compressed, with their proof.
    pub bytes: u64,
}

/// What is archived of a segment.
#[derive(Debug)]
pub(crate) struct Packed {
    /// With the folder of its class, without what the two files end in.
    name: String,
    events: Bytes,
    proof: Bytes,
}

impl Packed {
    /// Packs events and their proof. Blocks.
    pub(crate) fn new(
        class: RetentionClass,
        leaves: &[ExportedLeaf],
        proof: &[Hash],
        checkpoint: &Checkpoint,
    ) -> Result<Self> {
        let from = leaves.first().map_or(0, |leaf| leaf.seq);
        let to = leaves.last().map_or(0, |leaf| leaf.seq + 1);
        let range = RangeProof {
            from,
            to,
            hashes: proof.iter().map(|hash| STANDARD.encode(hash)).collect(),
            checkpoint: checkpoint.note.clone(),
        };
        let failed = |doing| move |e| Error::new(core_codes::INTERNAL).context(doing).source(e);
        let mut text = serde_json::to_vec_pretty(&range)
            .map_err(|e| Error::new(core_codes::INTERNAL).context("writing a proof").source(e))?;
        text.push(b'\n');
        let mut lines = Vec::new();
        for leaf in leaves {
            if leaf.leaf.contains(&b'\n') {
                return Err(Error::new(codes::DAMAGED).context("a leaf of more than one line"));
            }
            lines.extend(&leaf.leaf);
            lines.push(b'\n');
        }
        let mut compressor =
            zstd::bulk::Compressor::new(LEVEL).map_err(failed("preparing to compress"))?;
        compressor.include_checksum(true).map_err(failed("preparing to compress"))?;
        let events = compressor.compress(&lines).map_err(failed("compressing events"))?;
        let name = format!("{}/{from:020}-{to:020}", crate::log::class_name(class));
        Ok(Self { name, events: events.into(), proof: text.into() })
    }

    /// Puts both into an archive, the proof first, and reads them back: nothing is removed on the
    /// strength of a copy that is not one.
    pub(crate) async fn keep_in(
        self,
        archive: &dyn Archive,
        key: &VerifierKey,
        second: Option<&CosignerKey>,
    ) -> Result<()> {
        archive.put(&format!("{}{PROOF}", self.name), self.proof).await?;
        let events = format!("{}{EVENTS}", self.name);
        archive.put(&events, self.events).await?;
        verify_archive_in(archive, &events, key, second).await.map(drop)
    }
}

/// The name of the proof beside events of this name.
fn proof_of(name: &str) -> Result<String> {
    let stem = name.strip_suffix(EVENTS).ok_or_else(|| {
        refuse(format!("`{name}` is no file of an archive: those end in `{EVENTS}`"))
    })?;
    Ok(format!("{stem}{PROOF}"))
}

fn refuse(what: String) -> Error {
    Error::new(core_codes::INVALID_REQUEST).detail(what)
}

/// Checks an archived file, which lies beside its proof, with the public key of the log: that it
/// holds all events of its range, none left out, none added, none changed.
///
/// With the log's key for ML-DSA-44 the checkpoint that the proof leads to must be signed with that one too:
/// so is what was archived since the log [signs with it](crate::LogOptions::with_ml_dsa_44).
///
/// # Errors
/// [`core_codes::INVALID_REQUEST`] when it does not, when the proof is none, or lacks a signature;
/// [`codes::BAD_VERIFIER_KEY`] when the second key is none of this log for ML-DSA-44.
pub fn verify_archive(
    file: &Path,
    key: &VerifierKey,
    ml_dsa_44: Option<&CosignerKey>,
) -> Result<ArchiveReport> {
    let read = |file: &Path| {
        std::fs::read(file)
            .map_err(|e| refuse(format!("`{}` can't be read", file.display())).source(e))
    };
    let proof = PathBuf::from(proof_of(&file.to_string_lossy())?);
    check(&read(file)?, &read(&proof)?, key, ml_dsa_44)
}

/// As [`verify_archive`], of what lies in an archive under this name (`standard/….jsonl.zst`).
///
/// # Errors
/// As [`verify_archive`]; when it can't be read.
pub async fn verify_archive_in(
    archive: &dyn Archive,
    name: &str,
    key: &VerifierKey,
    ml_dsa_44: Option<&CosignerKey>,
) -> Result<ArchiveReport> {
    let proof = archive.read(&proof_of(name)?).await?;
    let events = archive.read(name).await?;
    let (key, second) = (key.clone(), ml_dsa_44.cloned());
    crate::log::blocking(move || check(&events, &proof, &key, second.as_ref())).await
}

fn check(
    events: &[u8],
    proof: &[u8],
    key: &VerifierKey,
    second: Option<&CosignerKey>,
) -> Result<ArchiveReport> {
    let bytes = (events.len() + proof.len()) as u64;
    let malformed = || refuse("the proof beside the archive is none".to_owned());
    let proof: RangeProof = serde_json::from_slice(proof).map_err(|e| malformed().source(e))?;
    let hashes: Option<Vec<Hash>> =
        proof.hashes.iter().map(|hash| STANDARD.decode(hash).ok()?.try_into().ok()).collect();
    let hashes = hashes.ok_or_else(malformed)?;
    let checkpoint = Checkpoint::open(&proof.checkpoint, key)?;
    if let Some(second) = second {
        second.check_second(&checkpoint)?;
    }
    let count = proof.to.checked_sub(proof.from).ok_or_else(malformed)?;
    let leaves = unpack(events, count)?;
    if leaves.len() as u64 != count {
        let next = proof.from + leaves.len() as u64;
        return Err(refuse(format!("event {next} and those behind it are missing")));
    }
    verify_range(&leaves, proof.from, &hashes, &checkpoint)?;
    let (from, to) = (proof.from, proof.to);
    Ok(ArchiveReport { origin: checkpoint.origin, from, to, signed_size: checkpoint.size, bytes })
}

/// The leaves, at most one more than `most`: what is packed may be meant to fill the memory.
fn unpack(events: &[u8], most: u64) -> Result<Vec<Vec<u8>>> {
    let damaged = |e| refuse("the archive is damaged".to_owned()).source(e);
    let unpacked = zstd::stream::read::Decoder::new(events).map_err(damaged)?.take(LARGEST);
    let mut lines = BufReader::new(unpacked);
    let mut leaves = Vec::new();
    loop {
        let mut leaf = Vec::new();
        let longest = MAX_LEAF as u64 + 2;
        lines.by_ref().take(longest).read_until(b'\n', &mut leaf).map_err(damaged)?;
        if leaf.is_empty() {
            return Ok(leaves);
        }
        if leaf.pop() != Some(b'\n') {
            return Err(refuse("the archive ends within an event".to_owned()));
        }
        if leaves.len() as u64 >= most {
            return Err(refuse("the archive holds more events than its proof says".to_owned()));
        }
        leaves.push(leaf);
    }
}
