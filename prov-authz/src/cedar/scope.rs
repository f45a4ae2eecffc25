//! What the head of a policy says: who, does what, to what.

use cedar_policy::{
    ActionConstraint, EntityTypeName, EntityUid, Policy, PrincipalConstraint, ResourceConstraint,
};

use super::name::{Name, OwnedName};

/// The scope of one policy. It matches when all three of its parts do; nothing of it can fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(super) principal: Bound,
    pub(super) action: Actions,
    pub(super) resource: Bound,
}

/// What a principal or a resource is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bound {
    /// The type it must be of.
    pub(super) kind: Option<Box<str>>,
    pub(super) place: Place,
}

/// Where it must stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Anywhere,
    /// It must be this one.
    At(OwnedName),
    /// It must be this one or in it.
    Within(OwnedName),
}

/// The actions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Actions {
    Any,
    /// This one, and none that is in it.
    Only(OwnedName),
    /// These, and all that are in them.
    Within(Vec<OwnedName>),
}

impl Scope {
    /// The entity that the principal must be, or be in.
    pub(crate) fn principal(&self) -> Option<Name<'_>> {
        match &self.principal.place {
            Place::Anywhere => None,
            Place::At(name) | Place::Within(name) => Some(name.name()),
        }
    }

    /// That of this policy, the slots of a template filled.
    pub(crate) fn of(policy: &Policy) -> Self {
        Self {
            principal: match policy.principal_constraint() {
                PrincipalConstraint::Any => Bound::new(None, Place::Anywhere),
                PrincipalConstraint::In(above) => Bound::new(None, Place::within(&above)),
                PrincipalConstraint::Eq(other) => Bound::new(None, Place::at(&other)),
                PrincipalConstraint::Is(kind) => Bound::new(Some(kind), Place::Anywhere),
                PrincipalConstraint::IsIn(kind, above) => {
                    Bound::new(Some(kind), Place::within(&above))
                }
            },
            action: match policy.action_constraint() {
                ActionConstraint::Any => Actions::Any,
                ActionConstraint::Eq(other) => Actions::Only(OwnedName::of(&other)),
                ActionConstraint::In(list) => {
                    Actions::Within(list.iter().map(OwnedName::of).collect())
                }
            },
            resource: match policy.resource_constraint() {
                ResourceConstraint::Any => Bound::new(None, Place::Anywhere),
                ResourceConstraint::In(above) => Bound::new(None, Place::within(&above)),
                ResourceConstraint::Eq(other) => Bound::new(None, Place::at(&other)),
                ResourceConstraint::Is(kind) => Bound::new(Some(kind), Place::Anywhere),
                ResourceConstraint::IsIn(kind, above) => {
                    Bound::new(Some(kind), Place::within(&above))
                }
            },
        }
    }
}

impl Bound {
    fn new(kind: Option<EntityTypeName>, place: Place) -> Self {
        Self { kind: kind.map(|kind| kind.to_string().into()), place }
    }
}

impl Place {
    fn at(uid: &EntityUid) -> Self {
        Self::At(OwnedName::of(uid))
    }

    fn within(uid: &EntityUid) -> Self {
        Self::Within(OwnedName::of(uid))
    }
}
