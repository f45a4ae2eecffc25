//! The form of a sealed value: a format byte, the number of the store key (4 bytes, big-endian), and
//! a Cobblestone-256 message of the record's end and its value.

use bytes::Bytes;
use jiff::Timestamp;
use prov_core::store::{Key, Record};
use prov_core::{Error, Result, codes as core_codes};
use zeroize::Zeroizing;

use super::keys::StoreKeys;
use crate::cobblestone;
use crate::encoding::framed;

/// The form described above; another form would be another number.
const FORMAT: u8 = 1;
/// How far the end that the store gives may be from the sealed one: stores round.
const END_TOLERANCE_MS: u64 = 1000;
/// In place of an end, where there is none.
const NO_END: i64 = i64::MAX;

/// Seals a value for its place.
pub(super) fn seal(
    keys: &StoreKeys,
    key: &Key,
    value: &[u8],
    expires_at: Option<Timestamp>,
) -> Result<Bytes> {
    let (number, input) = keys.active();
    let mut plain = Zeroizing::new(Vec::with_capacity(8 + value.len()));
    plain.extend_from_slice(&end_of(expires_at).to_be_bytes());
    plain.extend_from_slice(value);
    let mut sealed = Vec::with_capacity(5 + cobblestone::sealed_len(plain.len()));
    sealed.push(FORMAT);
    sealed.extend_from_slice(&number.to_be_bytes());
    cobblestone::seal(input, &place(&key.kind, &key.id), &plain, &mut sealed)?;
    Ok(Bytes::from(sealed))
}

/// Opens the value of a record that was read as this kind.
pub(super) fn open(keys: &StoreKeys, kind: &str, record: Record) -> Result<Record> {
    let corrupt = |why: &str| {
        Error::new(core_codes::STORE_CORRUPT)
            .context(format!("opening sealed record {kind}/{}: {why}", record.id))
    };
    let (format, rest) =
        record.value.split_first_chunk::<1>().ok_or_else(|| corrupt("it is empty"))?;
    if *format != [FORMAT] {
        return Err(corrupt("it has another format"));
    }
    let (number, message) =
        rest.split_first_chunk::<4>().ok_or_else(|| corrupt("it is too short"))?;
    let input = keys
        .numbered(u32::from_be_bytes(*number))
        .ok_or_else(|| corrupt("it was sealed under a store key that is not there"))?;
    let plain = cobblestone::open(input, &place(kind, &record.id), message)
        .map_err(|_| corrupt("it was changed or moved"))?;
    let (end, value) = plain.split_first_chunk().ok_or_else(|| corrupt("it is too short"))?;
    if end_of(record.expires_at).abs_diff(i64::from_be_bytes(*end)) > END_TOLERANCE_MS {
        return Err(corrupt("its end was moved"));
    }
    Ok(Record { value: Bytes::copy_from_slice(value), ..record })
}

/// What a value is bound to.
fn place(kind: &str, id: &str) -> Vec<u8> {
    framed(&[b"prov-kms sealed record v1", kind.as_bytes(), id.as_bytes()])
}

/// In milliseconds since 1970.
fn end_of(expires_at: Option<Timestamp>) -> i64 {
    expires_at.map_or(NO_END, Timestamp::as_millisecond)
}
