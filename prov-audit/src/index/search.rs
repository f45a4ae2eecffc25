//! Looking for events, block by block, the newest first.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Rows};

use super::places::{BLOCK, Places, SPAN, span_of};
use super::postings::{Entries, block_of, page_of, page_within, pages_between, sorted};
use super::schema::open_to_read;

/// More owners of a term than this are not looked up one by one.
const MANY: usize = 32;

/// What must be true of an event.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// All of these; of everything when there are none.
    All(Vec<Self>),
    /// One of these at least.
    Any(Vec<Self>),
    /// Not this.
    Not(Box<Self>),
    /// Every action below this prefix.
    ActionBelow(String),
    /// It has one of these terms.
    Has {
        /// Terms from the public part.
        public: Vec<i64>,
        /// Terms from the personal part.
        personal: Vec<i64>,
    },
    /// It happened then: microseconds, both inclusive.
    Between(i64, i64),
}

impl Condition {
    /// It has this term in its public part.
    pub(crate) fn public(term: i64) -> Self {
        Self::Has { public: vec![term], personal: Vec::new() }
    }

    /// What is never true.
    pub(crate) fn never() -> Self {
        Self::Any(Vec::new())
    }
}

/// Where an event lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) seq: u64,
    pub(crate) time: i64,
    pub(crate) segment: u64,
    pub(crate) place: u64,
}

/// What a search came to.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The newest first.
    pub(crate) hits: Vec<Hit>,
    /// Where it stopped for want of time: nothing below was looked at. With the time of the event
    /// there.
    pub(crate) stopped: Option<(u64, i64)>,
}

/// One open index, to be read.
pub(crate) struct Searching<'a> {
    db: Connection,
    size: u64,
    /// The oldest record that was not pruned.
    oldest: u64,
    term_of: &'a dyn Fn(&str) -> i64,
    deadline: Instant,
}

impl<'a> Searching<'a> {
    /// Opens the index in this file, for at most this long.
    pub(crate) fn open(
        file: &Path,
        longest: Duration,
        term_of: &'a dyn Fn(&str) -> i64,
    ) -> rusqlite::Result<Self> {
        let db = open_to_read(file)?;
        let size = db.query_row("SELECT size FROM meta", [], |row| row.get::<_, i64>(0))?;
        let oldest = db.query_row("SELECT min(seq) FROM event", [], |row| row.get(0))?;
        let oldest = Option::<i64>::map_or(oldest, 0, i64::cast_unsigned);
        let (size, deadline) = (size.cast_unsigned(), Instant::now() + longest);
        Ok(Self { db, size, oldest, term_of, deadline })
    }

    /// The newest events before `before` that meet the condition.
    pub(crate) fn search(
        &self,
        condition: &Condition,
        before: u64,
        limit: usize,
    ) -> rusqlite::Result<Found> {
        let mut found = Found::default();
        let stopped = self.each_block(condition, before, &mut |block, places| {
            for place in places.descending() {
                if found.hits.len() >= limit {
                    return Ok(false);
                }
                found.hits.extend(self.event(block * BLOCK + place)?);
            }
            Ok(found.hits.len() < limit)
        })?;
        if let Some(seq) = stopped {
            found.stopped = Some((seq, self.event(seq)?.map_or(i64::MIN, |hit| hit.time)));
        }
        Ok(found)
    }

    /// How many events meet each of these conditions together with `all`; and how far it got, when
    /// time ran out.
    pub(crate) fn count(
        &self,
        all: &Condition,
        each: &[Condition],
    ) -> rusqlite::Result<(Vec<u64>, Option<u64>)> {
        let mut counts = vec![0; each.len()];
        let each: Vec<Condition> =
            each.iter().map(|c| self.prepared(c)).collect::<Result<_, _>>()?;
        let stopped = self.each_block(all, u64::MAX, &mut |block, places| {
            for (count, condition) in counts.iter_mut().zip(&each) {
                let mut both = self.places(condition, block)?;
                both.and(places);
                *count += both.count();
            }
            Ok(true)
        })?;
        Ok((counts, stopped))
    }

    /// Shows every block in which the condition is met somewhere, until told to stop. Gives where it
    /// stopped when time ran out.
    fn each_block(
        &self,
        condition: &Condition,
        before: u64,
        each: &mut dyn FnMut(u64, &Places) -> rusqlite::Result<bool>,
    ) -> rusqlite::Result<Option<u64>> {
        let condition = self.prepared(condition)?;
        let end = before.min(self.size);
        let mut next = end.checked_sub(1).map(|last| last / BLOCK);
        while let Some(from) = next {
            if Instant::now() >= self.deadline {
                return Ok(Some(end.min((from + 1) * BLOCK)));
            }
            let Some(block) = self.candidate(&condition, from)? else { return Ok(None) };
            let mut places = self.places(&condition, block)?;
            let start = self.oldest.saturating_sub(block * BLOCK).min(BLOCK);
            places.and(&Places::between(start, end.saturating_sub(block * BLOCK).min(BLOCK)));
            if !places.is_empty() && !each(block, &places)? {
                return Ok(None);
            }
            next = block.checked_sub(1);
        }
        Ok(None)
    }

