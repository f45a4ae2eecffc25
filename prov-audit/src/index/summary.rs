//! What an index says of a stretch as a whole: when its first and its last event was, and of how many people it has
//! something personal.

use rusqlite::{Connection, OptionalExtension};

use super::stretch::Stretch;
use super::sums;

/// Microseconds of the first and of the last.
pub(super) type Times = (i64, i64);

/// Of no event.
pub(super) const NEVER: Times = (i64::MAX, i64::MIN);

/// Of whom a stretch, or the whole index, has something personal: how many they are, and the sum of their
/// pseudonyms' terms, so that nobody is lost unnoticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct People {
    pub(super) count: i64,
    pub(super) sum: i64,
}

impl People {
    pub(super) fn add(&mut self, pid: i64) {
        *self = Self { count: self.count + 1, sum: self.sum.wrapping_add(pid) };
    }

    pub(super) fn remove(&mut self, pid: i64) {
        *self = Self { count: self.count - 1, sum: self.sum.wrapping_sub(pid) };
    }

    pub(super) fn is_nobody(self) -> bool {
        self == Self::default()
    }

    /// Whether these are all that there should be.
    pub(super) fn check(self, stretch: Stretch, db: &Connection) -> rusqlite::Result<()> {
        let is_whole = Summary::load(db, stretch)?.people == self;
        if is_whole { Ok(()) } else { Err(sums::damaged("personal")) }
    }
}

/// The row of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) times: Times,
    pub(super) people: People,
}

impl Summary {
    /// Of nothing.
    pub(super) fn empty() -> Self {
        Self { times: NEVER, people: People::default() }
    }

    fn sum(self, stretch: i64) -> u32 {
        let People { count, sum } = self.people;
        sums::sum("stretch", &[stretch, self.times.0, self.times.1, count, sum], &[])
    }

    pub(super) fn write(self, db: &Connection, stretch: Stretch) -> rusqlite::Result<()> {
        let (number, (first, last)) = (stretch.number(), self.times);
        let People { count, sum } = self.people;
        db.prepare_cached("INSERT OR REPLACE INTO stretch VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute((number, first, last, count, sum, self.sum(number)))
            .map(drop)
    }

    /// That of a stretch, which must be there.
    pub(super) fn load(db: &Connection, stretch: Stretch) -> rusqlite::Result<Self> {
        let (found, known): (Self, i64) = db
            .prepare_cached(
                "SELECT first, last, people, whose, sum FROM stretch WHERE stretch = ?1",
            )?
            .query_row([stretch.number()], |row| {
                let people = People { count: row.get(2)?, sum: row.get(3)? };
                Ok((Self { times: (row.get(0)?, row.get(1)?), people }, row.get(4)?))
            })
            .optional()?
            .ok_or_else(|| sums::damaged("stretch"))?;
        let is_right = known == i64::from(found.sum(stretch.number()));
        if is_right { Ok(found) } else { Err(sums::damaged("stretch")) }
    }
}

/// Takes in one more event.
pub(super) fn add(times: &mut Times, time: i64) {
    *times = both(*times, (time, time));
}

pub(super) fn both(one: Times, other: Times) -> Times {
    (one.0.min(other.0), one.1.max(other.1))
}
