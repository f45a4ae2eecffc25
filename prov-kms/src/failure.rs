//! The few errors that are made in many places.

use std::io;

use prov_core::{Error, codes as core_codes};

use crate::codes;

/// The one answer to everything that does not decrypt. It carries no cause, not even for the log.
pub(crate) fn undecryptable() -> Error {
    Error::new(codes::DECRYPTION_FAILED)
}

/// What a cryptographic library refused although its input was ours.
pub(crate) fn refused_by_library(what: &'static str) -> Error {
    Error::new(core_codes::INTERNAL).context(what)
}

/// A file could not be read or written; a full disk keeps its own code.
pub(crate) fn file_failed(doing: &'static str, error: io::Error) -> Error {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => core_codes::STORAGE_FULL,
        _ => codes::FILE_FAILED,
    };
    Error::new(code).context(doing).source(error)
}
