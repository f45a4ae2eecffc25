//! Who has a term in the personal part of some record: one row for each person, term and group of spans.
//!
//! The rows of a group are in order, by term and then by person, and each says which is the next. So it can be told
//! from what is there that nobody else has a term: a row that is lost is missed by the one before it. Before the
//! first stands a row of nobody, which every group has from its first record on.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row};

use super::stretch::Stretch;
use super::sums;

/// The columns that [`Owner::read`] reads.
const ALL: &str = "SELECT grp, term, pid, spans, next_term, next_pid, sum FROM owner";

/// A term and who has it: the order of the rows.
pub(super) type Key = (i64, i64);

/// Where the row of nobody is.
const START: Key = (i64::MIN, i64::MIN);

/// What the last row says is next.
const END: Key = (i64::MAX, i64::MAX);

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    group: i64,
    key: Key,
    /// The bits of the spans of the group.
    pub(super) spans: u64,
    next: Key,
}

impl Owner {
    /// Whose it is.
    pub(super) fn pid(self) -> i64 {
        self.key.1
    }

    fn sum(self) -> u32 {
        let (Self { group, key, next, .. }, spans) = (self, self.spans.cast_signed());
        sums::sum("owner", &[group, key.0, key.1, spans, next.0, next.1], &[])
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (group, key) = (row.get(0)?, (row.get(1)?, row.get(2)?));
        let spans = row.get::<_, i64>(3)?.cast_unsigned();
        let owner = Self { group, key, spans, next: (row.get(4)?, row.get(5)?) };
        let is_right = row.get::<_, i64>(6)? == i64::from(owner.sum());
        if is_right { Ok(owner) } else { Err(sums::damaged("owner")) }
    }

