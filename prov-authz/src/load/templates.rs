//! Policies with slots, which grants fill.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy::{
    ActionConstraint, Policy, PolicyId, PolicySet, SlotId, Template, ValidationMode,
};
use prov_core::{Error, Result, codes};
use serde_json::{Value, json};

use super::{Finding, PolicyInfo, SchemaFacts};
use crate::EntityRef;

/// The annotation by which a template says that whoever may do something themselves may grant it.
const GRANTABLE: &str = "grantable";

/// The templates of a set, by id.
pub(crate) type Templates = BTreeMap<String, Arc<PolicyTemplate>>;

/// One template.
#[derive(Debug, Clone)]
pub(crate) struct PolicyTemplate {
    pub(crate) document: Arc<PolicyInfo>,
    pub(crate) has_principal: bool,
    pub(crate) has_resource: bool,
    /// The actions it names; `None` when it is about all.
    pub(crate) actions: Option<Vec<String>>,
    /// Whether holders may grant it.
    pub(crate) by_holders: bool,
    json: Value,
}

impl PolicyTemplate {
    /// What a template that has this document is.
    ///
    /// # Errors
    /// What is wrong with it, without its place.
    pub(super) fn read(
        template: &Template,
        document: Arc<PolicyInfo>,
    ) -> std::result::Result<Self, Finding> {
        let by_holders = match template.annotation(GRANTABLE) {
            None => false,
            Some("holders") => true,
            Some(_) => {
                let remedy = "write `@grantable(\"holders\")`, or leave it out";
                return Err(Finding::file("", "nobody else can be named here", remedy));
            }
        };
        let json = template
            .to_json()
            .map_err(|error| Finding::file("", error.to_string(), "write it differently"))?;
        let slots: Vec<_> = template.slots().collect();
        Ok(Self {
            document,
            has_principal: slots.contains(&&SlotId::principal()),
            has_resource: slots.contains(&&SlotId::resource()),
            actions: match template.action_constraint() {
                ActionConstraint::Any => None,
                ActionConstraint::Eq(one) => Some(vec![one.id().unescaped().to_owned()]),
                ActionConstraint::In(some) => {
                    Some(some.iter().map(|uid| uid.id().unescaped().to_owned()).collect())
                }
            },
            by_holders,
            json,
        })
    }

    /// Whether its resource is exactly what fills the slot, not what is in it.
    pub(crate) fn names_one_resource(&self) -> bool {
        let resource = self.json.get("resource");
        resource.and_then(|r| r.get("op")).and_then(Value::as_str) == Some("==")
            && resource.and_then(|r| r.get("slot")).is_some()
    }

    /// The policy of this id that comes of filling the slots, held against the schema.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] naming the slot that is missing, or is none, and what the schema
    /// does not know or allow there.
    pub(crate) fn filled(
        &self,
        facts: &SchemaFacts,
        id: &str,
        principal: Option<&EntityRef>,
        resource: Option<&EntityRef>,
    ) -> Result<Policy> {
        let mut json = self.json.clone();
        for (field, has_slot, entity) in [
            ("principal", self.has_principal, principal),
            ("resource", self.has_resource, resource),
        ] {
            let wrong = |message: &str| Error::new(codes::INVALID_REQUEST).field(field, message);
            match (has_slot, entity) {
                (true, Some(entity)) => {
                    let declared = facts.types.get(entity.kind.as_ref());
                    let name = declared.ok_or_else(|| wrong("the schema has no such type"))?;
                    if let Some(scope) = json.get_mut(field) {
                        fill(scope, &json!({ "type": name.full, "id": entity.id }));
                    }
                }
                (true, None) => return Err(wrong("the template needs one")),
                (false, Some(_)) => return Err(wrong("the template has no place for one")),
                (false, None) => {}
            }
        }
        let invalid =
            |message: String| Error::new(codes::INVALID_REQUEST).field("template", message);
        let policy = Policy::from_json(Some(PolicyId::new(id)), json)
            .map_err(|error| invalid(error.to_string()))?;
        let mut set = PolicySet::new();
        set.add(policy.clone()).map_err(|error| invalid(error.to_string()))?;
        let result = facts.validator.validate(&set, ValidationMode::Strict);
        let error = result.validation_errors().next().map(ToString::to_string);
        // A policy that can never apply is no grant.
        let warning = || result.validation_warnings().next().map(ToString::to_string);
        error.or_else(warning).map_or(Ok(policy), |message| Err(invalid(message)))
    }
}

/// Puts the entity where the slot is: in the scope itself, or in its `in`.
fn fill(scope: &mut Value, entity: &Value) {
    let Some(members) = scope.as_object_mut() else { return };
    if members.remove("slot").is_some() {
        members.insert("entity".to_owned(), entity.clone());
    }
    if let Some(within) = members.get_mut("in") {
        fill(within, entity);
    }
}
