use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::places::{BLOCK, SPAN, span_of};
use super::postings::{Entries, page_of, pages_before};
use crate::log::Tally;

/// The format's number; an index with another one is made anew.
const FORMAT: i64 = 5;

const TABLES: &str = "
    CREATE TABLE meta (format INTEGER NOT NULL, origin TEXT NOT NULL, size INTEGER NOT NULL,
        last_hash BLOB NOT NULL);
    CREATE TABLE event (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, segment INTEGER NOT NULL,
        place INTEGER NOT NULL);
    CREATE TABLE block (block INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL);
    CREATE TABLE posting (page INTEGER PRIMARY KEY, entries BLOB NOT NULL);
    CREATE TABLE personal (block INTEGER NOT NULL, pid INTEGER NOT NULL, entries BLOB NOT NULL,
        PRIMARY KEY (block, pid)) WITHOUT ROWID;
    CREATE TABLE owner (span INTEGER NOT NULL, term INTEGER NOT NULL, pid INTEGER NOT NULL,
        PRIMARY KEY (span, term, pid)) WITHOUT ROWID;
    CREATE TABLE tally (action TEXT NOT NULL, outcome TEXT NOT NULL, count INTEGER NOT NULL,
        PRIMARY KEY (action, outcome)) WITHOUT ROWID;
";

/// Opens the index for writing, making its tables when there are none. What the power takes of it is
/// made anew; that it is of one piece needs syncs, though none for each change. What is deleted is
/// overwritten.
pub(super) fn open(file: &Path, origin: &str) -> rusqlite::Result<Connection> {
    let db = Connection::open(file)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "wal_autocheckpoint", 256)?;
    db.pragma_update(None, "secure_delete", "ON")?;
    db.pragma_update(None, "cache_size", -16384)?;
    let made: bool =
        db.query_row("SELECT count(*) > 0 FROM sqlite_master WHERE name = 'meta'", [], |row| {
            row.get(0)
        })?;
    if !made {
        let all = db.unchecked_transaction()?;
        all.execute_batch(TABLES)?;
        all.execute("INSERT INTO meta VALUES (?1, ?2, 0, x'')", (FORMAT, origin))?;
        all.commit()?;
    }
    Ok(db)
}

/// How far the index is, and the hash of the last leaf it read; `None` when it is of another log or
/// format.
pub(super) fn position(db: &Connection, origin: &str) -> rusqlite::Result<Option<(u64, Vec<u8>)>> {
    db.query_row(
        "SELECT size, last_hash FROM meta WHERE format = ?1 AND origin = ?2",
        (FORMAT, origin),
        |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)),
    )
    .optional()
}

/// Takes out what came from the personal parts of these subjects.
pub(super) fn forget(db: &Connection, pids: &[i64]) -> rusqlite::Result<()> {
    let all = db.unchecked_transaction()?;
    {
        let mut blocks = all.prepare("SELECT block FROM block ORDER BY block")?;
        let blocks: Vec<i64> = blocks.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut known =
            all.prepare("SELECT entries FROM personal WHERE block = ?1 AND pid = ?2")?;
        let mut remove = all.prepare("DELETE FROM personal WHERE block = ?1 AND pid = ?2")?;
        let mut disown =
            all.prepare("DELETE FROM owner WHERE span = ?1 AND term = ?2 AND pid = ?3")?;
        for pid in pids {
            // What a subject has is the same in most blocks: each owner is taken out once for each span.
            let mut owned = BTreeSet::new();
            for block in &blocks {
                let mut rows = known.query((block, pid))?;
                let Some(row) = rows.next()? else { continue };
                let span = span_of(block.cast_unsigned()).cast_signed();
                let terms = Entries::of(row.get_ref(0)?.as_blob()?).terms();
                owned.extend(terms.map(|term| (span, term.cast_signed())));
                drop(rows);
                remove.execute((block, pid))?;
            }
            for (span, term) in owned {
                disown.execute((span, term, pid))?;
            }
        }
    }
    all.commit()?;
    // What was deleted still stands in the write-ahead log until it starts anew.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Takes out what is known of records before `before`.
pub(super) fn prune(db: &Connection, before: u64, tally: &Tally) -> rusqlite::Result<()> {
    let all = db.unchecked_transaction()?;
    let block = before / BLOCK;
    all.execute("DELETE FROM event WHERE seq < ?1", [before.cast_signed()])?;
    for table in ["block", "personal"] {
        let old = format!("DELETE FROM {table} WHERE block < ?1");
        all.execute(&old, [block.cast_signed()])?;
    }
    let span = span_of(block);
    all.execute("DELETE FROM posting WHERE page < ?1", [page_of(span * SPAN, 0)])?;
    for pages in pages_before(block) {
        all.execute("DELETE FROM posting WHERE page BETWEEN ?1 AND ?2", pages)?;
    }
    own_anew(&all, span.cast_signed())?;
    for ((action, outcome), count) in tally {
        all.execute(
            "UPDATE tally SET count = count - ?3 WHERE action = ?1 AND outcome = ?2",
            (action, outcome, count),
        )?;
    }
    all.execute("DELETE FROM tally WHERE count <= 0", [])?;
    all.commit()?;
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Leaves of the owners up to this span those that the blocks which are left have in it.
fn own_anew(db: &Connection, span: i64) -> rusqlite::Result<()> {
    db.execute("DELETE FROM owner WHERE span <= ?1", [span])?;
    let blocks = (span * SPAN.cast_signed(), (span + 1) * SPAN.cast_signed());
    let mut left =
        db.prepare("SELECT pid, entries FROM personal WHERE block >= ?1 AND block < ?2")?;
    let mut put = db.prepare("INSERT OR IGNORE INTO owner VALUES (?1, ?2, ?3)")?;
    let mut rows = left.query(blocks)?;
    while let Some(row) = rows.next()? {
        let pid: i64 = row.get(0)?;
        for term in Entries::of(row.get_ref(1)?.as_blob()?).terms() {
            put.execute((span, term.cast_signed(), pid))?;
        }
    }
    Ok(())
}

/// A connection that only reads, all of it as it is now: a lock for each statement would cost more than the reading.
pub(super) fn open_to_read(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    db.busy_timeout(std::time::Duration::from_secs(1))?;
    db.pragma_update(None, "cache_size", -16384)?;
    db.execute_batch("BEGIN")?;
    Ok(db)
}
