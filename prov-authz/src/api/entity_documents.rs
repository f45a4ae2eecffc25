//! The shapes of entities and of searches.

use std::num::NonZeroU32;

use prov_core::{Error, Result, codes};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::documents::{ContextDocument, EntityDocument, ResourceDocument};
use crate::{EntityRef, Origin, Question, ResourceEntity, SearchPart, StoredEntity};

/// An entity of the inventory, whole: what it had before and is not written again, goes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuthzEntityFacts)]
pub(crate) struct FactsDocument {
    /// Its attributes, as the schema declares them; `id` may be left out.
    #[serde(default)]
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// What it is in directly; those that attributes name may be left out.
    #[serde(default)]
    parents: Vec<EntityDocument>,
}

impl FactsDocument {
    pub(super) fn entity(self, kind: String, id: String) -> ResourceEntity {
        let mut entity = ResourceEntity::new(kind, id);
        entity.attributes = self.attributes;
        entity.parents = self.parents.into_iter().map(Into::into).collect();
        entity
    }
}

/// Entities to enter, all or none.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuthzEntities)]
pub(crate) struct EntitiesDocument {
    /// From 1 to 5,000.
    pub(super) entities: Vec<ResourceDocument>,
}

/// From when on a change is in force.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthzEpoch)]
pub(crate) struct EpochDocument {
    /// The epoch of the inventory.
    pub(super) epoch: u64,
}

/// An entity as it is known.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthzEntity)]
pub(crate) struct StoredDocument {
    #[serde(flatten)]
    name: EntityDocument,
    /// Its attributes.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// What it is in directly.
    parents: Vec<EntityDocument>,
    /// What it is in, directly or not.
    ancestors: Vec<EntityDocument>,
    /// `directory`: stands in `entities.json`, and is changed there; `store`: was entered here.
    #[schema(value_type = String)]
    origin: Origin,
}

impl From<&StoredEntity> for StoredDocument {
    fn from(entity: &StoredEntity) -> Self {
        let ResourceEntity { entity: name, attributes, parents } = entity.resource();
        Self {
            name: name.into(),
            attributes,
            parents: parents.into_iter().map(Into::into).collect(),
            ancestors: entity.ancestors().into_iter().map(Into::into).collect(),
            origin: entity.origin(),
        }
    }
}

/// Which resources may somebody do something to?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuthzResourceSearch)]
pub(crate) struct ResourceSearchDocument {
    /// Who; the caller when left out.
    pub(super) principal: Option<EntityDocument>,
    /// Does what.
    #[schema(example = "deploy")]
    pub(super) action: String,
    /// To resources of this type.
    #[serde(rename = "type")]
    #[schema(example = "Server")]
    pub(super) kind: String,
    /// Under which circumstances.
    #[serde(default)]
    pub(super) context: ContextDocument,
    /// At most this many, 1 to 1000; 100 when left out.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<NonZeroU32>,
    /// Goes on where the answer with this `next_cursor` ended.
    cursor: Option<String>,
}

impl ResourceSearchDocument {
    pub(super) fn part(&mut self) -> SearchPart {
        part(self.limit, self.cursor.take())
    }
}

/// Who may do something to a resource?
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AuthzPrincipalSearch)]
pub(crate) struct PrincipalSearchDocument {
    /// Does what.
    #[schema(example = "deploy")]
    action: String,
    /// To what.
    resource: ResourceDocument,
    /// Under which circumstances; a second factor counts as absent unless it is stated.
    #[serde(default)]
    context: ContextDocument,
    /// At most this many, 1 to 1000; 100 when left out.
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<NonZeroU32>,
    /// Goes on where the answer with this `next_cursor` ended.
    cursor: Option<String>,
}

impl PrincipalSearchDocument {
    pub(super) fn asked(self) -> Result<(Question, SearchPart)> {
        let question =
            Question::new(self.action, self.resource.resource()?).under(self.context.into());
        Ok((question, part(self.limit, self.cursor)))
    }
}

fn part(limit: Option<NonZeroU32>, cursor: Option<String>) -> SearchPart {
    const USUAL: NonZeroU32 = NonZeroU32::new(100).unwrap();
    SearchPart::first(limit.unwrap_or(USUAL)).after(cursor)
}

/// A part of the resources, or of the users, that were found. Only an answer without `next_cursor` is the last part.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuthzEntitiesFound)]
pub(crate) struct EntitiesFoundDocument {
    /// Their names, by id.
    pub(super) items: Vec<EntityDocument>,
    /// Where to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
}

/// Which part of the list of entities.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntitiesQuery {
    /// Only entities of this type.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    pub(super) kind: Option<String>,
    /// At most this many items, 1 to 1000.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    limit: Option<NonZeroU32>,
    /// Continues where an earlier answer's `next_cursor` says.
    cursor: Option<String>,
}

impl EntitiesQuery {
    /// Limit, and the entity after which to continue.
    pub(super) fn page(&self) -> Result<(usize, Option<EntityRef>)> {
        let mut page = prov_http::axum::PageQuery::default();
        page.limit = self.limit;
        page.cursor.clone_from(&self.cursor);
        let limit = usize::try_from(page.limit()?.get()).unwrap_or(usize::MAX);
        let named = |after: String| -> Result<EntityRef> {
            let (kind, id) = after.split_once('/').ok_or_else(|| {
                Error::new(codes::INVALID_REQUEST)
                    .field("cursor", "not a cursor of this list; take `next_cursor` of an answer")
            })?;
            Ok(EntityRef::new(kind.to_owned(), id.to_owned()))
        };
        Ok((limit, page.after()?.map(named).transpose()?))
    }
}
