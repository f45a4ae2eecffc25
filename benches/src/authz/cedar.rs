//! Cedar as it comes: every policy, entities in one store, the request built as its API asks for it.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityTypeName, EntityUid, PolicyId,
    PolicySet, Request, RestrictedExpression as Value, Schema,
};
use prov_authz::PolicyFiles;
use serde_json::Value as Json;

use super::workload::{Question, Workload};
use crate::Failure;

pub(super) struct Plain {
    schema: Schema,
    policies: PolicySet,
    entities: Entities,
    authorizer: Authorizer,
    names: Names,
}

struct Names {
    user: EntityTypeName,
    server: EntityTypeName,
    deploy: EntityUid,
}

fn kind(name: &str) -> Result<EntityTypeName, Failure> {
    Ok(EntityTypeName::from_str(&format!("Provisioning::{name}"))?)
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn text(value: &str) -> Value {
    Value::new_string(value.to_owned())
}

impl Plain {
    pub(super) fn new(files: &PolicyFiles, work: &Workload) -> Result<Self, Failure> {
        let (schema, _) = Schema::from_cedarschema_str(&files.schema.text)?;
        let mut policies = PolicySet::new();
        for file in &files.policies {
            for policy in PolicySet::from_str(&file.text)?.policies() {
                let id = policy.annotation("id").ok_or("a policy has no id")?;
                policies.add(policy.new_id(PolicyId::new(id)))?;
            }
        }
        let names = Names {
            user: kind("User")?,
            server: kind("Server")?,
            deploy: uid(&kind("Action")?, "deploy"),
        };
        let entities = Entities::from_entities(entities(work, &names)?, Some(&schema))?;
        Ok(Self { schema, policies, entities, authorizer: Authorizer::new(), names })
    }

    /// Whether it is allowed, and by how many policies that is so.
    pub(super) fn decide(&self, work: &Workload, question: Question) -> Option<(bool, usize)> {
        let asked = work.asked(question)?;
        let context = Context::from_pairs([
            ("mfa_verified".to_owned(), Value::new_bool(asked.circumstances.mfa_verified)),
            ("ip_address".to_owned(), Value::new_ip(asked.circumstances.address?.to_string())),
            ("time".to_owned(), Value::new_datetime("2026-03-02T12:00:00Z")),
            ("approval_id".to_owned(), text(asked.claims.approval_id.as_deref()?)),
        ]);
        let request = Request::new(
            uid(&self.names.user, &asked.principal.id),
            self.names.deploy.clone(),
            uid(&self.names.server, &asked.resource.entity.id),
            context.ok()?,
            Some(&self.schema),
        );
        let response =
            self.authorizer.is_authorized(&request.ok()?, &self.policies, &self.entities);
        let reasons = response.diagnostics().reason().count();
        Some((response.decision() == Decision::Allow, reasons))
    }
}

fn entities(work: &Workload, names: &Names) -> Result<Vec<Entity>, Failure> {
    let (team, workspace) = (kind("Team")?, kind("Workspace")?);
    let production = uid(&kind("Environment")?, "production");
    let mut all = vec![Entity::with_uid(production.clone())];
    let mut teams = HashSet::new();
    for person in &work.people {
        let parents: HashSet<_> = person.teams.iter().map(|t| uid(&team, t.as_str())).collect();
        for name in &person.teams {
            if teams.insert(name.as_str()) {
                let attributes = ["id", "name"].map(|a| (a.to_owned(), text(name.as_str())));
                let own = uid(&team, name.as_str());
                all.push(Entity::new(own, HashMap::from(attributes), HashSet::new())?);
            }
        }
        let attributes = [("id", &person.id), ("username", &person.name)];
        let attributes = attributes.map(|(name, value)| (name.to_owned(), text(value)));
        all.push(Entity::new(uid(&names.user, &person.id), HashMap::from(attributes), parents)?);
    }
    for server in &work.servers {
        let value =
            |name: &str| server.attributes.get(name).and_then(Json::as_str).unwrap_or_default();
        let mut attributes: HashMap<_, _> = ["hostname", "workspace", "environment"]
            .map(|name| (name.to_owned(), text(value(name))))
            .into();
        attributes.insert("id".to_owned(), text(&server.entity.id));
        let parents = HashSet::from([production.clone(), uid(&workspace, value("workspace"))]);
        all.push(Entity::new(uid(&names.server, &server.entity.id), attributes, parents)?);
    }
    Ok(all)
}
