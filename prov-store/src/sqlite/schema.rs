//! The tables, and whose database it is.

use prov_core::{Error, Result};
use rusqlite::Connection;

use super::fault;
use crate::codes;

/// "prov" in ASCII, where SQLite keeps the owner of a file.
const APPLICATION_ID: i64 = 0x7072_6F76;
/// The version of the tables below; rises with every change of them.
const SCHEMA_VERSION: i64 = 1;

/// `records` has no rowid, so that a point read walks one tree instead of two. `terms` is what
/// records are found by; its second index is for taking a record's terms away. `counters` holds the
/// last version that was given, so that none repeats even when all records are gone.
const TABLES: &str = "
CREATE TABLE records (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    version INTEGER NOT NULL,
    expires_at INTEGER,
    checksum INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_by_end ON records (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE terms (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (kind, name, value, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX terms_by_record ON terms (kind, id);
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO counters VALUES ('version', 0);
";

/// Whether the tables are there; nothing is changed.
///
/// # Errors
/// When the file belongs to another program or to a newer version of this one.
pub(super) fn is_ready(db: &Connection) -> Result<bool> {
    let number = |pragma| {
        db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
            .map_err(fault::while_("reading the schema version"))
    };
    let (owner, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = db
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(fault::while_("reading the schema"))?;
    match (owner, version) {
        (APPLICATION_ID, SCHEMA_VERSION) => Ok(true),
        (0, 0) if tables == 0 => Ok(false),
        (APPLICATION_ID, SCHEMA_VERSION..) => {
            Err(Error::new(codes::DATABASE_TOO_NEW).detail(format!(
                "the database has schema version {version}, this program understands \
                 {SCHEMA_VERSION}; start the newer program, or restore a backup from before the \
                 upgrade"
            )))
        }
        _ => Err(Error::new(codes::DATABASE_FOREIGN)),
    }
}

/// Makes the tables in an empty database, all or none.
pub(super) fn make(db: &Connection) -> Result<()> {
    db.execute_batch(&format!(
        "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; \
         PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
    ))
    .map_err(fault::while_("making the tables"))
}
