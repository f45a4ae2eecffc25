//! Every statement that touches records.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::Timestamp;
use prov_core::store::{Key, Page, Record, Scan, Term, Version};
use prov_core::{Error, Result, codes};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::fault;
use crate::bounds::Bounds;
use crate::ending;
use crate::group::{State, States, Write};

const READ: &str = "SELECT id, version, expires_at, checksum, value FROM records
    WHERE kind = ?1 AND id = ?2 AND (expires_at IS NULL OR expires_at > ?3)";
const SCAN: &str = "SELECT id, version, expires_at, checksum, value FROM records
    WHERE kind = ?1 AND id >= ?2 AND id < ?3 AND (expires_at IS NULL OR expires_at > ?4)
    ORDER BY id LIMIT ?5";
// CROSS JOIN keeps SQLite from walking all records of the kind instead of those with the term.
const FIND: &str = "SELECT r.id, r.version, r.expires_at, r.checksum, r.value
    FROM terms AS t CROSS JOIN records AS r ON r.kind = t.kind AND r.id = t.id
    WHERE t.kind = ?1 AND t.id >= ?2 AND t.id < ?3
      AND (r.expires_at IS NULL OR r.expires_at > ?4) AND t.name = ?6 AND t.value = ?7
    ORDER BY t.id LIMIT ?5";
const STATE: &str = "SELECT version, expires_at FROM records WHERE kind = ?1 AND id = ?2";
const PUT: &str = "INSERT INTO records (kind, id, version, expires_at, checksum, value)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version,
    expires_at = excluded.expires_at, checksum = excluded.checksum, value = excluded.value";
const DELETE: &str = "DELETE FROM records WHERE kind = ?1 AND id = ?2";
const DELETE_TERMS: &str = "DELETE FROM terms WHERE kind = ?1 AND id = ?2";
const PUT_TERM: &str =
    "INSERT OR IGNORE INTO terms (kind, name, value, id) VALUES (?1, ?2, ?3, ?4)";
const ENDED: &str =
    "SELECT kind, id FROM records WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";
const LAST_VERSION: &str = "SELECT value FROM counters WHERE name = 'version'";
const SET_VERSION: &str = "UPDATE counters SET value = ?1 WHERE name = 'version'";

/// The record under a key unless it has ended.
pub(super) fn read(db: &Connection, key: &Key, now: Timestamp) -> Result<Option<Record>> {
    let found = db
        .prepare_cached(READ)
        .and_then(|mut statement| {
            let now = ending::to_number(now);
            statement.query_row(params![key.kind, key.id, now], stored).optional()
        })
        .map_err(fault::while_("reading a record"))?;
    found.map(|stored| stored.checked(&key.kind)).transpose()
}

/// One page.
pub(super) fn scan(db: &Connection, scan: &Scan, now: Timestamp) -> Result<Page> {
    let limit = usize::try_from(scan.limit.min(Scan::MAX_LIMIT).get()).unwrap_or(usize::MAX);
    // One more than asked for tells whether there is a next page.
    let mut records = select(db, scan, now, limit.saturating_add(1))
        .map_err(fault::while_("scanning records"))?
        .into_iter()
        .map(|stored| stored.checked(&scan.kind))
        .collect::<Result<Vec<_>>>()?;
    let more = records.len() > limit;
    records.truncate(limit);
    let next = records.last().filter(|_| more).map(|record| record.id.clone());
    Ok(Page { records, next })
}

fn select(
    db: &Connection,
    scan: &Scan,
    now: Timestamp,
    limit: usize,
) -> rusqlite::Result<Vec<Stored>> {
    let Bounds { lower, upper } = Bounds::of(scan);
    // Every blob sorts after every text, so an empty one stands for "no end".
    let upper = upper.map_or_else(|| Value::Blob(Vec::new()), Value::Text);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let now = ending::to_number(now);
    match &scan.term {
        None => db
            .prepare_cached(SCAN)?
            .query_map(params![scan.kind, lower, upper, now, limit], stored)?
            .collect(),
        Some(Term { name, value }) => db
            .prepare_cached(FIND)?
            .query_map(params![scan.kind, lower, upper, now, limit, name, value], stored)?
            .collect(),
    }
}

/// The states of those keys that are there.
pub(super) fn states<'b>(db: &Connection, keys: BTreeSet<&'b Key>) -> Result<States<'b>> {
    let load = || {
        let mut statement = db.prepare_cached(STATE)?;
        let mut states = States::with_capacity(keys.len());
        for key in keys {
            let state = statement.query_row(params![key.kind, key.id], |row| {
                let expires_at = row.get::<_, Option<i64>>(1)?.map(ending::from_number);
                Ok(State { version: version(row, 0)?, expires_at })
            });
            if let Some(state) = state.optional()? {
                states.insert(key, state);
            }
        }
        Ok(states)
    };
    load().map_err(fault::while_("reading states"))
}

