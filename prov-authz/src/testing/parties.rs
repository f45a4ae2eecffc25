//! Whether the scope of a policy matches, as Cedar reads it, without the index: a second opinion.

use std::collections::HashSet;

use cedar_policy::{Entities, Request};
use cedar_policy_core::ast::{
    ActionConstraint, EntityReference, EntityUID, EntityUIDEntry, Policy,
    PrincipalOrResourceConstraint,
};
use cedar_policy_core::entities::Dereference;

/// Who asks to do what to what, each with all that stands above it.
#[derive(Debug)]
pub(super) struct Parties<'r> {
    principal: Lineage<'r>,
    action: Lineage<'r>,
    resource: Lineage<'r>,
}

#[derive(Debug)]
struct Lineage<'r> {
    own: &'r EntityUID,
    above: HashSet<&'r EntityUID>,
}

impl<'r> Lineage<'r> {
    fn of(entry: &'r EntityUIDEntry, entities: &'r Entities) -> Option<Self> {
        let EntityUIDEntry::Known { euid, .. } = entry else { return None };
        let above = match entities.as_ref().entity(euid) {
            Dereference::Data(entity) => entity.ancestors().collect(),
            _ => HashSet::new(),
        };
        Some(Self { own: euid, above })
    }

    fn is_in(&self, other: &EntityUID) -> bool {
        self.own == other || self.above.contains(other)
    }

    fn meets(&self, constraint: &PrincipalOrResourceConstraint) -> bool {
        let named = |reference: &EntityReference, test: &dyn Fn(&EntityUID) -> bool| match reference
        {
            EntityReference::EUID(uid) => test(uid),
            // Only templates have slots, and a template decides nothing.
            EntityReference::Slot(_) => false,
        };
        match constraint {
            PrincipalOrResourceConstraint::Any => true,
            PrincipalOrResourceConstraint::In(above) => named(above, &|uid| self.is_in(uid)),
            PrincipalOrResourceConstraint::Eq(other) => named(other, &|uid| self.own == uid),
            PrincipalOrResourceConstraint::Is(kind) => self.own.entity_type() == &**kind,
            PrincipalOrResourceConstraint::IsIn(kind, above) => {
                self.own.entity_type() == &**kind && named(above, &|uid| self.is_in(uid))
            }
        }
    }
}

impl<'r> Parties<'r> {
    /// What a request asks; `None` for a request that leaves something open, which prov never makes.
    pub(super) fn of(request: &'r Request, entities: &'r Entities) -> Option<Self> {
        let request: &cedar_policy_core::ast::Request = request.as_ref();
        Some(Self {
            principal: Lineage::of(request.principal(), entities)?,
            action: Lineage::of(request.action(), entities)?,
            resource: Lineage::of(request.resource(), entities)?,
        })
    }

    /// Whether the whole scope matches.
    pub(super) fn is_about(&self, policy: &Policy) -> bool {
        let template = policy.template();
        if template.slots().next().is_some() {
            return self.principal.meets(policy.principal_constraint().as_inner())
                && self.meets_action(policy.action_constraint())
                && self.resource.meets(policy.resource_constraint().as_inner());
        }
        // Without slots the template's own parts are the policy's, and nothing is copied.
        self.principal.meets(template.principal_constraint().as_inner())
            && self.meets_action(template.action_constraint())
            && self.resource.meets(template.resource_constraint().as_inner())
    }

    fn meets_action(&self, constraint: &ActionConstraint) -> bool {
        match constraint {
            ActionConstraint::Any => true,
            ActionConstraint::In(list) => list.iter().any(|above| self.action.is_in(above)),
            ActionConstraint::Eq(other) => self.action.own == &**other,
        }
    }
}
