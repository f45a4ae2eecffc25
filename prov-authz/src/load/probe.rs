//! Whether a schema can be asked what prov asks: found out when it is loaded, so that a decision
//! need not validate what prov itself built.

use std::net::{IpAddr, Ipv4Addr};

use cedar_policy::{Entities, Request};
use prov_core::{Principal, PrincipalKind, Role, TeamName, Timestamp};

use super::{Finding, SchemaFacts, SourceFile};
use crate::cedar::{Roles, context_of, principal_entities};
use crate::{Circumstances, Claims};

/// What every schema must declare.
const TYPES: [&str; 4] = ["User", "Team", "Role", "Api"];

/// Everything in the schema that prov could not ask about.
pub(super) fn unsuitable(file: &SourceFile, facts: &SchemaFacts) -> Vec<Finding> {
    let wrong = |message: String, remedy: &str| Finding::file(&file.name, message, remedy);
    let missing: Vec<_> = TYPES
        .iter()
        .filter(|name| !facts.types.contains_key(**name))
        .map(|name| wrong(format!("there is no entity type `{name}`"), "declare it"))
        .collect();
    if !missing.is_empty() {
        return missing;
    }
    let mut findings = Vec::new();
    let programs = facts.principals.workload.as_ref().map(|_| PrincipalKind::Workload);
    for kind in [PrincipalKind::User].into_iter().chain(programs) {
        if let Err(message) = principal_fits(facts, kind) {
            let remedy = "prov knows `id` and `username` of a user, `id` and `name` of a team and of a \
                          workload; a user and a workload are in teams and roles, a role in roles";
            findings.push(wrong(message, remedy));
        }
    }
    for (name, action) in &facts.actions {
        let asked = |kind: &&String| ["User", "Workload"].contains(&kind.as_str());
        let Some(principal) = action.principals.iter().find(asked) else { continue };
        if let Err(message) = context_fits(facts, name, principal) {
            let remedy = "prov knows `mfa_verified` (Bool), `ip_address` (ipaddr), `time` \
                          (datetime) and, optionally, `approval_id`, `reason`, `force`, \
                          `ssh_key_fingerprint`";
            findings.push(wrong(format!("context of action `{name}`: {message}"), remedy));
        }
    }
    findings
}

fn principal_fits(facts: &SchemaFacts, kind: PrincipalKind) -> Result<(), String> {
    let team = TeamName::SHIPPED.first().and_then(|name| name.parse().ok());
    let principal =
        Principal::new(kind, "user_probe", "probe").with_roles(Role::ALL).with_teams(team);
    let roles = Roles::new(facts).map_err(|error| error.to_string())?;
    let (_, entities) =
        principal_entities(facts, &roles, &principal).map_err(|error| error.to_string())?;
    Entities::from_entities(entities, Some(&facts.schema))
        .map(drop)
        .map_err(|error| error.to_string())
}

fn context_fits(facts: &SchemaFacts, action: &str, principal: &str) -> Result<(), String> {
    let Some(action) = facts.actions.get(action) else { return Err("unknown".to_owned()) };
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let bare = Circumstances::new(true, Some(localhost), Timestamp::UNIX_EPOCH);
    let full = Claims::NONE
        .with_approval("A")
        .with_reason("r")
        .with_force(true)
        .with_ssh_key("SHA256:")
        .retain(|name| action.context.contains_key(name));
    let principal = facts.uid(principal, "user_probe").ok_or("a principal of an unknown type")?;
    for claims in [&Claims::NONE, &full] {
        let context = context_of(&bare, claims).map_err(|error| error.to_string())?;
        for kind in &action.resources {
            let resource = facts.uid(kind, "probe").ok_or("a resource of an unknown type")?;
            Request::new(
                principal.clone(),
                action.uid.clone(),
                resource,
                context.clone(),
                Some(&facts.schema),
            )
            .map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}