    fn write(self, db: &Connection) -> rusqlite::Result<()> {
        let (Self { group, key, next, .. }, spans) = (self, self.spans.cast_signed());
        db.prepare_cached("INSERT OR REPLACE INTO owner VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute((group, key.0, key.1, spans, next.0, next.1, self.sum()))
            .map(drop)
    }
}

/// The row that a statement finds, and that must be there.
fn one(found: &mut CachedStatement<'_>, of: impl Params) -> rusqlite::Result<Owner> {
    found.query_row(of, Owner::read).optional()?.ok_or_else(|| sums::damaged("owner"))
}

/// The row before this place.
fn before(db: &Connection, group: i64, key: Key) -> rusqlite::Result<Owner> {
    let mut found = db.prepare_cached(&format!(
        "{ALL} WHERE grp = ?1 AND (term, pid) < (?2, ?3) ORDER BY term DESC, pid DESC LIMIT 1"
    ))?;
    one(&mut found, (group, key.0, key.1))
}

/// The row at this place, or else the one before it.
fn at_or_before(db: &Connection, group: i64, key: Key) -> rusqlite::Result<Owner> {
    let mut found = db.prepare_cached(&format!(
        "{ALL} WHERE grp = ?1 AND (term, pid) <= (?2, ?3) ORDER BY term DESC, pid DESC LIMIT 1"
    ))?;
    one(&mut found, (group, key.0, key.1))
}

/// Begins the group of a stretch, in which nobody has anything.
pub(super) fn begin(db: &Connection, stretch: Stretch) -> rusqlite::Result<()> {
    write_group(db, stretch.group().0, &BTreeMap::new())
}

/// Writes a whole group, of which nothing is there: the spans in which each has a term.
fn write_group(db: &Connection, group: i64, all: &BTreeMap<Key, u64>) -> rusqlite::Result<()> {
    let nexts = all.keys().copied().chain([END]);
    let rows = [(START, 0)].into_iter().chain(all.iter().map(|(key, spans)| (*key, *spans)));
    for ((key, spans), next) in rows.zip(nexts) {
        Owner { group, key, spans, next }.write(db)?;
    }
    Ok(())
}

/// Shows everybody who has this term in the group of a stretch, until told to stop.
pub(super) fn each(
    db: &Connection,
    stretch: Stretch,
    term: i64,
    each: &mut dyn FnMut(Owner) -> bool,
) -> rusqlite::Result<()> {
    let (group, _) = stretch.group();
    let mut next = before(db, group, (term, i64::MIN))?.next;
    let mut some =
        db.prepare_cached(&format!("{ALL} WHERE grp = ?1 AND term = ?2 ORDER BY pid"))?;
    let mut rows = some.query((group, term))?;
    while let Some(row) = rows.next()? {
        let owner = Owner::read(row)?;
        if owner.key != next {
            return Err(sums::damaged("owner"));
        }
        if !each(owner) {
            return Ok(());
        }
        next = owner.next;
    }
    if next > (term, i64::MAX) || next == END { Ok(()) } else { Err(sums::damaged("owner")) }
}

/// Notes that these people have these terms in the span of a stretch: in order, each once.
pub(super) fn add(db: &Connection, stretch: Stretch, new: &[Key]) -> rusqlite::Result<()> {
    let (group, bit) = stretch.group();
    // The row before the next of these, not written yet: what it says is next may change.
    let mut last: Option<Owner> = None;
    for key in new.iter().copied() {
        let found = match last {
            Some(last) if last.next > key => last,
            Some(last) => {
                last.write(db)?;
                at_or_before(db, group, key)?
            }
            None => at_or_before(db, group, key)?,
        };
        last = Some(if found.key == key {
            Owner { spans: found.spans | bit, ..found }
        } else if found.next > key {
            Owner { next: key, ..found }.write(db)?;
            Owner { group, key, spans: bit, next: found.next }
        } else {
            return Err(sums::damaged("owner"));
        });
    }
    last.map_or(Ok(()), |last| last.write(db))
}

/// Takes out that this person has this term in the span of a stretch.
pub(super) fn remove(
    db: &Connection,
    stretch: Stretch,
    term: i64,
    pid: i64,
) -> rusqlite::Result<()> {
    let ((group, bit), key) = (stretch.group(), (term, pid));
    let found = at_or_before(db, group, key)?;
    if found.key != key || found.spans & bit == 0 {
        return Err(sums::damaged("owner"));
    }
    let spans = found.spans & !bit;
    if spans != 0 {
        return Owner { spans, ..found }.write(db);
    }
    let before = before(db, group, key)?;
    if before.next != key {
        return Err(sums::damaged("owner"));
    }
    Owner { next: found.next, ..before }.write(db)?;
    db.prepare_cached("DELETE FROM owner WHERE grp = ?1 AND term = ?2 AND pid = ?3")?
        .execute((group, term, pid))
        .map(drop)
}

/// Takes out who has something in spans before that of a stretch. Of its own span these are left.
pub(super) fn prune(db: &Connection, edge: Stretch, left: &BTreeSet<Key>) -> rusqlite::Result<()> {
    let (group, bit) = edge.group();
    let (mut all, mut next) = (BTreeMap::new(), START);
    let mut some = db.prepare(&format!("{ALL} WHERE grp = ?1 ORDER BY term, pid"))?;
    for owner in some.query_map([group], Owner::read)? {
        let owner = owner?;
        if owner.key != next {
            return Err(sums::damaged("owner"));
        }
        next = owner.next;
        let spans = owner.spans & !edge.group_until();
        if spans != 0 {
            all.insert(owner.key, spans);
        }
    }
    if next != END {
        return Err(sums::damaged("owner"));
    }
    for key in left {
        *all.entry(*key).or_default() |= bit;
    }
    db.execute("DELETE FROM owner WHERE grp <= ?1", [group])?;
    write_group(db, group, &all)
}

/// Takes out everything.
pub(super) fn clear(db: &Connection) -> rusqlite::Result<()> {
    db.execute("DELETE FROM owner", ()).map(drop)
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::super::places::SPAN;
    use super::super::schema;
    use super::*;

    /// Whoever is found to have a term.
    fn found(db: &Connection, term: i64) -> rusqlite::Result<Vec<(i64, u64)>> {
        let mut all = Vec::new();
        each(db, Stretch::span_of(0), term, &mut |owner| {
            all.push((owner.pid(), owner.spans));
            true
        })?;
        Ok(all)
    }

    /// Rows that came and went in any order, in these spans, and what should be there.
    fn written(db: &Connection, spans: [Stretch; 2]) -> BTreeMap<Key, u64> {
        let mut model = BTreeMap::<Key, u64>::new();
        let mut seed = 3_u64;
        for round in 0..400 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let roll = |shift: u32, of: u64| ((seed >> shift) % of).cast_signed();
            // Also terms that are less than nothing when they are written.
            let (term, pid) = (roll(33, 12) * 5 - 30, roll(40, 9) - 4);
            if round % 3 == 2
                && let Some(known) = model.get_mut(&(term, pid))
            {
                for span in spans.into_iter().take(1 + usize::from(seed >> 51 & 1 == 1)) {
                    let (_, bit) = span.group();
                    assert_eq!(remove(db, span, term, pid).is_ok(), *known & bit != 0);
                    *known &= !bit;
                }
                model.retain(|_, spans| *spans != 0);
            } else {
                let span = spans[usize::from(seed >> 50 & 1 == 1)];
                let some = (0..=roll(45, 5)).map(|n| (term + n * 5, (pid + 4 * n) % 5));
                let some: BTreeSet<Key> = some.collect();
                add(db, span, &some.iter().copied().collect::<Vec<_>>()).unwrap();
                for key in some {
                    *model.entry(key).or_default() |= span.group().1;
                }
            }
        }
        model
    }

