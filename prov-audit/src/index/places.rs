//! Which records of one stretch something is true of: one bit for each.

/// Records in a block: what of a span that is being filled is written together.
pub(crate) const BLOCK: u64 = 4096;

/// Records in a span. Its terms stand together when it is full: one look tells whether a term is in it.
pub(super) const SPAN: u64 = 8 * BLOCK;

/// A set of places in a stretch of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Places(Box<[u64]>);

impl Places {
    /// No place of so many, which are a multiple of 64.
    pub(crate) fn none(of: u64) -> Self {
        Self(vec![0; usize::try_from(of / 64).unwrap_or_default()].into())
    }

    /// Of so many the places from `from` to before `to`.
    pub(crate) fn between(of: u64, from: u64, to: u64) -> Self {
        let mut places = Self::none(of);
        for (at, word) in (0_u64..).step_by(64).zip(&mut places.0) {
            let (low, high) = (from.clamp(at, at + 64) - at, to.clamp(at, at + 64) - at);
            let below = |bit: u64| if bit == 64 { u64::MAX } else { (1 << bit) - 1 };
            *word = below(high) & !below(low);
        }
        places
    }

    pub(crate) fn add(&mut self, place: u64) {
        if let Some(word) = usize::try_from(place / 64).ok().and_then(|at| self.0.get_mut(at)) {
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
        let words = (0_u64..).step_by(64).zip(&self.0);
        let words: Vec<(u64, u64)> = words.map(|(at, word)| (at, *word)).collect();
        words.into_iter().rev().flat_map(|(at, mut rest)| {
            std::iter::from_fn(move || {
                let bit = 63_u32.checked_sub(rest.leading_zeros())?;
                rest &= !(1 << bit);
                Some(at + u64::from(bit))
            })
        })
    }

    /// Whether so many places are shorter as all bits than as a list of two bytes each.
    pub(super) fn is_many(of: u64, count: usize) -> bool {
        2 * count as u64 >= of / 8
    }

    /// As it is stored: a list of two bytes each when they are few, else all bits.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let of = self.0.len() as u64 * 64;
        if Self::is_many(of, usize::try_from(self.count()).unwrap_or(usize::MAX)) {
            bytes.extend(self.0.iter().flat_map(|word| word.to_le_bytes()));
            return;
        }
        let start = bytes.len();
        let short = |place: u64| u16::try_from(place).unwrap_or_default().to_be_bytes();
        bytes.extend(self.descending().flat_map(short));
        // Turned round as a whole, so that they ascend with the lower byte first.
        bytes.get_mut(start..).unwrap_or_default().reverse();
    }

    /// Adds what was stored of a set of the same size.
    pub(super) fn add_bytes(&mut self, bytes: &[u8]) {
        if bytes.len() == self.0.len() * 8 {
            for (word, bytes) in self.0.iter_mut().zip(bytes.as_chunks::<8>().0) {
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
        let steps = [1, 2, 15, 16, 17, 100, 5000];
        for (of, step) in [BLOCK, SPAN].into_iter().flat_map(|of| steps.map(|step| (of, step))) {
            let mut places = Places::none(of);
            (0..of).step_by(step).for_each(|place| places.add(place));
            let mut bytes = Vec::new();
            places.write(&mut bytes);
            assert!(bytes.len() as u64 <= of / 8);
            let mut back = Places::none(of);
            back.add_bytes(&bytes);
            assert_eq!(back, places, "every {step}");
            let mut listed: Vec<u64> = back.descending().collect();
            listed.reverse();
            assert!(listed.iter().copied().eq((0..of).step_by(step)));
        }
    }

    #[test]
    fn sets_behave_as_sets() {
        let between = |from, to| Places::between(BLOCK, from, to);
        let (mut low, high) = (between(0, 100), between(64, 4096));
        assert_eq!((low.count(), high.count(), between(7, 7).count()), (100, 4032, 0));
        low.and(&high);
        assert_eq!(low, between(64, 100));
        low.invert();
        assert_eq!(low.count(), 4096 - 36);
        low.or(&between(64, 100));
        assert_eq!(low, between(0, BLOCK));
        low.invert();
        assert!(low.is_empty());
        low.add(BLOCK);
        assert_eq!(low, Places::none(BLOCK), "what is no place is not added");
    }
}
