//! What keeps the index from going on.

use std::io::ErrorKind;

use prov_core::{Error, codes as core_codes};
use rusqlite::ErrorCode;

use super::sums;
use crate::files::io_error;

/// Why the thread could not go on.
#[derive(Debug)]
pub(super) enum Failure {
    /// The index is not what was written, or of something else.
    Damaged(Error),
    /// The files can't be read or written.
    Io(Error),
    /// Something that will pass, such as a full disk.
    Passing(Error),
}

impl Failure {
    /// What whoever gave an order is told.
    pub(super) fn told(&self) -> Error {
        let (Self::Damaged(error) | Self::Io(error) | Self::Passing(error)) = self;
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
        not_open().context(format!("{error}{}", cause.unwrap_or_default()))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Passing(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Passing(io_error(error, "reading the log for the index"))
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let (is_damage, code) = (sums::is_damage(&error), error.sqlite_error_code());
        let error =
            Error::new(core_codes::INTERNAL).context("writing the audit index").source(error);
        match code {
            _ if is_damage => Self::Damaged(error),
            Some(ErrorCode::SystemIoFailure) => Self::Io(error),
            _ => Self::Passing(error),
        }
    }
}

/// Why what is free could not be overwritten: a tree that leads out of the file is damaged.
pub(super) fn unwiped(error: std::io::Error) -> Failure {
    let kind = error.kind();
    let error = io_error(error, "overwriting what is free in the audit index");
    match kind {
        ErrorKind::UnexpectedEof => Failure::Damaged(error),
        ErrorKind::StorageFull | ErrorKind::NotFound => Failure::Passing(error),
        _ => Failure::Io(error),
    }
}

pub(super) fn not_open() -> Error {
    Error::new(core_codes::UNAVAILABLE).context("the index is not open")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn an_index_whose_tree_leads_out_of_its_file_is_damaged_and_one_without_room_is_not() {
        let of = |kind: ErrorKind| unwiped(io::Error::from(kind));
        assert!(matches!(of(ErrorKind::UnexpectedEof), Failure::Damaged(_)));
        assert!(matches!(of(ErrorKind::StorageFull), Failure::Passing(_)));
        assert!(matches!(of(ErrorKind::NotFound), Failure::Passing(_)));
        assert!(matches!(of(ErrorKind::Other), Failure::Io(_)));
    }
}
