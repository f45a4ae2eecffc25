//! Terms and where they are, as they are stored: all of a page, or of a person, in one value.
//!
//! A value is its sum (4 bytes), the number of its terms (4), the terms in order (8 each), where the places of each
//! stand (4 each), and [`Places`] with their length before them (2). Terms that are in the same places share them;
//! one that is in one place has it there and then. Numbers are little-endian.

use std::collections::HashMap;

use super::places::Places;
use super::stretch::Stretch;
use super::sums;

/// Marks the one place of a term where else its places would be looked for.
const ONE: u32 = 1 << 31;

/// A term that something has at a place of the stretch.
pub(super) type Posting = (u64, u16);

/// A term as it is sorted.
pub(super) fn sorted(term: i64) -> u64 {
    term.cast_unsigned()
}

/// Where a value stands.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    /// In a page of this stretch.
    Page(Stretch, i64),
    /// With what stems from this person in this stretch.
    Person(Stretch, i64),
}

impl At {
    fn row(self) -> (&'static str, Stretch, [i64; 2]) {
        match self {
            Self::Page(stretch, page) => ("posting", stretch, [page, 0]),
            Self::Person(stretch, pid) => ("personal", stretch, [stretch.number(), pid]),
        }
    }
}

/// The value of these, which must be sorted.
pub(super) fn to_bytes(at: At, postings: &[Posting]) -> Vec<u8> {
    let (table, stretch, numbers) = at.row();
    let (mut terms, mut places, mut pool) = (Vec::new(), Vec::new(), Vec::new());
    let (mut pooled, mut list) = (HashMap::<Vec<u8>, u32>::new(), Vec::new());
    for same in postings.chunk_by(|one, other| one.0 == other.0) {
        let (Some((term, lowest)), Some((_, highest))) = (same.first(), same.last()) else {
            continue;
        };
        terms.extend(term.to_le_bytes());
        let at = if lowest == highest {
            ONE | u32::from(*lowest)
        } else {
            write_places(stretch, same, &mut list);
            if let Some(at) = pooled.get(&list) {
                *at
            } else {
                let at = u32::try_from(pool.len()).unwrap_or(u32::MAX);
                pool.extend(u16::try_from(list.len()).unwrap_or_default().to_le_bytes());
                pool.extend(&list);
                pooled.insert(list.clone(), at);
                at
            }
        };
        places.extend(at.to_le_bytes());
    }
    let count = u32::try_from(terms.len() / 8).unwrap_or_default().to_le_bytes();
    sums::summed(table, &numbers, [&sums::begun(), &count[..], &terms, &places, &pool].concat())
}

/// The places of one term, as [`Places::write`] writes them: few are listed without a set in between.
fn write_places(stretch: Stretch, same: &[Posting], list: &mut Vec<u8>) {
    list.clear();
    if !Places::is_many(stretch.records(), same.len()) {
        for several in same.chunk_by(|one, other| one.1 == other.1) {
            list.extend(several.iter().take(1).flat_map(|(_, place)| place.to_le_bytes()));
        }
        return;
    }
    let mut all = Places::none(stretch.records());
    for (_, place) in same {
        all.add(u64::from(*place));
    }
    all.write(list);
}

/// A value, to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries<'a> {
    terms: &'a [[u8; 8]],
    places: &'a [[u8; 4]],
    pool: &'a [u8],
}

impl<'a> Entries<'a> {
    /// What stands there, if it is what was written there.
    pub(super) fn of(at: At, bytes: &'a [u8]) -> rusqlite::Result<Self> {
        let (table, _, numbers) = at.row();
        let body = sums::checked(table, &numbers, bytes)?;
        Self::whole(body).ok_or_else(|| sums::damaged(table))
    }

    fn whole(body: &'a [u8]) -> Option<Self> {
        let (count, rest) = body.split_first_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let (terms, rest) = rest.split_at_checked(count.checked_mul(8)?)?;
        let (places, pool) = rest.split_at_checked(count * 4)?;
        Some(Self { terms: terms.as_chunks().0, places: places.as_chunks().0, pool })
    }

