//! The span of the index that is being filled.
//!
//! What comes in pieces is written block by block, so that little is written again and again. When the span is full,
//! all of it is written as one, in the transaction that takes in its last record, and its blocks go: where an index
//! is tells which of its spans are full. A span that is read at once is never in blocks.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction};

use super::places::BLOCK;
use super::postings::{At, Entries, Posting, sorted, to_bytes};
use super::stretch::{Stretch, page_at};
use super::summary::{self, People, Summary};
use super::{Hit, events, owners, sums};

/// What is known of the records of one span.
#[derive(Debug)]
pub(super) struct Filling {
    span: Stretch,
    /// The records that the database holds, in blocks.
    held: Range<u64>,
    /// The record behind the last that was added.
    next: u64,
    /// The oldest record that the index holds, or will.
    oldest: u64,
    /// Of the public parts, what is not written yet, by the pages of the span.
    public: Vec<Vec<Posting>>,
    /// The same of the personal parts, by whose they are.
    personal: HashMap<i64, Vec<Posting>>,
    /// When the first and the last event was, by the blocks.
    times: BTreeMap<Stretch, (i64, i64)>,
    events: Vec<Hit>,
    /// Who is known to have a term somewhere in this span.
    owners: HashSet<owners::Key>,
}

impl Filling {
    /// The span that goes on with record `next`, of which the index holds what is from `oldest` on.
    pub(super) fn of(next: u64, oldest: u64) -> Self {
        let span = Stretch::span_of(next);
        let pages = usize::try_from(span.pages()).unwrap_or_default();
        Self {
            span,
            held: span.first().max(oldest).min(next)..next,
            next,
            oldest,
            public: vec![Vec::new(); pages],
            personal: HashMap::new(),
            times: BTreeMap::new(),
            events: Vec::new(),
            owners: HashSet::new(),
        }
    }

    /// How many records may be added before it has to be written, when so many are durable: the rest of
    /// the span if there is nothing of it yet, else of the block.
    pub(super) fn wanted(&self, durable: u64) -> u64 {
        let is_at_once = self.held.is_empty() && durable >= self.span.end();
        let end = if is_at_once { self.span.end() } else { Stretch::block_of(self.next).end() };
        end - self.next
    }

    /// The database may have lost what was before `before`, and some of whom it knew to have a term.
    pub(super) fn lost(&mut self, before: u64) {
        self.owners.clear();
        self.oldest = self.oldest.max(before);
        self.held.start = self.held.start.max(before).min(self.held.end);
    }

    /// Goes on with the next record.
    pub(super) fn begin(&mut self, seq: u64) {
        self.next = seq + 1;
    }

    /// Adds when and where the event is that was begun.
    pub(super) fn add_event(&mut self, event: Hit) {
        summary::add(
            self.times.entry(Stretch::block_of(event.seq)).or_insert(summary::NEVER),
            event.time,
        );
        self.events.push(event);
    }

    /// Adds a term of the public part.
    pub(super) fn add(&mut self, seq: u64, term: i64) {
        let term = sorted(term);
        let page = usize::try_from(self.span.page_of(term) - self.span.page(0));
        if let Some(page) = page.ok().and_then(|page| self.public.get_mut(page)) {
            page.push((term, self.span.place(seq)));
        }
    }

    /// Adds terms that stem from the personal part of whose pseudonym has this term.
    pub(super) fn add_personal(&mut self, seq: u64, terms: &[i64], pid: i64) {
        let place = self.span.place(seq);
        let all = terms.iter().map(|term| (sorted(*term), place));
        self.personal.entry(pid).or_default().extend(all);
    }

    /// Writes what was added since the last time. A span that is full with it is left for the next.
    pub(super) fn write(&mut self, db: &Transaction<'_>) -> rusqlite::Result<()> {
        let new = self.held.end..self.next;
        self.write_events(db, new.clone())?;
        for all in self.personal.values_mut() {
            all.sort_unstable();
        }
        self.write_owners(db)?;
        if self.next == self.span.end() {
            self.write_span(db)?;
            *self = Self::of(self.next, self.oldest);
            return Ok(());
        }
        let first = new.start / BLOCK * BLOCK;
        for start in (first..new.end).step_by(usize::try_from(BLOCK).unwrap_or(usize::MAX)) {
            self.write_block(db, Stretch::block_of(start))?;
        }
        self.public.iter_mut().for_each(Vec::clear);
        self.personal.clear();
        self.times.clear();
        self.held.end = self.next;
        Ok(())
    }

