//! A part of a log as it travels: made by whoever writes the log, read by whoever joins it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::{Error, Result};

use super::records::PartRecord;
use super::{JoinAlarmKind, Keys};
use crate::codes;
use crate::files::{io_error, read_if_there};
use crate::journal::{Content, Journal, Piece};
use crate::merkle::{
    Hash, TILE_WIDTH, consistency_proof, range_proof, root_of_range, tree_root, verify_consistency,
};
use crate::note::Checkpoint;
use crate::segment::{self, MAX_LEAF};
use crate::tiles::{Kind, TileFiles, TilesAt, bundle, hashes_of, unbundle};

/// Records in a part.
pub(super) const WIDTH: u64 = TILE_WIDTH as u64;

/// No part is larger than this when it is unpacked.
const LARGEST: usize = TILE_WIDTH * (MAX_LEAF + 2);

/// What is wrong with something that was published.
#[derive(Debug, Clone)]
pub(super) struct Refused {
    pub(super) kind: JoinAlarmKind,
    pub(super) detail: String,
    /// The signed note that does not fit.
    pub(super) checkpoint: Option<String>,
}

impl Refused {
    pub(super) fn new(kind: JoinAlarmKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), checkpoint: None }
    }

    /// With the note that whoever signed it must answer for.
    pub(super) fn signed(mut self, checkpoint: &Checkpoint) -> Self {
        self.checkpoint = Some(checkpoint.note.clone());
        self
    }
}

/// Makes part number `index` of a log, as far as the checkpoint covers it. Blocks.
pub(super) fn make(journal: &Journal, checkpoint: &Checkpoint, index: u64) -> Result<PartRecord> {
    let from = index * WIDTH;
    let end = checkpoint.size.min(from + WIDTH);
    let width = usize::try_from(end.saturating_sub(from)).unwrap_or_default();
    let files = TileFiles::new(journal.dir());
    let failed = |e| io_error(e, "reading a part of the log");
    // A newer checkpoint may just have taken a partial one away: then the next attempt finds its own.
    let missing = || Error::new(codes::DAMAGED).context("a part of the log is not there");
    let found = read_if_there(&files.file(Kind::Entries, index, width)).map_err(failed)?;
    let pruned = found.is_none();
    let bytes = match found {
        Some(bytes) => bytes,
        None if width == TILE_WIDTH => {
            let hashes = files.read_hashes(0, index, width).map_err(failed)?.ok_or_else(missing)?;
            hashes.as_flattened().to_vec()
        }
        None => return Err(missing()),
    };
    let tiles = TilesAt { files: &files, size: checkpoint.size };
    let signed = if end == checkpoint.size {
        checkpoint.clone()
    } else {
        signed_on_the_way(journal, checkpoint, &tiles, end)?
    };
    let proof = range_proof(&tiles, &(from..end), 0..end)?;
    let segments = segment::list(journal.dir()).map_err(failed)?;
    let packed = zstd::bulk::compress(&bytes, 3).map_err(failed)?;
    Ok(PartRecord {
        log: journal.key().verifier().name().to_owned(),
        index,
        checkpoint: signed.note,
        proof: proof.iter().map(|hash| STANDARD.encode(hash)).collect(),
        segments: segments.into_iter().filter(|first| (from..end).contains(first)).collect(),
        pruned,
        bytes: STANDARD.encode(packed),
    })
}

/// A checkpoint over the first `end` records, on the way to one that the log signed already. Who can change
/// tiles, and has no key, does not get a signature under another tree.
fn signed_on_the_way(
    journal: &Journal,
    checkpoint: &Checkpoint,
    tiles: &TilesAt<'_>,
    end: u64,
) -> Result<Checkpoint> {
    let (root, newest) = (tree_root(tiles, 0, end)?, (checkpoint.size, &checkpoint.root));
    let proof = consistency_proof(tiles, end, checkpoint.size)?;
    if !verify_consistency((end, &root), newest, &proof) {
        return Err(Error::new(codes::DAMAGED).context("the tiles are not those that were signed"));
    }
    journal.sign(end, root)
}

/// Reads a part: that the log of these keys signed it, and that its records are those that were signed.
pub(super) fn read(part: &PartRecord, keys: &Keys) -> Result<Piece, Refused> {
    let index = part.index;
    let bad = || {
        let what =
            format!("the records of part {index} are not those that its checkpoint speaks of");
        Refused::new(JoinAlarmKind::BadLeaf, what)
    };
    let checkpoint = keys.open(&part.checkpoint, &format!("the checkpoint of part {index}"))?;
    let from = index.checked_mul(WIDTH).ok_or_else(bad)?;
    let content = unpacked(part).ok_or_else(bad)?;
    let piece = Piece { from, content, segments: part.segments.clone(), checkpoint };
    let (size, hashes) = (piece.checkpoint.size, piece.hashes());
    let proof: Option<Vec<Hash>> =
        part.proof.iter().map(|text| STANDARD.decode(text).ok()?.try_into().ok()).collect();
    let fits = (1..=WIDTH).contains(&(hashes.len() as u64))
        && size.checked_sub(from) == Some(hashes.len() as u64)
        && root_of_range(&hashes, &(from..size), size, &proof.ok_or_else(bad)?)
            == Some(piece.checkpoint.root);
    if fits { Ok(piece) } else { Err(bad()) }
}

fn unpacked(part: &PartRecord) -> Option<Content> {
    let packed = STANDARD.decode(&part.bytes).ok()?;
    let bytes = zstd::bulk::decompress(&packed, LARGEST).ok()?;
    if part.pruned {
        let hashes = hashes_of(&bytes).filter(|hashes| hashes.len() == TILE_WIDTH)?;
        return Some(Content::Hashes(hashes));
    }
    let entries = unbundle(&bytes);
    // Nothing may be left over.
    let whole = bundle(entries.iter().copied()) == bytes;
    whole.then(|| Content::Leaves(entries.into_iter().map(<[u8]>::to_vec).collect()))
}
