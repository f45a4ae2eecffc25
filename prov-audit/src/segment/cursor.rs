use std::io;
use std::path::{Path, PathBuf};

use super::frame::leaf_at;
use super::{HEADER_BYTES, file, list};
use crate::disk::{self, File, FileExt};

/// One record as it was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) seq: u64,
    /// The first record of its segment.
    pub(crate) segment: u64,
    /// Where its frame starts in the segment.
    pub(crate) offset: u64,
    pub(crate) leaf: Vec<u8>,
}

/// Reads records in order, across segments, while the log grows. The caller says how far records
/// are durable; the cursor never looks further.
#[derive(Debug)]
pub(crate) struct SegmentCursor {
    dir: PathBuf,
    open: Option<(u64, File)>,
    offset: u64,
    next: u64,
}

/// How much is read at once: more than any frame.
const CHUNK: usize = 256 * 1024;

impl SegmentCursor {
    /// A cursor whose next record is `seq`, or the oldest that was not pruned.
    pub(crate) fn at(dir: &Path, seq: u64) -> io::Result<Self> {
        let segments = list(dir)?;
        let seq = seq.max(segments.first().copied().unwrap_or_default());
        let segment = segments.into_iter().rev().find(|first| *first <= seq);
        let mut cursor =
            Self { dir: dir.to_owned(), open: None, offset: HEADER_BYTES as u64, next: seq };
        if let Some(first) = segment {
            cursor.enter(first)?;
            cursor.next = first;
            while cursor.next < seq {
                // Skipping reads the frames and drops them.
                if cursor.read(seq, usize::MAX)?.is_empty() {
                    break;
                }
            }
        }
        Ok(cursor)
    }

    /// The number of the next record.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next
    }

    /// Up to `most` records before number `durable`, at most about a chunk of them; none when the
    /// cursor has reached `durable`.
    pub(crate) fn read(&mut self, durable: u64, most: usize) -> io::Result<Vec<Record>> {
        if self.next >= durable || most == 0 {
            return Ok(Vec::new());
        }
        loop {
            let Some((segment, opened)) = &self.open else {
                self.enter(self.next)?;
                continue;
            };
            let (segment, mut bytes) = (*segment, vec![0; CHUNK]);
            let filled = read_at_most(opened, &mut bytes, self.offset)?;
            bytes.truncate(filled);
            let records = self.parse(segment, &bytes, durable, most);
            if !records.is_empty() {
                return Ok(records);
            }
            if segment == self.next || !disk::exists(&file(&self.dir, self.next)) {
                return Err(broken());
            }
            // This segment is read to its end; the next one is named for the next record.
            self.enter(self.next)?;
        }
    }

    fn enter(&mut self, first: u64) -> io::Result<()> {
        self.open = Some((first, File::open(file(&self.dir, first))?));
        self.offset = HEADER_BYTES as u64;
        Ok(())
    }

    fn parse(&mut self, segment: u64, bytes: &[u8], durable: u64, most: usize) -> Vec<Record> {
        let mut records = Vec::new();
        let (start, mut at) = (self.offset, 0);
        while self.next < durable && records.len() < most {
            // Group starts may lie before the chunk, which only a scan of the whole file looks at.
            let Some((leaf, end)) = leaf_at(bytes, at, self.next) else { break };
            let offset = start + at as u64;
            records.push(Record { seq: self.next, segment, offset, leaf: leaf.to_vec() });
            self.next += 1;
            at = end;
        }
        self.offset = start + at as u64;
        records
    }
}

/// The record at a known place.
pub(crate) fn read_record(dir: &Path, seq: u64, segment: u64, offset: u64) -> io::Result<Record> {
    let opened = File::open(file(dir, segment))?;
    // Most fit the first; none is longer than the second.
    for length in [4 << 10, 80 << 10] {
        let mut bytes = vec![0; length];
        let filled = read_at_most(&opened, &mut bytes, offset)?;
        bytes.truncate(filled);
        if let Some((leaf, _)) = leaf_at(&bytes, 0, seq) {
            return Ok(Record { seq, segment, offset, leaf: leaf.to_vec() });
        }
    }
    Err(broken())
}

fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a record is not what was written")
}

fn read_at_most(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
