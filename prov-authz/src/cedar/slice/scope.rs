//! Whether the scope of a policy can match at all.

use std::collections::HashSet;

use cedar_policy::{
    ActionConstraint, Entities, EntityTypeName, EntityUid, Policy, PrincipalConstraint,
    ResourceConstraint, Schema,
};

/// One action, by principals of one type, on resources of one type.
///
/// A policy that is not admitted has a scope that is false for every such request, whatever the
/// entities: entities have parents of the types the schema allows and no others, which is what
/// requests are held to. Where the schema says nothing, everything is admitted.
#[derive(Debug)]
pub(in crate::cedar) struct Scope {
    principal: Reach,
    action: EntityUid,
    /// The groups it is in; `None` when the schema does not know the action.
    groups: Option<HashSet<EntityUid>>,
    resource: Reach,
}

/// What entities of a type can be, and be in.
#[derive(Debug)]
struct Reach {
    kind: EntityTypeName,
    /// The types of all that may stand above; `None` when the schema does not know the type.
    above: Option<HashSet<EntityTypeName>>,
}

impl Reach {
    fn new(schema: &Schema, kind: &EntityTypeName) -> Self {
        let above = schema.ancestors(kind).map(|above| above.cloned().collect());
        Self { kind: kind.clone(), above }
    }

    fn can_be_in(&self, other: &EntityUid) -> bool {
        let may_stand_above = |above: &HashSet<_>| above.contains(other.type_name());
        self.kind == *other.type_name() || self.above.as_ref().is_none_or(may_stand_above)
    }
}

impl Scope {
    /// `actions` are the entities of the schema's actions.
    pub(in crate::cedar) fn new(
        schema: &Schema,
        actions: &Entities,
        principal: &EntityTypeName,
        action: &EntityUid,
        resource: &EntityTypeName,
    ) -> Self {
        Self {
            principal: Reach::new(schema, principal),
            action: action.clone(),
            groups: actions.ancestors(action).map(|groups| groups.cloned().collect()),
            resource: Reach::new(schema, resource),
        }
    }

    /// Whether the policy's scope can match.
    pub(in crate::cedar) fn admits(&self, policy: &Policy) -> bool {
        let (who, what) = (&self.principal, &self.resource);
        let principal = match policy.principal_constraint() {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::In(above) => who.can_be_in(&above),
            PrincipalConstraint::Eq(other) => who.kind == *other.type_name(),
            PrincipalConstraint::Is(kind) => who.kind == kind,
            PrincipalConstraint::IsIn(kind, above) => who.kind == kind && who.can_be_in(&above),
        };
        let action = match policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::In(list) => list.iter().any(|above| self.is_within(above)),
            ActionConstraint::Eq(other) => self.action == other,
        };
        let resource = match policy.resource_constraint() {
            ResourceConstraint::Any => true,
            ResourceConstraint::In(above) => what.can_be_in(&above),
            ResourceConstraint::Eq(other) => what.kind == *other.type_name(),
            ResourceConstraint::Is(kind) => what.kind == kind,
            ResourceConstraint::IsIn(kind, above) => what.kind == kind && what.can_be_in(&above),
        };
        principal && action && resource
    }

    fn is_within(&self, group: &EntityUid) -> bool {
        self.action == *group || self.groups.as_ref().is_none_or(|groups| groups.contains(group))
    }
}
