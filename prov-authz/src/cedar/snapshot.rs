//! One policy set with everything derived from it: replaced as a whole, never in part.

use cedar_policy::Authorizer;
use prov_core::{Result, Timestamp};

use super::evaluate::{Evaluated, OnError, evaluate};
#[cfg(feature = "fast")]
use super::fast;
use super::held::Held;
use super::index::Number;
use super::prepare::prepare;
use super::rules::{Rules, set_of};
use super::{PolicySource, Roles};
use crate::Revision;
use crate::load::Compiled;
use crate::shards::Shards;

/// The policy set in force.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) compiled: Compiled,
    pub(super) roles: Roles,
    pub(super) rules: Rules,
    pub(super) loaded_at: Timestamp,
    pub(super) source: PolicySource,
    /// One for each thread, because every decision takes one and gives it back.
    revisions: Shards<Revision>,
}

impl Snapshot {
    /// This set. What was found out about policies that are the same in the set `before` is taken
    /// over from it.
    pub(super) fn new(
        compiled: Compiled,
        loaded_at: Timestamp,
        source: PolicySource,
        before: Option<&Self>,
    ) -> Result<Self> {
        let before = before.map(|before| (&before.compiled, &before.rules));
        let rules = Rules::of(&compiled, before)?;
        let by_role = Roles::new(&compiled.facts)?;
        let revisions = Shards::new(|| Revision::new(compiled.revision.as_str()));
        Ok(Self { compiled, roles: by_role, rules, loaded_at, source, revisions })
    }

    /// What decides.
    pub(super) fn revision(&self) -> Revision {
        self.revisions.own().1.clone()
    }

    /// The policies whose scope matches, in the order of their ids: no other has a say.
    pub(super) fn candidates(&self, held: &Held<'_>) -> Vec<Number> {
        let Held { principal, action, resource, .. } = held;
        // The index knows every action of the schema, and the request has one of those.
        self.rules.candidates(principal, action, resource).unwrap_or_default()
    }

    /// What these policies, its [candidates](Self::candidates), say of a request.
    pub(super) fn evaluate(&self, held: &Held<'_>, candidates: &[Number]) -> Result<Evaluated> {
        #[cfg(feature = "fast")]
        if let Some(evaluated) = self.evaluate_fast(held, candidates) {
            return Ok(evaluated);
        }
        self.evaluate_by_cedar(held, candidates)
    }

    /// The same without Cedar; nothing when it has to be asked.
    #[cfg(feature = "fast")]
    pub(super) fn evaluate_fast(
        &self,
        held: &Held<'_>,
        candidates: &[Number],
    ) -> Option<Evaluated> {
        fast::evaluate(&self.rules, candidates, &fast::Facts::of(held)?)
    }

    /// The same by Cedar.
    pub(super) fn evaluate_by_cedar(
        &self,
        held: &Held<'_>,
        candidates: &[Number],
    ) -> Result<Evaluated> {
        let prepared = prepare(self, held)?;
        let policies = set_of(&self.rules, candidates)?;
        let authorizer = Authorizer::new();
        Ok(evaluate(&authorizer, &prepared.request, &policies, &prepared.entities, OnError::Deny))
    }
}
