use std::io;
use std::path::Path;

use super::frame::durable_frame_follows;
use super::{Frame, HEADER_BYTES, file, header, read_frame};
use crate::merkle::Hash;

/// How a segment ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// With its last record, or zeros behind it.
    Clean,
    /// With a group that was being written when the machine stopped.
    Torn,
    /// With something that was durable and is no longer what was written.
    Damaged,
}

/// What a scan of a segment found.
#[derive(Debug)]
pub(crate) struct Segment {
    /// The number after its last whole record.
    pub(crate) next_seq: u64,
    /// Where its last whole record ends.
    pub(crate) end: usize,
    /// What stands there.
    pub(crate) tail: Tail,
    /// How long the file is.
    pub(crate) length: usize,
    /// The bytes of the last group, up to its last whole record.
    pub(crate) last_group: Vec<u8>,
}

/// Reads a whole segment and shows every record to `each`: number, place, leaf.
///
/// `None` when its header is not that of this segment of this log.
pub(crate) fn scan_segment(
    dir: &Path,
    first_seq: u64,
    origin: &Hash,
    each: &mut dyn FnMut(u64, usize, &[u8]),
) -> io::Result<Option<Segment>> {
    let bytes = crate::disk::read(file(dir, first_seq))?;
    if bytes.get(..HEADER_BYTES) != Some(header(first_seq, origin).as_slice()) {
        return Ok(None);
    }
    let (mut at, mut seq, mut last_group) = (HEADER_BYTES, first_seq, HEADER_BYTES);
    let tail = loop {
        match read_frame(&bytes, at, seq) {
            Frame::Whole { leaf, end, group } => {
                last_group = group;
                each(seq, at, leaf);
                at = end;
                seq += 1;
            }
            Frame::End if rest_is_zero(&bytes, at) => break Tail::Clean,
            Frame::End | Frame::Broken => {
                break if durable_frame_follows(&bytes, at, seq, 64) {
                    Tail::Damaged
                } else {
                    Tail::Torn
                };
            }
        }
    };
    let last_group = bytes.get(last_group..at).unwrap_or_default().to_vec();
    Ok(Some(Segment { next_seq: seq, end: at, tail, length: bytes.len(), last_group }))
}

fn rest_is_zero(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..).unwrap_or_default().iter().all(|byte| *byte == 0)
}
