//! A solver's model as a request that prov can be asked.

use cedar_policy::{Entities, Entity, EntityUid, EvalResult, Expression, Request, eval_expression};
use cedar_policy_symcc::Env;
use prov_core::{Principal, PrincipalKind, Role, TeamName, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::load::{AttributeKind, Compiled, TypeFacts};
use crate::{AccessRequest, Circumstances, Claims, Decision, EntityRef, ResourceEntity};

/// A request that breaks a claim, as prov was asked it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Counterexample {
    /// Who asks, by the teams and roles that matter.
    pub teams: Vec<String>,
    /// The roles.
    pub roles: Vec<String>,
    /// The principal's id.
    pub principal: String,
    /// What is to be done.
    pub action: String,
    /// To what.
    pub resource: EntityRef,
    /// What is claimed about it.
    pub attributes: Map<String, Value>,
    /// What it is in.
    pub parents: Vec<EntityRef>,
    /// Whether with a second factor.
    pub mfa_verified: bool,
    /// From where.
    pub address: Option<std::net::IpAddr>,
    /// When.
    pub time: Timestamp,
    /// What the request says about itself.
    pub claims: Map<String, Value>,
    /// `allow` or `deny`: what the engine decided.
    pub decision: &'static str,
    /// By which policies.
    pub by: Vec<String>,
}

/// The request, with everything it borrows.
#[derive(Debug)]
pub(super) struct Asked {
    principal: Principal,
    action: String,
    resource: ResourceEntity,
    circumstances: Circumstances,
    claims: Claims,
}

/// A day like any other, for times that prov can't be told.
const SOME_DAY: &str = "2026-03-02T00:00:00Z";
/// A fingerprint of the right form.
const FINGERPRINT: &str = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

impl Asked {
    /// What prov would be asked; `None` where it can't be asked that.
    pub(super) fn of(model: &Env, set: &Compiled) -> Option<Self> {
        let Env { request, entities } = model;
        let (who, what) = (request.principal()?, request.resource()?);
        let declared = set.facts.types.get(&basename(what))?;
        Some(Self {
            principal: principal(who, entities, set),
            action: request.action()?.id().unescaped().to_owned(),
            resource: resource(what, entities, declared)?,
            circumstances: circumstances(request, entities)?,
            claims: claims(request),
        })
    }

    pub(super) fn request(&self) -> AccessRequest<'_> {
        AccessRequest::by(&self.principal, self.circumstances, &self.action, &self.resource)
            .with_claims(&self.claims)
    }

    /// As it is shown, with what was decided.
    pub(super) fn shown(self, decision: &Decision) -> Counterexample {
        let mut claims = Map::new();
        for (name, text) in [
            ("approval_id", self.claims.approval_id),
            ("reason", self.claims.reason),
            ("ssh_key_fingerprint", self.claims.ssh_key_fingerprint),
        ] {
            claims.extend(text.map(|text| (name.to_owned(), text.into())));
        }
        claims.extend(self.claims.force.map(|force| ("force".to_owned(), force.into())));
        Counterexample {
            teams: self.principal.teams.iter().map(ToString::to_string).collect(),
            roles: self.principal.roles.iter().map(|role| role.as_str().to_owned()).collect(),
            principal: self.principal.id,
            action: self.action,
            resource: self.resource.entity,
            attributes: self.resource.attributes,
            parents: self.resource.parents,
            mfa_verified: self.circumstances.mfa_verified,
            address: self.circumstances.address,
            time: self.circumstances.time,
            claims,
            decision: if decision.allowed { "allow" } else { "deny" },
            by: decision.determining_policies.clone(),
        }
    }
}

fn basename(uid: &EntityUid) -> String {
    uid.type_name().basename().to_owned()
}

/// The principal by the id that policies see, which is its attribute.
fn principal(uid: &EntityUid, entities: &Entities, set: &Compiled) -> Principal {
    let types = &set.facts.principals;
    let (mut teams, mut roles) = (Vec::new(), Vec::new());
    for above in entities.ancestors(uid).into_iter().flatten() {
        let (kind, id) = (above.type_name().to_string(), above.id().unescaped().to_owned());
        if kind == types.team {
            // A team of which no policy speaks may have any name.
            teams.extend(id.parse::<TeamName>().ok());
        } else if kind == types.role {
            roles.extend(id.parse::<Role>().ok());
        }
    }
    teams.sort_unstable();
    let id = entities
        .get(uid)
        .and_then(|entity| text_of(entity, "id"))
        .unwrap_or_else(|| uid.id().unescaped().to_owned());
    let id = proper_id(&id);
    Principal::new(PrincipalKind::User, id, "anybody").with_teams(teams).with_roles(roles)
}

