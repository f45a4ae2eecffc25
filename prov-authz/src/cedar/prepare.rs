//! From an access request to what Cedar evaluates.

use cedar_policy::{Entities, Entity, EntityUid, Request};
use prov_core::{Error, Result, codes};

use super::context_of;
use super::entities::{principal_entities, resource_entity};
use super::slice::Slice;
use super::snapshot::Snapshot;
use crate::AccessRequest;

/// What Cedar evaluates, and the names a policy's scope is matched against.
#[derive(Debug)]
pub(super) struct Prepared<'s> {
    /// The policies that can have a say.
    pub(super) slice: &'s Slice,
    pub(super) request: Request,
    pub(super) entities: Entities,
    pub(super) principal: EntityUid,
    pub(super) action: EntityUid,
    pub(super) resource: EntityUid,
}

/// Holds the request against the schema. Everything prov builds itself was tried when the schema was
/// loaded; what the asker claims is checked here, field by field.
pub(super) fn prepare<'s>(
    snapshot: &'s Snapshot,
    asked: &AccessRequest<'_>,
) -> Result<Prepared<'s>> {
    let facts = &snapshot.compiled.facts;
    let invalid =
        |field: &str, message: String| Error::new(codes::INVALID_REQUEST).field(field, message);
    let Some(action) = facts.actions.get(asked.action) else {
        let shown: String = asked.action.chars().take(64).flat_map(char::escape_debug).collect();
        return Err(invalid("action", format!("the schema has no action `{shown}`")));
    };
    let resource = resource_entity(facts, asked.resource)?;
    let kind = asked.resource.entity.kind.as_ref();
    let Some(slice) = snapshot.slices.find(asked.action, kind) else {
        let message = format!("`{}` is nothing that is done to a `{kind}`", asked.action);
        return Err(invalid("action", message));
    };
    if !action.principals.iter().any(|known| known == "User") {
        return Err(invalid("action", format!("`{}` is nothing a user does", asked.action)));
    }
    asked.claims.check()?;
    if let Some(name) = asked.claims.names().find(|name| !action.context.contains_key(*name)) {
        let message = format!("`{}` takes no such fact", asked.action);
        return Err(invalid(&format!("context.{name}"), message));
    }
    let context = context_of(&asked.circumstances, asked.claims, &slice.chosen.reads)?;
    let (principal, mut all) = principal_entities(facts, &snapshot.roles, asked.principal)?;
    let resource_uid = resource.uid();
    all.push(resource);
    all.extend(action.entities.iter().cloned());
    let (principal, action, resource) = (principal, action.uid.clone(), resource_uid);
    let request = Request::new(principal.clone(), action.clone(), resource.clone(), context, None)
        .map_err(|e| invalid("request", "the schema refuses it".to_owned()).source(e))?;
    Ok(Prepared { slice, request, entities: collect(all)?, principal, action, resource })
}

fn collect(entities: Vec<Entity>) -> Result<Entities> {
    Entities::from_entities(entities, None).map_err(|e| {
        Error::new(codes::INVALID_REQUEST)
            .field("resource.parents", "these entities contradict each other")
            .source(e)
    })
}
