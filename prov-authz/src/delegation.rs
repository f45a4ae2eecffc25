//! Acting for somebody else: what one of the two may not do, neither may do together.
//!
//! Where a context has an [actor](prov_core::Authentication::actor), a program or a person that acts
//! for the principal, a request is allowed only if the policies allow it to the principal **and** to
//! the actor, under the same circumstances. So an actor never has more than whom it acts for, and
//! never more than it has itself.

use prov_core::audit::{Asked, AskedPrincipal};
use prov_core::{Principal, SecurityContext};

use crate::{AccessRequest, Decision, PolicyEngine};

/// A request, and who acts for its principal if somebody does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delegated<'a> {
    request: AccessRequest<'a>,
    actor: Option<&'a Principal>,
}

impl<'a> Delegated<'a> {
    /// A request by whoever this context names.
    pub(crate) fn of(context: &'a SecurityContext, request: AccessRequest<'a>) -> Self {
        Self { request, actor: context.actor() }
    }

    /// A request that nobody makes for somebody else.
    pub(crate) const fn nobody(request: AccessRequest<'a>) -> Self {
        Self { request, actor: None }
    }

    /// The principal's request.
    pub(crate) const fn request(&self) -> &AccessRequest<'a> {
        &self.request
    }

    /// The same request by the actor.
    pub(crate) fn by_actor(&self) -> Option<AccessRequest<'a>> {
        self.actor.map(|principal| AccessRequest { principal, ..self.request })
    }

    /// Allowed if it is to both; otherwise the first denial.
    pub(crate) fn decide(&self, engine: &dyn PolicyEngine) -> Decision {
        self.decide_by(|request| engine.decide(request))
    }

    /// Whether it would be allowed to both if a second factor had been proved.
    pub(crate) fn would_pass_with_second_factor(mut self, engine: &dyn PolicyEngine) -> bool {
        let had = std::mem::replace(&mut self.request.circumstances.mfa_verified, true);
        !had && self.decide_by(|request| engine.suppose(request)).allowed
    }

    fn decide_by(&self, decide: impl Fn(&AccessRequest<'_>) -> Decision) -> Decision {
        let own = decide(&self.request);
        match self.by_actor() {
            Some(request) if own.allowed => own.and(decide(&request)),
            _ => own,
        }
    }

    /// What the audit log keeps of it.
    pub(crate) fn asked(&self) -> Asked {
        let mut asked = self.request.asked();
        asked.actor = self.actor.map(AskedPrincipal::of);
        asked
    }
}

impl Decision {
    /// This permission, if the other decision is one as well, by the policies of both; otherwise the
    /// other one.
    pub(crate) fn and(mut self, other: Self) -> Self {
        if !other.allowed {
            return other;
        }
        self.determining_policies.extend(other.determining_policies);
        self.determining_policies.sort_unstable();
        self.determining_policies.dedup();
        self
    }
}
