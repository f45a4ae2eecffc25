use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::places::{BLOCK, span_of};
use crate::log::Tally;

/// The format's number; an index with another one is made anew.
const FORMAT: i64 = 4;

const TABLES: &str = "
    CREATE TABLE meta (format INTEGER NOT NULL, origin TEXT NOT NULL, size INTEGER NOT NULL,
        last_hash BLOB NOT NULL);
    CREATE TABLE event (seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, segment INTEGER NOT NULL,
        place INTEGER NOT NULL);
    CREATE TABLE block (block INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL);
    CREATE TABLE posting (span INTEGER NOT NULL, term INTEGER NOT NULL, block INTEGER NOT NULL,
        places BLOB NOT NULL, PRIMARY KEY (span, term, block)) WITHOUT ROWID;
    CREATE TABLE personal (span INTEGER NOT NULL, term INTEGER NOT NULL, block INTEGER NOT NULL,
        pid INTEGER NOT NULL, places BLOB NOT NULL, PRIMARY KEY (span, term, block, pid)) WITHOUT ROWID;
    CREATE INDEX personal_pid ON personal (span, pid);
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
    let mut after = -1_i64;
    let next = "SELECT span FROM personal WHERE span > ?1 ORDER BY span LIMIT 1";
    while let Some(span) =
        all.prepare_cached(next)?.query_row([after], |row| row.get(0)).optional()?
    {
        let mut one = all.prepare_cached("DELETE FROM personal WHERE span = ?1 AND pid = ?2")?;
        for pid in pids {
            one.execute((span, pid))?;
        }
        after = span;
    }
    all.commit()?;
    // What was deleted still stands in the write-ahead log until it starts anew.
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Takes out what is known of records before `before`.
pub(super) fn prune(db: &Connection, before: u64, tally: &Tally) -> rusqlite::Result<()> {
    let all = db.unchecked_transaction()?;
    let (span, block) = (span_of(before / BLOCK).cast_signed(), (before / BLOCK).cast_signed());
    all.execute("DELETE FROM event WHERE seq < ?1", [before.cast_signed()])?;
    all.execute("DELETE FROM block WHERE block < ?1", [block])?;
    for table in ["posting", "personal"] {
        let old = format!("DELETE FROM {table} WHERE span <= ?1 AND block < ?2");
        all.execute(&old, (span, block))?;
    }
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

/// A connection that only reads.
pub(super) fn open_to_read(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(file, flags)?;
    db.busy_timeout(std::time::Duration::from_secs(1))?;
    Ok(db)
}
