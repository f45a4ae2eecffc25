//! The inventory as it is remembered.

use prov_core::Timestamp;
use prov_core::store::Entity;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::EntityFact;
use crate::{EntityRef, ResourceEntity};

/// One entity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct EntityRecord {
    entity: EntityRef,
    attributes: Map<String, Value>,
    parents: Vec<EntityRef>,
}

impl EntityRecord {
    pub(super) fn of(fact: &EntityFact) -> Self {
        let ResourceEntity { entity, attributes, parents } = fact.resource();
        Self { entity, attributes, parents }
    }

    /// The id of the record of this entity.
    pub(super) fn id_of(entity: &EntityRef) -> String {
        format!("{}/{}", entity.kind, entity.id)
    }

    pub(super) fn resource(self) -> ResourceEntity {
        let mut resource = ResourceEntity::new(self.entity.kind, self.entity.id);
        (resource.attributes, resource.parents) = (self.attributes, self.parents);
        resource
    }
}

impl Entity for EntityRecord {
    const KIND: &'static str = "authz.inventory_entity";

    fn id(&self) -> String {
        Self::id_of(&self.entity)
    }
}

/// The number of changes so far. Every change writes it, expecting the number it knows, so that
/// changes by several nodes form one line and each is checked against all before it: two that are
/// harmless alone can make a circle together.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct InventoryHead {
    pub(super) epoch: u64,
}

impl InventoryHead {
    pub(super) const ID: &'static str = "head";
}

impl Entity for InventoryHead {
    const KIND: &'static str = "authz.inventory_head";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}

/// What one change was about, for the nodes that did not make it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct InventoryChange {
    pub(super) epoch: u64,
    /// What was written or deleted; `None` when it is so much that reading everything is quicker.
    pub(super) about: Option<Vec<EntityRef>>,
    pub(super) until: Timestamp,
}

impl InventoryChange {
    /// The id of the change that made this epoch; ids are in the order of epochs.
    pub(super) fn id_of(epoch: u64) -> String {
        format!("{epoch:020}")
    }
}

impl Entity for InventoryChange {
    const KIND: &'static str = "authz.inventory_change";

    fn id(&self) -> String {
        Self::id_of(self.epoch)
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.until)
    }
}
