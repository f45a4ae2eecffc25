//! How many events there are by action and outcome. All of them together are as many as the index says that it
//! has counted.

use rusqlite::{Connection, OptionalExtension, Row};

use super::schema::Position;
use super::sums;

fn sum(action: &str, outcome: &str, count: i64) -> u32 {
    let lengths = [action.len(), outcome.len()].map(|length| i64::try_from(length).unwrap_or(-1));
    sums::sum("tally", &[count, lengths[0], lengths[1]], [action, outcome].concat().as_bytes())
}

fn read(row: &Row<'_>) -> rusqlite::Result<(String, String, i64)> {
    let (action, outcome, count): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    if row.get::<_, i64>(3)? == i64::from(sum(&action, &outcome, count)) {
        Ok((action, outcome, count))
    } else {
        Err(sums::damaged("tally"))
    }
}

/// Counts so many more of each action and outcome, or fewer. Gives how many more there are in all.
pub(super) fn add<'a>(
    db: &Connection,
    counts: impl IntoIterator<Item = (&'a str, &'a str, i64)>,
) -> rusqlite::Result<i64> {
    let mut one = db.prepare_cached(
        "SELECT action, outcome, count, sum FROM tally WHERE action = ?1 AND outcome = ?2",
    )?;
    let mut put = db.prepare_cached("INSERT OR REPLACE INTO tally VALUES (?1, ?2, ?3, ?4)")?;
    let mut remove = db.prepare_cached("DELETE FROM tally WHERE action = ?1 AND outcome = ?2")?;
    let mut all = 0;
    for (action, outcome, more) in counts {
        let known = one.query_row((action, outcome), read).optional()?;
        let known = known.map_or(0, |(.., count)| count);
        let count = (known + more).max(0);
        all += count - known;
        if count == 0 {
            remove.execute((action, outcome))?;
        } else {
            put.execute((action, outcome, count, sum(action, outcome, count)))?;
        }
    }
    Ok(all)
}

/// Counts nothing any more.
pub(super) fn clear(db: &Connection) -> rusqlite::Result<()> {
    db.execute("DELETE FROM tally", ()).map(drop)
}

/// How many events by action and outcome: action, outcome, and how many.
pub(super) fn load(db: &Connection) -> rusqlite::Result<Vec<(String, String, u64)>> {
    let mut all = db.prepare("SELECT action, outcome, count, sum FROM tally")?;
    let all = all.query_map([], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let counted: i64 = all.iter().map(|(.., count)| count).sum();
    if counted != Position::of(db)?.counted {
        return Err(sums::damaged("tally"));
    }
    Ok(all.into_iter().map(|(action, outcome, n)| (action, outcome, n.cast_unsigned())).collect())
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn counts_come_and_go_and_none_is_lost_unnoticed() {
        let folder = tempfile::tempdir().unwrap();
        let db = schema::open(&folder.path().join("index"), "origin").unwrap();
        let count = |counts: &[(&'static str, &'static str, i64)]| {
            let more = add(&db, counts.iter().copied()).unwrap();
            let position = Position::of(&db).unwrap();
            Position { counted: position.counted + more, ..position }.write(&db).unwrap();
            load(&db).unwrap().len()
        };
        assert_eq!(count(&[("a", "success", 2), ("b", "success", 1)]), 2);
        assert_eq!(count(&[("a", "failure", 5), ("a", "success", 1)]), 3);
        assert_eq!(count(&[("a", "success", -2), ("b", "success", -1)]), 2);
        let left = [("a", "failure", 5), ("a", "success", 1)];
        assert_eq!(load(&db).unwrap(), left.map(|(a, o, n)| (a.to_owned(), o.to_owned(), n)));
        db.execute("UPDATE tally SET action = 'c' WHERE count = 5", []).unwrap();
        load(&db).unwrap_err();
        db.execute("DELETE FROM tally WHERE count = 5", []).unwrap();
        load(&db).unwrap_err();
    }
}
