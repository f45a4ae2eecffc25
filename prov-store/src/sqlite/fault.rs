//! What SQLite's errors mean to the callers of a store.

use prov_core::{Error, codes};
use rusqlite::{ErrorCode, ffi};

/// What to do about a damaged file, for whoever reads the problem document.
const DAMAGED: &str = "the database is damaged; stop the server, keep the file for examination, and \
                       restore the last backup";

/// For `map_err`: the meaning of SQLite's error, and what was being done.
pub(super) fn while_(doing: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |error| meaning(&error).context(doing).source(error)
}

/// A record whose bytes are not the ones that were written.
pub(super) fn altered(kind: &str, id: &str) -> Error {
    Error::new(codes::STORE_CORRUPT)
        .detail(DAMAGED)
        .context(format!("the checksum of {kind}/{id} does not fit its bytes"))
}

/// After `close`.
pub(super) fn closed() -> Error {
    Error::new(codes::STORE_UNAVAILABLE).context("the store is closed")
}

fn meaning(error: &rusqlite::Error) -> Error {
    let Some(sqlite) = error.sqlite_error() else {
        // A column of the wrong type: the schema is STRICT, so the file was changed behind it.
        return Error::new(codes::STORE_CORRUPT).detail(DAMAGED);
    };
    match sqlite.code {
        ErrorCode::DiskFull => Error::new(codes::STORAGE_FULL),
        // The index of the write-ahead log could not grow.
        _ if sqlite.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Error::new(codes::STORAGE_FULL),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            Error::new(codes::STORE_CORRUPT).detail(DAMAGED)
        }
        ErrorCode::TooBig => {
            Error::new(codes::TOO_LARGE).detail("the record is too large to store")
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::new(codes::STORE_UNAVAILABLE)
            .detail("another program holds the database; try again"),
        ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::OutOfMemory => Error::new(codes::STORE_UNAVAILABLE),
        _ => Error::new(codes::INTERNAL),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(extended: i32) -> prov_core::Code {
        while_("testing")(rusqlite::Error::SqliteFailure(ffi::Error::new(extended), None)).code()
    }

    #[test]
    fn each_failure_tells_the_caller_what_to_do() {
        assert_eq!(code_of(ffi::SQLITE_FULL), codes::STORAGE_FULL);
        assert_eq!(code_of(ffi::SQLITE_IOERR_SHMSIZE), codes::STORAGE_FULL);
        assert_eq!(code_of(ffi::SQLITE_CORRUPT), codes::STORE_CORRUPT);
        assert_eq!(code_of(ffi::SQLITE_NOTADB), codes::STORE_CORRUPT);
        assert_eq!(code_of(ffi::SQLITE_BUSY), codes::STORE_UNAVAILABLE);
        assert_eq!(code_of(ffi::SQLITE_IOERR_FSYNC), codes::STORE_UNAVAILABLE);
        assert_eq!(code_of(ffi::SQLITE_TOOBIG), codes::TOO_LARGE);
        assert_eq!(code_of(ffi::SQLITE_MISUSE), codes::INTERNAL);
    }
}
