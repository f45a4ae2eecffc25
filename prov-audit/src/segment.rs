//! Segment files: the log's own order, one framed record after the other.
//!
//! A segment starts with 64 bytes: magic, number of its first record, SHA-256 of the log's origin,
//! CRC-32 of these. Then follow frames: magic (2 bytes), length (2), CRC-32 (4), distance to the
//! start of its group (4), the leaf. All numbers are little-endian. The CRC covers the record's
//! number too, so that a record that was moved is noticed. A group is what one sync made durable;
//! because a group is written only when the one before it is durable, a whole frame whose group
//! starts behind a damaged one proves that the damage is no torn tail.

mod cursor;
mod frame;
mod open;

use std::path::{Path, PathBuf};

pub(crate) use cursor::SegmentCursor;
#[cfg(feature = "sqlite-index")]
pub(crate) use cursor::{Record, read_record};
pub(crate) use frame::{FRAME_HEADER, Frame, MAX_LEAF, read_frame, write_frame};
pub(crate) use open::{Segment, Tail, scan_segment};

use crate::merkle::Hash;

/// Bytes before the first frame.
pub(crate) const HEADER_BYTES: usize = 64;

const MAGIC: &[u8; 8] = b"PROVLOG\x01";

/// The first bytes of a segment.
pub(crate) fn header(first_seq: u64, origin: &Hash) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(first_seq.to_le_bytes());
    bytes.extend(origin);
    let crc = crc32fast::hash(&bytes);
    bytes.extend(crc.to_le_bytes());
    bytes.resize(HEADER_BYTES, 0);
    bytes
}

/// Where segments lie.
pub(crate) fn folder(dir: &Path) -> PathBuf {
    dir.join("segments")
}

/// The file of the segment that starts with this record.
pub(crate) fn file(dir: &Path, first_seq: u64) -> PathBuf {
    folder(dir).join(format!("{first_seq:020}.seg"))
}

/// The segments of a log by their first record, ascending.
pub(crate) fn list(dir: &Path) -> std::io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in crate::disk::read_dir(folder(dir))? {
        let name = entry?.file_name();
        let Some(digits) = name.to_str().and_then(|name| name.strip_suffix(".seg")) else {
            continue;
        };
        if let Some(first) = digits.parse().ok().filter(|n: &u64| format!("{n:020}") == digits) {
            found.push(first);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// The number of the oldest record that is kept.
pub(crate) fn oldest(dir: &Path) -> std::io::Result<u64> {
    Ok(list(dir)?.first().copied().unwrap_or_default())
}
