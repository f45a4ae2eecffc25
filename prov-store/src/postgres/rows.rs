//! Statements and rows.

use bytes::Bytes;
use prov_core::Result;
use prov_core::store::{Key, Record, Version};
use tokio_postgres::Row;

use super::fault;
use crate::ending;
use crate::group::State;

pub(super) const GET: &str = "SELECT id, version, expires_at, value FROM prov_records
    WHERE kind = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > $3)";
pub(super) const SCAN: &str = "SELECT id, version, expires_at, value FROM prov_records
    WHERE kind = $1 AND id >= $2 AND id < $3 AND (expires_at IS NULL OR expires_at > $4)
    ORDER BY id LIMIT $5";
pub(super) const FIND: &str = "SELECT r.id, r.version, r.expires_at, r.value
    FROM prov_terms t JOIN prov_records r ON r.kind = t.kind AND r.id = t.id
    WHERE t.kind = $1 AND t.id >= $2 AND t.id < $3
      AND (r.expires_at IS NULL OR r.expires_at > $4) AND t.name = $6 AND t.value = $7
    ORDER BY t.id LIMIT $5";
// A record that a writer holds just now is left for the next purge; waiting could deadlock.
pub(super) const PURGE: &str = "WITH
    ended AS (SELECT kind, id FROM prov_records WHERE expires_at <= $1
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED),
    gone AS (DELETE FROM prov_records r USING ended e WHERE r.kind = e.kind AND r.id = e.id
        RETURNING r.kind, r.id),
    terms AS (DELETE FROM prov_terms t USING gone g WHERE t.kind = g.kind AND t.id = g.id)
    SELECT count(*) FROM gone";

// Writers of the same keys take turns, also when a key has no row yet that could be locked. There
// are 64 locks, taken in order: a group of any size stays within the server's lock table, and no two
// groups wait for each other.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock($1, stripe) FROM (
    SELECT DISTINCT (hashtext(kind) # hashtext(encode(id, 'hex'))) & 63 AS stripe
    FROM unnest($2::text[], $3::bytea[]) AS k (kind, id) ORDER BY stripe) AS stripes";
pub(super) const STATES: &str = "SELECT r.kind, r.id, r.version, r.expires_at
    FROM unnest($1::text[], $2::bytea[]) AS k (kind, id)
    JOIN prov_records r ON r.kind = k.kind AND r.id = k.id";
// Taken while the locks are held, so that they rise along every key.
pub(super) const VERSIONS: &str =
    "SELECT nextval('prov_version') FROM generate_series(1, $1::bigint)";
pub(super) const PUT: &str = "INSERT INTO prov_records (kind, id, version, expires_at, value)
    SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[])
    ON CONFLICT (kind, id) DO UPDATE SET version = excluded.version,
    expires_at = excluded.expires_at, value = excluded.value";
pub(super) const DELETE: &str = "DELETE FROM prov_records r
    USING unnest($1::text[], $2::bytea[]) AS k (kind, id) WHERE r.kind = k.kind AND r.id = k.id";
pub(super) const DELETE_TERMS: &str = "DELETE FROM prov_terms t
    USING unnest($1::text[], $2::bytea[]) AS k (kind, id) WHERE t.kind = k.kind AND t.id = k.id";
pub(super) const PUT_TERMS: &str = "INSERT INTO prov_terms (kind, name, value, id)
    SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) ON CONFLICT DO NOTHING";
pub(super) const NOTIFY: &str = "SELECT pg_notify($1, news) FROM unnest($2::text[]) AS news";

/// The record in a row of `GET`, `SCAN` or `FIND`.
pub(super) fn record(row: &Row) -> Result<Record> {
    let expires_at = column::<Option<i64>>(row, 2)?.map(ending::from_number);
    let value = Bytes::copy_from_slice(column(row, 3)?);
    Ok(Record { id: text(column(row, 0)?)?, value, version: version(column(row, 1)?)?, expires_at })
}

/// The key and state in a row of `STATES`.
pub(super) fn state(row: &Row) -> Result<(Key, State)> {
    let key = Key::new(column::<String>(row, 0)?, text(column(row, 1)?)?);
    let expires_at = column::<Option<i64>>(row, 3)?.map(ending::from_number);
    Ok((key, State { version: version(column(row, 2)?)?, expires_at }))
}

/// A column, whose type the statement fixes.
pub(super) fn column<'r, T: tokio_postgres::types::FromSql<'r>>(
    row: &'r Row,
    index: usize,
) -> Result<T> {
    row.try_get(index).map_err(|_| fault::damaged("a column has another type than the program's"))
}

/// A version as the sequence counts them, from 1.
pub(super) fn version(number: i64) -> Result<Version> {
    u64::try_from(number)
        .map(Version::from_number)
        .map_err(|_| fault::damaged("a version is negative"))
}

fn text(bytes: &[u8]) -> Result<String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| fault::damaged("an id is no text"))
}
