//! For each action on each type of resource, the policies that can have a say: chosen once, when a
//! set is loaded, so that a decision does not walk the others.

mod reads;
mod scope;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::Arc;

use cedar_policy::{Policy, PolicySet};
use prov_core::{Error, Result, codes};

pub(crate) use reads::ContextReads;
pub(super) use scope::Scope;

use crate::load::{Compiled, SchemaFacts};

/// The slices of a policy set, by action and type of resource.
#[derive(Debug)]
pub(super) struct Slices(HashMap<String, Vec<(String, Slice)>>);

/// The policies that can have a say in one action on one type of resource.
#[derive(Debug)]
pub(super) struct Slice {
    /// Tells the slices of a set apart.
    pub(super) number: usize,
    pub(super) chosen: Arc<Chosen>,
}

/// Policies and what they look at; slices of the same policies share one.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) policies: PolicySet,
    pub(super) reads: ContextReads,
}

impl Slices {
    /// The slices of this set.
    pub(super) fn of(compiled: &Compiled) -> Result<Self> {
        let all: Vec<_> = compiled.policies.policies().collect();
        let reads: Vec<_> = all.iter().map(|policy| ContextReads::of(policy)).collect();
        let mut known: HashMap<Vec<usize>, Arc<Chosen>> = HashMap::new();
        let mut slices: HashMap<String, Vec<(String, Slice)>> = HashMap::new();
        for (number, (action, kind, scope)) in scopes(&compiled.facts)?.into_iter().enumerate() {
            let members: Vec<_> =
                (0..all.len()).filter(|at| all.get(*at).is_some_and(|p| scope.admits(p))).collect();
            let chosen = if let Some(chosen) = known.get(&members) {
                Arc::clone(chosen)
            } else {
                let chosen = Arc::new(choose(&members, &all, &reads)?);
                known.insert(members, Arc::clone(&chosen));
                chosen
            };
            slices.entry(action).or_default().push((kind, Slice { number, chosen }));
        }
        Ok(Self(slices))
    }

    /// The slice of this action on this type; `None` when the action is not done to it.
    pub(super) fn find(&self, action: &str, kind: &str) -> Option<&Slice> {
        let kinds = self.0.get(action)?;
        kinds.iter().find(|(known, _)| known == kind).map(|(_, slice)| slice)
    }
}

/// Every action on every type it applies to.
fn scopes(facts: &SchemaFacts) -> Result<Vec<(String, String, Scope)>> {
    let unsuitable = |context| Error::new(codes::INTERNAL).context(context);
    let user = facts.types.get("User").ok_or_else(|| unsuitable("no type `User`"))?;
    let actions = facts.schema.action_entities().map_err(|e| unsuitable("no actions").source(e))?;
    let mut scopes = Vec::new();
    for (name, action) in &facts.actions {
        for kind in &action.resources {
            // A resource of a type outside the namespace is refused before any policy is asked.
            let Some(resource) = facts.types.get(kind) else { continue };
            let (user, resource) = (&user.name, &resource.name);
            let scope = Scope::new(&facts.schema, &actions, user, &action.uid, resource);
            scopes.push((name.clone(), kind.clone(), scope));
        }
    }
    Ok(scopes)
}

fn choose(members: &[usize], all: &[&Policy], reads: &[ContextReads]) -> Result<Chosen> {
    let mut policies = PolicySet::new();
    for policy in members.iter().filter_map(|at| all.get(*at)) {
        // Ids are unique in the set they come from.
        policies.add((*policy).clone()).map_err(|e| Error::new(codes::INTERNAL).source(e))?;
    }
    let reads = members.iter().filter_map(|at| reads.get(*at));
    Ok(Chosen { policies, reads: reads.fold(ContextReads::NOTHING, ContextReads::and) })
}
