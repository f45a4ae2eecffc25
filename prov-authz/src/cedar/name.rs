//! Entities by name, borrowed from the request, and what they are in.

use std::hash::{Hash, Hasher};

use cedar_policy::{EntityId, EntityTypeName, EntityUid};
use hashbrown::Equivalent;
use smol_str::{SmolStr, ToSmolStr};

/// An entity: its id, and its type with the namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Name<'a> {
    // First, because ids differ sooner than types.
    pub(crate) id: &'a str,
    pub(crate) kind: &'a str,
}

impl Name<'_> {
    pub(crate) fn to_owned(self) -> OwnedName {
        OwnedName { id: self.id.into(), kind: self.kind.into() }
    }
}

/// A [`Name`] that policies mention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnedName {
    // Short ones stand in the name itself: who looks many up does not wait for memory twice more.
    id: SmolStr,
    kind: SmolStr,
}

impl OwnedName {
    pub(crate) fn of(uid: &EntityUid) -> Self {
        Self { id: uid.id().unescaped().into(), kind: uid.type_name().to_smolstr() }
    }

    pub(crate) fn name(&self) -> Name<'_> {
        Name { id: &self.id, kind: &self.kind }
    }
}

/// As the borrowed name, so that one is found by the other.
impl Hash for OwnedName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl Equivalent<OwnedName> for Name<'_> {
    fn equivalent(&self, owned: &OwnedName) -> bool {
        *self == owned.name()
    }
}

/// An entity, and all it is in, directly or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closure<'a> {
    pub(crate) own: Name<'a>,
    pub(crate) above: Vec<Name<'a>>,
}

/// The entity of this type and id, for Cedar.
pub(super) fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}
