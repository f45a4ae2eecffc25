//! The engine asked for its reasons.

use prov_core::Result;

use super::super::context_of;
use super::super::held::{Doing, hold};
use super::super::prepare::prepare;
use super::super::rules::Rule;
use super::CedarEngine;
use crate::AccessRequest;
use crate::anatomy::Sources;
use crate::explain::{Explanation, Grounds, explain};
use crate::load::first_address;

impl CedarEngine {
    /// Why the answer is what it is, and what would change it. Costs as much as some dozen decisions:
    /// what the policies about the request cost, whatever others there are.
    ///
    /// # Errors
    /// As [`PolicyEngine::check`](crate::PolicyEngine::check).
    pub fn explain(&self, request: &AccessRequest<'_>) -> Result<Explanation> {
        let live = self.live.load();
        let subject = live.resolve(request.resource, &self.options)?;
        let held = hold(&live, Doing::of(request), subject)?;
        let prepared = prepare(&live, &held)?;
        let (compiled, rules) = (&live.compiled, &live.rules);
        let (granted, told) = live.granted.about(compiled, &held, self.grants_at(request));
        let candidates = live.candidates(&held);
        let of_set = candidates.iter().filter_map(|number| rules.rule(*number));
        let mut about: Vec<_> = of_set.chain(granted).collect();
        about.sort_unstable_by_key(|rule: &&Rule| &rule.id);
        let about = about.into_iter().map(|rule| (*rule.policy).as_ref()).collect();
        let grounds = Grounds {
            about,
            rules,
            asked: [&held.principal, &held.action, &held.resource],
            sources: Sources::new(&compiled.documents).and(&told),
            request: &prepared.request,
            entities: &prepared.entities,
            corporate: first_address(&self.options),
            decide: &|changed| self.decide_by(&live, changed),
            context: &|changed| context_of(&changed.circumstances, changed.claims),
        };
        Ok(explain(&grounds, request))
    }
}
