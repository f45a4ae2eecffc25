//! The policies of a set as the engine uses them, in the order of their ids.

use std::sync::Arc;

use cedar_policy::{Effect, Policy, PolicySet};
use prov_core::{Error, Result, codes};

#[cfg(feature = "fast")]
use super::fast::{Body, Compiler};
use super::index::{Number, ScopeIndex};
use super::name::Closure;
use super::scope::Scope;
use crate::anatomy::Part;
use crate::load::Compiled;

/// One policy.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Box<str>,
    pub(crate) effect: Effect,
    pub(crate) scope: Scope,
    #[cfg(feature = "fast")]
    pub(crate) body: Body,
    /// As Cedar has it.
    pub(crate) policy: Arc<Policy>,
}

/// Reads policies.
#[derive(Debug)]
pub(crate) struct Reader {
    #[cfg(feature = "fast")]
    compiler: Compiler,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(feature = "fast")]
            compiler: Compiler::new(),
        }
    }

    #[cfg_attr(
        not(feature = "fast"),
        expect(clippy::unused_self, reason = "conditions are left to Cedar")
    )]
    pub(crate) fn rule(&mut self, policy: Arc<Policy>) -> Rule {
        Rule {
            id: policy.id().to_string().into(),
            effect: policy.effect(),
            scope: Scope::of(&policy),
            #[cfg(feature = "fast")]
            body: self.compiler.body(&policy),
            policy,
        }
    }
}

/// All of them, and which of them are about a request.
#[derive(Debug)]
pub(crate) struct Rules {
    all: Vec<Arc<Rule>>,
    index: ScopeIndex,
}

impl Rules {
    /// Those of this set. What the set before it, if there is one, knows of a policy that stayed as
    /// it was is taken over.
    pub(crate) fn of(compiled: &Compiled, before: Option<(&Compiled, &Self)>) -> Result<Self> {
        let (mut reader, mut all) = (Reader::new(), Vec::new());
        for (id, document) in &compiled.documents {
            let known = before.and_then(|(compiled, rules)| {
                // Of a file that did not change it is the same one.
                let is_same =
                    |old: &Arc<_>| Arc::ptr_eq(old, document) || old.text == document.text;
                let same = compiled.documents.get(id).is_some_and(is_same);
                same.then(|| rules.find(id)).flatten()
            });
            let rule = if let Some(rule) = known {
                Arc::clone(rule)
            } else {
                let policy = compiled.policies.get(id).ok_or_else(|| lost(id))?;
                Arc::new(reader.rule(Arc::clone(policy)))
            };
            all.push(rule);
        }
        let actions: Vec<_> = compiled.facts.actions.values().map(|a| a.closure()).collect();
        Ok(Self::indexed(all, &actions))
    }

    /// Policies in the order of their ids, for these actions.
    pub(crate) fn indexed(all: Vec<Arc<Rule>>, actions: &[Closure<'_>]) -> Self {
        let index = ScopeIndex::of(all.iter().map(|rule| &rule.scope), actions);
        Self { all, index }
    }

    fn find(&self, id: &str) -> Option<&Arc<Rule>> {
        let at = self.all.binary_search_by(|rule| (*rule.id).cmp(id)).ok()?;
        self.all.get(at)
    }

    /// One of them.
    pub(crate) fn rule(&self, number: Number) -> Option<&Rule> {
        self.all.get(number as usize).map(AsRef::as_ref)
    }

    /// Those whose scope matches, in the order of their ids; nothing for an action that is unknown.
    pub(crate) fn candidates(
        &self,
        principal: &Closure<'_>,
        action: &Closure<'_>,
        resource: &Closure<'_>,
    ) -> Option<Vec<Number>> {
        self.index.candidates(principal, action.own, resource)
    }

    /// The permits of whose scope one part does not match, in the order of their ids.
    pub(crate) fn near_permits(
        &self,
        principal: &Closure<'_>,
        action: &Closure<'_>,
        resource: &Closure<'_>,
    ) -> Vec<(&Rule, Part)> {
        let near = self.index.near(principal, action.own, resource);
        let rules = near.into_iter().filter_map(|(number, part)| Some((self.rule(number)?, part)));
        rules.filter(|(rule, _)| rule.effect == Effect::Permit).collect()
    }
}

/// Some policies as a set of their own, for Cedar.
pub(crate) fn set_of(rules: &Rules, numbers: &[Number]) -> Result<PolicySet> {
    let mut set = PolicySet::new();
    for number in numbers {
        let rule = rules.rule(*number).ok_or_else(|| lost("?"))?;
        set.add(Policy::clone(&rule.policy)).map_err(|e| Error::new(codes::INTERNAL).source(e))?;
    }
    Ok(set)
}

fn lost(id: &str) -> Error {
    Error::new(codes::INTERNAL).context(format!("the policy `{id}` is not in its set"))
}
