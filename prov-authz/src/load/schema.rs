//! What the schema says, in a form that can be looked up at the speed of a decision.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use cedar_policy::{
    Entity, EntityId, EntityTypeName, EntityUid, Schema, Validator,
    schema_str_to_json_with_resolved_types,
};
use miette::Diagnostic;
use prov_core::{Error, PrincipalKind, codes};
use serde_json::{Map, Value};

use super::{Finding, SourceFile, nesting};
use crate::cedar::{Closure, Name, OwnedName};

/// The schema and what it says of types and actions, by their names without namespace.
#[derive(Debug)]
pub(crate) struct SchemaFacts {
    pub(crate) schema: Schema,
    /// What stands before `::` in every name.
    pub(crate) namespace: String,
    /// `User`, `Team`, `Role` and, if it does anything, `Workload` with the namespace.
    pub(crate) principals: PrincipalTypes,
    /// Of that schema.
    pub(super) validator: Validator,
    pub(crate) types: HashMap<String, TypeFacts>,
    pub(crate) actions: BTreeMap<String, ActionFacts>,
}

/// The types of those who ask and of what they are in, with the namespace.
#[derive(Debug)]
pub(crate) struct PrincipalTypes {
    pub(crate) user: String,
    pub(crate) team: String,
    pub(crate) role: String,
    /// Programs, where the schema speaks of them.
    pub(crate) workload: Option<String>,
}

impl PrincipalTypes {
    fn of(namespace: &str, actions: &BTreeMap<String, ActionFacts>) -> Self {
        let full = |kind: &str| format!("{namespace}::{kind}");
        // A type of this name that does nothing is a resource like others.
        let acts = |action: &ActionFacts| action.principals.iter().any(|kind| kind == "Workload");
        let workload = actions.values().any(acts).then(|| full("Workload"));
        Self { user: full("User"), team: full("Team"), role: full("Role"), workload }
    }

    /// Whether a type is one of them.
    pub(crate) fn have(&self, kind: &str) -> bool {
        let named = [&self.user, &self.team, &self.role].into_iter().chain(&self.workload);
        named.into_iter().any(|known| known == kind)
    }
}

/// One entity type.
#[derive(Debug)]
pub(crate) struct TypeFacts {
    pub(crate) name: EntityTypeName,
    /// The name as text, with the namespace.
    pub(crate) full: String,
    pub(crate) attributes: BTreeMap<String, Attribute>,
    /// The types its parents may have, with the attribute that names the parent, if there is one.
    pub(crate) parents: BTreeMap<String, Option<String>>,
    /// Whether every attribute is text, a number or a truth value.
    pub(crate) is_plain: bool,
}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) kind: AttributeKind,
    pub(crate) required: bool,
}

/// The type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AttributeKind {
    Text,
    Long,
    Bool,
    /// Sets, records, entities, addresses, times: read by Cedar itself, guided by the schema.
    Other,
}

/// One action.
#[derive(Debug)]
pub(crate) struct ActionFacts {
    pub(crate) uid: EntityUid,
    /// Its name, and those of the groups it is in.
    pub(crate) names: (OwnedName, Vec<OwnedName>),
    pub(crate) principals: Vec<String>,
    pub(crate) resources: Vec<String>,
    pub(crate) context: BTreeMap<String, Attribute>,
    /// Itself and the groups it is in; empty when it is in none.
    pub(crate) entities: Vec<Entity>,
}

impl ActionFacts {
    /// It with the groups it is in.
    pub(crate) fn closure(&self) -> Closure<'_> {
        let (own, groups) = &self.names;
        Closure { own: own.name(), above: groups.iter().map(OwnedName::name).collect() }
    }
}

impl SchemaFacts {
    /// The type of such principals, without and with the namespace; refuses those that the schema
    /// does not speak of.
    pub(crate) fn type_of(&self, kind: PrincipalKind) -> Result<(&'static str, &str), Error> {
        match (kind, &self.principals.workload) {
            (PrincipalKind::User, _) => Ok(("User", &self.principals.user)),
            (PrincipalKind::Workload, Some(workload)) => Ok(("Workload", workload)),
            _ => Err(Error::new(codes::INVALID_REQUEST).field(
                "principal.type",
                "the policies speak of users only, not of programs; a schema whose actions a `Workload` does may",
            )),
        }
    }

    /// The name of an entity for Cedar, of a type that has the namespace before it.
    pub(crate) fn uid_of(&self, name: Name<'_>) -> Option<EntityUid> {
        self.uid(name.kind.strip_prefix(&self.namespace)?.strip_prefix("::")?, name.id)
    }

    /// The name of an entity; `None` when the schema has no such type.
    pub(crate) fn uid(&self, kind: &str, id: &str) -> Option<EntityUid> {
        let name = self.types.get(kind)?.name.clone();
        Some(EntityUid::from_type_name_and_id(name, EntityId::new(id)))
    }

