//! When events happened and where their records lie, as it is stored: of 256 events in one value.
//!
//! A value is its sum and then, for each event, its place in the page (one byte), and how much more than of the one
//! before its time, its segment and its place in the segment are (LEB128, the sign in the lowest bit).

use rusqlite::{Connection, OptionalExtension};

use super::{Hit, sums};

/// Events of a page.
const PAGE: u64 = 256;

/// The page of a record.
pub(super) fn page_of(seq: u64) -> i64 {
    (seq / PAGE).cast_signed()
}

/// The value of these, which must be of one page and in order.
pub(super) fn to_bytes(page: i64, events: &[Hit]) -> Vec<u8> {
    let mut bytes = sums::begun();
    let mut before = (0, 0, 0);
    for event in events {
        bytes.push(u8::try_from(event.seq % PAGE).unwrap_or_default());
        let here = (event.time, event.segment.cast_signed(), event.place.cast_signed());
        write(&mut bytes, here.0.wrapping_sub(before.0));
        write(&mut bytes, here.1.wrapping_sub(before.1));
        write(&mut bytes, here.2.wrapping_sub(before.2));
        before = here;
    }
    sums::summed("event", &[page], bytes)
}

/// What stands in a page that must be there.
pub(super) fn load(db: &Connection, page: i64) -> rusqlite::Result<Vec<Hit>> {
    let mut one = db.prepare_cached("SELECT entries FROM event WHERE page = ?1")?;
    let found =
        one.query_row([page], |row| Ok(read(page, row.get_ref(0)?.as_blob()?))).optional()?;
    found.unwrap_or_else(|| Err(sums::damaged("event")))
}

/// What stands in a page.
fn read(page: i64, bytes: &[u8]) -> rusqlite::Result<Vec<Hit>> {
    let mut rest = sums::checked("event", &[page], bytes)?;
    let mut events = Vec::new();
    let mut before = (0, 0, 0);
    while let Some((place, more)) = rest.split_first() {
        rest = more;
        let mut next = || read_number(&mut rest).ok_or_else(|| sums::damaged("event"));
        let (time, segment, offset) = (next()?, next()?, next()?);
        let (time, segment) = (time.wrapping_add(before.0), segment.wrapping_add(before.1));
        before = (time, segment, offset.wrapping_add(before.2));
        events.push(Hit {
            seq: page.cast_unsigned() * PAGE + u64::from(*place),
            time,
            segment: segment.cast_unsigned(),
            place: before.2.cast_unsigned(),
        });
    }
    Ok(events)
}

fn write(bytes: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)).cast_unsigned();
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest & 0x7F).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap_or_default());
}

fn read_number(bytes: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7F) << shift;
        if first & 0x80 == 0 {
            return Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_back() {
        let hit = |seq, time, segment, place| Hit { seq, time, segment, place };
        let events = [
            hit(512, i64::MAX, 0, 64),
            hit(513, i64::MIN, 513, u64::MAX),
            hit(600, 1_700_000_000_000_000, 513, 1000),
            hit(767, 1_700_000_000_000_001, 700, 64),
        ];
        let page = page_of(512);
        assert_eq!((page_of(511), page, page_of(767)), (1, 2, 2));
        let bytes = to_bytes(page, &events);
        assert_eq!(read(page, &bytes).unwrap(), events);
        assert_eq!(read(page, &to_bytes(page, &[])).unwrap(), []);
        for cut in 0..bytes.len() {
            read(page, &bytes[..cut]).unwrap_err();
        }
    }

    #[test]
    fn an_ordinary_event_takes_few_bytes() {
        let event = |seq| Hit {
            seq,
            time: 1_700_000_000_000_000 + seq.cast_signed() * 20_000,
            segment: 3,
            place: seq * 600,
        };
        let events: Vec<_> = (0..256).map(event).collect();
        assert!(to_bytes(0, &events).len() < 256 * 8);
    }
}
