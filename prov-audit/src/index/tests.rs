use std::collections::BTreeMap;

use rusqlite::Connection;
use tempfile::TempDir;

use super::block::Filling;
use super::places::{BLOCK, SPAN};
use super::postings::block_of;
use super::schema;

/// An index with these personal terms: number of the record, term, whose it is.
fn index(personal: &[(u64, i64, i64)], write_every: usize) -> (TempDir, Connection) {
    let folder = tempfile::tempdir().unwrap();
    let db = schema::open(&folder.path().join("index"), "origin").unwrap();
    let mut filling = Filling::of(0);
    for some in personal.chunks(write_every) {
        let all = db.unchecked_transaction().unwrap();
        for (seq, term, pid) in some {
            if !filling.holds(*seq) {
                filling.write(&all).unwrap();
                filling.go_on(*seq);
            }
            filling.add_time(1);
            filling.add(*seq, *pid);
            filling.add_personal(*seq, *term, *pid);
        }
        filling.write(&all).unwrap();
        all.commit().unwrap();
    }
    (folder, db)
}

fn rows(db: &Connection, sql: &str) -> Vec<Vec<rusqlite::types::Value>> {
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let read = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get(at)).collect();
    statement.query_map([], read).unwrap().collect::<Result<_, _>>().unwrap()
}

fn numbers(db: &Connection, sql: &str) -> Vec<i64> {
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_block_that_is_written_in_pieces_is_as_one_that_is_written_at_once() {
    let personal: Vec<_> = (0..3 * BLOCK / 2)
        .step_by(3)
        .map(|seq| (seq, (seq % 17).cast_signed() << 50, (seq % 5).cast_signed()))
        .collect();
    let (_one, whole) = index(&personal, usize::MAX);
    let (_other, pieces) = index(&personal, 7);
    for table in ["posting", "personal", "owner", "block"] {
        let sql = format!("SELECT * FROM {table}");
        let rows = [rows(&whole, &sql), rows(&pieces, &sql)];
        assert!(!rows[0].is_empty(), "{table}");
        assert_eq!(rows[0], rows[1], "{table}");
    }
}

#[test]
fn of_who_is_forgotten_no_row_is_left_and_others_keep_theirs() {
    let far = SPAN * BLOCK;
    let personal = [(0, 7, 1), (1, 7, 2), (2, 8, 1), (far, 7, 1), (far + 1, 9, 2)];
    let (_folder, db) = index(&personal, usize::MAX);
    schema::forget(&db, &[1]).unwrap();
    assert_eq!(numbers(&db, "SELECT pid FROM personal"), [2, 2]);
    assert_eq!(numbers(&db, "SELECT pid FROM owner"), [2, 2]);
    assert_eq!(numbers(&db, "SELECT term FROM owner ORDER BY span"), [7, 9]);
}

#[test]
fn of_what_is_pruned_no_row_is_left_and_newer_ones_keep_theirs() {
    let far = SPAN * BLOCK;
    let personal =
        [(0, 7, 1), (far, 7, 1), (far + 1, 8, 1), (far + BLOCK, 7, 2), (far + BLOCK, 9, 1)];
    let (_folder, db) = index(&personal, usize::MAX);
    schema::prune(&db, far + BLOCK, &BTreeMap::new()).unwrap();
    let left = i64::try_from(SPAN + 1).unwrap();
    assert_eq!(numbers(&db, "SELECT DISTINCT block FROM personal"), [left]);
    assert_eq!(numbers(&db, "SELECT block FROM block"), [left]);
    let pages = numbers(&db, "SELECT page FROM posting");
    assert!(!pages.is_empty() && pages.iter().all(|page| block_of(*page) == SPAN + 1));
    let owners = rows(&db, "SELECT span, term, pid FROM owner");
    let owner = |term: i64, pid: i64| [1, term, pid].map(rusqlite::types::Value::Integer).to_vec();
    assert_eq!(owners, [owner(7, 2), owner(9, 1)]);
}
