//! Reading the raw leaves, in order.

use std::ops::Range;
use std::path::PathBuf;

use prov_core::Result;
use prov_core::audit::RetentionClass;

use super::{Log, blocking};
use crate::files::io_error;
use crate::merkle::{Hash, leaf_hash};
use crate::segment::SegmentCursor;

/// One leaf: the exact bytes that are in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExportedLeaf {
    /// Its place in its log.
    pub seq: u64,
    /// Its hash (RFC 6962, section 2.1).
    pub hash: Hash,
    /// The bytes: JSON, with the personal part sealed.
    pub leaf: Vec<u8>,
}

impl ExportedLeaf {
    /// A leaf from its place and its bytes; the hash follows from them.
    #[must_use]
    pub fn new(seq: u64, leaf: Vec<u8>) -> Self {
        Self { seq, hash: leaf_hash(&leaf), leaf }
    }
}

/// Reads leaves in order, up to what was durable when it was made.
#[derive(Debug)]
pub struct LeafReader {
    cursor: Option<SegmentCursor>,
    until: u64,
}

#[cfg(feature = "sqlite-index")]
impl Log {
    /// A reader of the leaves of a joined log by its name, of whichever node, from number `from` on; of none
    /// where that is behind its end.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_LOG`](crate::codes::UNKNOWN_LOG) for a log that is not joined; as [`Log::leaves`].
    pub async fn joined_leaves(&self, origin: &str, from: u64) -> Result<LeafReader> {
        let source = self.source(origin)?;
        let until = source.durable().size();
        LeafReader::open(source.dir, from, until).await
    }
}

impl Log {
    /// A reader of the leaves of a class from number `from` on; of none where that is behind its end.
    ///
    /// # Errors
    /// When the segments can't be read.
    pub async fn leaves(&self, class: RetentionClass, from: u64) -> Result<LeafReader> {
        let journal = self.journals.of(class);
        let (dir, until) = (journal.dir().to_owned(), journal.durable().size());
        LeafReader::open(dir, from, until).await
    }
}

impl LeafReader {
    /// From the end on, or from behind it, there is nothing to be read.
    async fn open(dir: PathBuf, from: u64, until: u64) -> Result<Self> {
        if from >= until {
            return Ok(Self { cursor: None, until });
        }
        let cursor = blocking(move || {
            SegmentCursor::at(&dir, from).map_err(|e| io_error(e, "opening a segment"))
        });
        Ok(Self { cursor: Some(cursor.await?), until })
    }

    /// From which number on it reads, and before which it ends: what was pruned is not there.
    #[must_use]
    pub fn range(&self) -> Range<u64> {
        let from = self.cursor.as_ref().map_or(self.until, SegmentCursor::next_seq);
        from.min(self.until)..self.until
    }

    /// Ends before this number.
    pub fn end_at(&mut self, end: u64) {
        self.until = self.until.min(end);
    }

    /// The next leaves, a few hundred at most; none at the end.
    ///
    /// # Errors
    /// When a record is not what was written.
    pub async fn next(&mut self) -> Result<Vec<ExportedLeaf>> {
        // Absent when there was nothing to read, or an earlier call failed or was dropped: then nothing more can be read.
        let Some(mut cursor) = self.cursor.take() else { return Ok(Vec::new()) };
        let until = self.until;
        let (cursor, leaves) = blocking(move || {
            let records = cursor.read(until, 512).map_err(|e| io_error(e, "reading a segment"))?;
            let leaves = records.into_iter().map(|r| ExportedLeaf::new(r.seq, r.leaf)).collect();
            Ok((cursor, leaves))
        })
        .await?;
        self.cursor = Some(cursor);
        Ok(leaves)
    }
}
