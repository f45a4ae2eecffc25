//! An access request held against the schema: what it is about, by name, before any policy is asked.

use cedar_policy::Entity;
use prov_core::{Error, Principal, Result, Role, codes};

use super::context::known_circumstances;
use super::entities::check_id;
use super::live::Live;
use super::name::{Closure, Name};
use super::resource::{check_resource, structured_entity};
use crate::entities::Subject;
use crate::load::{ActionFacts, SchemaFacts, TypeFacts};
use crate::{AccessRequest, Circumstances, Claims, EntitiesSnapshot};

/// Who would do what, and under which circumstances: a request but for its resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Doing<'a> {
    pub(crate) principal: &'a Principal,
    pub(crate) action: &'a str,
    pub(crate) circumstances: Circumstances,
    pub(crate) claims: &'a Claims,
}

impl<'a> Doing<'a> {
    /// What this request would do.
    pub(crate) const fn of(asked: &AccessRequest<'a>) -> Self {
        let AccessRequest { principal, action, circumstances, claims, .. } = *asked;
        Self { principal, action, circumstances, claims }
    }
}

/// A request that the policies can speak of.
#[derive(Debug)]
pub(super) struct Held<'a> {
    pub(super) asked: Doing<'a>,
    /// What it is done to: as it is known, if it is.
    pub(super) subject: Subject<'a>,
    pub(super) facts: &'a SchemaFacts,
    /// What is known of other entities than those of the request.
    pub(super) known: &'a EntitiesSnapshot,
    pub(super) action_facts: &'a ActionFacts,
    pub(super) resource_facts: &'a TypeFacts,
    pub(super) principal: Closure<'a>,
    pub(super) action: Closure<'a>,
    pub(super) resource: Closure<'a>,
    /// The resource for Cedar, when its type has more than texts, numbers and truth values.
    pub(super) structured: Option<Entity>,
}

impl Held<'_> {
    /// Whether the resource, or what it is said to be in, could be somebody who asks, a team or a
    /// role, or of its own type: then the entities of the request may contradict each other.
    pub(super) fn may_contradict(&self) -> bool {
        let (own, principals) = (self.resource.own.kind, &self.facts.principals);
        principals.have(own)
            || self.resource.above.iter().any(|a| a.kind == own || principals.have(a.kind))
    }
}

/// Holds the request against the schema. Everything prov builds itself was tried when the schema was
/// loaded; what the asker claims is checked here, field by field.
pub(super) fn hold<'a>(live: &'a Live, asked: Doing<'a>, subject: Subject<'a>) -> Result<Held<'a>> {
    let facts = &live.set.compiled.facts;
    let invalid =
        |field: &str, message: String| Error::new(codes::INVALID_REQUEST).field(field, message);
    let Some(action) = facts.actions.get(asked.action) else {
        let shown: String = asked.action.chars().take(64).flat_map(char::escape_debug).collect();
        return Err(invalid("action", format!("the schema has no action `{shown}`")));
    };
    let (resource_facts, mut resource) = check_resource(facts, subject)?;
    live.complete(&mut resource);
    let structured = if resource_facts.is_plain {
        None
    } else {
        Some(structured_entity(facts, resource_facts, subject, &resource)?)
    };
    let kind = subject.kind();
    if !action.resources.iter().any(|known| known == kind) {
        let message = format!("`{}` is nothing that is done to a `{kind}`", asked.action);
        return Err(invalid("action", message));
    }
    let (doer, _) = facts.type_of(asked.principal.kind)?;
    if !action.principals.iter().any(|known| known == doer) {
        let message = format!("`{}` is nothing a {} does", asked.action, doer.to_lowercase());
        return Err(invalid("action", message));
    }
    asked.claims.check()?;
    asked.claims.check_declared(asked.action, &action.context)?;
    known_circumstances(&asked.circumstances)?;
    let mut principal = principal_closure(facts, asked.principal)?;
    live.complete(&mut principal);
    Ok(Held {
        asked,
        subject,
        facts,
        known: &live.entities,
        action_facts: action,
        resource_facts,
        principal,
        action: action.closure(),
        resource,
        structured,
    })
}

/// The same of a request whose resource nobody knows better.
#[cfg(test)]
pub(super) fn hold_stated<'a>(live: &'a Live, asked: &AccessRequest<'a>) -> Result<Held<'a>> {
    hold(live, Doing::of(asked), Subject::Stated(asked.resource))
}

/// The principal, in its teams, and in its roles with all they include.
fn principal_closure<'a>(facts: &'a SchemaFacts, principal: &'a Principal) -> Result<Closure<'a>> {
    let (types, (_, kind)) = (&facts.principals, facts.type_of(principal.kind)?);
    check_id("principal.id", &principal.id)?;
    let mut above = Vec::with_capacity(principal.teams.len() + Role::ALL.len());
    above.extend(principal.teams.iter().map(|team| Name { kind: &types.team, id: team.as_str() }));
    let roles = Role::ALL.into_iter().filter(|role| principal.has_role(*role));
    above.extend(roles.map(|role| Name { kind: &types.role, id: role.as_str() }));
    Ok(Closure { own: Name { kind, id: &principal.id }, above })
}