fn text_of(entity: &Entity, attribute: &str) -> Option<String> {
    match entity.attr(attribute)?.ok()? {
        EvalResult::String(text) => Some(text),
        _ => None,
    }
}

/// Ids are not empty and have no control characters; what a solver makes up may be either.
fn proper_id(id: &str) -> String {
    let proper: String = id.chars().filter(|c| !c.is_control()).take(128).collect();
    if proper.is_empty() { "any".to_owned() } else { proper }
}

fn resource(uid: &EntityUid, entities: &Entities, declared: &TypeFacts) -> Option<ResourceEntity> {
    let mut resource = ResourceEntity::new(basename(uid), proper_id(uid.id().unescaped()));
    let own = entities.get(uid);
    for (name, attribute) in declared.attributes.iter().filter(|(name, _)| *name != "id") {
        let value = match own.and_then(|entity| entity.attr(name)) {
            Some(Ok(EvalResult::String(text))) => Value::from(proper_id(&text)),
            Some(Ok(EvalResult::Long(number))) => number.into(),
            Some(Ok(EvalResult::Bool(truth))) => truth.into(),
            Some(_) => return None,
            None if !attribute.required => continue,
            // The entity matters to no policy, so the model leaves it out.
            None => match attribute.kind {
                AttributeKind::Text => "any".into(),
                AttributeKind::Long => 0.into(),
                AttributeKind::Bool => false.into(),
                AttributeKind::Other => return None,
            },
        };
        resource.attributes.insert(name.clone(), value);
    }
    for (kind, named_by) in &declared.parents {
        let above = entities.ancestors(uid).into_iter().flatten();
        let of_kind: Vec<_> = above
            .filter(|above| basename(above) == *kind)
            .map(|a| proper_id(a.id().unescaped()))
            .collect();
        match (named_by, of_kind.as_slice()) {
            // What an attribute names is the parent, and no other.
            (Some(attribute), []) => {
                resource.attributes.insert(attribute.clone(), "elsewhere".into());
            }
            (Some(attribute), [one]) => {
                resource.attributes.insert(attribute.clone(), one.as_str().into());
            }
            (Some(_), _) => return None,
            (None, many) => {
                for id in many {
                    resource = resource.within(kind.clone(), id.clone());
                }
            }
        }
    }
    Some(resource)
}

fn circumstances(request: &Request, entities: &Entities) -> Option<Circumstances> {
    let context = request.context()?;
    let mfa_verified = matches!(context.get("mfa_verified"), Some(EvalResult::Bool(true)));
    let address = match context.get("ip_address") {
        // `ip("10.255.255.255/32")`; a network stands for its first address.
        Some(EvalResult::ExtensionValue(text)) => {
            let quoted = text.split('"').nth(1)?;
            Some(quoted.split('/').next()?.parse().ok()?)
        }
        _ => None,
    };
    let millis = |expression: &str| {
        let expression: Expression = expression.parse().ok()?;
        match eval_expression(request, entities, &expression).ok()? {
            EvalResult::Long(millis) => Some(millis),
            _ => None,
        }
    };
    let since_epoch = "context.time.durationSince(datetime(\"1970-01-01\")).toMilliseconds()";
    let in_time = |millis: i64| {
        let time = Timestamp::from_millisecond(millis).ok()?;
        // Beyond these years neither Cedar nor people write times.
        (-62_167_219_200_000..253_402_300_800_000).contains(&millis).then_some(time)
    };
    let of_some_day = || {
        let day: Timestamp = SOME_DAY.parse().ok()?;
        let of_day = millis("context.time.toTime().toMilliseconds()")?;
        Timestamp::from_millisecond(day.as_millisecond().checked_add(of_day)?).ok()
    };
    let time = millis(since_epoch).and_then(in_time).or_else(of_some_day)?;
    Some(Circumstances::new(mfa_verified, address, time))
}

fn claims(request: &Request) -> Claims {
    let context = request.context();
    let text = |name: &str| match context.and_then(|context| context.get(name)) {
        Some(EvalResult::String(text)) => Some(text),
        _ => None,
    };
    let visible = |text: String| {
        let kept: String = text.chars().filter(char::is_ascii_graphic).take(128).collect();
        if kept.is_empty() { "ANY".to_owned() } else { kept }
    };
    Claims {
        approval_id: text("approval_id").map(visible),
        reason: text("reason").map(|text| text.chars().filter(|c| *c != '\0').take(1024).collect()),
        force: match context.and_then(|context| context.get("force")) {
            Some(EvalResult::Bool(force)) => Some(force),
            _ => None,
        },
        ssh_key_fingerprint: text("ssh_key_fingerprint").map(|_| FINGERPRINT.to_owned()),
        ..Claims::NONE
    }
}
