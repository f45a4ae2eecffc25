use std::net::IpAddr;

use prov_core::{Error, Result, Timestamp, codes};

use crate::{Circumstances, Claims, EntityRef, ResourceEntity};

/// A question to the policies.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Question {
    /// Who; the caller when absent.
    pub principal: Option<EntityRef>,
    /// Does what.
    pub action: String,
    /// To what.
    pub resource: ResourceEntity,
    /// Under which circumstances.
    pub context: StatedContext,
}

impl Question {
    /// May the caller do this?
    #[must_use]
    pub fn new(action: impl Into<String>, resource: ResourceEntity) -> Self {
        let context = StatedContext::default();
        Self { principal: None, action: action.into(), resource, context }
    }

    /// About this principal.
    #[must_use]
    pub fn about(mut self, principal: EntityRef) -> Self {
        self.principal = Some(principal);
        self
    }

    /// Under these circumstances.
    #[must_use]
    pub fn under(mut self, context: StatedContext) -> Self {
        self.context = context;
        self
    }
}

/// The context as the body of a question has it. The claims are anybody's to make; the rest replaces
/// what prov knows itself and needs a permission.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct StatedContext {
    /// What the request says about itself.
    pub claims: Claims,
    /// Assume a second factor, or none.
    pub mfa_verified: Option<bool>,
    /// Assume this address.
    pub ip_address: Option<String>,
    /// Assume this moment (RFC 3339, any offset).
    pub time: Option<String>,
}

impl StatedContext {
    /// Only claims.
    #[must_use]
    pub fn claiming(claims: Claims) -> Self {
        Self { claims, ..Self::default() }
    }

    /// Assuming a second factor, or none.
    #[must_use]
    pub const fn with_mfa(mut self, verified: bool) -> Self {
        self.mfa_verified = Some(verified);
        self
    }

    /// Assuming this address.
    #[must_use]
    pub fn from_address(mut self, address: impl Into<String>) -> Self {
        self.ip_address = Some(address.into());
        self
    }

    /// Assuming this moment.
    #[must_use]
    pub fn at(mut self, time: impl Into<String>) -> Self {
        self.time = Some(time.into());
        self
    }

    pub(super) const fn states_circumstances(&self) -> bool {
        self.mfa_verified.is_some() || self.ip_address.is_some() || self.time.is_some()
    }

    pub(super) fn applied_to(&self, own: Circumstances) -> Result<Circumstances> {
        let wrong = |field: &str, message: &str| {
            Error::new(codes::INVALID_REQUEST).field(format!("context.{field}"), message)
        };
        let address = match &self.ip_address {
            Some(text) => Some(
                text.parse::<IpAddr>()
                    .map_err(|_| wrong("ip_address", "write an IPv4 or IPv6 address"))?,
            ),
            None => own.address,
        };
        let time = match &self.time {
            Some(text) => text.parse::<Timestamp>().map_err(|_| {
                wrong("time", "write a time with an offset: `2026-03-02T09:00:00Z`")
            })?,
            None => own.time,
        };
        Ok(Circumstances::new(self.mfa_verified.unwrap_or(own.mfa_verified), address, time))
    }
}
