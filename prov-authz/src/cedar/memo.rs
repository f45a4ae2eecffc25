//! Decisions that depend on nothing but who asks and for which part of prov's own API, remembered.
//!
//! A remembered answer is used for exactly the same question: every value the policies could look at
//! is compared, none by its hash alone. Answers live in the snapshot of the policy set that gave
//! them, and go with it.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwapOption;
use prov_core::Principal;

use super::context::known_circumstances;
use super::slice::Slice;
use crate::{AccessRequest, Claims};

#[cfg(test)]
mod tests;

/// Never more answers are remembered: about 3 MB as people usually are.
const SLOTS: usize = 8_192;
/// Larger questions are decided each time, so that nobody's name fills the memory.
const LONGEST_TEXT: usize = 128;
const MOST_TEAMS: usize = 16;
/// The one thing in the context that is part of a question.
const READ: &str = "mfa_verified";

/// Everything such a decision depends on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// Action and type of the resource.
    slice: usize,
    /// The whole principal, so that whatever policies read of it is compared.
    principal: &'a Principal,
    mfa_verified: bool,
    resource: &'a str,
}

impl<'a> Question<'a> {
    /// The question a request asks; `None` when its answer may depend on anything else: on where from
    /// or when, on claims, on attributes or parents of the resource.
    pub(super) fn of(slice: &Slice, asked: &AccessRequest<'a>) -> Option<Self> {
        let (resource, principal) = (asked.resource, asked.principal);
        let is_bare = resource.entity.kind == "Api"
            && resource.attributes.is_empty()
            && resource.parents.is_empty()
            && *asked.claims == Claims::NONE;
        // What is refused for its circumstances is refused however well it is known.
        let may_be_asked = known_circumstances(&asked.circumstances).is_ok();
        let is_small = [&*principal.id, &*principal.name, &*resource.entity.id]
            .iter()
            .all(|text| text.len() <= LONGEST_TEXT)
            && principal.teams.len() <= MOST_TEAMS
            && principal.roles.len() <= MOST_TEAMS;
        let is_enough = slice.chosen.reads.nothing_but(READ);
        (is_enough && is_bare && may_be_asked && is_small).then(|| Self {
            slice: slice.number,
            principal,
            mfa_verified: asked.circumstances.mfa_verified,
            resource: resource.entity.id.as_ref(),
        })
    }
}

/// An answer with its question.
#[derive(Debug)]
pub(super) struct Answer {
    slice: usize,
    principal: Principal,
    mfa_verified: bool,
    resource: Box<str>,
    pub(super) allowed: bool,
    pub(super) policies: Vec<String>,
}

impl Answer {
    fn answers(&self, question: &Question<'_>) -> bool {
        self.slice == question.slice
            && self.mfa_verified == question.mfa_verified
            && *self.resource == *question.resource
            && self.principal == *question.principal
    }
}

/// A fixed number of answers. Each question has two places; a new answer takes an empty one of them,
/// or else the place of an older answer. Nobody waits for anybody.
#[derive(Debug)]
pub(super) struct Memo {
    slots: Box<[ArcSwapOption<Answer>]>,
    places: RandomState,
    turn: AtomicUsize,
}

impl Memo {
    pub(super) fn new() -> Self {
        Self::with_slots(SLOTS)
    }

    fn with_slots(count: usize) -> Self {
        Self {
            slots: (0..count).map(|_| ArcSwapOption::empty()).collect(),
            places: RandomState::new(),
            turn: AtomicUsize::new(0),
        }
    }

    /// The answer to this question, if it is remembered.
    pub(super) fn find(&self, question: &Question<'_>) -> Option<Arc<Answer>> {
        self.places_of(question).into_iter().flatten().find_map(|slot| {
            let answer = slot.load();
            answer.as_ref().filter(|answer| answer.answers(question)).map(Arc::clone)
        })
    }

    /// Remembers the answer to this question.
    pub(super) fn keep(&self, question: &Question<'_>, allowed: bool, policies: &[String]) {
        let places = self.places_of(question);
        let empty = places.into_iter().flatten().find(|slot| slot.load().is_none());
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % places.len();
        let Some(slot) = empty.or_else(|| places.get(turn).copied().flatten()) else { return };
        slot.store(Some(Arc::new(Answer {
            slice: question.slice,
            principal: question.principal.clone(),
            mfa_verified: question.mfa_verified,
            resource: question.resource.into(),
            allowed,
            policies: policies.to_vec(),
        })));
    }

    /// Where its answer may stand. The hash is keyed at random, so nobody can aim at a place.
    fn places_of(&self, question: &Question<'_>) -> [Option<&ArcSwapOption<Answer>>; 2] {
        let Question { slice, principal, mfa_verified, resource } = question;
        let hash = self.places.hash_one((slice, &principal.id, mfa_verified, resource));
        let place = |bits: u64| {
            let at = usize::try_from(bits).ok()?.checked_rem(self.slots.len())?;
            self.slots.get(at)
        };
        [place(hash & u64::from(u32::MAX)), place(hash >> u32::BITS)]
    }
}
