//! The words of an event that text is looked for in.

use std::collections::BTreeSet;

use prov_core::audit::{DecisionRecord, Resource};
use serde_json::{Map, Value};
use unicode_normalization::UnicodeNormalization;

use crate::leaf::Leaf;
use crate::record::AuditRecord;

/// At most so many words of one event, so that one event can't fill the index.
pub(super) const MOST: usize = 64;

/// At most so much of one text is looked at.
const LONGEST: usize = 2048;

/// The words of a text: letters and digits, lower case, compatibility forms put together (NFKC). One
/// character alone is no word.
pub(crate) fn words_of(text: &str) -> impl Iterator<Item = String> {
    let cut = if text.is_ascii() {
        // It is its own compatibility form.
        text.get(..LONGEST).unwrap_or(text).to_ascii_lowercase()
    } else {
        text.chars().take(LONGEST).nfkc().collect::<String>().to_lowercase()
    };
    let words: Vec<String> = cut
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().nth(1).is_some() && word.len() <= 64)
        .map(str::to_owned)
        .collect();
    words.into_iter()
}

/// Shows the texts of the public part of an event.
pub(super) fn public_texts(leaf: &Leaf<'_>, each: &mut dyn FnMut(&str)) {
    let public = Public {
        action: &leaf.action,
        resource: leaf.resource.as_deref(),
        target: [leaf.request.method.as_deref(), leaf.request.path.as_deref()],
        context: &leaf.context,
        decision: leaf.decision.as_deref(),
    };
    public.texts(each);
}

/// The words of an event that was read back.
pub(crate) fn words_of_record(record: &AuditRecord) -> BTreeSet<String> {
    let request = record.request.as_ref();
    let mut found = BTreeSet::new();
    let public = Public {
        action: &record.action,
        resource: record.resource.as_ref(),
        target: [
            request.and_then(|request| request.method.as_deref()),
            request.and_then(|request| request.path.as_deref()),
        ],
        context: &record.context,
        decision: record.decision.as_ref(),
    };
    public.texts(&mut |text| add(&mut found, text));
    let mut personal = BTreeSet::new();
    let agent = request.and_then(|request| request.user_agent.as_deref());
    let texts = [record.actor.name.as_deref(), agent];
    texts.into_iter().flatten().for_each(|text| add(&mut personal, text));
    found.append(&mut personal);
    found
}

/// What of an event is no personal data.
struct Public<'a> {
    action: &'a str,
    resource: Option<&'a Resource>,
    target: [Option<&'a str>; 2],
    context: &'a Map<String, Value>,
    decision: Option<&'a DecisionRecord>,
}

impl Public<'_> {
    fn texts(&self, each: &mut dyn FnMut(&str)) {
        each(self.action);
        if let Some(resource) = self.resource {
            each(&resource.kind);
            each(&resource.id);
        }
        self.target.into_iter().flatten().for_each(&mut *each);
        for (name, value) in self.context {
            each(name);
            texts_of(value, 4, each);
        }
        for policy in self.decision.iter().flat_map(|decision| &decision.policies) {
            each(policy);
        }
    }
}

fn add(found: &mut BTreeSet<String>, text: &str) {
    for word in words_of(text) {
        if found.len() >= MOST {
            return;
        }
        found.insert(word);
    }
}

fn texts_of(value: &Value, depth: u8, each: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => each(text),
        Value::Number(number) => each(&number.to_string()),
        Value::Array(all) if depth > 0 => {
            for value in all {
                texts_of(value, depth - 1, each);
            }
        }
        Value::Object(all) if depth > 0 => {
            for (name, value) in all {
                each(name);
                texts_of(value, depth - 1, each);
            }
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_however_they_are_written() {
        let of = |text: &str| words_of(text).collect::<Vec<_>>();
        assert_eq!(of("GET /api/v1/Users a"), ["get", "api", "v1", "users"]);
        assert_eq!(of("\u{ff21}\u{ff22} Rene\u{301}"), ["ab", "ren\u{e9}"]);
        assert_eq!(of(&"x".repeat(65)), Vec::<String>::new());
        // Nor does it matter to the rest of a text whether all of it is ASCII.
        let long = "Ab_9 \0~ ".repeat(400);
        assert_eq!(of(&long), of(&format!("{long}\u{e9}")));
    }
}
