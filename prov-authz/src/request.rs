//! What an engine is asked.

use std::collections::BTreeMap;
use std::net::IpAddr;

use prov_core::{Clock, Error, Principal, Result, SecurityContext, Timestamp, codes};
use serde_json::Value;

use crate::ResourceEntity;
use crate::load::{Attribute, AttributeKind};

/// What no request says about itself as a further fact.
const KNOWN: [&str; 7] =
    ["mfa_verified", "ip_address", "time", "approval_id", "reason", "force", "ssh_key_fingerprint"];

/// May this principal do this to that, now and from here?
///
/// ```
/// use prov_authz::{AccessRequest, Claims, ResourceEntity};
/// use prov_core::{SecurityContext, SystemClock};
///
/// let clock = SystemClock::new();
/// let context = SecurityContext::system("doc", &clock).unwrap();
/// let environment = ResourceEntity::new("Environment", "production");
/// let claims = Claims::default().with_approval("CHG-4711");
/// let request = AccessRequest::new(&context, &clock, "deploy", &environment).with_claims(&claims);
/// assert!(!request.circumstances.mfa_verified);
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct AccessRequest<'a> {
    /// Who.
    pub principal: &'a Principal,
    /// Does what: the id of an action, without type and namespace.
    pub action: &'a str,
    /// To what.
    pub resource: &'a ResourceEntity,
    /// What prov itself knows of the request.
    pub circumstances: Circumstances,
    /// What the request says about itself.
    pub claims: &'a Claims,
}

impl<'a> AccessRequest<'a> {
    /// A request by whoever the context names, at this moment.
    #[must_use]
    pub fn new(
        context: &'a SecurityContext,
        clock: &dyn Clock,
        action: &'a str,
        resource: &'a ResourceEntity,
    ) -> Self {
        let circumstances = Circumstances::of(context, clock);
        Self::by(context.principal(), circumstances, action, resource)
    }

    /// A request by any principal under stated circumstances: for tests, for simulation, and for
    /// services that may speak for others.
    #[must_use]
    pub const fn by(
        principal: &'a Principal,
        circumstances: Circumstances,
        action: &'a str,
        resource: &'a ResourceEntity,
    ) -> Self {
        Self { principal, action, resource, circumstances, claims: &Claims::NONE }
    }

    /// With what the request says about itself.
    #[must_use]
    pub const fn with_claims(mut self, claims: &'a Claims) -> Self {
        self.claims = claims;
        self
    }
}

/// What prov itself knows of a request; never taken from its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Circumstances {
    /// Whether the principal proved itself by more than one factor.
    pub mfa_verified: bool,
    /// The client's address. Without one every request is denied.
    pub address: Option<IpAddr>,
    /// When.
    pub time: Timestamp,
}

impl Circumstances {
    /// These circumstances; IPv4-mapped IPv6 addresses, which dual-stack sockets give, become IPv4.
    #[must_use]
    pub fn new(mfa_verified: bool, address: Option<IpAddr>, time: Timestamp) -> Self {
        Self { mfa_verified, address: address.map(|ip| ip.to_canonical()), time }
    }

    /// Those of this context, now.
    #[must_use]
    pub fn of(context: &SecurityContext, clock: &dyn Clock) -> Self {
        Self::new(context.is_multi_factor(), context.request().client, clock.now())
    }
}

/// What a request may say about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claims {
    /// The approval it refers to, 1 to 128 visible ASCII characters. Those that start with
    /// `EMERGENCY-` are emergency approvals.
    pub approval_id: Option<String>,
    /// Why, at most 1,024 characters.
    pub reason: Option<String>,
    /// Whether safeguards are to be skipped.
    pub force: Option<bool>,
    /// The fingerprint of the key an `ssh` is to be made with: `SHA256:…`, as OpenSSH prints it.
    pub ssh_key_fingerprint: Option<String>,
    /// See [`Claims::with_fact`].
    pub facts: Option<BTreeMap<String, Value>>,
}

impl Claims {
    /// A request that says nothing about itself.
    pub const NONE: Self = Self {
        approval_id: None,
        reason: None,
        force: None,
        ssh_key_fingerprint: None,
        facts: None,
    };

    /// Referring to this approval.
    #[must_use]
    pub fn with_approval(mut self, id: impl Into<String>) -> Self {
        self.approval_id = Some(id.into());
        self
    }

    /// For this reason.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Skipping safeguards, or expressly not.
    #[must_use]
    pub const fn with_force(mut self, force: bool) -> Self {
        self.force = Some(force);
        self
    }

    /// With the key of this fingerprint.
    #[must_use]
    pub fn with_ssh_key(mut self, fingerprint: impl Into<String>) -> Self {
        self.ssh_key_fingerprint = Some(fingerprint.into());
        self
    }

