//! Taking people and old events out of the index.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, Transaction};

use super::filling::{PERSON, PUT_PAGE, PUT_PERSON, each_person, read_page};
use super::postings::{At, Entries, Posting, to_bytes};
use super::schema::Position;
use super::stretch::{Stretch, page_at};
use super::{counts, events, owners, times};
use crate::log::Tally;

/// Takes out what came from the personal parts of these subjects: a row for each span, and one for each
/// term and group of spans. Says whether there was anything.
pub(super) fn forget(db: &Connection, pids: &[i64]) -> rusqlite::Result<bool> {
    let all = db.unchecked_transaction()?;
    let mut found_any = false;
    {
        let mut stretches = all.prepare("SELECT stretch FROM stretch ORDER BY stretch")?;
        let stretches: Vec<i64> =
            stretches.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut known = all.prepare(PERSON)?;
        let mut remove = all.prepare("DELETE FROM personal WHERE stretch = ?1 AND pid = ?2")?;
        for pid in pids {
            // What a subject has is the same in most spans.
            let mut owned = BTreeSet::new();
            for number in &stretches {
                let mut rows = known.query((number, pid))?;
                let Some(row) = rows.next()? else { continue };
                let stretch = Stretch::of_number(*number);
                let found = Entries::of(At::Person(stretch, *pid), row.get_ref(0)?.as_blob()?)?;
                let (group, _) = stretch.group();
                owned.extend(found.terms().map(|term| (group, term.cast_signed())));
                drop(rows);
                found_any |= remove.execute((number, pid))? > 0;
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
    own_anew(&all, edge)?;
    let counted = position.counted + counts::add(&all, tally, -1)?;
    Position { oldest: before, counted, ..position }.write(&all)?;
    all.commit()
}

/// Leaves of a stretch what is of records from `before` on.
fn cut(db: &Transaction<'_>, edge: Stretch, before: u64, size: u64) -> rusqlite::Result<()> {
    let pages = events::page_of(before)..=events::page_of(edge.end().min(size) - 1);
    let mut when = times::NEVER;
    for page in pages {
        let mut left = events::load(db, page)?;
        let known = left.len();
        left.retain(|event| event.seq >= before);
        for event in &left {
            times::add(&mut when, event.time);
        }
        if left.len() < known {
            db.prepare_cached("UPDATE event SET entries = ?2 WHERE page = ?1")?
                .execute((page, events::to_bytes(page, &left)))?;
        }
    }
    times::write(db, edge, when)?;
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
    let mut people = BTreeMap::<i64, Vec<Posting>>::new();
    each_person(db, edge.number()..edge.number() + 1, &mut |_, pid, entries| {
        let left = people.entry(pid).or_default();
        entries.each(edge, before, &mut |seq, term| left.push((term, edge.place(seq))));
    })?;
    let mut put = db.prepare_cached(PUT_PERSON)?;
    let mut remove = db.prepare_cached("DELETE FROM personal WHERE stretch = ?1 AND pid = ?2")?;
    for (pid, mut left) in people {
        if left.is_empty() {
            remove.execute((edge.number(), pid))?;
            continue;
        }
        left.sort_unstable();
        put.execute((edge.number(), pid, to_bytes(At::Person(edge, pid), &left)))?;
    }
    Ok(())
}

/// Leaves of the owners up to the span of this stretch those of what is left of it.
fn own_anew(db: &Transaction<'_>, edge: Stretch) -> rusqlite::Result<()> {
    owners::prune(db, edge)?;
    let mut left = BTreeSet::new();
    each_person(db, edge.number()..edge.blocks().end, &mut |_, pid, entries| {
        left.extend(entries.terms().map(|term| (term, pid)));
    })?;
    for (term, pid) in left {
        owners::add(db, edge, term, pid)?;
    }
    Ok(())
}

/// Empties the write-ahead log, in which what was taken out still stands; says whether that could be done:
/// not while somebody reads.
pub(super) fn empty(db: &Connection) -> rusqlite::Result<bool> {
    db.busy_timeout(std::time::Duration::ZERO)?;
    let busy = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    db.busy_timeout(super::schema::PATIENCE)?;
    Ok(busy? == 0)
}
