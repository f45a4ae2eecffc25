//! The grants in force: policies of their own, beside those of the set.

use std::sync::Arc;

use cedar_policy::Authorizer;
use prov_core::{Result, Timestamp};

use super::evaluate::{Evaluated, OnError, evaluate};
#[cfg(feature = "fast")]
use super::fast;
use super::held::Held;
use super::index::Number;
use super::prepare::prepare;
use super::rules::{Reader, Rule, Rules, set_of};
use super::snapshot::Snapshot;
use crate::Grant;
use crate::anatomy::Documents;
use crate::load::{Compiled, PolicyTemplate, SchemaFacts};

/// Grants as policies. Each ends by itself at its time, whether or not anybody has swept it away.
#[derive(Debug)]
pub(super) struct Granted {
    /// All, so that another set of templates can be filled with them.
    pub(super) grants: Arc<[Grant]>,
    /// What the policies were held against.
    facts: Arc<SchemaFacts>,
    rules: Rules,
    /// What each rule came of, by its number.
    filled: Vec<Filled>,
}

/// A template with a grant in it.
#[derive(Debug)]
struct Filled {
    template: Arc<PolicyTemplate>,
    rule: Arc<Rule>,
    until: Timestamp,
}

/// Policies, and what people are told of each.
pub(super) type Told<'g> = (Vec<&'g Rule>, Documents);

impl Granted {
    /// No grants.
    pub(super) fn none(compiled: &Compiled) -> Self {
        let actions: Vec<_> = compiled.facts.actions.values().map(|a| a.closure()).collect();
        Self {
            grants: Arc::new([]),
            facts: Arc::clone(&compiled.facts),
            rules: Rules::indexed(Vec::new(), &actions),
            filled: Vec::new(),
        }
    }

    /// These grants over the templates of a set. A grant whose template is gone, or does not fit any
    /// more, grants nothing. Costs what is not as it was before.
    pub(super) fn of(compiled: &Compiled, grants: Arc<[Grant]>, before: &Self) -> Self {
        let (mut reader, mut filled) = (Reader::new(), Vec::new());
        for grant in &*grants {
            let id = grant.id.as_str();
            let template = compiled.templates.get(&grant.template);
            let found = template.and_then(|template| {
                let rule = before.filled(compiled, id, template).or_else(|| {
                    let (who, what) = (grant.principal.as_ref(), grant.resource.as_ref());
                    let policy = template.filled(&compiled.facts, id, who, what).ok()?;
                    Some(Arc::new(reader.rule(Arc::new(policy))))
                })?;
                Some(Filled { template: Arc::clone(template), rule, until: grant.expires_at })
            });
            if let Some(found) = found {
                filled.push(found);
            } else {
                tracing::warn!(grant = id, "a grant does not fit the policies and is idle");
            }
        }
        filled.sort_by(|one, other| one.rule.id.cmp(&other.rule.id));
        let rules = filled.iter().map(|filled| Arc::clone(&filled.rule)).collect();
        let actions: Vec<_> = compiled.facts.actions.values().map(|a| a.closure()).collect();
        let (facts, rules) = (Arc::clone(&compiled.facts), Rules::indexed(rules, &actions));
        Self { grants, facts, rules, filled }
    }

    /// What a grant, which never changes, came to already under this schema and template.
    fn filled(
        &self,
        compiled: &Compiled,
        id: &str,
        template: &Arc<PolicyTemplate>,
    ) -> Option<Arc<Rule>> {
        let at = self.filled.binary_search_by(|filled| (*filled.rule.id).cmp(id)).ok()?;
        let filled = self.filled.get(at)?;
        let is_same =
            Arc::ptr_eq(&self.facts, &compiled.facts) && Arc::ptr_eq(&filled.template, template);
        is_same.then(|| Arc::clone(&filled.rule))
    }

    /// The grants about a request that have not ended, each told of as its template is.
    pub(super) fn about(&self, compiled: &Compiled, held: &Held<'_>, now: Timestamp) -> Told<'_> {
        let mut told = Told::default();
        for number in self.candidates(held, now) {
            let Some(filled) = self.filled.get(number as usize) else { continue };
            let id = &*filled.rule.id;
            // A policy of the set that has the id of a grant is the one that is told of.
            if !compiled.documents.contains_key(id) {
                told.0.push(&filled.rule);
                told.1.insert(id.to_owned(), Arc::clone(&filled.template.document));
            }
        }
        told
    }

    /// The grants whose scope matches and that have not ended.
    fn candidates(&self, held: &Held<'_>, now: Timestamp) -> Vec<Number> {
        let Held { principal, action, resource, .. } = held;
        let found = self.rules.candidates(principal, action, resource).unwrap_or_default();
        let lasts = |number: &Number| {
            self.filled.get(*number as usize).is_some_and(|filled| filled.until > now)
        };
        found.into_iter().filter(lasts).collect()
    }

    /// What the grants that have not ended say of a request; nothing when none is about it.
    pub(super) fn evaluate(
        &self,
        set: &Snapshot,
        held: &Held<'_>,
        now: Timestamp,
        by_cedar: bool,
    ) -> Result<Option<Evaluated>> {
        if self.filled.is_empty() {
            return Ok(None);
        }
        #[cfg(not(feature = "fast"))]
        let _ = by_cedar;
        let candidates = self.candidates(held, now);
        if candidates.is_empty() {
            return Ok(None);
        }
        #[cfg(feature = "fast")]
        if !by_cedar
            && let Some(facts) = fast::Facts::of(held)
            && let Some(evaluated) = fast::evaluate(&self.rules, &candidates, &facts)
        {
            return Ok(Some(evaluated));
        }
        let prepared = prepare(set, held)?;
        let policies = set_of(&self.rules, &candidates)?;
        let (request, entities) = (&prepared.request, &prepared.entities);
        Ok(Some(evaluate(&Authorizer::new(), request, &policies, entities, OnError::Deny)))
    }
}
