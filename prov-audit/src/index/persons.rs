//! Of whom the index has something personal at all, and until when it may have it: one row for each.
//!
//! So the index can be asked about thousands who were erased before it was opened without a look into every stretch
//! for each of them, and takes out by itself what stems from a key whose time is over.

use std::collections::{BTreeSet, HashSet};

use rusqlite::Connection;

use super::schema::Position;
use super::sums;

/// When a key ends that has no end.
const NEVER: i64 = i64::MAX;

/// Everybody of whom an open index has something, by the terms of their pseudonyms.
#[derive(Debug, Default)]
pub(super) struct Persons {
    known: HashSet<i64>,
    /// Those whose keys end, by when: microseconds.
    ending: BTreeSet<(i64, i64)>,
    /// Whom the database does not have yet.
    new: Vec<(i64, i64)>,
}

impl Persons {
    /// Those of an index. Nobody may be missing.
    pub(super) fn load(db: &Connection) -> rusqlite::Result<Self> {
        let (mut all, mut people) = (Self::default(), Position::of(db)?.people);
        let mut some = db.prepare("SELECT pid, ends, sum FROM person")?;
        let mut rows = some.query(())?;
        while let Some(row) = rows.next()? {
            let (pid, ends) = (row.get(0)?, row.get(1)?);
            if row.get::<_, i64>(2)? != i64::from(sum(pid, ends)) {
                return Err(sums::damaged("person"));
            }
            people.remove(pid);
            all.insert(pid, ends);
        }
        if people.is_nobody() { Ok(all) } else { Err(sums::damaged("person")) }
    }

    fn insert(&mut self, pid: i64, ends: i64) -> bool {
        if ends != NEVER {
            self.ending.insert((ends, pid));
        }
        self.known.insert(pid)
    }

    /// Notes that the index has something of a person, whose key ends then, if ever.
    pub(super) fn note(&mut self, pid: i64, ends: Option<jiff::Timestamp>) {
        if self.known.contains(&pid) {
            return;
        }
        let ends = ends.map_or(NEVER, jiff::Timestamp::as_microsecond);
        self.insert(pid, ends);
        self.new.push((pid, ends));
    }

    /// Writes who was noted since the last time, and counts them.
    pub(super) fn write(
        &mut self,
        db: &Connection,
        position: &mut Position,
    ) -> rusqlite::Result<()> {
        let mut put = db.prepare_cached("INSERT INTO person VALUES (?1, ?2, ?3)")?;
        for (pid, ends) in self.new.drain(..) {
            put.execute((pid, ends, sum(pid, ends)))?;
            position.people.add(pid);
        }
        Ok(())
    }

    /// The index has nothing of these any more.
    pub(super) fn forget(&mut self, pids: &[i64]) {
        for pid in pids {
            self.known.remove(pid);
        }
        self.ending.retain(|(_, pid)| self.known.contains(pid));
    }

    /// Those of these of whom the index has something.
    pub(super) fn among(&self, pids: &[i64]) -> Vec<i64> {
        pids.iter().copied().filter(|pid| self.known.contains(pid)).collect()
    }

    /// Those whose keys ended up to now.
    pub(super) fn ended(&self, now: jiff::Timestamp) -> Vec<i64> {
        let until = now.as_microsecond();
        self.ending.iter().take_while(|(ends, _)| *ends <= until).map(|(_, pid)| *pid).collect()
    }
}

/// Takes a person out.
pub(super) fn remove(db: &Connection, position: &mut Position, pid: i64) -> rusqlite::Result<()> {
    let gone = db.prepare_cached("DELETE FROM person WHERE pid = ?1")?.execute([pid])?;
    if gone > 0 {
        position.people.remove(pid);
    }
    Ok(())
}

/// Takes out those of whom nothing is left.
pub(super) fn prune(db: &Connection, position: &mut Position) -> rusqlite::Result<()> {
    let mut gone =
        db.prepare("SELECT pid FROM person WHERE pid NOT IN (SELECT pid FROM personal)")?;
    let gone = gone.query_map((), |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    gone.into_iter().try_for_each(|pid| remove(db, position, pid))
}

/// Takes everybody out.
pub(super) fn clear(db: &Connection, position: &mut Position) -> rusqlite::Result<()> {
    position.people = super::summary::People::default();
    db.execute("DELETE FROM person", ()).map(drop)
}

fn sum(pid: i64, ends: i64) -> u32 {
    sums::sum("person", &[pid, ends], &[])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::filling::PUT_PERSON;
    use super::super::schema;
    use super::*;

    fn ends(second: i64) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_second(second).ok()
    }

    fn ended_by(persons: &Persons, second: i64) -> Vec<i64> {
        persons.ended(ends(second).unwrap())
    }

    fn opened(folder: &Path) -> Connection {
        schema::open(&folder.join("index"), "origin").unwrap()
    }

    #[test]
    fn whoever_is_noted_is_there_until_taken_out_and_nobody_is_lost_unnoticed() {
        let folder = tempfile::tempdir().unwrap();
        let db = opened(folder.path());
        let (mut persons, mut position) = (Persons::default(), Position::default());
        for (pid, end) in [(7, None), (-3, ends(100)), (5, ends(50)), (7, ends(1))] {
            persons.note(pid, end);
        }
        persons.write(&db, &mut position).unwrap();
        persons.write(&db, &mut position).unwrap();
        position.write(&db).unwrap();
        let found = Persons::load(&db).unwrap();
        assert_eq!(found.among(&[5, 6, 7, -3]), [5, 7, -3]);
        let ended = |at| ended_by(&found, at);
        assert_eq!((ended(49), ended(50), ended(100)), (vec![], vec![5], vec![5, -3]));

        let mut found = found;
        found.forget(&[5, 6]);
        assert_eq!((found.among(&[5, 7, -3]), ended_by(&found, 100)), (vec![7, -3], vec![-3]));
        remove(&db, &mut position, 5).unwrap();
        remove(&db, &mut position, 6).unwrap();
        position.write(&db).unwrap();
        assert_eq!(Persons::load(&db).unwrap().among(&[5, 7, -3]), [7, -3]);
        for damage in ["DELETE FROM person WHERE pid = 7", "UPDATE person SET ends = ends - 1"] {
            let all = db.unchecked_transaction().unwrap();
            all.execute(damage, ()).unwrap();
            Persons::load(&all).unwrap_err();
        }
        clear(&db, &mut position).unwrap();
        position.write(&db).unwrap();
        assert_eq!(Persons::load(&db).unwrap().among(&[7, -3]), [0; 0]);
    }

    #[test]
    fn of_whom_a_prune_leaves_nothing_is_known_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let db = opened(folder.path());
        let (mut persons, mut position) = (Persons::default(), Position::default());
        for pid in [1, 2, 3] {
            persons.note(pid, None);
        }
        persons.write(&db, &mut position).unwrap();
        for (stretch, pid) in [(4, 1), (5, 1), (5, 3)] {
            db.execute(PUT_PERSON, (stretch, pid, [0_u8; 4])).unwrap();
        }
        prune(&db, &mut position).unwrap();
        position.write(&db).unwrap();
        assert_eq!(Persons::load(&db).unwrap().among(&[1, 2, 3]), [1, 3]);
    }
}
