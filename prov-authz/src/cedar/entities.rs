//! Principals as Cedar entities.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Entity, EntityId, EntityUid, RestrictedExpression};
use prov_core::{Error, Principal, Result, Role, codes};

use crate::load::SchemaFacts;

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
    let (kind, _) = facts.type_of(principal.kind)?;
    check_id("principal.id", &principal.id)?;
    let uid = facts.uid(kind, &principal.id).ok_or_else(|| unsuitable("a type is missing"))?;
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
    let names = ["id", if kind == "User" { "username" } else { "name" }];
    entities.push(known(facts, kind, &principal.id, &principal.name, parents, names)?);
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

/// Ids are 1 to 512 bytes and have no control characters.
pub(super) fn check_id(field: &str, id: &str) -> Result<()> {
    if (1..=512).contains(&id.len()) && !id.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::new(codes::INVALID_REQUEST)
        .field(field, "an id has 1 to 512 bytes and no control characters"))
}

pub(super) fn unsuitable(context: &'static str) -> Error {
    Error::new(codes::INTERNAL).context(context)
}
