//! From a record to the request it is of.

use std::borrow::Cow;

use prov_core::Principal;
use prov_core::audit::{Asked, AskedPrincipal};

use super::RecordedDecision;
use crate::{AccessRequest, Circumstances, Claims, Decision, EntityRef, ResourceEntity};

/// A request as it was made, owned.
#[derive(Debug, Clone)]
pub(crate) struct Rebuilt {
    principal: Principal,
    /// Who acts for them.
    actor: Option<Principal>,
    action: String,
    resource: ResourceEntity,
    circumstances: Circumstances,
    claims: Claims,
    /// Whether nothing in it stands in for what was not kept.
    pub(crate) is_exact: bool,
}

/// Stands where a reason stood whose text was not kept.
const REASON: &str = "not kept";

impl Rebuilt {
    /// The request of a record; `None` when too little of it was kept.
    pub(crate) fn of(recorded: &RecordedDecision) -> Option<Self> {
        let asked = recorded.record.asked.as_deref()?;
        if asked.shortened || asked.address_stated {
            return None;
        }
        let address = Some(recorded.address?);
        let is_actor = recorded.actor.as_ref() == Some(&asked.principal.id);
        let name = recorded.name.clone().filter(|_| is_actor);
        let claims = claims(asked);
        Some(Self {
            is_exact: name.is_some() && asked.actor.is_none() && claims.reason.is_none(),
            principal: principal(&asked.principal, name),
            actor: asked.actor.as_ref().map(|actor| principal(actor, None)),
            action: asked.action.clone(),
            resource: resource(asked),
            circumstances: Circumstances::new(asked.mfa_verified, address, asked.time),
            claims,
        })
    }

    /// The same request as is being made now.
    pub(crate) fn copy(request: &AccessRequest<'_>) -> Self {
        Self {
            principal: request.principal.clone(),
            // An engine is asked about each of the two by itself.
            actor: None,
            action: request.action.to_owned(),
            resource: request.resource.clone(),
            circumstances: request.circumstances,
            claims: request.claims.clone(),
            is_exact: true,
        }
    }

    /// Decided again: when somebody acts for the principal, for both.
    pub(crate) fn decide(&self, by: impl Fn(&AccessRequest<'_>) -> Decision) -> Decision {
        let request =
            AccessRequest::by(&self.principal, self.circumstances, &self.action, &self.resource);
        let own = request.with_claims(&self.claims);
        let decision = by(&own);
        match &self.actor {
            Some(principal) if decision.allowed => {
                decision.and(by(&AccessRequest { principal, ..own }))
            }
            _ => decision,
        }
    }

    pub(crate) fn principal(&self) -> &str {
        &self.principal.id
    }

    pub(crate) fn action(&self) -> &str {
        &self.action
    }

    pub(crate) const fn resource(&self) -> &EntityRef {
        &self.resource.entity
    }
}

fn principal(kept: &AskedPrincipal, name: Option<String>) -> Principal {
    Principal::new(kept.kind, kept.id.clone(), name.unwrap_or_else(|| kept.id.clone()))
        .with_roles(kept.roles.iter().copied())
        .with_teams(kept.teams.iter().cloned())
}

fn resource(asked: &Asked) -> ResourceEntity {
    let named = |resource: &prov_core::audit::Resource| -> (Cow<'static, str>, Cow<'static, str>) {
        (resource.kind.clone().into(), resource.id.clone().into())
    };
    let (kind, id) = named(&asked.resource);
    let mut resource = ResourceEntity::new(kind, id);
    resource.attributes.clone_from(&asked.attributes);
    for parent in &asked.parents {
        let (kind, id) = named(parent);
        resource = resource.within(kind, id);
    }
    resource
}

fn claims(asked: &Asked) -> Claims {
    asked.claims.iter().fold(Claims::NONE, |claims, (name, value)| {
        match (name.as_str(), value.as_str(), value.as_bool()) {
            ("approval_id", Some(id), _) => claims.with_approval(id),
            ("reason", ..) => claims.with_reason(REASON),
            ("force", _, Some(force)) => claims.with_force(force),
            ("ssh_key_fingerprint", Some(fingerprint), _) => claims.with_ssh_key(fingerprint),
            _ => claims.with_fact(name.as_str(), value.clone()),
        }
    })
}