    /// Every term.
    pub(super) fn terms(self) -> impl Iterator<Item = u64> + use<'a> {
        self.terms.iter().map(|term| u64::from_le_bytes(*term))
    }

    /// The bytes of the places of one term.
    pub(super) fn find(self, term: u64) -> Option<&'a [u8]> {
        self.terms
            .binary_search_by_key(&term, |term| u64::from_le_bytes(*term))
            .ok()
            .and_then(|at| self.places_at(at))
    }

    fn places_at(self, at: usize) -> Option<&'a [u8]> {
        let place = self.places.get(at)?;
        let at = u32::from_le_bytes(*place);
        if at & ONE != 0 {
            return place.get(..2);
        }
        let (length, rest) = self.pool.get(usize::try_from(at).ok()?..)?.split_first_chunk()?;
        rest.get(..usize::from(u16::from_le_bytes(*length)))
    }

    /// Shows every posting of the records from number `from` on, by the record.
    pub(super) fn each(self, stretch: Stretch, from: u64, each: &mut dyn FnMut(u64, u64)) {
        for (at, term) in self.terms().enumerate() {
            let mut places = Places::none(stretch.records());
            places.add_bytes(self.places_at(at).unwrap_or_default());
            let records = places.descending().map(|place| stretch.first() + place);
            records.take_while(|seq| *seq >= from).for_each(|seq| each(seq, term));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::{BLOCK, SPAN};
    use super::*;

    fn places() -> [At; 2] {
        [At::Page(Stretch::span_of(SPAN), 512 * 16), At::Person(Stretch::block_of(BLOCK), 7)]
    }

    #[test]
    fn what_is_stored_is_found_and_read_back() {
        for at in places() {
            let (_, stretch, _) = at.row();
            let mut postings: Vec<Posting> = vec![(7, 1), (7, 1), (7, 4095), (u64::MAX, 0)];
            postings.extend((0..300).map(|place| (9, place * 3)));
            postings.sort_unstable();
            let bytes = to_bytes(at, &postings);
            let entries = Entries::of(at, &bytes).unwrap();
            let read = |from| {
                let mut back: Vec<Posting> = Vec::new();
                entries.each(stretch, from, &mut |seq, term| back.push((term, stretch.place(seq))));
                back.sort_unstable();
                back
            };
            postings.dedup();
            assert_eq!(read(0), postings);
            postings.retain(|(_, place)| *place >= 9);
            assert_eq!(read(stretch.first() + 9), postings);
            let places = |term| {
                let mut places = Places::none(stretch.records());
                entries.find(term).map(|bytes| places.add_bytes(bytes))?;
                Some(places.count())
            };
            assert_eq!([places(7), places(9), places(u64::MAX)], [Some(2), Some(300), Some(1)]);
            assert_eq!([places(8), places(0)], [None, None]);
        }
    }

    #[test]
    fn terms_in_the_same_places_share_them() {
        let of = |terms: u64| {
            let all = (0..terms).flat_map(|term| (0..100).map(move |place| (term, place)));
            to_bytes(places()[0], &all.collect::<Vec<_>>()).len()
        };
        assert_eq!(of(10) - of(1), 9 * 12);
    }

    #[test]
    fn a_value_that_is_not_whole_or_stands_elsewhere_is_damaged() {
        let bytes = to_bytes(places()[0], &[(1, 1), (2, 2), (2, 3), (3, 3)]);
        for length in 0..bytes.len() {
            Entries::of(places()[0], &bytes[..length]).unwrap_err();
        }
        Entries::of(places()[1], &bytes).unwrap_err();
        // Were the sum right by chance, nothing would be found where it makes no sense.
        let mut wild = bytes[4..].to_vec();
        let places_of_2 = 4 + 3 * 8 + 4;
        wild[places_of_2..places_of_2 + 4].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0x7F]);
        assert_eq!(Entries::whole(&wild).unwrap().find(2), None);
        assert_eq!(Entries::whole(&wild).unwrap().find(3), Some(&[3, 0][..]));
    }
}
