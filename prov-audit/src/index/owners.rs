//! Who has a term in the personal part of some record: one row for each person, term and group of spans.

use rusqlite::{Connection, OptionalExtension, Row};

use super::stretch::Stretch;
use super::sums;

/// The columns that [`read`] reads.
const ALL: &str = "SELECT grp, term, pid, spans, sum FROM owner";

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    group: i64,
    term: i64,
    pub(super) pid: i64,
    /// The bits of the spans of the group.
    pub(super) spans: u64,
}

impl Owner {
    fn sum(self) -> u32 {
        sums::sum("owner", &[self.group, self.term, self.pid, self.spans.cast_signed()], &[])
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let (group, term, pid) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let owner = Self { group, term, pid, spans: row.get::<_, i64>(3)?.cast_unsigned() };
        if row.get::<_, i64>(4)? == i64::from(owner.sum()) {
            Ok(owner)
        } else {
            Err(sums::damaged("owner"))
        }
    }

    fn write(self, db: &Connection) -> rusqlite::Result<()> {
        if self.spans == 0 {
            return remove(db, self.group, self.term, self.pid);
        }
        let row = (self.group, self.term, self.pid, self.spans.cast_signed(), self.sum());
        db.prepare_cached("INSERT OR REPLACE INTO owner VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(row)
            .map(drop)
    }
}

/// Shows everybody who has this term in the group of a stretch, until told to stop.
pub(super) fn each(
    db: &Connection,
    stretch: Stretch,
    term: i64,
    each: &mut dyn FnMut(Owner) -> bool,
) -> rusqlite::Result<()> {
    let mut some = db.prepare_cached(&format!("{ALL} WHERE grp = ?1 AND term = ?2"))?;
    let mut rows = some.query((stretch.group().0, term))?;
    while let Some(row) = rows.next()? {
        if !each(Owner::read(row)?) {
            break;
        }
    }
    Ok(())
}

/// Notes that this person has this term in the span of a stretch.
pub(super) fn add(db: &Connection, stretch: Stretch, term: u64, pid: i64) -> rusqlite::Result<()> {
    let ((group, bit), term) = (stretch.group(), term.cast_signed());
    let known = db
        .prepare_cached(&format!("{ALL} WHERE grp = ?1 AND term = ?2 AND pid = ?3"))?
        .query_row((group, term, pid), Owner::read)
        .optional()?;
    let spans = known.map_or(0, |known| known.spans);
    if spans & bit != 0 {
        return Ok(());
    }
    Owner { group, term, pid, spans: spans | bit }.write(db)
}

/// Takes out that this person has this term in a group.
pub(super) fn remove(db: &Connection, group: i64, term: i64, pid: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM owner WHERE grp = ?1 AND term = ?2 AND pid = ?3")?
        .execute((group, term, pid))
        .map(drop)
}

/// Takes out who has something in spans up to that of a stretch.
pub(super) fn prune(db: &Connection, edge: Stretch) -> rusqlite::Result<()> {
    let (group, _) = edge.group();
    db.execute("DELETE FROM owner WHERE grp < ?1", [group])?;
    let mut all = db.prepare(&format!("{ALL} WHERE grp = ?1"))?;
    let all: Vec<Owner> = all.query_map([group], Owner::read)?.collect::<Result<_, _>>()?;
    for owner in all {
        Owner { spans: owner.spans & !edge.group_until(), ..owner }.write(db)?;
    }
    Ok(())
}
