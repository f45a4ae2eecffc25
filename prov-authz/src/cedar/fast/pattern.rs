//! `like`.

use cedar_policy::pst::PatternElem;

/// Texts with anything between them.
#[derive(Debug)]
pub(super) struct Pattern {
    first: Box<str>,
    /// What follows each wildcard; the last of them ends the text.
    rest: Box<[Box<str>]>,
}

impl Pattern {
    pub(super) fn of(elements: &[PatternElem]) -> Self {
        let mut parts = elements.split(|element| *element == PatternElem::Wildcard).map(|part| {
            let letters = part.iter().filter_map(|element| match element {
                PatternElem::Char(letter) => Some(*letter),
                PatternElem::Wildcard => None,
            });
            letters.collect::<String>().into_boxed_str()
        });
        let first = parts.next().unwrap_or_default();
        Self { first, rest: parts.collect() }
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let Some((last, between)) = self.rest.split_last() else { return *text == *self.first };
        let Some(mut left) = text.strip_prefix(&*self.first) else { return false };
        for part in between {
            // The earliest place leaves the most for the others.
            let Some((_, after)) = left.split_once(&**part) else { return false };
            left = after;
        }
        left.ends_with(&**last)
    }
}
