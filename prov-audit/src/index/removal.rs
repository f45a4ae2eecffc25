//! Taking people and old events out of the index.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Transaction};

use super::filling::{PAGE, PERSON, PUT_PAGE, PUT_PERSON, each_person, read_page};
use super::places::Places;
use super::postings::{At, Entries, Posting, sorted, to_bytes};
use super::schema::Position;
use super::search::find_in_page;
use super::stretch::{Stretch, page_at};
use super::summary::{self, People, Summary};
use super::{counts, events, owners, persons};

/// After so many terms were taken out, and those of the span that they end in, what was done so far is committed:
/// whoever waits for something else comes between.
#[cfg(not(test))]
pub(super) const AT_ONCE: usize = 4096;
#[cfg(test)]
pub(super) const AT_ONCE: usize = 1;

/// What was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// There was something.
    pub(super) any: bool,
    /// Nothing is left.
    pub(super) all: bool,
}

/// Takes out what came from the personal parts of these subjects: a row for each span, and one for each
/// term and group of spans. After every `at_once` terms it asks whether to go on; what is left when it
/// may not is taken out by the next call.
pub(super) fn forget(
    db: &Connection,
    pids: &[i64],
    at_once: usize,
    go_on: &dyn Fn() -> bool,
) -> rusqlite::Result<Taken> {
    let mut all = db.unchecked_transaction()?;
    let (mut any, mut done) = (false, 0);
    let mut position = Position::of(&all)?;
    let stretches: Vec<Stretch> = Stretch::all(position.oldest, position.size).collect();
    for pid in pids {
        for span in stretches.chunk_by(|one, next| one.group() == next.group()) {
            if done >= at_once {
                position.write(&all)?;
                all.commit()?;
                if !go_on() {
                    return Ok(Taken { any, all: false });
                }
                (all, done) = (db.unchecked_transaction()?, 0);
            }
            let terms = forget_in(&all, span, *pid)?;
            any |= terms.is_some();
            done += terms.unwrap_or_default();
        }
        persons::remove(&all, &mut position, *pid)?;
    }
    position.write(&all)?;
    all.commit()?;
    Ok(Taken { any, all: true })
}

/// Takes a person out of a span, or of the blocks that there are of it. Gives how many terms they had, if they were
/// there.
fn forget_in(db: &Connection, span: &[Stretch], pid: i64) -> rusqlite::Result<Option<usize>> {
    let mut known = db.prepare_cached(PERSON)?;
    let mut remove = db.prepare_cached("DELETE FROM personal WHERE stretch = ?1 AND pid = ?2")?;
    let mut owned = None;
    for stretch in span.iter().copied() {
        let mut rows = known.query((stretch.number(), pid))?;
        let Some(row) = rows.next()? else { continue };
        let found = Entries::of(At::Person(stretch, pid), row.get_ref(0)?.as_blob()?)?;
        let owned: &mut BTreeSet<i64> = owned.get_or_insert_default();
        owned.extend(found.terms().map(u64::cast_signed));
        drop(rows);
        remove.execute((stretch.number(), pid))?;
        let mut summary = Summary::load(db, stretch)?;
        summary.people.remove(pid);
        summary.write(db, stretch)?;
    }
    // What a subject has is the same in most blocks.
    let (Some(owned), Some(of)) = (owned, span.first()) else { return Ok(None) };
    for term in &owned {
        owners::remove(db, *of, *term, pid)?;
    }
    Ok(Some(owned.len()))
}

