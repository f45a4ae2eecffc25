//! What is acted on.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Names an entity by type and id: `Environment`, `production`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EntityRef {
    /// The type, without the namespace: `Server`.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The id.
    pub id: Cow<'static, str>,
}

impl EntityRef {
    /// The entity of this type and id.
    #[must_use]
    pub fn new(kind: impl Into<Cow<'static, str>>, id: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }
}

/// What is acted on, with what the asking service says about it.
///
/// **Attributes and parents are the asker's claim**, and count only while the
/// [inventory](crate::Inventory) does not know the resource: whoever asks must take them from its own
/// records and never from its own client. They are held against the schema:
/// each must be declared and of the declared type, and all required ones must be there. Three things
/// keep a claim from contradicting itself:
/// * an attribute `id` may be left out, and otherwise equals the id of the entity;
/// * an attribute named like a parent type (`environment` and `Environment`) and the parents of that
///   type must agree; the parent may be left out and is then taken from the attribute;
/// * parents must be of the types the schema allows.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ResourceEntity {
    /// Type and id.
    pub entity: EntityRef,
    /// What is claimed about it, as JSON.
    pub attributes: Map<String, Value>,
    /// What it belongs to.
    pub parents: Vec<EntityRef>,
}

impl ResourceEntity {
    /// A resource without attributes and parents.
    #[must_use]
    pub fn new(kind: impl Into<Cow<'static, str>>, id: impl Into<Cow<'static, str>>) -> Self {
        Self { entity: EntityRef::new(kind, id), attributes: Map::new(), parents: Vec::new() }
    }

    /// A part of prov's own API: `users`, `audit`, `kms-keys`, …
    #[must_use]
    pub fn api(part: impl Into<Cow<'static, str>>) -> Self {
        Self::new("Api", part)
    }

    /// With this attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// Belonging to this entity.
    #[must_use]
    pub fn within(
        mut self,
        kind: impl Into<Cow<'static, str>>,
        id: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.parents.push(EntityRef::new(kind, id));
        self
    }
}
