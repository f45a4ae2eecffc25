//! What may be entered: the same that the schema lets a request say of a resource, and a little less.

use std::sync::Arc;

use prov_core::{Error, FieldError, Result, codes};

use super::{Drafts, EntityFact, Origin};
use crate::ResourceEntity;
use crate::cedar::stated_parents;
use crate::load::SchemaFacts;

/// Types that are known from elsewhere: users and their roles from the users' records, parts of the
/// API from prov itself.
pub(super) const KNOWN_ELSEWHERE: [&str; 3] = ["User", "Role", "Api"];
/// Programs as well, where the schema speaks of them as such.
fn is_known_elsewhere(facts: &SchemaFacts, kind: &str) -> bool {
    let is_program = kind == "Workload" && facts.principals.workload.is_some();
    is_program || KNOWN_ELSEWHERE.contains(&kind)
}

/// Nothing is in more others directly.
const MOST_PARENTS: usize = 64;

impl Drafts {
    /// The entity as it is to be known, held against the schema.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] naming each field that is missing, unknown or of the wrong type.
    pub(crate) fn checked(
        &mut self,
        facts: &SchemaFacts,
        entity: &ResourceEntity,
        origin: Origin,
    ) -> Result<Arc<EntityFact>> {
        if is_known_elsewhere(facts, &entity.entity.kind) {
            let message = format!("a `{}` is known to prov by itself", entity.entity.kind);
            return Err(Error::new(codes::INVALID_REQUEST).field("type", message));
        }
        if entity.parents.len() > MOST_PARENTS {
            return Err(Error::new(codes::INVALID_REQUEST)
                .field("parents", format!("at most {MOST_PARENTS}")));
        }
        let parents = stated_parents(facts, entity).map_err(of_entity)?;
        if let Some((kind, _)) = parents.iter().find(|(kind, _)| is_known_elsewhere(facts, kind)) {
            let message = format!("nothing that is entered can be in a `{kind}`");
            return Err(Error::new(codes::INVALID_REQUEST).field("parents", message));
        }
        Ok(self.fact(entity, &parents, origin))
    }
}

/// The error with its fields named as an entity has them: a request's resource is checked alike.
fn of_entity(error: Error) -> Error {
    let moved = Error::new(error.code());
    let fields: Vec<FieldError> = error.fields().to_vec();
    fields.into_iter().fold(moved.source(error), |moved, field| {
        let name = field.field.strip_prefix("resource.").unwrap_or(&field.field).to_owned();
        moved.field(name, field.message)
    })
}