/// Takes out what is known of records before `before`. An index that has not got there goes on there. Of an action
/// or outcome, `term_of` gives the term that its events have.
pub(super) fn prune(
    db: &Connection,
    before: u64,
    term_of: &dyn Fn(&'static str, &str) -> i64,
) -> rusqlite::Result<()> {
    let all = db.unchecked_transaction()?;
    let mut position = Position::of(&all)?;
    if position.oldest >= before {
        return Ok(());
    }
    let edge = Stretch::of(before, position.size);
    // Of the stretch and the page that the first of what is left is in, if anything is, something is left.
    let emptied = i64::from(before >= position.size);
    uncount(&all, &mut position, before, term_of)?;
    for table in ["personal", "stretch"] {
        let old = format!("DELETE FROM {table} WHERE stretch < ?1");
        all.execute(&old, [edge.number() + emptied])?;
    }
    all.execute("DELETE FROM posting WHERE page < ?1", [page_at(edge.number() + emptied)])?;
    all.execute("DELETE FROM event WHERE page < ?1", [events::page_of(before) + emptied])?;
    if emptied == 0 && before > edge.first() {
        cut(&all, edge, before, position.size)?;
    }
    if emptied == 0 {
        own_anew(&all, edge, position.size)?;
        persons::prune(&all, &mut position)?;
    } else {
        owners::clear(&all)?;
        persons::clear(&all, &mut position)?;
    }
    position.oldest = before;
    if emptied == 1 {
        (position.size, position.last_hash) = (before, Vec::new());
    }
    position.write(&all)?;
    all.commit()
}

/// Counts what is before `before` no longer: all that is known when nothing is left, else what has the terms of an
/// action and an outcome.
fn uncount(
    db: &Transaction<'_>,
    position: &mut Position,
    before: u64,
    term_of: &dyn Fn(&'static str, &str) -> i64,
) -> rusqlite::Result<()> {
    if before >= position.size {
        position.counted = 0;
        return counts::clear(db);
    }
    let mut gone = counts::load(db)?;
    for (.., count) in &mut gone {
        *count = 0;
    }
    let mut page = db.prepare_cached(PAGE)?;
    let mut places_of = |stretch: Stretch, kind, value: &str| -> rusqlite::Result<Places> {
        let (mut places, term) = (Places::none(stretch.records()), sorted(term_of(kind, value)));
        find_in_page(&mut page, stretch, term, &mut |found| places.add_bytes(found))?;
        Ok(places)
    };
    for stretch in Stretch::all(position.oldest, position.size) {
        let at = |seq: u64| seq.saturating_sub(stretch.first()).min(stretch.records());
        let here = Places::between(stretch.records(), at(position.oldest), at(before));
        if here.is_empty() {
            continue;
        }
        let mut outcomes = BTreeMap::new();
        for (action, outcome, count) in &mut gone {
            if !outcomes.contains_key(outcome) {
                outcomes.insert(outcome.clone(), places_of(stretch, "outcome", outcome)?);
            }
            let mut both = here.clone();
            both.and(&places_of(stretch, "action", action)?);
            outcomes.get(outcome).into_iter().for_each(|places| both.and(places));
            *count += both.count();
        }
    }
    let fewer = gone
        .iter()
        .map(|(action, outcome, count)| (action.as_str(), outcome.as_str(), -count.cast_signed()));
    position.counted += counts::add(db, fewer)?;
    Ok(())
}

/// Leaves of a stretch what is of records from `before` on.
fn cut(db: &Transaction<'_>, edge: Stretch, before: u64, size: u64) -> rusqlite::Result<()> {
    let pages = events::page_of(before)..=events::page_of(edge.end().min(size) - 1);
    let mut times = summary::NEVER;
    for page in pages {
        let mut left = events::load(db, page)?;
        let known = left.len();
        left.retain(|event| event.seq >= before);
        for event in &left {
            summary::add(&mut times, event.time);
        }
        if left.len() < known {
            db.prepare_cached("UPDATE event SET entries = ?2 WHERE page = ?1")?
                .execute((page, events::to_bytes(page, &left)))?;
        }
    }
    let mut put = db.prepare_cached(PUT_PAGE)?;
    for within in 0..edge.pages() {
        let mut left: Vec<Posting> = Vec::new();
        read_page(db, edge, within, &mut |seq, term| {
            if seq >= before {
                left.push((term, edge.place(seq)));
            }
        })?;
        left.sort_unstable();
        let number = edge.page(within);
        put.execute((number, to_bytes(At::Page(edge, number), &left)))?;
    }
    let mut whose = BTreeMap::<i64, Vec<Posting>>::new();
    each_person(db, edge, &mut |pid, entries| {
        let left = whose.entry(pid).or_default();
        entries.each(edge, before, &mut |seq, term| left.push((term, edge.place(seq))));
    })?;
    let mut put = db.prepare_cached(PUT_PERSON)?;
    let mut remove = db.prepare_cached("DELETE FROM personal WHERE stretch = ?1 AND pid = ?2")?;
    let mut people = People::default();
    for (pid, mut left) in whose {
        if left.is_empty() {
            remove.execute((edge.number(), pid))?;
            continue;
        }
        left.sort_unstable();
        people.add(pid);
        put.execute((edge.number(), pid, to_bytes(At::Person(edge, pid), &left)))?;
    }
    Summary { times, people }.write(db, edge)
}

/// Leaves of the owners up to the span of this stretch those of what is left of it.
fn own_anew(db: &Transaction<'_>, edge: Stretch, size: u64) -> rusqlite::Result<()> {
    let mut left = BTreeSet::new();
    let span_end = Stretch::span_of(edge.first()).end();
    for stretch in Stretch::all(edge.first(), size.min(span_end)) {
        each_person(db, stretch, &mut |pid, entries| {
            left.extend(entries.terms().map(|term| (term.cast_signed(), pid)));
        })?;
    }
    owners::prune(db, edge, &left)
}

/// Empties the write-ahead log, in which what was taken out still stands; says whether that could be done:
/// not while somebody reads.
pub(super) fn empty(db: &Connection) -> rusqlite::Result<bool> {
    db.busy_timeout(std::time::Duration::ZERO)?;
    let busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    db.busy_timeout(super::schema::PATIENCE)?;
    Ok(busy? == 0)
}
