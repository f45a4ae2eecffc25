//! Principals and resources as Cedar entities.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, EntityId, EntityUid, RestrictedExpression};
use prov_core::{Error, Principal, PrincipalKind, Result, Role, codes};
use serde_json::{Value, json};

use crate::load::{AttributeKind, NAMESPACE, SchemaFacts, TypeFacts};
use crate::{EntityRef, ResourceEntity};

/// The five roles as entities, each below the roles that inherit it; made once for a schema.
#[derive(Debug)]
pub(crate) struct Roles(Vec<(Role, EntityUid, Vec<Entity>)>);

impl Roles {
    /// The roles under this schema.
    pub(crate) fn new(facts: &SchemaFacts) -> Result<Self> {
        let uid = |role: Role| {
            facts.uid("Role", role.as_str()).ok_or_else(|| unsuitable("no entity type `Role`"))
        };
        let entity = |role: Role| {
            let below = role.inherits().iter().map(|role| uid(*role)).collect::<Result<_>>()?;
            Ok(Entity::new_no_attrs(uid(role)?, below))
        };
        let with_all_below = |role: Role| {
            let included = Role::ALL.into_iter().filter(|other| role.includes(*other));
            Ok((role, uid(role)?, included.map(entity).collect::<Result<_>>()?))
        };
        Role::ALL.into_iter().map(with_all_below).collect::<Result<_>>().map(Self)
    }

    fn of(&self, role: Role) -> Option<&(Role, EntityUid, Vec<Entity>)> {
        self.0.iter().find(|(known, ..)| *known == role)
    }
}

/// The principal, its teams, and its roles with all they include.
pub(crate) fn principal_entities(
    facts: &SchemaFacts,
    roles: &Roles,
    principal: &Principal,
) -> Result<(EntityUid, Vec<Entity>)> {
    if principal.kind != PrincipalKind::User {
        return Err(Error::new(codes::INVALID_REQUEST)
            .field("principal.type", "the policies speak of users only, not of programs"));
    }
    check_id("principal.id", &principal.id)?;
    let uid = facts.uid("User", &principal.id).ok_or_else(|| unsuitable("no type `User`"))?;
    let mut parents = HashSet::new();
    let mut entities = Vec::with_capacity(8);
    for name in &principal.teams {
        let team =
            known(facts, "Team", name.as_str(), name.as_str(), HashSet::new(), ["id", "name"])?;
        if parents.insert(team.uid()) {
            entities.push(team);
        }
    }
    let mut included = [false; Role::ALL.len()];
    for role in &principal.roles {
        let Some((_, role_uid, with_below)) = roles.of(*role) else { continue };
        parents.insert(role_uid.clone());
        for entity in with_below {
            let place = Role::ALL.iter().position(|r| facts_role_is(entity, *r));
            if let Some(seen) = place.and_then(|place| included.get_mut(place))
                && !std::mem::replace(seen, true)
            {
                entities.push(entity.clone());
            }
        }
    }
    let names = ["id", "username"];
    entities.push(known(facts, "User", &principal.id, &principal.name, parents, names)?);
    Ok((uid, entities))
}

fn facts_role_is(entity: &Entity, role: Role) -> bool {
    entity.uid().id().unescaped() == role.as_str()
}

/// An entity of which prov knows id and name; only what the schema declares is said.
fn known(
    facts: &SchemaFacts,
    kind: &str,
    id: &str,
    name: &str,
    parents: HashSet<EntityUid>,
    [id_attribute, name_attribute]: [&str; 2],
) -> Result<Entity> {
    let declared = facts.types.get(kind).ok_or_else(|| unsuitable("a type is missing"))?;
    let uid = EntityUid::from_type_name_and_id(declared.name.clone(), EntityId::new(id));
    let attributes: HashMap<_, _> = [(id_attribute, id), (name_attribute, name)]
        .into_iter()
        .filter(|(attribute, _)| declared.attributes.contains_key(*attribute))
        .map(|(name, value)| (name.to_owned(), RestrictedExpression::new_string(value.to_owned())))
        .collect();
    Entity::new(uid, attributes, parents).map_err(|e| unsuitable("a value is refused").source(e))
}

/// The resource as the schema wants it; refuses and names what the schema does not know.
pub(super) fn resource_entity(facts: &SchemaFacts, resource: &ResourceEntity) -> Result<Entity> {
    let EntityRef { kind, id } = &resource.entity;
    let Some(declared) = facts.types.get(kind.as_ref()) else {
        return Err(Error::new(codes::INVALID_REQUEST)
            .field("resource.type", format!("the schema has no type `{}`", shown(kind))));
    };
    check_id("resource.id", id)?;
    let uid = EntityUid::from_type_name_and_id(declared.name.clone(), EntityId::new(id.as_ref()));
    if declared.attributes.is_empty()
        && resource.attributes.is_empty()
        && declared.parents.is_empty()
    {
        return match resource.parents.first() {
            None => Ok(Entity::with_uid(uid)),
            Some(parent) => Err(foreign_parent(kind, parent)),
        };
    }
    check_attributes(declared, resource)?;
    let parents = parents_of(facts, declared, resource)?;
    if declared.is_plain {
        let attributes = plain_attributes(declared, resource);
        Entity::new(uid, attributes, parents)
            .map_err(|e| unsuitable("a value is refused").source(e))
    } else {
        structured_entity(facts, resource, &parents)
    }
}

/// Whether an attribute may hold this text: no policy compares more.
fn is_fit(text: &str) -> bool {
    text.len() <= 4096 && !text.contains('\0')
}

