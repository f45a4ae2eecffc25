//! Taking people and old events out of the index.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Transaction};

use super::filling::{PERSON, PUT_PAGE, PUT_PERSON, each_person, read_page};
use super::postings::{At, Entries, Posting, to_bytes};
use super::schema::Position;
use super::stretch::{Stretch, page_at};
use super::summary::{self, People, Summary};
use super::{counts, events, owners};
use crate::log::Tally;

/// Takes out what came from the personal parts of these subjects: a row for each span, and one for each
/// term and group of spans. Says whether there was anything.
pub(super) fn forget(db: &Connection, pids: &[i64]) -> rusqlite::Result<bool> {
    let all = db.unchecked_transaction()?;
    let mut found_any = false;
    {
        let Position { size, oldest, .. } = Position::of(&all)?;
        let stretches: Vec<Stretch> = Stretch::all(oldest, size).collect();
        let mut known = all.prepare(PERSON)?;
        let mut remove = all.prepare("DELETE FROM personal WHERE stretch = ?1 AND pid = ?2")?;
        for pid in pids {
            // What a subject has is the same in most spans.
            let mut owned = BTreeSet::new();
            for stretch in stretches.iter().copied() {
                let mut rows = known.query((stretch.number(), pid))?;
                let Some(row) = rows.next()? else { continue };
                let found = Entries::of(At::Person(stretch, *pid), row.get_ref(0)?.as_blob()?)?;
                let (group, _) = stretch.group();
                owned.extend(found.terms().map(|term| (group, term.cast_signed())));
                drop(rows);
                found_any |= remove.execute((stretch.number(), pid))? > 0;
                let mut summary = Summary::load(&all, stretch)?;
                summary.people.remove(*pid);
                summary.write(&all, stretch)?;
            }
            for (group, term) in owned {
                owners::remove(&all, group, term, *pid)?;
            }
        }
    }
    all.commit()?;
    Ok(found_any)
}

/// Takes out what is known of records before `before`.
pub(super) fn prune(db: &Connection, before: u64, tally: &Tally) -> rusqlite::Result<()> {
    let all = db.unchecked_transaction()?;
    let position = Position::of(&all)?;
    // It was made anew from what is left.
    if position.oldest >= before {
        return Ok(());
    }
    let edge = Stretch::of(before, position.size);
    // Of the stretch and the page that the first of what is left is in, if anything is, something is left.
    let emptied = i64::from(before >= position.size);
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
    } else {
        owners::clear(&all)?;
    }
    let counted = position.counted + counts::add(&all, tally, -1)?;
    Position { oldest: before, counted, ..position }.write(&all)?;
    all.commit()
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
