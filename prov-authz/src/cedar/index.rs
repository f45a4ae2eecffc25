//! Which policies are about a request, found by their scopes without looking at the others.
//!
//! The scope of a policy is one key: an action, what the principal is bound to, what the resource is
//! bound to. A policy that lists actions, or a group of them, stands under each action. A request has
//! few keys that could be its: its action or any; the principal itself, what it is in, its type or
//! anything; the resource likewise. They are looked up one by one, so that a lookup costs what the
//! request is in, and nothing for the number of policies.

use std::hash::Hash;
use std::ops::Range;

use hashbrown::HashMap;

use super::name::{Closure, Name, OwnedName};
use super::scope::{Actions, Bound, Place, Scope};
use crate::anatomy::Part;

#[cfg(test)]
mod tests;

/// Stands where a scope says nothing.
const ANY: u32 = 0;

/// What an index calls a policy: its place among those it was made of.
pub(crate) type Number = u32;

/// The scopes of a policy set.
#[derive(Debug, Default)]
pub(crate) struct ScopeIndex {
    /// The actions, from 1.
    actions: HashMap<OwnedName, u32>,
    /// The entities that scopes mention, by two numbers: within it, and the next for itself alone.
    entities: HashMap<OwnedName, u32>,
    /// The types that scopes mention.
    kinds: HashMap<Box<str>, u32>,
    /// By action and principal: which resources there can be, as a set of hashes below 64.
    reach: HashMap<(u32, u32), u64>,
    /// By action, principal and resource: the policies.
    places: HashMap<(u32, u32, u32), Range<u32>>,
    policies: Vec<Entry>,
}

/// A policy under a key, and the types that are asked for besides; [`ANY`] when there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    policy: Number,
    principal: u32,
    resource: u32,
}

/// What a principal or a resource can be found under.
#[derive(Debug)]
struct Keys {
    kind: u32,
    all: Vec<u32>,
}

impl ScopeIndex {
    /// The index of these scopes, whose policies are called by their places; for these actions, each
    /// with the groups it is in.
    pub(crate) fn of<'s>(
        scopes: impl IntoIterator<Item = &'s Scope>,
        actions: &[Closure<'_>],
    ) -> Self {
        let mut index = Self::default();
        // The actions that are one, or in one.
        let mut within: HashMap<Name<'_>, Vec<u32>> = HashMap::new();
        for (number, action) in (1..).zip(actions) {
            index.actions.insert(action.own.to_owned(), number);
            for name in action.above.iter().chain([&action.own]) {
                within.entry(*name).or_default().push(number);
            }
        }
        let mut found = Vec::new();
        for (policy, scope) in (0..).zip(scopes) {
            let principal = index.key_of(&scope.principal);
            let resource = index.key_of(&scope.resource);
            let entry = Entry { policy, principal: principal.1, resource: resource.1 };
            let mut add = |action| found.push(((action, principal.0, resource.0), entry));
            match &scope.action {
                Actions::Any => add(ANY),
                Actions::Only(name) => index.actions.get(name).into_iter().for_each(|a| add(*a)),
                Actions::Within(list) => {
                    let named = list.iter().filter_map(|above| within.get(&above.name()));
                    named.flatten().for_each(|action| add(*action));
                }
            }
        }
        found.sort_unstable();
        // An action may be in a list by more than one way.
        found.dedup();
        index.fill(&found);
        index
    }

    fn fill(&mut self, sorted: &[((u32, u32, u32), Entry)]) {
        self.policies = sorted.iter().map(|(_, entry)| *entry).collect();
        let mut start = 0;
        for same in sorted.chunk_by(|one, next| one.0 == next.0) {
            let end = start + small(same.len());
            if let Some((key, _)) = same.first() {
                self.places.insert(*key, start..end);
                *self.reach.entry((key.0, key.1)).or_default() |= bit(key.2);
            }
            start = end;
        }
    }

