//! Stretches of records whose terms stand together: a whole span, or one block of a span that is not full.

use super::places::{BLOCK, SPAN};

/// Numbers of a span: its own, and one for each of its blocks.
const NUMBERS: u64 = 16;

/// Numbers of pages of a stretch.
const PAGES: u64 = 512;

/// Spans in a group: whoever has a term in one of them has one row for all.
const GROUP: u64 = 8;

/// A stretch, by its number: in their order newer records have higher ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Stretch(u64);

impl Stretch {
    /// The span of a record.
    pub(super) fn span_of(seq: u64) -> Self {
        Self(seq / SPAN * NUMBERS)
    }

    /// The block of a record, in a span that is not full.
    pub(super) fn block_of(seq: u64) -> Self {
        Self(seq / SPAN * NUMBERS + NUMBERS / 2 + seq % SPAN / BLOCK)
    }

    /// That of a record in an index of `size` records: full spans are of one piece.
    pub(super) fn of(seq: u64, size: u64) -> Self {
        if seq / SPAN < size / SPAN { Self::span_of(seq) } else { Self::block_of(seq) }
    }

    /// Its number in the tables.
    pub(super) fn number(self) -> i64 {
        self.0.cast_signed()
    }

    pub(super) fn of_number(number: i64) -> Self {
        Self(number.cast_unsigned())
    }

    pub(super) fn is_span(self) -> bool {
        self.0.is_multiple_of(NUMBERS)
    }

    /// Its first record.
    pub(super) fn first(self) -> u64 {
        let in_span = (self.0 % NUMBERS).saturating_sub(NUMBERS / 2);
        self.0 / NUMBERS * SPAN + in_span * BLOCK
    }

    /// How many records it is of.
    pub(super) fn records(self) -> u64 {
        if self.is_span() { SPAN } else { BLOCK }
    }

    /// The record behind its last.
    pub(super) fn end(self) -> u64 {
        self.first() + self.records()
    }

    /// The place of a record in it.
    pub(super) fn place(self, seq: u64) -> u16 {
        u16::try_from(seq % self.records()).unwrap_or_default()
    }

    /// The one before it in an index; spans before it are full.
    pub(super) fn before(self) -> Option<Self> {
        let last = self.first().checked_sub(1)?;
        let is_of_same_span = !self.is_span() && last / SPAN == self.first() / SPAN;
        Some(if is_of_same_span { Self::block_of(last) } else { Self::span_of(last) })
    }

    /// All of an index of `size` records, of which those before `oldest` are gone: the newest first.
    pub(super) fn all(oldest: u64, size: u64) -> impl Iterator<Item = Self> {
        let newest = size.checked_sub(1).map(|last| Self::of(last, size));
        std::iter::successors(newest, |stretch| stretch.before())
            .take_while(move |stretch| stretch.end().min(size) > oldest)
    }

    /// The numbers of the blocks of its span.
    pub(super) fn blocks(self) -> std::ops::Range<i64> {
        let first = Self::block_of(self.first() / SPAN * SPAN).number();
        first..first + (SPAN / BLOCK).cast_signed()
    }

    /// How many pages its terms are in: so many, that a page of ordinary events is one of the database.
    pub(super) fn pages(self) -> u64 {
        if self.is_span() { PAGES } else { PAGES * BLOCK / SPAN }
    }

    /// The page of a term, by its first bits.
    pub(super) fn page_of(self, term: u64) -> i64 {
        self.page(term >> (u64::BITS - self.pages().trailing_zeros()))
    }

    /// The number of one of its pages.
    pub(super) fn page(self, within: u64) -> i64 {
        page_at(self.number()) + within.cast_signed()
    }

    /// The group of its span, and the bit of the span in it.
    pub(super) fn group(self) -> (i64, u64) {
        let span = self.0 / NUMBERS;
        ((span / GROUP).cast_signed(), 1 << (span % GROUP))
    }

    /// The first record of its group.
    pub(super) fn group_first(self) -> u64 {
        self.0 / NUMBERS / GROUP * GROUP * SPAN
    }

    /// The bits of the spans of its group up to its own.
    pub(super) fn group_until(self) -> u64 {
        let (_, bit) = self.group();
        bit | (bit - 1)
    }
}

/// The first page of the stretch of this number.
pub(super) fn page_at(stretch: i64) -> i64 {
    stretch * PAGES.cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_in_one_stretch_and_they_follow_each_other() {
        let size = 3 * SPAN + 2 * BLOCK + 5;
        let mut stretch = Stretch::of(size - 1, size);
        let mut end = size.next_multiple_of(BLOCK);
        let mut seen = Vec::new();
        loop {
            assert_eq!(stretch.end(), end);
            for seq in [stretch.first(), stretch.end().min(size) - 1] {
                assert_eq!(Stretch::of(seq, size), stretch);
                assert_eq!(u64::from(stretch.place(seq)), seq - stretch.first());
            }
            assert_eq!(Stretch::of_number(stretch.number()), stretch);
            end = stretch.first();
            seen.push(stretch);
            let Some(before) = stretch.before() else { break };
            assert!(before < stretch);
            stretch = before;
        }
        assert_eq!((end, seen.len()), (0, 6));
    }

    #[test]
    fn pages_of_stretches_do_not_meet() {
        let (span, block) = (Stretch::span_of(SPAN), Stretch::block_of(SPAN));
        assert_eq!(span.page_of(u64::MAX), span.page(span.pages() - 1));
        assert_eq!(block.page_of(u64::MAX), block.page(block.pages() - 1));
        assert_eq!(block.page_of(0), block.page(0));
        assert!(span.page_of(u64::MAX) < block.page(0));
        assert_eq!(span.blocks(), block.blocks());
        assert_eq!(block.blocks().start, block.number());
        assert!(block.page_of(u64::MAX) < page_at(block.blocks().end));
        assert!(page_at(block.blocks().end) <= Stretch::span_of(2 * SPAN).page(0));
    }

    #[test]
    fn a_group_is_of_eight_spans() {
        assert_eq!(Stretch::block_of(9 * SPAN).group(), (1, 2));
        assert_eq!(Stretch::block_of(9 * SPAN + BLOCK).group_first(), 8 * SPAN);
        assert_eq!(Stretch::span_of(8 * SPAN - 1).group_first(), 0);
        assert_eq!(Stretch::span_of(9 * SPAN).group_until(), 3);
    }
}
