/// The longest leaf: what a C2SP entry bundle can hold.
pub(crate) const MAX_LEAF: usize = 65_535;

/// Bytes before the leaf.
pub(crate) const FRAME_HEADER: usize = 12;
const MAGIC: [u8; 2] = [0xA7, 0x1E];

/// What stands at a place in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A whole record.
    Whole {
        leaf: &'a [u8],
        /// Where the frame ends.
        end: usize,
        /// Where its group starts.
        group: usize,
    },
    /// Nothing was written from here on.
    End,
    /// Something that is no whole record of this number.
    Broken,
}

/// Appends the frame of record `seq` to `group`, the bytes of its group so far.
pub(crate) fn write_frame(group: &mut Vec<u8>, seq: u64, leaf: &[u8]) {
    // Leaves and groups are bounded by whoever queues them.
    let length = u16::try_from(leaf.len()).unwrap_or(u16::MAX).to_le_bytes();
    let back = u32::try_from(group.len()).unwrap_or(u32::MAX).to_le_bytes();
    group.extend(MAGIC);
    group.extend(length);
    group.extend(checksum(seq, length, back, leaf));
    group.extend(back);
    group.extend(leaf);
}

/// What stands at `at`, where record `seq` is expected.
pub(crate) fn read_frame(bytes: &[u8], at: usize, seq: u64) -> Frame<'_> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.iter().take(FRAME_HEADER).all(|byte| *byte == 0) {
        return Frame::End;
    }
    whole_frame(rest, at, seq).unwrap_or(Frame::Broken)
}

/// The leaf of record `seq` at `at` and where its frame ends, wherever its group starts.
pub(super) fn leaf_at(bytes: &[u8], at: usize, seq: u64) -> Option<(&[u8], usize)> {
    let (leaf, _) = checked_leaf(bytes.get(at..)?, seq)?;
    Some((leaf, at + FRAME_HEADER + leaf.len()))
}

fn whole_frame(rest: &[u8], at: usize, seq: u64) -> Option<Frame<'_>> {
    let (leaf, back) = checked_leaf(rest, seq)?;
    let group = at.checked_sub(back)?;
    Some(Frame::Whole { leaf, end: at + FRAME_HEADER + leaf.len(), group })
}

/// The leaf and the distance to the start of its group.
fn checked_leaf(rest: &[u8], seq: u64) -> Option<(&[u8], usize)> {
    let (magic, rest) = rest.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (crc, rest) = rest.split_first_chunk::<4>()?;
    let (back, rest) = rest.split_first_chunk::<4>()?;
    let leaf = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
    if *magic != MAGIC || *crc != checksum(seq, *length, *back, leaf) {
        return None;
    }
    Some((leaf, usize::try_from(u32::from_le_bytes(*back)).ok()?))
}

fn checksum(seq: u64, length: [u8; 2], back: [u8; 4], leaf: &[u8]) -> [u8; 4] {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&seq.to_le_bytes());
    crc.update(&length);
    crc.update(&back);
    crc.update(leaf);
    crc.finalize().to_le_bytes()
}

/// Whether a whole frame follows after `at` whose group starts behind `at`: then what stands at `at`
/// was durable once and is damaged now. Records number `seq` and up to a group's worth are tried.
pub(super) fn durable_frame_follows(bytes: &[u8], at: usize, seq: u64, most: u64) -> bool {
    let after = bytes.get(at + 1..).unwrap_or_default();
    let starts = after.windows(2).enumerate().filter(|(_, window)| *window == MAGIC);
    for (offset, _) in starts {
        let place = at + 1 + offset;
        let rest = bytes.get(place..).unwrap_or_default();
        let found = (seq..=seq.saturating_add(most)).any(|seq| {
            matches!(whole_frame(rest, place, seq), Some(Frame::Whole { group, .. }) if group > at)
        });
        if found {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_of_a_frame_breaks_it() {
        let mut group = Vec::new();
        write_frame(&mut group, 7, b"first");
        let second = group.len();
        write_frame(&mut group, 8, b"second");
        assert!(matches!(
            read_frame(&group, second, 8),
            Frame::Whole { leaf: b"second", group: 0, .. }
        ));
        assert_eq!(read_frame(&group, second, 9), Frame::Broken, "a moved record is noticed");
        for at in second..group.len() {
            let mut changed = group.clone();
            changed[at] ^= 0x40;
            assert_eq!(read_frame(&changed, second, 8), Frame::Broken, "byte {at}");
        }
    }
}