    fn write_events(&mut self, db: &Transaction<'_>, new: Range<u64>) -> rusqlite::Result<()> {
        let mut put = db.prepare_cached("INSERT OR REPLACE INTO event VALUES (?1, ?2)")?;
        let mut added = self.events.drain(..).peekable();
        for page in events::page_of(new.start)..=events::page_of(new.end.saturating_sub(1)) {
            let is_begun = !self.held.is_empty() && events::page_of(new.start - 1) == page;
            let mut all = if is_begun { events::load(db, page)? } else { Vec::new() };
            while let Some(event) = added.next_if(|event| events::page_of(event.seq) == page) {
                all.push(event);
            }
            put.execute((page, events::to_bytes(page, &all)))?;
        }
        Ok(())
    }

    /// Notes in whose personal parts of this group of spans a term is.
    fn write_owners(&mut self, db: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut new = Vec::new();
        for (pid, all) in &self.personal {
            for same in all.chunk_by(|one, other| one.0 == other.0) {
                new.extend(same.first().map(|(term, _)| (term.cast_signed(), *pid)));
            }
        }
        new.retain(|owner| self.owners.insert(*owner));
        if self.oldest.max(self.span.group_first()) >= self.held.end {
            owners::begin(db, self.span)?;
        }
        new.sort_unstable();
        owners::add(db, self.span, &new)
    }

    /// Writes all of the span as one, with what there is in blocks, which go.
    fn write_span(&mut self, db: &Transaction<'_>) -> rusqlite::Result<()> {
        let held = self.held_blocks();
        let mut times =
            self.times.values().fold(summary::NEVER, |all, some| summary::both(all, *some));
        for block in &held {
            times = summary::both(times, Summary::load(db, *block)?.times);
        }
        let mut put = db.prepare_cached(PUT_PAGE)?;
        let per_page =
            self.public.len() / usize::try_from(Stretch::block_of(0).pages()).unwrap_or(1);
        let span = self.span;
        for (within, some) in (0..).zip(self.public.chunks_mut(per_page)) {
            for block in &held {
                read_page(db, *block, within, &mut |seq, term| {
                    let page = usize::try_from(span.page_of(term) - span.page(0)).ok();
                    let page = page.and_then(|page| some.get_mut(page % per_page));
                    if let Some(page) = page {
                        page.push((term, span.place(seq)));
                    }
                })?;
            }
            for (of_span, page) in (within * per_page as u64..).zip(some) {
                page.sort_unstable();
                let number = span.page(of_span);
                put.execute((number, to_bytes(At::Page(span, number), page)))?;
            }
        }
        let people = self.write_people(db, &held)?;
        Summary { times, people }.write(db, span)?;
        let blocks = span.blocks();
        let pages = (page_at(blocks.start), page_at(blocks.end));
        db.execute("DELETE FROM posting WHERE page >= ?1 AND page < ?2", pages)?;
        for table in ["personal", "stretch"] {
            let old = format!("DELETE FROM {table} WHERE stretch >= ?1 AND stretch < ?2");
            db.execute(&old, (blocks.start, blocks.end))?;
        }
        Ok(())
    }

    /// Writes what stems from each person in the span. Says who they are.
    fn write_people(&mut self, db: &Transaction<'_>, held: &[Stretch]) -> rusqlite::Result<People> {
        let span = self.span;
        for block in held {
            each_person(db, *block, &mut |pid, entries| {
                let all = self.personal.entry(pid).or_default();
                entries.each(*block, 0, &mut |seq, term| all.push((term, span.place(seq))));
            })?;
        }
        let mut put = db.prepare_cached(PUT_PERSON)?;
        // Of some there is a personal part in which no term is.
        let mut all: Vec<_> = self.personal.iter_mut().filter(|(_, all)| !all.is_empty()).collect();
        all.sort_unstable_by_key(|(pid, _)| **pid);
        let mut people = People::default();
        for (pid, all) in all {
            all.sort_unstable();
            people.add(*pid);
            put.execute((span.number(), pid, to_bytes(At::Person(span, *pid), all)))?;
        }
        Ok(people)
    }

    /// The blocks of which the database holds something.
    fn held_blocks(&self) -> Vec<Stretch> {
        let blocks = self.span.blocks().map(Stretch::of_number);
        blocks.filter(|block| self.holds(*block)).collect()
    }

    fn holds(&self, block: Stretch) -> bool {
        !self.held.is_empty() && self.held.start < block.end() && block.first() < self.held.end
    }

