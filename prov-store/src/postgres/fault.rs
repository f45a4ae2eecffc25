//! What PostgreSQL's errors mean to the callers of a store.

use std::time::Duration;

use prov_core::{Error, codes};
use tokio_postgres::Error as PgError;
use tokio_postgres::error::SqlState;

/// The meaning of an error, and what was being done.
pub(super) fn meaning(error: PgError, doing: &'static str) -> Error {
    let meant = match error.code() {
        None => unavailable(),
        Some(state) => of_state(state),
    };
    meant.context(doing).source(error)
}

/// No answer in time.
pub(super) fn too_slow(doing: &'static str, limit: Duration) -> Error {
    unavailable().context(format!("no answer within {limit:?}")).context(doing)
}

/// After `close`.
pub(super) fn closed() -> Error {
    Error::new(codes::STORE_UNAVAILABLE).context("the store is closed")
}

/// A row that this program can't have written.
pub(super) fn damaged(what: &'static str) -> Error {
    Error::new(codes::STORE_CORRUPT).context(what)
}

/// Whether the connection is of no more use, and the statement was not the reason.
pub(super) fn is_lost(error: &PgError) -> bool {
    error.is_closed()
        || match error.code() {
            // Nothing from the server: the socket failed.
            None => true,
            Some(state) => class(state) == "08" || is_shutdown(state),
        }
}

/// Whether the same transaction may succeed when it is run again.
pub(super) fn is_lost_race(error: &PgError) -> bool {
    error.code().is_some_and(|state| {
        [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(state)
    })
}

fn unavailable() -> Error {
    Error::new(codes::STORE_UNAVAILABLE).retry_after(Duration::from_secs(1))
}

fn is_shutdown(state: &SqlState) -> bool {
    [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW]
        .contains(state)
}

fn class(state: &SqlState) -> &str {
    state.code().get(..2).unwrap_or_default()
}

fn of_state(state: &SqlState) -> Error {
    if *state == SqlState::DISK_FULL {
        return Error::new(codes::STORAGE_FULL);
    }
    match class(state) {
        "XX" => Error::new(codes::STORE_CORRUPT)
            .detail("the database reports damage; see its log, and restore the last backup"),
        // A name beyond what an index takes, or a character that text can't have.
        "54" | "22" => Error::new(codes::INVALID_REQUEST)
            .detail("an id or a value is longer than the database can store, or not valid text"),
        "28" | "3D" => {
            unavailable().detail("the database refuses this user, password or database name")
        }
        "25" => unavailable().detail("the database is read-only; connect to the primary"),
        "42" => Error::new(codes::INTERNAL)
            .detail("the database user lacks a right or a table; let it own the tables `prov_*`"),
        // 08 connection, 40 lost races, 53 resources, 55 and 57 timeouts and shutdown, 58 system.
        "08" | "40" | "53" | "55" | "57" | "58" => unavailable(),
        _ => Error::new(codes::INTERNAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_tells_the_caller_what_to_do() {
        for (state, code) in [
            (SqlState::DISK_FULL, codes::STORAGE_FULL),
            (SqlState::OUT_OF_MEMORY, codes::STORE_UNAVAILABLE),
            (SqlState::LOCK_NOT_AVAILABLE, codes::STORE_UNAVAILABLE),
            (SqlState::QUERY_CANCELED, codes::STORE_UNAVAILABLE),
            (SqlState::READ_ONLY_SQL_TRANSACTION, codes::STORE_UNAVAILABLE),
            (SqlState::INVALID_PASSWORD, codes::STORE_UNAVAILABLE),
            (SqlState::PROGRAM_LIMIT_EXCEEDED, codes::INVALID_REQUEST),
            (SqlState::DATA_CORRUPTED, codes::STORE_CORRUPT),
            (SqlState::UNDEFINED_TABLE, codes::INTERNAL),
        ] {
            assert_eq!(of_state(&state).code(), code, "{state:?}");
        }
    }
}