    /// The condition with every action below a prefix by its own name.
    fn prepared(&self, condition: &Condition) -> rusqlite::Result<Condition> {
        let all = |all: &[Condition]| {
            all.iter().map(|one| self.prepared(one)).collect::<rusqlite::Result<Vec<_>>>()
        };
        Ok(match condition {
            Condition::All(some) => Condition::All(all(some)?),
            Condition::Any(some) => Condition::Any(all(some)?),
            Condition::Not(one) => Condition::Not(Box::new(self.prepared(one)?)),
            Condition::ActionBelow(prefix) => {
                let public = self.actions_below(prefix)?;
                Condition::Has { public, personal: Vec::new() }
            }
            other => other.clone(),
        })
    }

    fn actions_below(&self, prefix: &str) -> rusqlite::Result<Vec<i64>> {
        let mut all = self.db.prepare_cached("SELECT DISTINCT action FROM tally")?;
        let names = all.query_map([], |row| row.get::<_, String>(0))?;
        let mut terms = Vec::new();
        for name in names {
            let name = name?;
            if name.starts_with(prefix) {
                terms.push((self.term_of)(&name));
            }
        }
        Ok(terms)
    }

    /// The newest block up to `from` in which the condition may be met.
    fn candidate(&self, condition: &Condition, from: u64) -> rusqlite::Result<Option<u64>> {
        match condition {
            Condition::Has { public, personal } => {
                let mut newest = None;
                for term in public {
                    newest = newest.max(self.newest(sorted(*term), from, newest)?);
                }
                for term in personal {
                    newest = newest.max(self.newest_owned(*term, from, newest)?);
                }
                Ok(newest)
            }
            Condition::All(all) => {
                let mut block = from;
                loop {
                    let start = block;
                    for one in all {
                        let Some(next) = self.candidate(one, block)? else { return Ok(None) };
                        block = next;
                    }
                    if block == start {
                        return Ok(Some(block));
                    }
                }
            }
            Condition::Any(any) => {
                let mut newest = None;
                for one in any {
                    newest = newest.max(self.candidate(one, from)?);
                }
                Ok(newest)
            }
            Condition::Between(first, last) => self
                .db
                .prepare_cached(
                    "SELECT block FROM block WHERE block <= ?1 AND last >= ?2 AND first <= ?3
                     ORDER BY block DESC LIMIT 1",
                )?
                .query_row((from.cast_signed(), first, last), |row| row.get::<_, i64>(0))
                .optional()
                .map(|block| block.map(i64::cast_unsigned)),
            Condition::Not(_) | Condition::ActionBelow(_) => Ok(Some(from)),
        }
    }

    /// The newest block up to `from`, and not before `least`, that has this term in public: span by span.
    fn newest(&self, term: u64, from: u64, least: Option<u64>) -> rusqlite::Result<Option<u64>> {
        let mut in_span = self.db.prepare_cached(
            "SELECT page, entries FROM posting WHERE page BETWEEN ?1 AND ?2 ORDER BY page DESC",
        )?;
        for (first, last) in self.spans(from, least) {
            let mut pages = in_span.query(pages_between(first, last, term))?;
            while let Some(page) = pages.next()? {
                if Entries::of(page.get_ref(1)?.as_blob()?).find(term).is_some() {
                    return Ok(Some(block_of(page.get(0)?)));
                }
            }
        }
        Ok(None)
    }

    /// The newest block up to `from`, and not before `least`, in whose span somebody has this term.
    fn newest_owned(
        &self,
        term: i64,
        from: u64,
        least: Option<u64>,
    ) -> rusqlite::Result<Option<u64>> {
        let mut owner = self
            .db
            .prepare_cached("SELECT pid FROM owner WHERE span = ?1 AND term = ?2 LIMIT 1")?;
        for (_, last) in self.spans(from, least) {
            if owner.exists((span_of(last).cast_signed(), term))? {
                return Ok(Some(last));
            }
        }
        Ok(None)
    }

    /// The first and last blocks of every span down from `from` to `least`.
    fn spans(&self, from: u64, least: Option<u64>) -> impl Iterator<Item = (u64, u64)> + use<> {
        let least = least.unwrap_or(self.oldest / BLOCK);
        let spans = (span_of(least)..=span_of(from)).rev();
        spans.map(move |span| (span * SPAN, from.min(span * SPAN + SPAN - 1)))
    }

