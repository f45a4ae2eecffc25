//! From a request that was held against the schema to what Cedar evaluates.

use cedar_policy::{Entities, Entity, Request};
use prov_core::{Error, Result, codes};

use super::context_of;
use super::entities::principal_entities;
use super::held::Held;
use super::live::completed;
use super::resource::resource_entity;
use super::snapshot::Snapshot;

/// What Cedar evaluates.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) request: Request,
    pub(super) entities: Entities,
}

pub(super) fn prepare(snapshot: &Snapshot, held: &Held<'_>) -> Result<Prepared> {
    let asked = &held.asked;
    let context = context_of(&asked.circumstances, asked.claims)?;
    let (principal, mut all) = principal_entities(held.facts, &snapshot.roles, asked.principal)?;
    let resource = resource_entity(held)?;
    let resource_uid = resource.uid();
    all.push(resource);
    let mut all = completed(held, all)?;
    all.extend(held.action_facts.entities.iter().cloned());
    let action = held.action_facts.uid.clone();
    let request = Request::new(principal, action, resource_uid, context, None).map_err(|e| {
        Error::new(codes::INVALID_REQUEST).field("request", "the schema refuses it").source(e)
    })?;
    Ok(Prepared { request, entities: collect(all)? })
}

fn collect(entities: Vec<Entity>) -> Result<Entities> {
    Entities::from_entities(entities, None).map_err(|e| {
        Error::new(codes::INVALID_REQUEST)
            .field("resource.parents", "these entities contradict each other")
            .source(e)
    })
}
