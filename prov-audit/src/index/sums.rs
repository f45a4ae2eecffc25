//! Sums of what stands in the tables, so that what a failing disk makes of it is noticed.

use rusqlite::{Error, ErrorCode, ffi};

/// The first bytes of a value: the sum of the rest and of where it stands.
const SUM: usize = 4;

/// The sum of a row: of its table, its numbers, and the bytes of it.
pub(super) fn sum(table: &str, numbers: &[i64], bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(table.as_bytes());
    for number in numbers {
        crc.update(&number.to_le_bytes());
    }
    crc.update(bytes);
    crc.finalize()
}

/// A value whose first bytes are left for its sum.
pub(super) fn begun() -> Vec<u8> {
    vec![0; SUM]
}

/// Puts the sum into a value that was [`begun`].
pub(super) fn summed(table: &str, numbers: &[i64], mut value: Vec<u8>) -> Vec<u8> {
    if let Some((first, rest)) = value.split_first_chunk_mut::<SUM>() {
        *first = sum(table, numbers, rest).to_le_bytes();
    }
    value
}

/// What stands behind the sum of a value.
pub(super) fn checked<'a>(
    table: &str,
    numbers: &[i64],
    value: &'a [u8],
) -> rusqlite::Result<&'a [u8]> {
    value
        .split_first_chunk::<SUM>()
        .filter(|(first, rest)| **first == sum(table, numbers, rest).to_le_bytes())
        .map(|(_, rest)| rest)
        .ok_or_else(|| damaged(table))
}

/// Something in this table is not what was written, or is missing.
pub(super) fn damaged(table: &str) -> Error {
    let what = format!("`{table}` of the index is damaged");
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(what))
}

/// Whether an error means that the index is not what was written, and not something that passes.
pub(super) fn is_damage(error: &Error) -> bool {
    let passes = [
        ErrorCode::CannotOpen,
        ErrorCode::DatabaseBusy,
        ErrorCode::DatabaseLocked,
        ErrorCode::DiskFull,
        ErrorCode::FileLockingProtocolFailed,
        ErrorCode::OperationInterrupted,
        ErrorCode::OutOfMemory,
        ErrorCode::PermissionDenied,
        ErrorCode::ReadOnly,
        ErrorCode::SystemIoFailure,
    ];
    error.sqlite_error_code().is_none_or(|code| !passes.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_changed_or_moved_is_damaged() {
        let mut value = begun();
        value.extend(b"value");
        let value = summed("table", &[1, 2], value);
        assert_eq!(checked("table", &[1, 2], &value).unwrap(), b"value");
        checked("table", &[2, 1], &value).unwrap_err();
        checked("other", &[1, 2], &value).unwrap_err();
        for at in 0..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 1;
            checked("table", &[1, 2], &changed).unwrap_err();
            checked("table", &[1, 2], &value[..at]).unwrap_err();
        }
    }
}
