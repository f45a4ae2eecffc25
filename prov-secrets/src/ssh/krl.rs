//! Key revocation lists as OpenSSH reads them (`PROTOCOL.krl`).

use std::collections::BTreeSet;

use prov_core::Timestamp;

const MAGIC: &[u8; 8] = b"SSHKRL\n\0";
const FORMAT_VERSION: u32 = 1;
const SECTION_CERTIFICATES: u8 = 1;
const SERIAL_LIST: u8 = 0x20;
const SERIAL_RANGE: u8 = 0x21;
/// A range costs 21 bytes, a number in a list 8: shorter runs are listed.
const SHORTEST_RANGE: u64 = 3;

/// A revocation list, for sshd's `RevokedKeys`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Krl {
    /// The file.
    pub bytes: Vec<u8>,
    /// Rises with time; the same in the file.
    pub version: u64,
    /// How many certificates it revokes.
    pub revoked: usize,
}

/// The serials of one CA that are revoked.
#[derive(Debug)]
pub(crate) struct RevokedOf {
    /// The CA's public key as SSH writes it.
    pub(crate) ca: Vec<u8>,
    pub(crate) serials: BTreeSet<u64>,
}

/// Writes the list.
pub(crate) fn write(at: Timestamp, revoked: &[RevokedOf]) -> Krl {
    let version = u64::try_from(at.as_millisecond()).unwrap_or(0);
    let mut out = Vec::new();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&u64::try_from(at.as_second()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(&0_u64.to_be_bytes());
    put_text(&mut out, b"");
    put_text(&mut out, b"prov");
    for of in revoked.iter().filter(|of| !of.serials.is_empty()) {
        out.push(SECTION_CERTIFICATES);
        put_text(&mut out, &certificates(of));
    }
    let revoked = revoked.iter().map(|of| of.serials.len()).sum();
    Krl { bytes: out, version, revoked }
}

fn certificates(of: &RevokedOf) -> Vec<u8> {
    let mut body = Vec::new();
    put_text(&mut body, &of.ca);
    put_text(&mut body, b"");
    let mut list = Vec::new();
    for (first, last) in runs(&of.serials) {
        if last - first + 1 >= SHORTEST_RANGE {
            let range = [first.to_be_bytes(), last.to_be_bytes()].concat();
            body.push(SERIAL_RANGE);
            put_text(&mut body, &range);
        } else {
            (first..=last).for_each(|serial| list.extend_from_slice(&serial.to_be_bytes()));
        }
    }
    if !list.is_empty() {
        body.push(SERIAL_LIST);
        put_text(&mut body, &list);
    }
    body
}

/// The serials as runs of consecutive numbers.
fn runs(serials: &BTreeSet<u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for serial in serials {
        match runs.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*serial) => *last = *serial,
            _ => runs.push((*serial, *serial)),
        }
    }
    runs
}

/// A length of four bytes, then the bytes (RFC 4251, section 5).
fn put_text(out: &mut Vec<u8>, bytes: &[u8]) {
    // A list of 2^32 bytes would be 500 million revocations.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_hold_every_serial_once_and_reach_the_end_of_numbers() {
        let serials = BTreeSet::from([1, 2, 3, 7, 9, 10, u64::MAX - 1, u64::MAX]);
        let runs = runs(&serials);
        assert_eq!(runs, [(1, 3), (7, 7), (9, 10), (u64::MAX - 1, u64::MAX)]);
    }
}
