//! Whether a log kept what it promised.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::script::{Case, NOTICE, Promise, options};
use crate::disk;
use crate::journal::Journal;
use crate::merkle::{TILE_WIDTH, inclusion_proof, leaf_hash, tree_root, verify_inclusion};
use crate::segment::{self, SegmentCursor};
use crate::tiles::{Kind, TileFiles};
use crate::verify::verify;

type Checked<T = ()> = Result<T, String>;

/// Opens a log, holds it against what was promised, and goes on with it.
pub(super) async fn check(
    dir: &Path,
    case: &Case,
    asked: &BTreeSet<Vec<u8>>,
    promises: &[Promise],
) -> Checked<BTreeMap<u64, Vec<u8>>> {
    let journal = Journal::open(options(dir, case)).map_err(|e| format!("does not open: {e:?}"))?;
    let mut records = served(&journal, dir)?;
    gone(dir, &records)?;
    once_and_whole(&records, asked)?;
    kept(&records, promises)?;
    proved(&journal, &records, promises)?;
    for number in 0..3 {
        let leaf = format!("later {} {number}", records.len()).into_bytes();
        let seq = journal.append(leaf.clone()).await.map_err(|e| format!("goes not on: {e:?}"))?;
        records.insert(seq, leaf);
    }
    let signed = journal.checkpoint().await.map_err(|e| format!("signs not: {e:?}"))?;
    if signed.size != records.last_key_value().map_or(0, |(seq, _)| seq + 1) {
        return Err(format!("signs {} records", signed.size));
    }
    journal.finish_close();
    let key = journal.key().verifier().clone();
    drop(journal);
    let report = verify(dir, &key).map_err(|e| format!("can't be verified: {e:?}"))?;
    if report.intact { Ok(records) } else { Err(format!("is not intact: {report:#?}")) }
}

/// Every record there is, as it is served.
pub(super) fn served(journal: &Journal, dir: &Path) -> Checked<BTreeMap<u64, Vec<u8>>> {
    let failed = |e| format!("can't be read: {e}");
    let oldest = segment::oldest(dir).map_err(failed)?;
    let durable = journal.durable().size();
    let mut cursor = SegmentCursor::at(dir, oldest).map_err(failed)?;
    let mut records = BTreeMap::new();
    while cursor.next_seq() < durable {
        for record in cursor.read(durable, usize::MAX).map_err(failed)? {
            records.insert(record.seq, record.leaf);
        }
    }
    let count = durable - oldest.min(durable);
    if records.len() as u64 == count { Ok(records) } else { Err("a record is missing".to_owned()) }
}

/// Of what was pruned no copy is left.
fn gone(dir: &Path, records: &BTreeMap<u64, Vec<u8>>) -> Checked {
    let oldest = records.keys().next().copied().unwrap_or_default();
    for index in 0..oldest / TILE_WIDTH as u64 {
        if disk::exists(&TileFiles::new(dir).file(Kind::Entries, index, TILE_WIDTH)) {
            return Err(format!("bundle {index} is there, and its records were pruned"));
        }
    }
    Ok(())
}

/// Nothing is served that nobody wrote, and nothing twice.
pub(super) fn once_and_whole(
    records: &BTreeMap<u64, Vec<u8>>,
    asked: &BTreeSet<Vec<u8>>,
) -> Checked {
    let mut seen = BTreeSet::new();
    for (seq, leaf) in records {
        let is_notice = leaf.starts_with(NOTICE);
        if !is_notice && !leaf.starts_with(b"later") && !asked.contains(leaf) {
            return Err(format!("record {seq} was never written"));
        }
        if !is_notice && !seen.insert(leaf) {
            return Err(format!("record {seq} is there twice"));
        }
    }
    Ok(())
}

/// What was promised is there; what was refused for want of room is not.
fn kept(records: &BTreeMap<u64, Vec<u8>>, promises: &[Promise]) -> Checked {
    let may_go = promises.iter().map(|promise| match promise {
        Promise::MayGo(before) => *before,
        _ => 0,
    });
    let may_go = may_go.max().unwrap_or_default();
    let oldest = records.first_key_value().map_or(may_go, |(seq, _)| *seq);
    if oldest > may_go {
        return Err(format!("begins with {oldest}, and only what is before {may_go} may go"));
    }
    let all: BTreeSet<&[u8]> = records.values().map(Vec::as_slice).collect();
    for promise in promises {
        match promise {
            Promise::Recorded(seq, leaf) if *seq >= oldest && records.get(seq) != Some(leaf) => {
                return Err(format!("record {seq} was confirmed, and is lost"));
            }
            Promise::Refused(leaf) if all.contains(leaf.as_slice()) => {
                return Err(format!("{:?} was refused, and is there", leaf.escape_ascii()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What was signed is still so, and every kind of record has its proof.
fn proved(journal: &Journal, records: &BTreeMap<u64, Vec<u8>>, promises: &[Promise]) -> Checked {
    for promise in promises {
        let Promise::Signed(size, root) = promise else { continue };
        let now = journal.prove(None, |tiles, _| tree_root(tiles, 0, *size));
        let now = now.map_err(|e| format!("the root of {size} can't be told: {e:?}"))?;
        if *size > now.size || now.proof != *root {
            return Err(format!("the first {size} records have another root than was signed"));
        }
    }
    let signed = journal.newest_checkpoint().size;
    let middle = records.keys().nth(records.len() / 2);
    let some = [records.keys().next(), middle, records.keys().next_back()];
    for seq in some.into_iter().flatten().filter(|seq| **seq < signed) {
        let proven = journal
            .prove(None, |tiles, size| inclusion_proof(tiles, *seq, size))
            .map_err(|e| format!("record {seq} can't be proved: {e:?}"))?;
        let hash = leaf_hash(&records[seq]);
        if !verify_inclusion(hash, *seq, proven.size, &proven.proof, &proven.root) {
            return Err(format!("the proof of record {seq} proves nothing"));
        }
    }
    Ok(())
}