    /// Where in a block the condition is met.
    fn places(&self, condition: &Condition, block: u64) -> rusqlite::Result<Places> {
        let mut places;
        match condition {
            Condition::All(all) => {
                places = Places::ALL;
                for one in all {
                    if places.is_empty() {
                        break;
                    }
                    places.and(&self.places(one, block)?);
                }
            }
            Condition::Any(any) => {
                places = Places::NONE;
                for one in any {
                    places.or(&self.places(one, block)?);
                }
            }
            Condition::Not(one) => {
                places = self.places(one, block)?;
                places.invert();
            }
            Condition::Has { public, personal } => {
                places = Places::NONE;
                let mut page =
                    self.db.prepare_cached("SELECT entries FROM posting WHERE page = ?1")?;
                for term in public {
                    let term = sorted(*term);
                    add_found(&mut places, page.query([page_of(block, page_within(term))])?, term)?;
                }
                for term in personal {
                    self.add_personal(&mut places, block, *term)?;
                }
            }
            Condition::Between(first, last) => places = self.between(block, *first, *last)?,
            Condition::ActionBelow(_) => places = Places::NONE,
        }
        Ok(places)
    }

    /// Adds where in a block this term stems from somebody's personal part.
    fn add_personal(&self, places: &mut Places, block: u64, term: i64) -> rusqlite::Result<()> {
        let mut owners =
            self.db.prepare_cached("SELECT pid FROM owner WHERE span = ?1 AND term = ?2")?;
        let asked = (span_of(block).cast_signed(), term);
        let owners = owners.query_map(asked, |row| row.get(0))?.take(MANY + 1);
        let owners: Vec<i64> = owners.collect::<Result<_, _>>()?;
        let (block, term) = (block.cast_signed(), sorted(term));
        if owners.len() > MANY {
            let mut all =
                self.db.prepare_cached("SELECT entries FROM personal WHERE block = ?1")?;
            return add_found(places, all.query([block])?, term);
        }
        let mut one =
            self.db.prepare_cached("SELECT entries FROM personal WHERE block = ?1 AND pid = ?2")?;
        for pid in owners {
            add_found(places, one.query((block, pid))?, term)?;
        }
        Ok(())
    }

    fn between(&self, block: u64, first: i64, last: i64) -> rusqlite::Result<Places> {
        let known: Option<(i64, i64)> = self
            .db
            .prepare_cached("SELECT first, last FROM block WHERE block = ?1")?
            .query_row([block.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        match known {
            None => return Ok(Places::NONE),
            Some((from, to)) if from >= first && to <= last => return Ok(Places::ALL),
            Some((from, to)) if to < first || from > last => return Ok(Places::NONE),
            Some(_) => {}
        }
        let mut places = Places::NONE;
        let mut events =
            self.db.prepare_cached("SELECT seq, time FROM event WHERE seq >= ?1 AND seq < ?2")?;
        let start = (block * BLOCK).cast_signed();
        let mut rows = events.query((start, start + BLOCK.cast_signed()))?;
        while let Some(row) = rows.next()? {
            let time: i64 = row.get(1)?;
            if (first..=last).contains(&time) {
                places.add((row.get::<_, i64>(0)? - start).cast_unsigned());
            }
        }
        Ok(places)
    }

    fn event(&self, seq: u64) -> rusqlite::Result<Option<Hit>> {
        self.db
            .prepare_cached("SELECT seq, time, segment, place FROM event WHERE seq = ?1")?
            .query_row([seq.cast_signed()], |row| {
                Ok(Hit {
                    seq: row.get::<_, i64>(0)?.cast_unsigned(),
                    time: row.get(1)?,
                    segment: row.get::<_, i64>(2)?.cast_unsigned(),
                    place: row.get::<_, i64>(3)?.cast_unsigned(),
                })
            })
            .optional()
    }
}

/// Adds the places of a term in the entries of these rows.
fn add_found(places: &mut Places, mut rows: Rows<'_>, term: u64) -> rusqlite::Result<()> {
    while let Some(row) = rows.next()? {
        if let Some(found) = Entries::of(row.get_ref(0)?.as_blob()?).find(term) {
            places.add_bytes(found);
        }
    }
    Ok(())
}

/// How many events by action and outcome.
pub(crate) fn tally(file: &Path) -> rusqlite::Result<Vec<(String, String, u64)>> {
    let db = open_to_read(file)?;
    let mut all = db.prepare("SELECT action, outcome, count FROM tally")?;
    let rows = all.query_map([], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?.cast_unsigned()))
    })?;
    rows.collect()
}