/// Unknown, missing and wrongly typed attributes, all of them.
fn check_attributes(declared: &TypeFacts, resource: &ResourceEntity) -> Result<()> {
    let mut error = Error::new(codes::INVALID_REQUEST);
    let field = |name: &str| format!("resource.attributes.{}", shown(name));
    for (name, value) in &resource.attributes {
        let message = match declared.attributes.get(name).map(|attribute| attribute.kind) {
            None => "the schema has no such attribute for this type",
            Some(AttributeKind::Text) if !value.is_string() => "must be a text",
            Some(AttributeKind::Text) if !value.as_str().is_some_and(is_fit) => {
                "at most 4,096 bytes and no NUL"
            }
            Some(AttributeKind::Long) if value.as_i64().is_none() => "must be a whole number",
            Some(AttributeKind::Bool) if !value.is_boolean() => "must be true or false",
            Some(_) if name == "id" && value.as_str() != Some(resource.entity.id.as_ref()) => {
                "must equal the id of the resource"
            }
            Some(_) => continue,
        };
        error = error.field(field(name), message);
    }
    for (name, attribute) in &declared.attributes {
        if attribute.required && name != "id" && !resource.attributes.contains_key(name) {
            error = error.field(field(name), "is required and missing");
        }
    }
    if error.fields().is_empty() { Ok(()) } else { Err(error) }
}

/// The parents, those named by attributes included; a parent that contradicts its attribute is
/// refused, because the policies would judge by one and people by the other.
fn parents_of(
    facts: &SchemaFacts,
    declared: &TypeFacts,
    resource: &ResourceEntity,
) -> Result<HashSet<EntityUid>> {
    let mut parents = HashSet::new();
    for parent in &resource.parents {
        let Some(named_by) = declared.parents.get(parent.kind.as_ref()) else {
            return Err(foreign_parent(&resource.entity.kind, parent));
        };
        check_id("resource.parents", &parent.id)?;
        let claimed = named_by.as_ref().and_then(|name| resource.attributes.get(name));
        if claimed.is_some_and(|value| value.as_str() != Some(parent.id.as_ref())) {
            let message =
                format!("contradicts the attribute `{}`", named_by.as_deref().unwrap_or(""));
            return Err(Error::new(codes::INVALID_REQUEST).field("resource.parents", message));
        }
        parents.extend(facts.uid(&parent.kind, &parent.id));
    }
    for (kind, named_by) in &declared.parents {
        let claimed = named_by.as_ref().and_then(|name| resource.attributes.get(name));
        if let Some(id) = claimed.and_then(Value::as_str) {
            check_id("resource.attributes", id)?;
            parents.extend(facts.uid(kind, id));
        }
    }
    Ok(parents)
}

fn plain_attributes(
    declared: &TypeFacts,
    resource: &ResourceEntity,
) -> HashMap<String, RestrictedExpression> {
    let mut attributes = HashMap::with_capacity(declared.attributes.len());
    for (name, value) in &resource.attributes {
        let value = match value {
            Value::String(text) => RestrictedExpression::new_string(text.clone()),
            Value::Bool(truth) => RestrictedExpression::new_bool(*truth),
            other => match other.as_i64() {
                Some(number) => RestrictedExpression::new_long(number),
                // Attributes were checked to be one of the three.
                None => continue,
            },
        };
        attributes.insert(name.clone(), value);
    }
    if declared.attributes.contains_key("id") {
        let id = resource.entity.id.as_ref().to_owned();
        attributes.insert("id".to_owned(), RestrictedExpression::new_string(id));
    }
    attributes
}

/// Sets, records, addresses: read by Cedar from JSON, guided by the schema.
fn structured_entity(
    facts: &SchemaFacts,
    resource: &ResourceEntity,
    parents: &HashSet<EntityUid>,
) -> Result<Entity> {
    let uid = |kind: &str, id: &str| json!({ "type": kind, "id": id });
    let full = format!("{NAMESPACE}::{}", resource.entity.kind);
    let mut attributes = resource.attributes.clone();
    if facts
        .types
        .get(resource.entity.kind.as_ref())
        .is_some_and(|t| t.attributes.contains_key("id"))
    {
        attributes.insert("id".to_owned(), resource.entity.id.as_ref().into());
    }
    let parents: Vec<_> = parents
        .iter()
        .map(|parent| uid(&parent.type_name().to_string(), parent.id().unescaped()))
        .collect();
    let entity =
        json!({ "uid": uid(&full, &resource.entity.id), "attrs": attributes, "parents": parents });
    Entity::from_json_value(entity, Some(&facts.schema)).map_err(|e| {
        Error::new(codes::INVALID_REQUEST)
            .field("resource.attributes", "a value is not of the type the schema declares")
            .source(e)
    })
}

fn foreign_parent(kind: &str, parent: &EntityRef) -> Error {
    let message = format!("a `{}` can't belong to a `{}`", shown(kind), shown(&parent.kind));
    Error::new(codes::INVALID_REQUEST).field("resource.parents", message)
}

/// Ids are 1 to 512 bytes and have no control characters.
fn check_id(field: &str, id: &str) -> Result<()> {
    if (1..=512).contains(&id.len()) && !id.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::new(codes::INVALID_REQUEST)
        .field(field, "an id has 1 to 512 bytes and no control characters"))
}

/// What the client wrote, short enough for a message.
fn shown(text: &str) -> String {
    text.chars().take(64).flat_map(char::escape_debug).collect()
}

fn unsuitable(context: &'static str) -> Error {
    Error::new(codes::INTERNAL).context(context)
}