    /// With a further fact, which the action must declare in its context: a text, a whole number or
    /// a truth value.
    #[must_use]
    pub fn with_fact(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.facts.get_or_insert_default().insert(name.into(), value.into());
        self
    }

    /// The further facts.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.facts.iter().flat_map(|facts| facts.iter()).map(|(name, value)| (name.as_str(), value))
    }

    /// The names of what is claimed.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        [
            self.approval_id.as_ref().map(|_| "approval_id"),
            self.reason.as_ref().map(|_| "reason"),
            self.force.map(|_| "force"),
            self.ssh_key_fingerprint.as_ref().map(|_| "ssh_key_fingerprint"),
        ]
        .into_iter()
        .flatten()
        .chain(self.facts().map(|(name, _)| name))
    }

    /// Without what is not wanted.
    pub(crate) fn retain(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.approval_id = self.approval_id.filter(|_| wanted("approval_id"));
        self.reason = self.reason.filter(|_| wanted("reason"));
        self.force = self.force.filter(|_| wanted("force"));
        self.ssh_key_fingerprint =
            self.ssh_key_fingerprint.filter(|_| wanted("ssh_key_fingerprint"));
        if let Some(facts) = &mut self.facts {
            facts.retain(|name, _| wanted(name));
        }
        self
    }

    /// Whether the claims are well formed.
    pub(crate) fn check(&self) -> Result<()> {
        let visible = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let wrong = |field: &str, message: &str| {
            Error::new(codes::INVALID_REQUEST).field(format!("context.{field}"), message)
        };
        if let Some(id) = &self.approval_id
            && !((1..=128).contains(&id.len()) && visible(id))
        {
            return Err(wrong("approval_id", "1 to 128 visible ASCII characters"));
        }
        if let Some(reason) = &self.reason
            && (reason.chars().count() > 1024 || reason.contains('\0'))
        {
            return Err(wrong("reason", "at most 1,024 characters and no NUL"));
        }
        if let Some(fingerprint) = &self.ssh_key_fingerprint
            && !fingerprint
                .strip_prefix("SHA256:")
                .is_some_and(|digest| digest.len() == 43 && visible(digest))
        {
            return Err(wrong("ssh_key_fingerprint", "`SHA256:` and 43 characters of base 64"));
        }
        if let Some(name) = self.facts().map(|(name, _)| name).find(|name| KNOWN.contains(name)) {
            return Err(wrong(name, "is no further fact: prov knows it, or it is a claim"));
        }
        Ok(())
    }

    /// Whether the action declares everything that is claimed, and of the type it has here.
    pub(crate) fn check_declared(
        &self,
        action: &str,
        declared: &BTreeMap<String, Attribute>,
    ) -> Result<()> {
        let wrong = |name: &str, message: String| {
            Error::new(codes::INVALID_REQUEST).field(format!("context.{name}"), message)
        };
        if let Some(name) = self.names().find(|name| !declared.contains_key(*name)) {
            return Err(wrong(name, format!("`{action}` takes no such fact")));
        }
        for (name, value) in self.facts() {
            let fits = match declared.get(name).map(|attribute| attribute.kind) {
                Some(AttributeKind::Text) => {
                    value.as_str().is_some_and(|text| text.len() <= 4096 && !text.contains('\0'))
                }
                Some(AttributeKind::Long) => value.as_i64().is_some(),
                Some(AttributeKind::Bool) => value.is_boolean(),
                Some(AttributeKind::Other) | None => false,
            };
            if !fits {
                return Err(wrong(name, "is not of the type the schema declares".to_owned()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_becomes_ipv4() {
        let mapped = "::ffff:10.0.0.1".parse().unwrap();
        let seen = Circumstances::new(false, Some(mapped), Timestamp::UNIX_EPOCH);
        assert_eq!(seen.address.unwrap().to_string(), "10.0.0.1");
    }

    #[test]
    fn malformed_claims_name_the_field() {
        let cases = [
            (Claims::NONE.with_approval(""), "approval_id"),
            (Claims::NONE.with_approval("x".repeat(129)), "approval_id"),
            (Claims::NONE.with_approval("CHG 1"), "approval_id"),
            (Claims::NONE.with_reason("a\0b"), "reason"),
            (Claims::NONE.with_ssh_key("MD5:00"), "ssh_key_fingerprint"),
        ];
        for (claims, field) in cases {
            let error = claims.check().unwrap_err();
            assert_eq!(error.fields()[0].field, format!("context.{field}"));
        }
        assert!(Claims::NONE.with_approval("CHG-1").with_force(true).check().is_ok());
        for name in KNOWN {
            let error = Claims::NONE.with_fact(name, true).check().unwrap_err();
            assert_eq!(error.fields()[0].field, format!("context.{name}"));
        }
    }
}
