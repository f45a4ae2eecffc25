//! Which records of one block something is true of: one bit for each.

/// Records in a block.
pub(crate) const BLOCK: u64 = 4096;

/// Blocks whose terms stand together in the tables: of 32,768 records. Terms are hashes, so those of a block
/// fall anywhere among those of its span; within one span that is memory, among all it would be the disk.
pub(super) const SPAN: u64 = 8;

/// The span of a block.
pub(super) fn span_of(block: u64) -> u64 {
    block / SPAN
}

const WORDS: usize = 64;

/// As many places as fit before a list is longer than all bits.
pub(super) const LISTED: usize = 256;

/// A set of places in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places([u64; WORDS]);

impl Places {
    pub(crate) const NONE: Self = Self([0; WORDS]);
    pub(crate) const ALL: Self = Self([u64::MAX; WORDS]);

    /// The places from `from` to before `to`.
    pub(crate) fn between(from: u64, to: u64) -> Self {
        let mut places = Self::NONE;
        for (at, word) in (0_u64..).step_by(64).zip(&mut places.0) {
            let (low, high) = (from.clamp(at, at + 64) - at, to.clamp(at, at + 64) - at);
            let below = |bit: u64| if bit == 64 { u64::MAX } else { (1 << bit) - 1 };
            *word = below(high) & !below(low);
        }
        places
    }

    pub(crate) fn add(&mut self, place: u64) {
        if let Some(word) = self.0.get_mut(usize::try_from(place / 64).unwrap_or(WORDS)) {
            *word |= 1 << (place % 64);
        }
    }

    pub(crate) fn and(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a &= b);
    }

    pub(crate) fn or(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(a, b)| *a |= b);
    }

    pub(crate) fn invert(&mut self) {
        self.0.iter_mut().for_each(|word| *word = !*word);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// The places, the last one first.
    pub(crate) fn descending(&self) -> impl Iterator<Item = u64> + '_ {
        (0..64_u64).rev().map(|word| word * 64).zip(self.0.iter().rev()).flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = 63_u32.checked_sub(rest.leading_zeros())?;
                rest &= !(1 << bit);
                Some(at + u64::from(bit))
            })
        })
    }

    /// As it is stored: a list of two bytes each when they are few, else all bits.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        if self.count() < LISTED as u64 {
            let mut all: Vec<u64> = self.descending().collect();
            all.reverse();
            let short = |place: u64| u16::try_from(place).unwrap_or_default().to_le_bytes();
            return all.into_iter().flat_map(short).collect();
        }
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    pub(crate) fn add_bytes(&mut self, bytes: &[u8]) {
        if bytes.len() == WORDS * 8 {
            let words = bytes.as_chunks::<8>().0;
            for (word, bytes) in self.0.iter_mut().zip(words) {
                *word |= u64::from_le_bytes(*bytes);
            }
        } else {
            for place in bytes.as_chunks::<2>().0 {
                self.add(u64::from(u16::from_le_bytes(*place)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_few_or_many() {
        for step in [1, 2, 15, 16, 17, 100, 5000] {
            let mut places = Places::NONE;
            (0..BLOCK).step_by(step).for_each(|place| places.add(place));
            let bytes = places.to_bytes();
            assert!(bytes.len() <= 512);
            let mut back = Places::NONE;
            back.add_bytes(&bytes);
            assert_eq!(back, places, "every {step}");
            let mut listed: Vec<u64> = back.descending().collect();
            listed.reverse();
            assert!(listed.iter().copied().eq((0..BLOCK).step_by(step)));
        }
    }

    #[test]
    fn sets_behave_as_sets() {
        let (mut low, high) = (Places::between(0, 100), Places::between(64, 4096));
        assert_eq!((low.count(), high.count(), Places::between(7, 7).count()), (100, 4032, 0));
        low.and(&high);
        assert_eq!(low, Places::between(64, 100));
        low.invert();
        assert_eq!(low.count(), 4096 - 36);
        low.or(&Places::between(64, 100));
        assert_eq!(low, Places::ALL);
        low.invert();
        assert!(low.is_empty());
    }
}
