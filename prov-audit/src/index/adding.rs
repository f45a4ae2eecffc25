//! Taking records into what the index will write.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Transaction;

use super::filling::Filling;
use super::persons::Persons;
use super::schema::Position;
use super::terms::{Terms, Words};
use super::words::public_texts;
use super::{Hit, counts};
use crate::leaf::Leaf;
use crate::people::Vault;
use crate::segment::Record;

/// The record that waits for keys, and whose.
pub(super) type Lacking = Option<(u64, BTreeSet<String>)>;

/// Takes records in, until they are written together.
pub(super) struct Adding<'a> {
    vault: &'a Vault,
    terms: &'a mut Terms,
    filling: &'a mut Filling,
    persons: &'a mut Persons,
    tally: BTreeMap<(String, &'static str), i64>,
}

impl<'a> Adding<'a> {
    pub(super) fn new(
        vault: &'a Vault,
        terms: &'a mut Terms,
        filling: &'a mut Filling,
        persons: &'a mut Persons,
    ) -> Self {
        Self { vault, terms, filling, persons, tally: BTreeMap::new() }
    }

    /// Adds these up to the first whose subject's key is not at hand, but will be. Gives the last that was
    /// added; and which was not, with the pseudonyms of all that are lacking.
    pub(super) fn add_all<'r>(&mut self, all: &'r [Record]) -> (Option<&'r Record>, Lacking) {
        let mut last = None;
        for (at, record) in all.iter().enumerate() {
            let leaf = Leaf::read(&record.leaf);
            if self.lacks(leaf.as_ref()).is_some() {
                let rest = all.iter().skip(at).filter_map(|record| Leaf::read(&record.leaf));
                let lacking = rest.filter_map(|leaf| self.lacks(Some(&leaf)).map(str::to_owned));
                return (last, Some((record.seq, lacking.collect())));
            }
            self.add(record, leaf);
            last = Some(record);
        }
        (last, None)
    }

    fn lacks<'l>(&self, leaf: Option<&'l Leaf<'_>>) -> Option<&'l str> {
        let pid = leaf?.subject.as_ref().map(|sealed| sealed.pid.as_str())?;
        self.vault.lacks(pid).then_some(pid)
    }

    /// Adds one record with everything it can be found by.
    fn add(&mut self, record: &Record, leaf: Option<Leaf<'_>>) {
        let seq = record.seq;
        self.filling.begin(seq);
        // What this version can't read is in the log all the same; only queries don't find it.
        let Some(leaf) = leaf else { return };
        let time = leaf.time.as_microsecond();
        self.filling.add_event(Hit { seq, time, segment: record.segment, place: record.offset });
        self.add_public(seq, &leaf);
        if let Some(sealed) = &leaf.subject {
            let pid = self.terms.of(self.vault, "pid", &sealed.pid);
            self.filling.add(seq, pid);
            if let Some((terms, ends)) = self.terms.of_sealed(self.vault, sealed) {
                self.filling.add_personal(seq, &terms, pid);
                self.persons.note(pid, ends);
            }
        }
        *self.tally.entry((leaf.action.into_owned(), leaf.outcome.as_str())).or_default() += 1;
    }

    fn add_public(&mut self, seq: u64, leaf: &Leaf<'_>) {
        let mut values = vec![
            // Each is there once: remembering their hashes would push the useful ones out.
            self.vault.term("id", &leaf.id.to_string()),
            self.terms.of(self.vault, "action", &leaf.action),
            self.terms.of(self.vault, "outcome", leaf.outcome.as_str()),
        ];
        values.extend(leaf.request.id.as_ref().map(|id| self.vault.term("request", id.as_str())));
        let mut of = |kind, value: &str| values.push(self.terms.of(self.vault, kind, value));
        if let Some(id) = &leaf.actor.id {
            of("actor", id);
        }
        if let Some(resource) = &leaf.resource {
            of("resource", &resource.id);
            of("resource", &format!("{}:{}", resource.kind, resource.id));
        }
        for asked in asked_actions(leaf) {
            of("asked", asked);
        }
        let mut words = Words::default();
        public_texts(leaf, &mut |text| words.add(&self.terms.of_text(self.vault, text)));
        for term in values.into_iter().chain(words.terms) {
            self.filling.add(seq, term);
        }
    }

    /// Writes all of them, and counts them.
    pub(super) fn finish(
        self,
        db: &Transaction<'_>,
        position: &mut Position,
    ) -> rusqlite::Result<()> {
        self.filling.write(db)?;
        self.persons.write(db, position)?;
        let more = self.tally.iter();
        let more = more.map(|((action, outcome), more)| (action.as_str(), *outcome, *more));
        position.counted += counts::add(db, more)?;
        Ok(())
    }
}

/// The actions of the policies that an event is about: `deploy` where a decision was asked for, or
/// where a route asks for one (`deploy servers`).
fn asked_actions<'a>(leaf: &'a Leaf<'_>) -> impl Iterator<Item = &'a str> {
    let of = |key: &str| leaf.context.get(key).and_then(serde_json::Value::as_str);
    let routed = of("asked").and_then(|asked| asked.split(' ').next());
    [of("action"), routed].into_iter().flatten()
}
