//! A request of prov as the conditions see it.

use std::net::IpAddr;

use serde_json::Value as Json;

use super::super::held::Held;
use super::super::name::{Closure, Name};
use super::evaluate::{Fact, World};
use super::value::{Network, Value};
use crate::entities::Scalar;
use crate::{Circumstances, Claims};

/// A request that was held against the schema.
#[derive(Debug)]
pub(in crate::cedar) struct Facts<'a>(&'a Held<'a>);

impl<'a> Facts<'a> {
    /// Of this request; nothing when only Cedar can tell what it is about: attributes that have to
    /// be read by the schema, and entities that may contradict each other.
    pub(in crate::cedar) fn of(held: &'a Held<'a>) -> Option<Self> {
        (held.structured.is_none() && !held.may_contradict()).then_some(Self(held))
    }

    fn of_principal(&self, attribute: &str) -> Option<Value<'_>> {
        let principal = self.0.asked.principal;
        let (kind, _) = self.0.facts.type_of(principal.kind).ok()?;
        let value = match (attribute, kind) {
            ("id", _) => &principal.id,
            ("username", "User") | ("name", "Workload") => &principal.name,
            _ => return None,
        };
        let declared = self.0.facts.types.get(kind)?;
        declared.attributes.contains_key(attribute).then_some(Value::Text(value))
    }

    /// Only what the schema declares was let through.
    fn of_resource(&self, attribute: &str) -> Option<Value<'_>> {
        let Held { subject, resource, resource_facts, .. } = self.0;
        if attribute == "id" {
            let declared = resource_facts.attributes.contains_key("id");
            return declared.then_some(Value::Text(resource.own.id));
        }
        match subject.attribute(attribute)? {
            Scalar::Text(text) => Some(Value::Text(text)),
            Scalar::Long(number) => Some(Value::Long(number)),
            Scalar::Bool(truth) => Some(Value::Bool(truth)),
            // Not let in.
            Scalar::Other => None,
        }
    }
}

/// A text, a truth value or a number; others were not let in.
fn plain(json: &Json) -> Option<Value<'_>> {
    match json {
        Json::String(text) => Some(Value::Text(text)),
        Json::Bool(truth) => Some(Value::Bool(*truth)),
        number => number.as_i64().map(Value::Long),
    }
}

fn certain(value: Option<Value<'_>>) -> Fact<'_> {
    value.map_or(Fact::Absent, Fact::Is)
}

impl World for Facts<'_> {
    fn principal(&self) -> Name<'_> {
        self.0.principal.own
    }

    fn action(&self) -> Name<'_> {
        self.0.action.own
    }

    fn resource(&self) -> Name<'_> {
        self.0.resource.own
    }

    fn is_within(&self, entity: Name<'_>, above: Name<'_>) -> Option<bool> {
        let is = |closure: &&Closure<'_>| closure.own == entity;
        let Held { principal, action, resource, .. } = self.0;
        let closure = [principal, resource, action].into_iter().find(is)?;
        Some(closure.above.contains(&above))
    }

    fn attribute(&self, entity: Name<'_>, attribute: &str) -> Fact<'_> {
        if entity == self.0.resource.own {
            certain(self.of_resource(attribute))
        } else if entity == self.0.principal.own {
            certain(self.of_principal(attribute))
        } else {
            Fact::Unknown
        }
    }

    fn context(&self, member: &str) -> Fact<'_> {
        let Circumstances { mfa_verified, address, time } = &self.0.asked.circumstances;
        // Whatever can be claimed is told to Cedar as well.
        let Claims { approval_id, reason, force, ssh_key_fingerprint, facts } = self.0.asked.claims;
        certain(match member {
            "mfa_verified" => Some(Value::Bool(*mfa_verified)),
            "ip_address" => {
                let host = |address: IpAddr| Value::Address(Network::host(address.to_canonical()));
                address.map(host)
            }
            // The context has whole milliseconds, the moment they began.
            "time" => {
                let millis = time.as_nanosecond().div_euclid(1_000_000);
                match i64::try_from(millis) {
                    Ok(millis) => Some(Value::Moment(millis)),
                    Err(_) => return Fact::Unknown,
                }
            }
            "approval_id" => approval_id.as_deref().map(Value::Text),
            "reason" => reason.as_deref().map(Value::Text),
            "force" => force.map(Value::Bool),
            "ssh_key_fingerprint" => ssh_key_fingerprint.as_deref().map(Value::Text),
            further => facts.as_ref().and_then(|facts| plain(facts.get(further)?)),
        })
    }
}
