//! Terms and where they are, as they are stored: all of a page in one value.
//!
//! A value is the number of its terms (4 bytes), the terms in order (8 each), where the places of each stand
//! (4 each), and [`Places`] with their length before them (2). Terms that are in the same places share them; one
//! that is in one place has it there and then. Numbers are little-endian. In a value that is damaged nothing
//! is found where it makes no sense.

use std::collections::HashMap;

use super::places::{BLOCK, LISTED, Places, SPAN, span_of};

/// Marks the one place of a term where else its places would be looked for.
const ONE: u32 = 1 << 31;

/// The pages of the terms of one block: terms fall into them by their first six bits. So many, that a
/// page of ordinary events is a page of the database.
const PAGES: u64 = 64;

/// A term that something has at a place of the block.
pub(super) type Posting = (u64, u16);

/// A term as it is sorted.
pub(super) fn sorted(term: i64) -> u64 {
    term.cast_unsigned()
}

/// The place of a record in its block.
pub(super) fn place_of(seq: u64) -> u16 {
    u16::try_from(seq % BLOCK).unwrap_or_default()
}

/// Which of a block's pages a term is in.
pub(super) fn page_within(term: u64) -> u64 {
    term >> 58
}

/// The number of a page: those of one span stand together, and in it those of the same terms.
pub(super) fn page_of(block: u64, within: u64) -> i64 {
    let (span, in_span) = (span_of(block), block % SPAN);
    ((span * PAGES + within) * SPAN + in_span).cast_signed()
}

/// The block of a page.
pub(super) fn block_of(page: i64) -> u64 {
    let page = page.cast_unsigned();
    page / (PAGES * SPAN) * SPAN + page % SPAN
}

/// The pages of blocks from `first` to `last` of one span that this term may be in.
pub(super) fn pages_between(first: u64, last: u64, term: u64) -> (i64, i64) {
    (page_of(first, page_within(term)), page_of(last, page_within(term)))
}

/// The first and last pages of a block's span up to the block before it, one pair for each range of
/// terms; none when the block begins its span.
pub(super) fn pages_before(block: u64) -> impl Iterator<Item = (i64, i64)> {
    let first = block - block % SPAN;
    let before = block.checked_sub(1).filter(|last| *last >= first);
    (0..PAGES).filter_map(move |within| {
        before.map(|last| (page_of(first, within), page_of(last, within)))
    })
}

/// The value of these, which must be sorted.
pub(super) fn to_bytes(postings: &[Posting]) -> Vec<u8> {
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
            write_places(same, &mut list);
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
    [&count[..], &terms, &places, &pool].concat()
}

/// The places of one term, as [`Places::to_bytes`] writes them: few are listed without a set in between.
fn write_places(same: &[Posting], list: &mut Vec<u8>) {
    list.clear();
    if same.len() < LISTED {
        for several in same.chunk_by(|one, other| one.1 == other.1) {
            list.extend(several.iter().take(1).flat_map(|(_, place)| place.to_le_bytes()));
        }
        return;
    }
    let mut all = Places::NONE;
    for (_, place) in same {
        all.add(u64::from(*place));
    }
    list.extend(all.to_bytes());
}

/// A value, to be read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entries<'a> {
    terms: &'a [[u8; 8]],
    places: &'a [[u8; 4]],
    pool: &'a [u8],
}

impl<'a> Entries<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self::whole(bytes).unwrap_or(Self { terms: &[], places: &[], pool: &[] })
    }

    fn whole(bytes: &'a [u8]) -> Option<Self> {
        let (count, rest) = bytes.split_first_chunk()?;
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
}

/// Adds what a value holds.
pub(super) fn read(bytes: &[u8], postings: &mut Vec<Posting>) {
    let entries = Entries::of(bytes);
    for (at, term) in entries.terms().enumerate() {
        let mut places = Places::NONE;
        places.add_bytes(entries.places_at(at).unwrap_or_default());
        postings.extend(places.descending().map(|place| (term, place_of(place))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_found_and_read_back() {
        let mut postings: Vec<Posting> = vec![(7, 1), (7, 1), (7, 4095), (u64::MAX, 0)];
        postings.extend((0..300).map(|place| (9, place * 3)));
        postings.sort_unstable();
        let bytes = to_bytes(&postings);
        let mut back = Vec::new();
        read(&bytes, &mut back);
        back.sort_unstable();
        postings.dedup();
        assert_eq!(back, postings);
        let places = |term| {
            let mut places = Places::NONE;
            Entries::of(&bytes).find(term).map(|bytes| places.add_bytes(bytes))?;
            Some(places.count())
        };
        assert_eq!([places(7), places(9), places(u64::MAX)], [Some(2), Some(300), Some(1)]);
        assert_eq!([places(8), places(0)], [None, None]);
    }

    #[test]
    fn terms_in_the_same_places_share_them() {
        let of = |terms: u64| {
            let all = (0..terms).flat_map(|term| (0..100).map(move |place| (term, place)));
            to_bytes(&all.collect::<Vec<_>>()).len()
        };
        assert_eq!(of(10) - of(1), 9 * 12);
    }

    #[test]
    fn in_a_damaged_value_nothing_is_found_where_it_makes_no_sense() {
        let bytes = to_bytes(&[(1, 1), (2, 2), (2, 3), (3, 3)]);
        for length in 0..bytes.len() {
            let cut = Entries::of(bytes.get(..length).unwrap());
            assert_eq!(cut.find(2), None, "cut at {length}");
        }
        let mut wild = bytes.clone();
        let places_of_2 = 4 + 3 * 8 + 4;
        wild.get_mut(places_of_2..places_of_2 + 4)
            .unwrap()
            .copy_from_slice(&[0xFF, 0xFF, 0xFF, 0x7F]);
        assert_eq!(Entries::of(&wild).find(2), None);
        assert_eq!(Entries::of(&wild).find(3), Some(&[3, 0][..]));
    }

    #[test]
    fn pages_tell_their_block_and_those_of_a_span_are_neighbours() {
        for block in 0..3 * SPAN {
            for within in [0, 1, PAGES - 1] {
                assert_eq!(block_of(page_of(block, within)), block);
            }
        }
        assert_eq!(pages_between(SPAN, 2 * SPAN - 1, 0), (page_of(SPAN, 0), page_of(SPAN, 0) + 7));
        assert_eq!(pages_before(SPAN).count(), 0);
        let before: Vec<_> = pages_before(SPAN + 2).collect();
        assert_eq!(before.len() as u64, PAGES);
        assert_eq!(before[1], (page_of(SPAN, 1), page_of(SPAN + 1, 1)));
    }
}