    /// Reads the schema.
    pub(super) fn read(
        file: &SourceFile,
        namespace: &str,
    ) -> Result<(Self, Vec<Finding>), Vec<Finding>> {
        nesting::check_schema(file).map_err(|finding| vec![finding])?;
        let of = |diagnostic: &dyn Diagnostic| {
            Finding::of_diagnostic(&file.name, &file.text, diagnostic)
        };
        let (schema, warnings) =
            Schema::from_cedarschema_str(&file.text).map_err(|error| of(&error))?;
        let warnings = warnings
            .flat_map(|warning| of(&warning))
            .map(|finding| Finding { severity: super::Severity::Warning, ..finding })
            .collect();
        let (json, _) =
            schema_str_to_json_with_resolved_types(&file.text).map_err(|error| of(&error))?;
        let facts = read_namespace(schema, &json, namespace).ok_or_else(|| {
            let message =
                format!("the schema has no namespace `{namespace}` with types and actions");
            let remedy = format!("declare `namespace {namespace} {{ … }}`");
            vec![Finding::file(&file.name, message, &remedy)]
        })?;
        Ok((facts, warnings))
    }
}

fn read_namespace(schema: Schema, json: &Value, name: &str) -> Option<SchemaFacts> {
    let namespace = json.get(name)?;
    let common = namespace.get("commonTypes").and_then(Value::as_object);
    let names: Vec<&String> = namespace.get("entityTypes")?.as_object()?.keys().collect();
    let mut types = HashMap::new();
    for (kind, declared) in namespace.get("entityTypes")?.as_object()? {
        types.insert(kind.clone(), read_type((name, kind), declared, common, &names)?);
    }
    let action_entities = schema.action_entities().ok()?;
    let mut actions = BTreeMap::new();
    for (id, declared) in namespace.get("actions")?.as_object()? {
        let uid = action_uid(name, id)?;
        let ancestors = action_entities.ancestors(&uid).into_iter().flatten();
        let groups: Vec<_> =
            ancestors.filter_map(|group| action_entities.get(group)).cloned().collect();
        let own = action_entities.get(&uid).filter(|_| !groups.is_empty()).cloned();
        let applies = |key| short_names(name, declared.get("appliesTo").and_then(|a| a.get(key)));
        let context = declared.get("appliesTo").and_then(|a| a.get("context"));
        let facts = ActionFacts {
            principals: applies("principalTypes"),
            resources: applies("resourceTypes"),
            context: read_attributes(context, common),
            names: (
                OwnedName::of(&uid),
                groups.iter().map(|group| OwnedName::of(&group.uid())).collect(),
            ),
            entities: own.into_iter().chain(groups).collect(),
            uid,
        };
        // A group of actions is nothing that can be done.
        if !facts.resources.is_empty() {
            actions.insert(id.clone(), facts);
        }
    }
    let principals = PrincipalTypes::of(name, &actions);
    let validator = Validator::new(schema.clone());
    Some(SchemaFacts { schema, namespace: name.to_owned(), principals, validator, types, actions })
}

fn action_uid(namespace: &str, id: &str) -> Option<EntityUid> {
    let kind = EntityTypeName::from_str(&format!("{namespace}::Action")).ok()?;
    Some(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

fn read_type(
    (namespace, name): (&str, &str),
    declared: &Value,
    common: Option<&Map<String, Value>>,
    all: &[&String],
) -> Option<TypeFacts> {
    let attributes = read_attributes(declared.get("shape"), common);
    let parents = short_names(namespace, declared.get("memberOfTypes"))
        .into_iter()
        .filter(|parent| all.contains(&parent))
        .map(|parent| {
            let attribute = snake_case(&parent);
            let named_by = attributes
                .get(&attribute)
                .is_some_and(|attribute| attribute.kind == AttributeKind::Text);
            (parent, named_by.then_some(attribute))
        })
        .collect();
    let full = format!("{namespace}::{name}");
    Some(TypeFacts {
        name: EntityTypeName::from_str(&full).ok()?,
        full,
        is_plain: attributes.values().all(|a| a.kind != AttributeKind::Other),
        attributes,
        parents,
    })
}

fn short_names(namespace: &str, list: Option<&Value>) -> Vec<String> {
    let names = list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let short = |name: &str| name.strip_prefix(namespace)?.strip_prefix("::").map(str::to_owned);
    names.filter_map(short).collect()
}

/// The attributes of a record, or of the common type that stands for one.
fn read_attributes(
    record: Option<&Value>,
    common: Option<&Map<String, Value>>,
) -> BTreeMap<String, Attribute> {
    let Some(record) = record.map(|record| resolve(record, common)) else {
        return BTreeMap::new();
    };
    let declared = record.get("attributes").and_then(Value::as_object).into_iter().flatten();
    declared
        .map(|(name, value)| {
            let required = value.get("required").and_then(Value::as_bool).unwrap_or(true);
            let kind = match resolve(value, common).get("type").and_then(Value::as_str) {
                Some("String") => AttributeKind::Text,
                Some("Long") => AttributeKind::Long,
                Some("Bool" | "Boolean") => AttributeKind::Bool,
                _ => AttributeKind::Other,
            };
            (name.clone(), Attribute { kind, required })
        })
        .collect()
}

/// Follows names of common types; the schema was accepted, so there is no cycle among them.
fn resolve<'a>(mut value: &'a Value, common: Option<&'a Map<String, Value>>) -> &'a Value {
    while let Some(name) = value.get("type").and_then(Value::as_str) {
        let short = name.rsplit("::").next().unwrap_or(name);
        match common.and_then(|common| common.get(short)) {
            Some(next) => value = next,
            None => break,
        }
    }
    value
}

/// `CostCentre` → `cost_centre`.
fn snake_case(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