/// Writes what a group leaves.
pub(super) fn write(db: &Connection, writes: &BTreeMap<&Key, Write<'_>>) -> Result<()> {
    let apply = || {
        for (key, write) in writes {
            db.prepare_cached(DELETE_TERMS)?.execute(params![key.kind, key.id])?;
            match write {
                Write::Delete => {
                    db.prepare_cached(DELETE)?.execute(params![key.kind, key.id])?;
                }
                Write::Put { value, state, terms } => put(db, key, value, *state, terms)?,
            }
        }
        Ok(())
    };
    apply().map_err(fault::while_("writing records"))
}

fn put(
    db: &Connection,
    key: &Key,
    value: &Bytes,
    state: State,
    terms: &[Term],
) -> rusqlite::Result<()> {
    let (version, end) = (state.version.number(), state.expires_at.map(ending::to_number));
    let sum = checksum(&key.kind, &key.id, version, end, value);
    let row = params![key.kind, key.id, signed(version), end, sum, value.as_ref()];
    db.prepare_cached(PUT)?.execute(row)?;
    for Term { name, value } in terms {
        db.prepare_cached(PUT_TERM)?.execute(params![key.kind, name, value, key.id])?;
    }
    Ok(())
}

/// Deletes up to `limit` ended records.
pub(super) fn purge(db: &Connection, limit: u32, now: Timestamp) -> Result<u32> {
    let delete = || {
        let ended: Vec<(String, String)> = db
            .prepare_cached(ENDED)?
            .query_map(params![ending::to_number(now), limit], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        for key in &ended {
            db.prepare_cached(DELETE_TERMS)?.execute(params![key.0, key.1])?;
            db.prepare_cached(DELETE)?.execute(params![key.0, key.1])?;
        }
        Ok(u32::try_from(ended.len()).unwrap_or(u32::MAX))
    };
    delete().map_err(fault::while_("deleting ended records"))
}

/// The last version that was given.
pub(super) fn last_version(db: &Connection) -> Result<u64> {
    let number: i64 = db
        .query_row(LAST_VERSION, [], |row| row.get(0))
        .map_err(fault::while_("reading the last version"))?;
    u64::try_from(number).map_err(|e| {
        Error::new(codes::STORE_CORRUPT).context("the version counter is negative").source(e)
    })
}

/// Remembers the last version that was given.
pub(super) fn remember_version(db: &Connection, version: u64) -> Result<()> {
    db.prepare_cached(SET_VERSION)
        .and_then(|mut statement| statement.execute([signed(version)]))
        .map(drop)
        .map_err(fault::while_("counting versions"))
}

/// A row as it was read, not yet trusted.
struct Stored {
    record: Record,
    checksum: u32,
}

fn stored(row: &Row<'_>) -> rusqlite::Result<Stored> {
    let record = Record {
        id: row.get(0)?,
        version: version(row, 1)?,
        expires_at: row.get::<_, Option<i64>>(2)?.map(ending::from_number),
        value: Bytes::from(row.get::<_, Vec<u8>>(4)?),
    };
    Ok(Stored { record, checksum: row.get(3)? })
}

impl Stored {
    fn checked(self, kind: &str) -> Result<Record> {
        let Self { record, checksum: expected } = self;
        let (version, end) = (record.version.number(), record.expires_at.map(ending::to_number));
        if checksum(kind, &record.id, version, end, &record.value) == expected {
            Ok(record)
        } else {
            Err(fault::altered(kind, &record.id))
        }
    }
}

/// CRC-32 of a whole record: finds damage, which SQLite looks for only in the structure of its
/// pages. Against intent it protects nothing; sealing does.
fn checksum(kind: &str, id: &str, version: u64, end: Option<i64>, value: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    for part in [kind.as_bytes(), &[0], id.as_bytes(), &[0], &version.to_be_bytes()] {
        sum.update(part);
    }
    sum.update(&end.unwrap_or(i64::MAX).to_be_bytes());
    sum.update(value);
    sum.finalize()
}

fn version(row: &Row<'_>, column: usize) -> rusqlite::Result<Version> {
    let number: i64 = row.get(column)?;
    u64::try_from(number)
        .map(Version::from_number)
        .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

/// As a database stores it. Versions are counted from 0, one per batch: they never get there.
fn signed(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use prov_core::SystemClock;
    use rusqlite::StatementStatus;

    use super::super::{SqliteOptions, opening};
    use super::*;

    #[test]
    fn no_statement_is_planned_anew_for_what_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let options = SqliteOptions::new(&path, Arc::new(SystemClock::new()));
        // SQLite makes no file where it is not told to.
        std::fs::write(&path, []).unwrap();
        let _writer = opening::writer(&options, &path).unwrap();
        let db = opening::reader(&options, &path).unwrap();
        for sql in [READ, SCAN, FIND, STATE, ENDED, LAST_VERSION] {
            let mut statement = db.prepare(sql).unwrap();
            for round in 0..3 {
                for parameter in 1..=statement.parameter_count() {
                    statement.raw_bind_parameter(parameter, round).unwrap();
                }
                let mut rows = statement.raw_query();
                while rows.next().unwrap().is_some() {}
            }
            assert_eq!(statement.get_status(StatementStatus::RePrepare), 0, "{sql}");
        }
    }
}