    /// Writes what is new in a block.
    fn write_block(&self, db: &Transaction<'_>, block: Stretch) -> rusqlite::Result<()> {
        let is_begun = self.holds(block);
        let new = self.times.get(&block).copied().unwrap_or(summary::NEVER);
        let old = if is_begun { Summary::load(db, block)? } else { Summary::empty() };
        let mut put = db.prepare_cached(PUT_PAGE)?;
        let per_page = self.public.len() / usize::try_from(block.pages()).unwrap_or(1);
        for (within, some) in (0..).zip(self.public.chunks(per_page)) {
            let mut all = self.in_block(block, &some.concat());
            if is_begun {
                if all.is_empty() {
                    continue;
                }
                read_page(db, block, within, &mut |seq, term| all.push((term, block.place(seq))))?;
            }
            all.sort_unstable();
            let number = block.page(within);
            put.execute((number, to_bytes(At::Page(block, number), &all)))?;
        }
        let people = self.write_people_of_block(db, block, old.people)?;
        Summary { times: summary::both(old.times, new), people }.write(db, block)
    }

    /// Writes what is new of people in a block that has something of these. Says of whom it has something then.
    fn write_people_of_block(
        &self,
        db: &Transaction<'_>,
        block: Stretch,
        mut people: People,
    ) -> rusqlite::Result<People> {
        let is_begun = self.holds(block);
        let mut before = db.prepare_cached(PERSON)?;
        let mut put = db.prepare_cached(PUT_PERSON)?;
        let mut some: Vec<_> = self.personal.iter().collect();
        some.sort_unstable_by_key(|(pid, _)| **pid);
        for (pid, all) in some {
            let mut all = self.in_block(block, all);
            if all.is_empty() {
                continue;
            }
            let at = At::Person(block, *pid);
            let there = if is_begun { blob(&mut before, (block.number(), pid))? } else { None };
            if let Some(there) = there {
                let each = &mut |seq, term| all.push((term, block.place(seq)));
                Entries::of(at, &there)?.each(block, 0, each);
                all.sort_unstable();
            } else {
                people.add(*pid);
            }
            put.execute((block.number(), pid, to_bytes(at, &all)))?;
        }
        Ok(people)
    }

    /// Those of the postings of this span that are in a block, as they stand there.
    fn in_block(&self, block: Stretch, all: &[Posting]) -> Vec<Posting> {
        let place = |place: &u16| {
            let seq = self.span.first() + u64::from(*place);
            (Stretch::block_of(seq) == block).then(|| block.place(seq))
        };
        all.iter().filter_map(|(term, at)| Some((*term, place(at)?))).collect()
    }
}

/// Takes a page of terms.
pub(super) const PAGE: &str = "SELECT entries FROM posting WHERE page = ?1";
/// Takes what stems from a person in a stretch.
pub(super) const PERSON: &str = "SELECT entries FROM personal WHERE stretch = ?1 AND pid = ?2";
/// Puts a page of terms.
pub(super) const PUT_PAGE: &str = "INSERT OR REPLACE INTO posting VALUES (?1, ?2)";
/// Puts what stems from a person in a stretch.
pub(super) const PUT_PERSON: &str = "INSERT OR REPLACE INTO personal VALUES (?1, ?2, ?3)";

/// Shows what stands in a page: every page of a stretch is there.
pub(super) fn read_page(
    db: &Transaction<'_>,
    stretch: Stretch,
    within: u64,
    each: &mut dyn FnMut(u64, u64),
) -> rusqlite::Result<()> {
    let number = stretch.page(within);
    let there = blob(&mut db.prepare_cached(PAGE)?, [number])?;
    let there = there.ok_or_else(|| sums::damaged("posting"))?;
    Entries::of(At::Page(stretch, number), &there)?.each(stretch, 0, each);
    Ok(())
}

/// Shows what stems from each person in a stretch. Nobody may be missing.
pub(super) fn each_person(
    db: &Connection,
    stretch: Stretch,
    each: &mut dyn FnMut(i64, Entries<'_>),
) -> rusqlite::Result<()> {
    let mut all = db.prepare_cached("SELECT pid, entries FROM personal WHERE stretch = ?1")?;
    let mut rows = all.query([stretch.number()])?;
    let mut people = People::default();
    while let Some(row) = rows.next()? {
        let pid = row.get(0)?;
        people.add(pid);
        each(pid, Entries::of(At::Person(stretch, pid), row.get_ref(1)?.as_blob()?)?);
    }
    people.check(stretch, db)
}

fn blob(
    one: &mut CachedStatement<'_>,
    of: impl rusqlite::Params,
) -> rusqlite::Result<Option<Vec<u8>>> {
    one.query_row(of, |row| row.get(0)).optional()
}
