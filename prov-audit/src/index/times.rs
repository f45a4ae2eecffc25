//! When the first and the last event of a stretch was.

use rusqlite::{Connection, OptionalExtension};

use super::stretch::Stretch;
use super::sums;

/// Microseconds of the first and of the last.
pub(super) type Times = (i64, i64);

/// Of no event.
pub(super) const NEVER: Times = (i64::MAX, i64::MIN);

pub(super) fn add(times: &mut Times, time: i64) {
    *times = both(*times, (time, time));
}

pub(super) fn both(one: Times, other: Times) -> Times {
    (one.0.min(other.0), one.1.max(other.1))
}

fn sum(stretch: i64, (first, last): Times) -> u32 {
    sums::sum("stretch", &[stretch, first, last], &[])
}

pub(super) fn write(db: &Connection, stretch: Stretch, times: Times) -> rusqlite::Result<()> {
    let number = stretch.number();
    db.prepare_cached("INSERT OR REPLACE INTO stretch VALUES (?1, ?2, ?3, ?4)")?
        .execute((number, times.0, times.1, sum(number, times)))
        .map(drop)
}

/// Those of a stretch, which must be there.
pub(super) fn load(db: &Connection, stretch: Stretch) -> rusqlite::Result<Times> {
    let (times, known): (Times, i64) = db
        .prepare_cached("SELECT first, last, sum FROM stretch WHERE stretch = ?1")?
        .query_row([stretch.number()], |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))
        .optional()?
        .ok_or_else(|| sums::damaged("stretch"))?;
    if known == i64::from(sum(stretch.number(), times)) {
        Ok(times)
    } else {
        Err(sums::damaged("stretch"))
    }
}
