//! What is acted on, held against the schema, and as a Cedar entity.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, RestrictedExpression};
use prov_core::{Error, Result, codes};
use serde_json::json;

use super::entities::{check_id, unsuitable};
use super::held::Held;
use super::name::{Closure, Name, uid};
use crate::entities::{Scalar, Subject};
use crate::load::{AttributeKind, SchemaFacts, TypeFacts};
use crate::{ResourceEntity, StoredEntity};

/// The resource by name, with its type; refuses and names what the schema does not know.
pub(super) fn check_resource<'a>(
    facts: &'a SchemaFacts,
    subject: Subject<'a>,
) -> Result<(&'a TypeFacts, Closure<'a>)> {
    let (kind, id) = (subject.kind(), subject.id());
    let Some(declared) = facts.types.get(kind) else {
        return Err(Error::new(codes::INVALID_REQUEST)
            .field("resource.type", format!("the schema has no type `{}`", shown(kind))));
    };
    check_id("resource.id", id)?;
    check_attributes(declared, subject)?;
    let above = parents_of(facts, declared, subject)?;
    Ok((declared, Closure { own: Name { kind: &declared.full, id }, above }))
}

/// Whether an attribute may hold this text: no policy compares more.
fn is_fit(text: &str) -> bool {
    text.len() <= 4096 && !text.contains('\0')
}

/// Unknown, missing and wrongly typed attributes, all of them.
fn check_attributes(declared: &TypeFacts, subject: Subject<'_>) -> Result<()> {
    let mut error = Error::new(codes::INVALID_REQUEST);
    let field = |name: &str| format!("resource.attributes.{}", shown(name));
    for (name, value) in subject.attributes() {
        let message = match (declared.attributes.get(name).map(|declared| declared.kind), value) {
            (None, _) => "the schema has no such attribute for this type",
            (Some(AttributeKind::Text), Scalar::Text(text)) if !is_fit(text) => {
                "at most 4,096 bytes and no NUL"
            }
            (Some(AttributeKind::Text), Scalar::Long(_) | Scalar::Bool(_) | Scalar::Other) => {
                "must be a text"
            }
            (Some(AttributeKind::Long), Scalar::Text(_) | Scalar::Bool(_) | Scalar::Other) => {
                "must be a whole number"
            }
            (Some(AttributeKind::Bool), Scalar::Text(_) | Scalar::Long(_) | Scalar::Other) => {
                "must be true or false"
            }
            _ if name == "id" && value != Scalar::Text(subject.id()) => {
                "must equal the id of the resource"
            }
            _ => continue,
        };
        error = error.field(field(name), message);
    }
    for (name, attribute) in &declared.attributes {
        if attribute.required && name != "id" && subject.attribute(name).is_none() {
            error = error.field(field(name), "is required and missing");
        }
    }
    if error.fields().is_empty() { Ok(()) } else { Err(error) }
}

/// The parents, those named by attributes included; a parent that contradicts its attribute is
/// refused, because the policies would judge by one and people by the other.
fn parents_of<'a>(
    facts: &'a SchemaFacts,
    declared: &'a TypeFacts,
    subject: Subject<'a>,
) -> Result<Vec<Name<'a>>> {
    let mut parents = Vec::with_capacity(declared.parents.len() + 1);
    let mut add = |kind: &str, id: &'a str| {
        let full = facts.types.get(kind).map(|declared| declared.full.as_str());
        let parent = full.map(|kind| Name { id, kind });
        // What is named by attribute and by parent is one.
        parents.extend(parent.filter(|parent| !parents.contains(parent)));
    };
    let claimed =
        |named_by: &Option<String>| named_by.as_ref().and_then(|name| subject.attribute(name));
    for (kind, id) in subject.parents() {
        let Some(named_by) = declared.parents.get(kind) else {
            return Err(foreign_parent(subject.kind(), kind));
        };
        check_id("resource.parents", id)?;
        if claimed(named_by).is_some_and(|value| value != Scalar::Text(id)) {
            let message =
                format!("contradicts the attribute `{}`", named_by.as_deref().unwrap_or(""));
            return Err(Error::new(codes::INVALID_REQUEST).field("resource.parents", message));
        }
        add(kind, id);
    }
    for (kind, named_by) in &declared.parents {
        if let Some(Scalar::Text(id)) = claimed(named_by) {
            check_id("resource.attributes", id)?;
            add(kind, id);
        }
    }
    Ok(parents)
}

