//! The grants in force: policies of their own, beside those of the set.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{Authorizer, PolicyId, PolicySet};
use prov_core::{Result, Timestamp};

use super::evaluate::{Evaluated, OnError, evaluate};
#[cfg(feature = "fast")]
use super::fast;
use super::held::Held;
use super::index::Number;
use super::prepare::prepare;
use super::rules::{Reader, Rules, set_of};
use super::snapshot::Snapshot;
use crate::load::Compiled;
use crate::{Grant, PolicyInfo};

/// Grants as policies. Each ends by itself at its time, whether or not anybody has swept it away.
#[derive(Debug)]
pub(super) struct Granted {
    /// All, so that another set of templates can be filled with them.
    pub(super) grants: Arc<[Grant]>,
    policies: PolicySet,
    rules: Rules,
    /// When each rule ends, by its number.
    until: Vec<Timestamp>,
}

/// Policies, and what people are told of each.
pub(super) type Told = (PolicySet, BTreeMap<String, Arc<PolicyInfo>>);

impl Granted {
    /// These grants over the templates of a set. A grant whose template is gone, or does not fit any
    /// more, grants nothing.
    pub(super) fn of(compiled: &Compiled, grants: Arc<[Grant]>) -> Self {
        let (mut reader, mut policies) = (Reader::new(), PolicySet::new());
        let mut rules: Vec<_> = Vec::new();
        for grant in &*grants {
            let template = compiled.templates.get(&grant.template);
            let (principal, resource) = (grant.principal.as_ref(), grant.resource.as_ref());
            let id = grant.id.as_str();
            let policy = template.map(|t| t.filled(&compiled.facts, id, principal, resource));
            match policy {
                Some(Ok(policy)) if policies.add(policy.clone()).is_ok() => {
                    rules.push((Arc::new(reader.rule(&policy)), grant.expires_at));
                }
                _ => tracing::warn!(grant = id, "a grant does not fit the policies and is idle"),
            }
        }
        rules.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
        let (rules, until): (Vec<_>, Vec<_>) = rules.into_iter().unzip();
        let actions: Vec<_> = compiled.facts.actions.values().map(|a| a.closure()).collect();
        Self { grants, policies, rules: Rules::indexed(rules, &actions), until }
    }

    /// A set with the grants beside it that have not ended, each told of as its template is; nothing
    /// when there is none.
    pub(super) fn beside(&self, compiled: &Compiled, now: Timestamp) -> Option<Told> {
        let mut in_force = self.grants.iter().filter(|grant| grant.expires_at > now).peekable();
        in_force.peek()?;
        let (mut set, mut documents) = (compiled.policies.clone(), compiled.documents.clone());
        for grant in in_force {
            let id = grant.id.as_str();
            let template = compiled.templates.get(&grant.template);
            // A policy that has the id of a grant is the one that is told of.
            if let (Some(policy), Some(template)) =
                (self.policies.policy(&PolicyId::new(id)), template)
                && set.add(policy.clone()).is_ok()
            {
                documents.insert(id.to_owned(), Arc::clone(&template.document));
            }
        }
        Some((set, documents))
    }

    /// What the grants that have not ended say of a request; nothing when none is about it.
    pub(super) fn evaluate(
        &self,
        set: &Snapshot,
        held: &Held<'_>,
        now: Timestamp,
    ) -> Result<Option<Evaluated>> {
        if self.until.is_empty() {
            return Ok(None);
        }
        let Held { principal, action, resource, .. } = held;
        let mut candidates: Vec<Number> =
            self.rules.candidates(principal, action, resource).unwrap_or_default();
        let until = |number: Number| self.until.get(number as usize);
        candidates.retain(|number| until(*number).is_some_and(|until| *until > now));
        if candidates.is_empty() {
            return Ok(None);
        }
        #[cfg(feature = "fast")]
        if let Some(facts) = fast::Facts::of(held)
            && let Some(evaluated) = fast::evaluate(&self.rules, &candidates, &facts)
        {
            return Ok(Some(evaluated));
        }
        let prepared = prepare(set, held)?;
        let policies = set_of(&self.policies, &self.rules, &candidates)?;
        let (request, entities) = (&prepared.request, &prepared.entities);
        Ok(Some(evaluate(&Authorizer::new(), request, &policies, entities, OnError::Deny)))
    }
}