    /// The key of what a scope is bound to, and the type asked for besides.
    fn key_of(&mut self, bound: &Bound) -> (u32, u32) {
        let next = after(2 * self.entities.len() + self.kinds.len());
        let kind = bound.kind.as_ref().map_or(ANY, |kind| number(&mut self.kinds, kind, next));
        let next = after(2 * self.entities.len() + self.kinds.len());
        match &bound.place {
            Place::Anywhere => (kind, ANY),
            Place::Within(name) => (number(&mut self.entities, name, next), kind),
            Place::At(name) => (number(&mut self.entities, name, next) + 1, kind),
        }
    }

    fn keys_of(&self, who: &Closure<'_>) -> Keys {
        let kind = self.kinds.get(who.own.kind).copied();
        let own = self.entities.get(&who.own).map(|number| [*number, number + 1]);
        let mut all = Vec::with_capacity(who.above.len() + 4);
        all.push(ANY);
        all.extend(kind);
        all.extend(own.into_iter().flatten());
        all.extend(who.above.iter().filter_map(|above| self.entities.get(above)));
        Keys { kind: kind.unwrap_or(ANY), all }
    }

    /// The policies whose scope matches, lowest number first; nothing when the action is not one of
    /// those the index was made for.
    pub(crate) fn candidates(
        &self,
        principal: &Closure<'_>,
        action: Name<'_>,
        resource: &Closure<'_>,
    ) -> Option<Vec<Number>> {
        let action = *self.actions.get(&action)?;
        let (who, what) = (self.keys_of(principal), self.keys_of(resource));
        let mut found = Vec::with_capacity(16);
        for action in [ANY, action] {
            for principal in &who.all {
                let Some(reach) = self.reach.get(&(action, *principal)) else { continue };
                for resource in what.all.iter().filter(|resource| reach & bit(**resource) != 0) {
                    let place = self.places.get(&(action, *principal, *resource));
                    let entries = place.and_then(|place| self.policies.get(span(place)));
                    let fitting = entries.into_iter().flatten().filter(|entry| {
                        [ANY, who.kind].contains(&entry.principal)
                            && [ANY, what.kind].contains(&entry.resource)
                    });
                    found.extend(fitting.map(|entry| entry.policy));
                }
            }
        }
        found.sort_unstable();
        // An entity may be in another by more than one way.
        found.dedup();
        Some(found)
    }

    /// The policies of whose scope one part does not match, and which, lowest number first. A policy
    /// for several actions can be among them although its scope matches for the action asked about.
    /// Costs a look at every key, for people who want to know what is missing.
    pub(crate) fn near(
        &self,
        principal: &Closure<'_>,
        action: Name<'_>,
        resource: &Closure<'_>,
    ) -> Vec<(Number, Part)> {
        let Some(action) = self.actions.get(&action) else { return Vec::new() };
        let (who, what) = (self.keys_of(principal), self.keys_of(resource));
        let mut found = Vec::new();
        for ((does, principal, resource), place) in &self.places {
            let does = [ANY, *action].contains(does);
            let (is_who, is_what) = (who.all.contains(principal), what.all.contains(resource));
            if usize::from(does) + usize::from(is_who) + usize::from(is_what) < 2 {
                continue;
            }
            for entry in self.policies.get(span(place)).into_iter().flatten() {
                let is_who = is_who && [ANY, who.kind].contains(&entry.principal);
                let is_what = is_what && [ANY, what.kind].contains(&entry.resource);
                found.extend(only_miss([is_who, does, is_what]).map(|part| (entry.policy, part)));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// The part that does not match, if it is one alone.
fn only_miss(matches: [bool; 3]) -> Option<Part> {
    match matches {
        [false, true, true] => Some(Part::Principal),
        [true, false, true] => Some(Part::Action),
        [true, true, false] => Some(Part::Resource),
        _ => None,
    }
}

/// The number of this key, which is `next` when it has none yet.
fn number<K: Clone + Eq + Hash>(numbers: &mut HashMap<K, u32>, key: &K, next: u32) -> u32 {
    *numbers.entry(key.clone()).or_insert(next)
}

/// The first number after so many.
fn after(count: usize) -> u32 {
    small(count) + 1
}

/// A policy set of four thousand million scopes does not fit into memory.
fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn span(place: &Range<u32>) -> Range<usize> {
    place.start as usize..place.end as usize
}

fn bit(key: u32) -> u64 {
    1 << (key % u64::BITS)
}
