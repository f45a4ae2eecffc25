//! The hashes of terms that were needed lately: most records say the same as the one before.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::words::{MOST, words_of};
use crate::people::{KeyAtHand, Opened, PersonalData, Sealed, Vault, folded};

/// Of each kind, more than this are forgotten.
const MOST_KNOWN: usize = 4_096;

/// Longer texts come once: what they say is not remembered.
const LONGEST_KNOWN: usize = 160;

/// Hashes by what they are of.
#[derive(Debug, Default)]
pub(super) struct Terms {
    values: HashMap<&'static str, HashMap<String, i64>>,
    texts: HashMap<String, Arc<[i64]>>,
    sealed: HashMap<String, Arc<[i64]>>,
}

impl Terms {
    /// The term of a value.
    pub(super) fn of(&mut self, vault: &Vault, kind: &'static str, value: &str) -> i64 {
        let known = self.values.entry(kind).or_default();
        if let Some(term) = known.get(value) {
            return *term;
        }
        let term = vault.term(kind, value);
        remember(known, value, term);
        term
    }

    /// The terms of the words of a text.
    pub(super) fn of_text(&mut self, vault: &Vault, text: &str) -> Arc<[i64]> {
        if let Some(terms) = self.texts.get(text) {
            return Arc::clone(terms);
        }
        // Numbers are seldom the same: remembering them would push the useful texts out.
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        let term_of = |word: String| {
            if is_number { vault.term("word", &word) } else { self.of(vault, "word", &word) }
        };
        let terms: Arc<[i64]> = words_of(text).map(term_of).collect();
        if text.len() <= LONGEST_KNOWN && !is_number {
            remember(&mut self.texts, text, Arc::clone(&terms));
        }
        terms
    }

    /// The terms of a sealed part, and when its key ends, if it does; none when that is not at hand, or no more.
    pub(super) fn of_sealed(
        &mut self,
        vault: &Vault,
        sealed: &Sealed,
    ) -> Option<(Arc<[i64]>, Option<Timestamp>)> {
        let KeyAtHand { ends } = vault.key_at_hand(&sealed.pid)?;
        if let Some(terms) = self.sealed.get(&sealed.ct) {
            return Some((Arc::clone(terms), ends));
        }
        let Some(Opened::Clear(personal)) = vault.open_at_hand(sealed) else { return None };
        let terms: Arc<[i64]> = self.of_person(vault, &personal).into();
        remember(&mut self.sealed, &sealed.ct, Arc::clone(&terms));
        Some((terms, ends))
    }

    fn of_person(&mut self, vault: &Vault, personal: &PersonalData<'_>) -> Vec<i64> {
        let mut words = Words::default();
        for text in [&personal.name, &personal.user_agent].into_iter().flatten() {
            words.add(&self.of_text(vault, text));
        }
        let mut terms = words.terms;
        if let Some(name) = &personal.name {
            terms.push(self.of(vault, "name", &folded(name)));
        }
        if let Some(ip) = personal.ip {
            terms.push(self.of(vault, "ip", &ip.to_canonical().to_string()));
        }
        terms
    }
}

/// The words of one event: each once, and not more than fit.
#[derive(Debug, Default)]
pub(super) struct Words {
    pub(super) terms: Vec<i64>,
}

impl Words {
    pub(super) fn add(&mut self, terms: &[i64]) {
        for term in terms {
            if self.terms.len() < MOST && !self.terms.contains(term) {
                self.terms.push(*term);
            }
        }
    }
}

fn remember<V>(known: &mut HashMap<String, V>, key: &str, value: V) {
    if known.len() >= MOST_KNOWN {
        known.clear();
    }
    known.insert(key.to_owned(), value);
}
