//! From the words of the message to a question the policies can be asked.

use prov_core::{Error, Result, SecurityContext, codes};
use serde_json::{Map, Value};

use super::{Action, AuthzenOptions, AuthzenService, Evaluation, Resource};
use crate::{Claims, EntityRef, Question, ResourceEntity, StatedContext};

/// What the asker may state about the circumstances, in `context` alone.
const CIRCUMSTANCES: [&str; 3] = ["mfa_verified", "ip_address", "time"];

impl AuthzenService {
    /// The question; what is not declared or not trusted is left out of it.
    pub(super) fn question(
        &self,
        caller: &SecurityContext,
        asked: &Evaluation,
    ) -> Result<Question> {
        let principal = self.subject(&asked.subject.kind, &asked.subject.id);
        let resource = self.resource(&asked.resource);
        let is_caller = is_caller(caller, &principal);
        let stated = self.stated(&asked.action, asked.context.as_ref(), is_caller)?;
        Ok(Question::new(asked.action.name.as_str(), resource).about(principal).under(stated))
    }

    pub(super) fn subject(&self, kind: &str, id: &str) -> EntityRef {
        EntityRef::new(self.options.subject_type(kind).to_owned(), id.to_owned())
    }

    /// The resource with those of its properties that are declared and trusted. What is stored about
    /// a resource is all there is to say about it.
    pub(super) fn resource(&self, said: &Resource) -> ResourceEntity {
        let kind = self.options.resource_type(&said.kind);
        let mut resource = ResourceEntity::new(kind.to_owned(), said.id.clone());
        let is_known = || self.decisions.engine().entities().find(kind, &said.id).is_some();
        if let Some(properties) = &said.properties
            && !is_known()
        {
            resource.attributes = self.trusted_attributes(kind, properties, &self.options);
        }
        resource
    }

    fn trusted_attributes(
        &self,
        kind: &str,
        properties: &Map<String, Value>,
        options: &AuthzenOptions,
    ) -> Map<String, Value> {
        self.decisions.engine().with_schema(|facts| {
            let Some(declared) = facts.types.get(kind) else { return Map::new() };
            let is_taken = |name: &str, value: &Value| {
                !value.is_null()
                    && declared.attributes.contains_key(name)
                    && options.trusts(kind, name)
            };
            properties
                .iter()
                .filter(|(name, value)| is_taken(name, value))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect()
        })
    }

    /// What is said about the circumstances: of the action's properties and the context what the
    /// action declares.
    pub(super) fn stated(
        &self,
        action: &Action,
        context: Option<&Map<String, Value>>,
        is_caller: bool,
    ) -> Result<StatedContext> {
        let said = context.into_iter().chain(action.properties.as_ref()).flatten();
        let said: Vec<(&String, &Value)> = self.decisions.engine().with_schema(|facts| {
            let declared = facts.actions.get(&action.name).map(|action| &action.context);
            said.filter(|(name, _)| declared.is_some_and(|d| d.contains_key(*name))).collect()
        });
        stated(claims(said)?, context, is_caller)
    }

    /// The same, of the context what any action declares.
    pub(super) fn stated_for_any(
        &self,
        context: Option<&Map<String, Value>>,
        is_caller: bool,
    ) -> Result<StatedContext> {
        let said = context.into_iter().flatten();
        let said: Vec<(&String, &Value)> = self.decisions.engine().with_schema(|facts| {
            let declared =
                |name: &String| facts.actions.values().any(|a| a.context.contains_key(name));
            said.filter(|(name, _)| declared(name)).collect()
        });
        stated(claims(said)?, context, is_caller)
    }
}

pub(super) fn is_caller(caller: &SecurityContext, subject: &EntityRef) -> bool {
    subject.kind == "User" && subject.id == caller.principal().id
}

fn claims<'a>(said: impl IntoIterator<Item = (&'a String, &'a Value)>) -> Result<Claims> {
    said.into_iter()
        .filter(|(name, value)| !value.is_null() && !CIRCUMSTANCES.contains(&name.as_str()))
        .try_fold(Claims::NONE, |claims, (name, value)| claim(claims, name, value))
}

fn claim(claims: Claims, name: &str, value: &Value) -> Result<Claims> {
    let text = || value.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "must be a text"));
    Ok(match name {
        "approval_id" => claims.with_approval(text()?),
        "reason" => claims.with_reason(text()?),
        "ssh_key_fingerprint" => claims.with_ssh_key(text()?),
        "force" => claims.with_force(truth(name, value)?),
        _ => claims.with_fact(name, value.clone()),
    })
}

/// The claims, and the circumstances as far as they are stated. Of anybody but the caller neither
/// the address nor a second factor is known unless it is stated: the asker's own are not theirs.
fn stated(
    claims: Claims,
    context: Option<&Map<String, Value>>,
    is_caller: bool,
) -> Result<StatedContext> {
    let member =
        |name: &str| context.and_then(|context| context.get(name)).filter(|value| !value.is_null());
    let text = |name: &str| {
        let text = |value: &Value| {
            value.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "must be a text"))
        };
        member(name).map(text).transpose()
    };
    let mut stated = StatedContext::claiming(claims);
    stated.mfa_verified =
        member("mfa_verified").map(|value| truth("mfa_verified", value)).transpose()?;
    stated.time = text("time")?;
    stated.ip_address = text("ip_address")?;
    if stated.ip_address.is_none() && !is_caller {
        // Nobody's address: in no network that lets anybody in.
        stated.ip_address = Some("0.0.0.0".to_owned());
    }
    Ok(stated)
}

fn truth(name: &str, value: &Value) -> Result<bool> {
    value.as_bool().ok_or_else(|| wrong(name, "must be true or false"))
}

fn wrong(name: &str, message: &str) -> Error {
    Error::new(codes::INVALID_REQUEST).field(format!("context.{name}"), message)
}