/// What the resource is in directly, by type (without namespace) and id: as stated, and as its
/// attributes say. Refuses and names what the schema does not know.
pub(crate) fn stated_parents(
    facts: &SchemaFacts,
    resource: &ResourceEntity,
) -> Result<Vec<(String, String)>> {
    let subject = Subject::Stated(resource);
    let (declared, names) = check_resource(facts, subject)?;
    if !declared.is_plain {
        structured_entity(facts, declared, subject, &names)?;
    }
    let short = |kind: &str| kind.rsplit("::").next().unwrap_or(kind).to_owned();
    Ok(names.above.iter().map(|name| (short(name.kind), name.id.to_owned())).collect())
}

/// An entity that is known, for Cedar.
pub(super) fn known_entity(facts: &SchemaFacts, known: &StoredEntity) -> Result<Entity> {
    let subject = Subject::Known(known);
    let (declared, mut names) = check_resource(facts, subject)?;
    for above in known.above() {
        let full = facts.types.get(&*above.kind).map(|declared| declared.full.as_str());
        let name = full.map(|kind| Name { id: &above.id, kind });
        names.above.extend(name.filter(|name| !names.above.contains(name)));
    }
    if declared.is_plain {
        plain_entity(facts, declared, subject, &names)
    } else {
        structured_entity(facts, declared, subject, &names)
    }
}

/// The resource for Cedar.
pub(super) fn resource_entity(held: &Held<'_>) -> Result<Entity> {
    if let Some(structured) = &held.structured {
        return Ok(structured.clone());
    }
    plain_entity(held.facts, held.resource_facts, held.subject, &held.resource)
}

fn plain_entity(
    facts: &SchemaFacts,
    declared: &TypeFacts,
    subject: Subject<'_>,
    names: &Closure<'_>,
) -> Result<Entity> {
    let own = uid(&declared.name, names.own.id);
    let parents: Option<HashSet<_>> =
        names.above.iter().map(|parent| facts.uid_of(*parent)).collect();
    let parents = parents.ok_or_else(|| unsuitable("a type is missing"))?;
    Entity::new(own, plain_attributes(declared, subject), parents)
        .map_err(|e| unsuitable("a value is refused").source(e))
}

fn plain_attributes(
    declared: &TypeFacts,
    subject: Subject<'_>,
) -> HashMap<String, RestrictedExpression> {
    let mut attributes = HashMap::with_capacity(declared.attributes.len());
    for (name, value) in subject.attributes() {
        let value = match value {
            Scalar::Text(text) => RestrictedExpression::new_string(text.to_owned()),
            Scalar::Bool(truth) => RestrictedExpression::new_bool(truth),
            Scalar::Long(number) => RestrictedExpression::new_long(number),
            // Attributes were checked to be one of the three.
            Scalar::Other => continue,
        };
        attributes.insert(name.to_owned(), value);
    }
    if declared.attributes.contains_key("id") {
        let id = subject.id().to_owned();
        attributes.insert("id".to_owned(), RestrictedExpression::new_string(id));
    }
    attributes
}

/// Sets, records, addresses: read by Cedar from JSON, guided by the schema.
pub(super) fn structured_entity(
    facts: &SchemaFacts,
    declared: &TypeFacts,
    subject: Subject<'_>,
    names: &Closure<'_>,
) -> Result<Entity> {
    let uid = |name: &Name<'_>| json!({ "type": name.kind, "id": name.id });
    let mut attributes = subject.described().into_owned().attributes;
    if declared.attributes.contains_key("id") {
        attributes.insert("id".to_owned(), names.own.id.into());
    }
    let parents: Vec<_> = names.above.iter().map(uid).collect();
    let entity = json!({ "uid": uid(&names.own), "attrs": attributes, "parents": parents });
    Entity::from_json_value(entity, Some(&facts.schema)).map_err(|e| {
        Error::new(codes::INVALID_REQUEST)
            .field("resource.attributes", "a value is not of the type the schema declares")
            .source(e)
    })
}

fn foreign_parent(kind: &str, parent: &str) -> Error {
    let message = format!("a `{}` can't belong to a `{}`", shown(kind), shown(parent));
    Error::new(codes::INVALID_REQUEST).field("resource.parents", message)
}

/// What the client wrote, short enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}
