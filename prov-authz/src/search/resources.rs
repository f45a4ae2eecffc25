//! Which resources, and which actions.

use std::num::NonZeroU32;

use prov_core::{Principal, Result};

use crate::cedar::Doing;
use crate::entities::Subject;
use crate::{CedarEngine, Circumstances, Claims, EntityRef, ResourceEntity};

/// No part of an answer looks at more resources: some tens of milliseconds.
const MOST_EXAMINED: usize = 10_000;

/// On which known resources of a type may a principal do something?
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ResourceSearch<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// Under which circumstances.
    pub circumstances: Circumstances,
    /// With what the request would say about itself.
    pub claims: &'a Claims,
    /// Does what.
    pub action: &'a str,
    /// To resources of which type, without namespace.
    pub kind: &'a str,
}

impl<'a> ResourceSearch<'a> {
    /// May this principal do this to which resources of this type?
    #[must_use]
    pub const fn new(
        principal: &'a Principal,
        circumstances: Circumstances,
        action: &'a str,
        kind: &'a str,
    ) -> Self {
        Self { principal, circumstances, claims: &Claims::NONE, action, kind }
    }

    /// With what the request would say about itself.
    #[must_use]
    pub const fn with_claims(mut self, claims: &'a Claims) -> Self {
        self.claims = claims;
        self
    }
}

/// A part of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourcesFound {
    /// The resources, by id.
    pub items: Vec<EntityRef>,
    /// How many were looked at for this part.
    pub examined: usize,
    /// The last one looked at, when there are more: the next part begins after it. A part may be
    /// empty and still have a next one.
    pub next: Option<EntityRef>,
}

impl CedarEngine {
    /// The resources of the inventory on which the principal may do it, by id, after the one named:
    /// up to `limit`, and fewer when as many as one part looks at do not have so many.
    ///
    /// # Errors
    /// As [`PolicyEngine::check`](crate::PolicyEngine::check) for the action, the type, the claims
    /// and the circumstances.
    pub fn permitted_resources(
        &self,
        search: &ResourceSearch<'_>,
        after: Option<&EntityRef>,
        limit: NonZeroU32,
    ) -> Result<ResourcesFound> {
        let moment = self.moment();
        let ResourceSearch { principal, circumstances, claims, action, kind } = *search;
        moment.check_search((action, kind), &circumstances, claims)?;
        let doing = Doing { principal, action, circumstances, claims };
        let limit = usize::try_from(limit.get()).unwrap_or(usize::MAX);
        let mut found = ResourcesFound { items: Vec::new(), examined: 0, next: None };
        let mut rest = moment.entities().after(Some(kind), after).peekable();
        while let Some(entity) = rest.next() {
            found.examined += 1;
            if moment.allows(doing, Subject::Known(entity)) {
                found.items.push(entity.reference());
            }
            let is_full = found.items.len() >= limit || found.examined >= MOST_EXAMINED;
            if is_full && rest.peek().is_some() {
                found.next = Some(entity.reference());
                break;
            }
        }
        Ok(found)
    }

    /// Everything the principal may do to this resource, sorted; claims that an action does not take
    /// are no reason against the others.
    ///
    /// # Errors
    /// As [`PolicyEngine::check`](crate::PolicyEngine::check) for the resource and the circumstances.
    pub fn permitted_actions(
        &self,
        principal: &Principal,
        circumstances: Circumstances,
        resource: &ResourceEntity,
        claims: &Claims,
    ) -> Result<Vec<String>> {
        let moment = self.moment();
        let subject = moment.resolve(resource)?;
        let actions: Vec<&str> = moment.actions_on(subject.kind()).collect();
        // An unknown type has no actions; the check then says so.
        let probe = actions.first().copied().unwrap_or("read");
        let doing = Doing { principal, action: probe, circumstances, claims: &Claims::NONE };
        moment.check(doing, subject)?;
        let may = |action: &&str| moment.allows(Doing { action, claims, ..doing }, subject);
        let allowed = actions.into_iter().filter(may);
        Ok(allowed.map(str::to_owned).collect())
    }
}
