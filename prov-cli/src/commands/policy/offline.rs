//! Questions answered without a server, by the policies of a folder.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use prov_authz::{AccessRequest, CedarEngine, CedarOptions, Circumstances, Claims, ResourceEntity};
use prov_core::{Clock, Principal, PrincipalKind, SystemClock, Timestamp};
use serde_json::Value;

use super::Question;
use crate::failure::{Failure, Outcome};

/// Who asks, from where and when, for a folder of policies that no server has yet.
#[derive(Debug, Args)]
pub(super) struct Offline {
    /// Ask the policies of this folder instead of a server
    #[arg(long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
    /// A team of whoever asks; may be repeated
    #[arg(long = "team", value_name = "TEAM", requires = "policies")]
    teams: Vec<String>,
    /// A role of whoever asks; may be repeated
    #[arg(long = "role", value_name = "ROLE", requires = "policies")]
    roles: Vec<String>,
    /// With a second factor
    #[arg(long, requires = "policies")]
    mfa: bool,
    /// From this address
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1", requires = "policies")]
    from: IpAddr,
    /// At this moment, such as `2026-03-02T12:00:00Z`; now when left out
    #[arg(long, value_name = "TIME", requires = "policies")]
    at: Option<Timestamp>,
}

impl Offline {
    pub(super) const fn is_asked(&self) -> bool {
        self.policies.is_some()
    }
}

/// The answer, in the shape of the API's.
pub(super) fn explain(question: &Question) -> Outcome<Value> {
    let Some(folder) = &question.offline.policies else {
        return Err(Failure::Usage("`--policies` names the folder to ask".to_owned()));
    };
    let clock = Arc::new(SystemClock::new());
    let now = question.offline.at.unwrap_or_else(|| clock.now());
    let engine = CedarEngine::open(folder, clock, CedarOptions::default())
        .map_err(|e| refused(&format!("`{}`", folder.display()), &e))?;
    let principal = principal(question)?;
    let resource = resource(question)?;
    let claims = claims(question);
    let circumstances = Circumstances::new(question.offline.mfa, Some(question.offline.from), now);
    let request = AccessRequest::by(&principal, circumstances, &question.action, &resource);
    let told =
        engine.explain(&request.with_claims(&claims)).map_err(|e| refused("the question", &e))?;
    serde_json::to_value(told).map_err(|e| Failure::of("printing the answer", e))
}

fn principal(question: &Question) -> Outcome<Principal> {
    let wrong = |what: &str, name: &str| Failure::Usage(format!("`{name}` is no {what}"));
    let teams = question.offline.teams.iter();
    let teams: Vec<_> = teams
        .map(|name| name.parse().map_err(|_| wrong("name of a team", name)))
        .collect::<Outcome<_>>()?;
    let roles = question.offline.roles.iter();
    let roles: Vec<_> =
        roles.map(|name| name.parse().map_err(|_| wrong("role", name))).collect::<Outcome<_>>()?;
    let id = question.principal.as_deref().unwrap_or("user_offline");
    Ok(Principal::new(PrincipalKind::User, id, id).with_teams(teams).with_roles(roles))
}

fn resource(question: &Question) -> Outcome<ResourceEntity> {
    let mut resource =
        ResourceEntity::new(question.resource_type.clone(), question.resource.clone());
    resource.attributes = question.attributes()?;
    for parent in &question.parents {
        let (kind, id) = super::entity(parent)?;
        resource = resource.within(kind, id);
    }
    Ok(resource)
}

fn claims(question: &Question) -> Claims {
    let mut claims = Claims::NONE;
    claims.approval_id.clone_from(&question.approval);
    claims.reason.clone_from(&question.reason);
    claims.force = question.force.then_some(true);
    claims
}

/// What is wrong, field by field.
pub(super) fn refused(what: &str, error: &prov_core::Error) -> Failure {
    let fields =
        error.fields().iter().map(|field| format!("\n      {}: {}", field.field, field.message));
    Failure::Failed(format!("{what}: {}{}", error.public_detail(), fields.collect::<String>()))
}
