//! What a decision sees: the policies in force, and what is known of what they speak of.

use std::collections::HashSet;
use std::ops::Deref;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use prov_core::{Error, Result, Timestamp, codes};
use serde_json::Value;

use super::evaluate::Evaluated;
use super::granted::Granted;
use super::held::Held;
use super::name::{Closure, Name};
use super::resource::{known_entity, stated_parents};
use super::snapshot::Snapshot;
use crate::entities::{Change, Misplaced, Origin, Subject, Uid};
use crate::load::{Compiled, Finding, SchemaFacts};
use crate::{CedarOptions, EntitiesSnapshot, ResourceEntity};

/// No decision looks at more entities than this by following attributes.
const MOST_FOLLOWED: usize = 1024;

/// Policies and entities of one moment, behind one pointer.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) set: Arc<Snapshot>,
    pub(super) entities: Arc<EntitiesSnapshot>,
    pub(super) granted: Arc<Granted>,
}

/// Most of what is asked of both is asked of the policies.
impl Deref for Live {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.set
    }
}

impl Live {
    /// What the policies and, if they count, the grants that have not ended by now say of a request;
    /// if asked for, by Cedar alone.
    pub(super) fn evaluate_all(
        &self,
        held: &Held<'_>,
        grants_at: Option<Timestamp>,
        by_cedar: bool,
    ) -> Result<Evaluated> {
        let candidates = self.candidates(held);
        let own = if by_cedar {
            self.evaluate_by_cedar(held, &candidates)?
        } else {
            self.evaluate(held, &candidates)?
        };
        let Some(now) = grants_at else { return Ok(own) };
        let granted = self.granted.evaluate(&self.set, held, now, by_cedar)?;
        Ok(match granted {
            Some(granted) => own.and(granted),
            None => own,
        })
    }

    /// The resource to decide about.
    pub(super) fn resolve<'r>(
        &'r self,
        stated: &'r ResourceEntity,
        options: &CedarOptions,
    ) -> Result<Subject<'r>> {
        self.entities.resolve(stated, options.inventory, options.contradiction)
    }

    /// Adds to what an entity is in all that those are known to be in.
    pub(super) fn complete<'a>(&'a self, names: &mut Closure<'a>) {
        if self.entities.is_empty() {
            return;
        }
        let types = &self.set.compiled.facts.types;
        for at in 0..names.above.len() {
            let Some(name) = names.above.get(at).copied() else { return };
            for above in self.entities.above(short(name.kind), name.id) {
                let full = types.get(&*above.kind).map(|declared| declared.full.as_str());
                let above = full.map(|kind| Name { id: &above.id, kind });
                names.above.extend(above.filter(|above| !names.above.contains(above)));
            }
        }
    }
}

/// The type without its namespace.
fn short(kind: &str) -> &str {
    kind.rsplit("::").next().unwrap_or(kind)
}

/// The entities of a request, its groups as they are known, and with them whatever known entities
/// attributes lead to.
pub(super) fn completed(held: &Held<'_>, stated: Vec<Entity>) -> Result<Vec<Entity>> {
    if held.known.is_empty() {
        return Ok(stated);
    }
    let group = |entity: &Entity| {
        let uid = entity.uid();
        let kind = uid.type_name().basename();
        held.known.find(kind, uid.id().unescaped()).filter(|_| kind == "Team").cloned()
    };
    let as_known = |entity: Entity| match group(&entity) {
        Some(known) => known_entity(held.facts, &known),
        None => Ok(entity),
    };
    let mut all = stated.into_iter().map(as_known).collect::<Result<Vec<_>>>()?;
    follow(held, &mut all)?;
    Ok(all)
}

/// Adds the known entities that attributes name, and those that theirs name.
fn follow(held: &Held<'_>, all: &mut Vec<Entity>) -> Result<()> {
    let mut seen: HashSet<EntityUid> = all.iter().map(Entity::uid).collect();
    let mut at = 0;
    while let Some(entity) = all.get(at) {
        at += 1;
        let declared = held.facts.types.get(entity.uid().type_name().basename());
        if declared.is_none_or(|declared| declared.is_plain) {
            continue;
        }
        let json = entity
            .to_json_value()
            .map_err(|e| Error::new(codes::INTERNAL).context("reading attributes").source(e))?;
        let mut named = Vec::new();
        let attributes = json.get("attrs").unwrap_or(&Value::Null);
        references(attributes, &held.facts.namespace, &mut named);
        for (kind, id) in named {
            let Some(known) = held.known.find(&kind, &id) else { continue };
            let Some(uid) = held.facts.uid(&kind, &id) else { continue };
            if seen.insert(uid) {
                all.push(known_entity(held.facts, known)?);
            }
        }
        if all.len() > MOST_FOLLOWED {
            let message = "leads to more than 1,024 other entities by its attributes";
            return Err(Error::new(codes::INVALID_REQUEST).field("resource", message));
        }
    }
    Ok(())
}

/// The entities named anywhere in a value, by type without namespace and id.
fn references(value: &Value, namespace: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => {
            let named = object.get("__entity");
            let text = |key| named.and_then(|n| n.get(key)).and_then(Value::as_str);
            if let (Some(kind), Some(id)) = (text("type"), text("id")) {
                let short = kind.strip_prefix(namespace).and_then(|k| k.strip_prefix("::"));
                found.extend(short.map(|kind| (kind.to_owned(), id.to_owned())));
            }
            object.values().for_each(|inner| references(inner, namespace, found));
        }
        Value::Array(list) => list.iter().for_each(|inner| references(inner, namespace, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What is known when the entities of a policy directory take the place of those it had before.
pub(super) fn with_directory(
    known: &EntitiesSnapshot,
    compiled: &Compiled,
) -> Result<EntitiesSnapshot, Misplaced> {
    let kept: HashSet<&Uid> = compiled.entities.iter().map(|fact| &fact.uid).collect();
    let gone = known.of_origin(Origin::Directory).filter(|uid| !kept.contains(uid)).cloned();
    let changes: Vec<_> = gone
        .map(|uid| Change::Remove(uid, Origin::Directory))
        .chain(compiled.entities.iter().cloned().map(Change::Put))
        .collect();
    known.with(changes, known.epoch())
}

/// What entities that were entered would not be under another schema.
pub(super) fn unfit(facts: &SchemaFacts, file: &str, known: &EntitiesSnapshot) -> Vec<Finding> {
    /// More would help nobody.
    const SHOWN: usize = 20;
    let entered = known.after(None, None).filter(|entity| entity.origin() == Origin::Store);
    let wrong = entered.filter_map(|entity| {
        let error = stated_parents(facts, &entity.resource()).err()?;
        let why = error.fields().first().map_or_else(String::new, |f| f.message.clone());
        let message = format!("`{}` in the inventory is not of this schema: {why}", entity.name());
        Some(Finding::file(
            file,
            message,
            "change the entity first, or add what it needs as optional",
        ))
    });
    wrong.take(SHOWN).collect()
}
