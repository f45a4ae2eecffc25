use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, OpenFlags, ffi};

use super::summary::People;
use super::{ToRead, sums};

/// The format's number; an index with another one is made anew.
const FORMAT: i64 = 9;

/// How long a connection waits for another that keeps it from going on.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

const TABLES: &str = "
    CREATE TABLE meta (format INTEGER NOT NULL, origin TEXT NOT NULL, size INTEGER NOT NULL,
        oldest INTEGER NOT NULL, counted INTEGER NOT NULL, people INTEGER NOT NULL, whose INTEGER NOT NULL,
        last_hash BLOB NOT NULL, sum INTEGER NOT NULL);
    CREATE TABLE person (pid INTEGER PRIMARY KEY, ends INTEGER NOT NULL, sum INTEGER NOT NULL);
    CREATE TABLE event (page INTEGER PRIMARY KEY, entries BLOB NOT NULL);
    CREATE TABLE stretch (stretch INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL,
        people INTEGER NOT NULL, whose INTEGER NOT NULL, sum INTEGER NOT NULL);
    CREATE TABLE posting (page INTEGER PRIMARY KEY, entries BLOB NOT NULL);
    CREATE TABLE personal (stretch INTEGER NOT NULL, pid INTEGER NOT NULL, entries BLOB NOT NULL,
        PRIMARY KEY (stretch, pid)) WITHOUT ROWID;
    CREATE TABLE owner (grp INTEGER NOT NULL, term INTEGER NOT NULL, pid INTEGER NOT NULL,
        spans INTEGER NOT NULL, next_term INTEGER NOT NULL, next_pid INTEGER NOT NULL,
        sum INTEGER NOT NULL, PRIMARY KEY (grp, term, pid)) WITHOUT ROWID;
    CREATE TABLE tally (action TEXT NOT NULL, outcome TEXT NOT NULL, count INTEGER NOT NULL,
        sum INTEGER NOT NULL, PRIMARY KEY (action, outcome)) WITHOUT ROWID;
";

/// How far an index is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Position {
    /// How many records it has read.
    pub(super) size: u64,
    /// The oldest of them that was not pruned.
    pub(super) oldest: u64,
    /// How many events it has counted by their actions.
    pub(super) counted: i64,
    /// Of whom it has something personal.
    pub(super) people: People,
    /// The hash of the last leaf it read.
    pub(super) last_hash: Vec<u8>,
}

impl Position {
    fn sum(&self) -> u32 {
        let (size, oldest) = (self.size.cast_signed(), self.oldest.cast_signed());
        let People { count, sum } = self.people;
        let numbers = [size, oldest, self.counted, count, sum];
        sums::sum("meta", &numbers, &self.last_hash)
    }

    /// The position of an open index.
    pub(super) fn of(db: &Connection) -> rusqlite::Result<Self> {
        let sql = "SELECT size, oldest, counted, people, whose, last_hash, sum FROM meta";
        let (position, sum) = db.prepare_cached(sql)?.query_row([], |row| {
            let (size, oldest) = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?);
            let (size, oldest) = (size.cast_unsigned(), oldest.cast_unsigned());
            let people = People { count: row.get(3)?, sum: row.get(4)? };
            let (counted, last_hash) = (row.get(2)?, row.get(5)?);
            Ok((Self { size, oldest, counted, people, last_hash }, row.get::<_, i64>(6)?))
        })?;
        if sum == i64::from(position.sum()) { Ok(position) } else { Err(sums::damaged("meta")) }
    }

    /// Writes it down.
    pub(super) fn write(&self, db: &Connection) -> rusqlite::Result<()> {
        let (size, oldest) = (self.size.cast_signed(), self.oldest.cast_signed());
        let People { count, sum } = self.people;
        db.prepare_cached(
            "UPDATE meta SET size = ?1, oldest = ?2, counted = ?3, people = ?4, whose = ?5, last_hash = ?6,
                 sum = ?7",
        )?
        .execute((size, oldest, self.counted, count, sum, &self.last_hash, self.sum()))
        .map(drop)
    }
}

/// Opens the index for writing, making its tables when there are none. What the power takes of it is
/// made anew; that it is of one piece needs syncs, though none for each change. What is deleted is
/// overwritten.
pub(super) fn open(file: &Path, origin: &str) -> rusqlite::Result<Connection> {
    let db = Connection::open(file)?;
    settle(&db)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    db.pragma_update(None, "wal_autocheckpoint", 256)?;
    db.pragma_update(None, "secure_delete", "ON")?;
    let made: bool =
        db.query_row("SELECT count(*) > 0 FROM sqlite_master WHERE name = 'meta'", [], |row| {
            row.get(0)
        })?;
    if !made {
        let all = db.unchecked_transaction()?;
        all.execute_batch(TABLES)?;
        all.execute("INSERT INTO meta VALUES (?1, ?2, 0, 0, 0, 0, 0, x'', 0)", (FORMAT, origin))?;
        Position::default().write(&all)?;
        all.commit()?;
    }
    Ok(db)
}

/// What every connection is told. A plan does not depend on what is asked for: otherwise some statements are planned
/// anew each time, as other values may be compared in another way.
fn settle(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(PATIENCE)?;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.pragma_update(None, "cache_size", -16384)
}

/// How far the index is; `None` when it is of another log or format.
pub(super) fn position(db: &Connection, origin: &str) -> rusqlite::Result<Option<Position>> {
    let is_ours = db
        .prepare("SELECT 1 FROM meta WHERE format = ?1 AND origin = ?2")?
        .exists((FORMAT, origin))?;
    is_ours.then(|| Position::of(db)).transpose()
}

/// A connection that only reads, all of it as it is now: a lock for each statement would cost more than the reading.
pub(super) fn open_to_read(index: ToRead<'_>) -> rusqlite::Result<(Connection, Position)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(index.file, flags)?;
    settle(&db)?;
    db.execute_batch("BEGIN")?;
    let position = Position::of(&db)?;
    if position.size < index.least {
        let what = "the index is being made anew".to_owned();
        return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), Some(what)));
    }
    Ok((db, position))
}
