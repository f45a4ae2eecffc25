//! The block of the index that is being filled.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Row, Transaction};

use super::places::{BLOCK, span_of};
use super::postings::{self, Posting, page_of, page_within, place_of, sorted};

/// What is known of the records of one block.
#[derive(Debug)]
pub(super) struct Filling {
    block: u64,
    /// Whether the database may hold some of it already.
    is_begun: bool,
    /// Of the public parts, what is not written yet, on top of what the database holds.
    public: Vec<Posting>,
    /// The same of the personal parts, with whose they are.
    personal: Vec<(i64, Posting)>,
    /// Who is known to have a term somewhere in this span.
    owners: HashSet<(u64, i64)>,
    times: Option<(i64, i64)>,
}

impl Filling {
    /// The block of record `seq`; an index that ends there may have begun it.
    pub(super) fn of(seq: u64) -> Self {
        Self {
            block: seq / BLOCK,
            is_begun: !seq.is_multiple_of(BLOCK),
            public: Vec::new(),
            personal: Vec::new(),
            owners: HashSet::new(),
            times: None,
        }
    }

    /// Whether a record belongs to this block.
    pub(super) fn holds(&self, seq: u64) -> bool {
        seq / BLOCK == self.block
    }

    /// Goes on with the block that begins with record `seq`; this one has to be written.
    pub(super) fn go_on(&mut self, seq: u64) {
        if span_of(seq / BLOCK) != span_of(self.block) {
            self.owners.clear();
        }
        self.block = seq / BLOCK;
        self.is_begun = false;
    }

    /// The database may have lost some of whom it knew to have a term.
    pub(super) fn forget_owners(&mut self) {
        self.owners.clear();
    }

    pub(super) fn add(&mut self, seq: u64, term: i64) {
        self.public.push((sorted(term), place_of(seq)));
    }

    pub(super) fn add_personal(&mut self, seq: u64, term: i64, pid: i64) {
        self.personal.push((pid, (sorted(term), place_of(seq))));
    }

    pub(super) fn add_time(&mut self, time: i64) {
        let (first, last) = self.times.unwrap_or((time, time));
        self.times = Some((first.min(time), last.max(time)));
    }

    /// Writes what was added since the last time, in the order of the tables.
    pub(super) fn write(&mut self, db: &Transaction<'_>) -> rusqlite::Result<()> {
        if let Some((first, last)) = self.times.take() {
            db.prepare_cached(
                "INSERT INTO block VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET
                 first = min(first, excluded.first), last = max(last, excluded.last)",
            )?
            .execute((self.block.cast_signed(), first, last))?;
        }
        self.write_public(db)?;
        self.write_personal(db)?;
        self.is_begun = true;
        Ok(())
    }

    fn write_public(&mut self, db: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut new = std::mem::take(&mut self.public);
        new.sort_unstable();
        let mut before = db.prepare_cached("SELECT entries FROM posting WHERE page = ?1")?;
        let mut put = db.prepare_cached("INSERT OR REPLACE INTO posting VALUES (?1, ?2)")?;
        for page in new.chunk_by(|one, other| page_within(one.0) == page_within(other.0)) {
            let Some((term, _)) = page.first() else { continue };
            let number = page_of(self.block, page_within(*term));
            let there =
                if self.is_begun { before.query_row([number], blob).optional()? } else { None };
            put.execute((number, merged(there, page.iter().copied())))?;
        }
        new.clear();
        self.public = new;
        Ok(())
    }

    fn write_personal(&mut self, db: &Transaction<'_>) -> rusqlite::Result<()> {
        let block = self.block.cast_signed();
        let mut new = std::mem::take(&mut self.personal);
        new.sort_unstable();
        let mut before =
            db.prepare_cached("SELECT entries FROM personal WHERE block = ?1 AND pid = ?2")?;
        let mut put = db.prepare_cached("INSERT OR REPLACE INTO personal VALUES (?1, ?2, ?3)")?;
        for person in new.chunk_by(|one, other| one.0 == other.0) {
            let Some((pid, _)) = person.first() else { continue };
            let there =
                if self.is_begun { before.query_row((block, pid), blob).optional()? } else { None };
            put.execute((block, pid, merged(there, person.iter().map(|(_, posting)| *posting))))?;
        }
        let mut owners: Vec<(u64, i64)> =
            new.iter().map(|(pid, (term, _))| (*term, *pid)).collect();
        owners.retain(|owner| self.owners.insert(*owner));
        owners.sort_unstable();
        let mut put = db.prepare_cached("INSERT OR IGNORE INTO owner VALUES (?1, ?2, ?3)")?;
        let span = span_of(self.block).cast_signed();
        for (term, pid) in owners {
            put.execute((span, term.cast_signed(), pid))?;
        }
        new.clear();
        self.personal = new;
        Ok(())
    }
}

/// What is there already, and these, which are sorted.
fn merged(there: Option<Vec<u8>>, new: impl Iterator<Item = Posting>) -> Vec<u8> {
    let mut all: Vec<Posting> = new.collect();
    if let Some(there) = there {
        postings::read(&there, &mut all);
        all.sort_unstable();
    }
    postings::to_bytes(&all)
}

fn blob(row: &Row<'_>) -> rusqlite::Result<Vec<u8>> {
    row.get(0)
}