    #[test]
    fn rows_come_and_go_in_any_order_and_whichever_is_lost_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let db = schema::open(&folder.path().join("index"), "origin").unwrap();
        let spans = [Stretch::span_of(0), Stretch::span_of(2 * SPAN)];
        begin(&db, spans[0]).unwrap();
        let mut model = written(&db, spans);
        let of = |term: i64| -> Vec<(i64, u64)> {
            let some = model.range((term, i64::MIN)..=(term, i64::MAX));
            some.map(|((_, pid), spans)| (*pid, *spans)).collect()
        };
        for term in -40..40 {
            assert_eq!(found(&db, term).unwrap(), of(term));
        }
        remove(&db, spans[0], 1, 1).unwrap_err();

        let first = *model.first_key_value().unwrap().0;
        for key in [START].into_iter().chain(model.keys().copied()) {
            let all = db.unchecked_transaction().unwrap();
            let gone = all.execute("DELETE FROM owner WHERE term = ?1 AND pid = ?2", key).unwrap();
            assert_eq!(gone, 1);
            let term = if key == START { first.0 } else { key.0 };
            found(&all, term).unwrap_err();
            // Nor is it hidden by what is written then.
            if key != START {
                add(&all, spans[0], &[(term, key.1)]).unwrap_err();
            }
            prune(&all, spans[0], &BTreeSet::new()).unwrap_err();
        }
        prune(&db, spans[0], &[(0, 7)].into()).unwrap();
        model.retain(|_, spans| *spans & 4 != 0);
        for spans in model.values_mut() {
            *spans = 4;
        }
        model.insert((0, 7), 1);
        for term in -40..40 {
            let some = model.range((term, i64::MIN)..=(term, i64::MAX));
            assert!(
                found(&db, term)
                    .unwrap()
                    .iter()
                    .eq(&some.map(|((_, pid), spans)| (*pid, *spans)).collect::<Vec<_>>())
            );
        }
    }

    #[test]
    fn the_row_before_is_found_at_once_however_many_have_a_term() {
        let folder = tempfile::tempdir().unwrap();
        let db = schema::open(&folder.path().join("index"), "origin").unwrap();
        let plan = |sql: &str| -> String {
            let sql = format!("EXPLAIN QUERY PLAN {ALL} WHERE grp = 0 AND {sql} LIMIT 1");
            db.query_row(&sql, [], |row| row.get(3)).unwrap()
        };
        let told = plan("(term, pid) < (1, 2) ORDER BY term DESC, pid DESC");
        assert!(told.contains("PRIMARY KEY (grp=? AND (term,pid)<(?,?))"), "{told}");
        // Nor is the statement planned anew for each.
        begin(&db, Stretch::span_of(0)).unwrap();
        let mut found = db.prepare(&format!(
            "{ALL} WHERE grp = ?1 AND (term, pid) < (?2, ?3) ORDER BY term DESC, pid DESC LIMIT 1"
        ));
        let found = found.as_mut().unwrap();
        for term in 0..3 {
            found.query_row((0, term, term), Owner::read).unwrap();
        }
        assert_eq!(found.get_status(StatementStatus::RePrepare), 0);
    }
}
