//! The block of the index that is being filled.

use rusqlite::{OptionalExtension, Transaction};

use super::places::{BLOCK, Places, span_of};

/// A term of the public part, or of the personal part of one subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Posting {
    Public(i64),
    Personal { term: i64, pid: i64 },
}

/// What is known of the records of one block.
#[derive(Debug)]
pub(super) struct Filling {
    block: u64,
    /// Whether the database may hold some of it already.
    is_begun: bool,
    /// What is not written yet, on top of what the database holds.
    postings: Vec<(Posting, u64)>,
    times: Option<(i64, i64)>,
}

impl Filling {
    /// The block of record `seq`; an index that ends there may have begun it.
    pub(super) fn of(seq: u64) -> Self {
        let is_begun = !seq.is_multiple_of(BLOCK);
        Self { block: seq / BLOCK, is_begun, postings: Vec::new(), times: None }
    }

    /// Whether a record belongs to this block.
    pub(super) fn holds(&self, seq: u64) -> bool {
        seq / BLOCK == self.block
    }

    pub(super) fn add(&mut self, seq: u64, posting: Posting) {
        self.postings.push((posting, seq % BLOCK));
    }

    pub(super) fn add_time(&mut self, time: i64) {
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
    }

    /// Writes what was added since the last time, in the order of the table.
    pub(super) fn write(&mut self, db: &Transaction<'_>) -> rusqlite::Result<()> {
        let block = self.block.cast_signed();
        let span = span_of(self.block).cast_signed();
        if let Some((first, last)) = self.times.take() {
            db.prepare_cached(
                "INSERT INTO block VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET
                 first = min(first, excluded.first), last = max(last, excluded.last)",
            )?
            .execute((block, first, last))?;
        }
        self.postings.sort_unstable_by_key(|(posting, _)| *posting);
        let mut public =
            db.prepare_cached("INSERT OR REPLACE INTO posting VALUES (?1, ?2, ?3, ?4)")?;
        let mut public_before = db.prepare_cached(
            "SELECT places FROM posting WHERE span = ?1 AND term = ?2 AND block = ?3",
        )?;
        let mut personal =
            db.prepare_cached("INSERT OR REPLACE INTO personal VALUES (?1, ?2, ?3, ?4, ?5)")?;
        let mut personal_before = db.prepare_cached(
            "SELECT places FROM personal
             WHERE span = ?1 AND term = ?2 AND block = ?3 AND pid = ?4",
        )?;
        let blob = |row: &rusqlite::Row<'_>| row.get::<_, Vec<u8>>(0);
        for same in self.postings.chunk_by(|(one, _), (other, _)| one == other) {
            let Some((posting, _)) = same.first().copied() else { continue };
            let mut places = Places::NONE;
            for (_, place) in same {
                places.add(*place);
            }
            let before = match posting {
                _ if !self.is_begun => None,
                Posting::Public(term) => {
                    public_before.query_row((span, term, block), blob).optional()?
                }
                Posting::Personal { term, pid } => {
                    personal_before.query_row((span, term, block, pid), blob).optional()?
                }
            };
            places.add_bytes(&before.unwrap_or_default());
            match posting {
                Posting::Public(term) => public.execute((span, term, block, places.to_bytes()))?,
                Posting::Personal { term, pid } => {
                    personal.execute((span, term, block, pid, places.to_bytes()))?
                }
            };
        }
        self.postings.clear();
        self.is_begun = true;
        Ok(())
    }
}
