//! What is known of one entity.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use smol_str::SmolStr;

use super::Uid;
use crate::{EntityRef, ResourceEntity};

/// Who entered an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// It stands in `entities.json` of the policy directory, and is changed there.
    Directory,
    /// It was entered through the service or its API.
    Store,
}

/// The value of an attribute. Nearly all are short texts, so those are kept small.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum AttributeValue {
    Text(SmolStr),
    Long(i64),
    Bool(bool),
    /// As JSON: sets, records, entities, addresses, times.
    Other(Box<Value>),
}

impl AttributeValue {
    fn of(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(SmolStr::from(text.as_str())),
            Value::Bool(truth) => Self::Bool(*truth),
            other => {
                other.as_i64().map_or_else(|| Self::Other(Box::new(other.clone())), Self::Long)
            }
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Long(number) => (*number).into(),
            Self::Bool(truth) => (*truth).into(),
            Self::Other(value) => (**value).clone(),
        }
    }

    /// Whether this is what a request says.
    pub(super) fn is(&self, stated: &Value) -> bool {
        match (self, stated) {
            (Self::Text(text), Value::String(stated)) => text == stated,
            (Self::Long(number), stated) => stated.as_i64() == Some(*number),
            (Self::Bool(truth), Value::Bool(stated)) => truth == stated,
            (Self::Other(value), stated) => **value == *stated,
            _ => false,
        }
    }
}

/// One entity as it was entered: checked against the schema, shared by all snapshots that have it.
#[derive(Debug, PartialEq)]
pub(crate) struct EntityFact {
    pub(crate) uid: Uid,
    pub(super) attributes: Box<[(Arc<str>, AttributeValue)]>,
    /// Sorted, each once.
    pub(crate) parents: Arc<[Uid]>,
    pub(crate) origin: Origin,
}

/// One entity of the inventory, and all it is in.
#[derive(Debug, Clone)]
pub struct StoredEntity {
    pub(super) fact: Arc<EntityFact>,
    /// Sorted, each once: parents, their parents, and so on.
    pub(super) ancestors: Arc<[Uid]>,
}

impl StoredEntity {
    /// Its type and id.
    #[must_use]
    pub fn reference(&self) -> EntityRef {
        self.fact.uid.reference()
    }

    /// Its type and id as people read them.
    pub(crate) fn name(&self) -> &impl std::fmt::Display {
        &self.fact.uid
    }

    /// Its type, without namespace.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.fact.uid.kind
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.fact.uid.id
    }

    /// Who entered it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.fact.origin
    }

    /// It as what is acted on: its attributes, and what it is in directly.
    #[must_use]
    pub fn resource(&self) -> ResourceEntity {
        self.fact.resource()
    }

    /// All it is in, directly or not, sorted by type and id.
    #[must_use]
    pub fn ancestors(&self) -> Vec<EntityRef> {
        self.ancestors.iter().map(Uid::reference).collect()
    }

    /// As [`ancestors`](Self::ancestors), without allocating.
    pub(crate) fn above(&self) -> &[Uid] {
        &self.ancestors
    }

    pub(super) fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.fact.attributes.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }
}

impl EntityFact {
    /// The entity as it is remembered and shown.
    pub(crate) fn resource(&self) -> ResourceEntity {
        let Uid { kind, id } = &self.uid;
        let mut resource = ResourceEntity::new(kind.to_string(), id.to_string());
        let attributes = self.attributes.iter();
        resource.attributes =
            attributes.map(|(name, value)| (name.to_string(), value.json())).collect::<Map<_, _>>();
        resource.parents = self.parents.iter().map(Uid::reference).collect();
        resource
    }
}

/// Makes [`EntityFact`]s that share what many of them have: names, and lists of parents.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    names: HashMap<Box<str>, Arc<str>>,
    parents: HashMap<Vec<Uid>, Arc<[Uid]>>,
}

impl Drafts {
    fn name(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.names.get(text) {
            return Arc::clone(known);
        }
        let name: Arc<str> = text.into();
        self.names.insert(text.into(), Arc::clone(&name));
        name
    }

    pub(crate) fn uid(&mut self, kind: &str, id: &str) -> Uid {
        Uid { kind: self.name(kind), id: SmolStr::from(id) }
    }

    /// The fact that a resource, which the schema was found to allow, is in these parents.
    pub(crate) fn fact(
        &mut self,
        resource: &ResourceEntity,
        parents: &[(String, String)],
        origin: Origin,
    ) -> Arc<EntityFact> {
        let mut above: Vec<_> = parents.iter().map(|(kind, id)| self.uid(kind, id)).collect();
        above.sort_unstable();
        above.dedup();
        let parents = if let Some(known) = self.parents.get(&above) {
            Arc::clone(known)
        } else {
            let shared: Arc<[Uid]> = above.as_slice().into();
            self.parents.insert(above, Arc::clone(&shared));
            shared
        };
        // The id is in the name.
        let attributes = resource
            .attributes
            .iter()
            .filter(|(name, _)| *name != "id")
            .map(|(name, value)| (self.name(name), AttributeValue::of(value)))
            .collect();
        let uid = self.uid(&resource.entity.kind, &resource.entity.id);
        Arc::new(EntityFact { uid, attributes, parents, origin })
    }
}
