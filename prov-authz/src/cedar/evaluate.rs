//! One call of Cedar's authorizer, and what an error means.

use cedar_policy::{
    AuthorizationError, Authorizer, Decision as Verdict, Entities, PolicySet, Request,
};

/// What an error inside a policy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnError {
    /// It denies: a forbid that could not be evaluated might have forbidden.
    Deny,
    /// The policy is passed over, as Cedar's specification says; for the conformance tests.
    #[cfg(test)]
    Skip,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Evaluated {
    pub(super) allowed: bool,
    /// The policies that determined it, sorted by id.
    pub(super) policies: Vec<String>,
    pub(super) errors: Vec<PolicyError>,
}

impl Evaluated {
    /// What two sets of policies say as one: a forbid of either denies, and so does an error; else a
    /// permit of either allows.
    pub(super) fn and(self, other: Self) -> Self {
        let forbids = |one: &Self| !one.allowed && !one.policies.is_empty();
        let (of_self, of_other) = match (forbids(&self), forbids(&other)) {
            (true, false) => (true, false),
            (false, true) => (false, true),
            (true, true) | (false, false) => (true, true),
        };
        let is_forbidden = forbids(&self) || forbids(&other);
        let allowed = !is_forbidden && (self.allowed || other.allowed);
        let mut policies = Vec::new();
        policies.extend(self.policies.into_iter().filter(|_| of_self));
        policies.extend(other.policies.into_iter().filter(|_| of_other));
        policies.sort_unstable();
        let mut errors = self.errors;
        errors.extend(other.errors);
        Self { allowed, policies, errors }
    }
}

/// A policy that could not be evaluated.
#[derive(Debug)]
pub(super) struct PolicyError {
    pub(super) policy: String,
    pub(super) message: String,
}

pub(super) fn evaluate(
    authorizer: &Authorizer,
    request: &Request,
    policies: &PolicySet,
    entities: &Entities,
    on_error: OnError,
) -> Evaluated {
    let response = authorizer.is_authorized(request, policies, entities);
    let allowed = response.decision() == Verdict::Allow;
    let errors: Vec<_> = response.diagnostics().errors().map(describe).collect();
    let mut determining: Vec<_> =
        response.diagnostics().reason().map(ToString::to_string).collect();
    let overruled = on_error == OnError::Deny && !errors.is_empty();
    if overruled {
        if allowed {
            // The permits do not determine a denial.
            determining.clear();
        }
        determining.extend(errors.iter().map(|error| error.policy.clone()));
    }
    determining.sort_unstable();
    determining.dedup();
    Evaluated { allowed: allowed && !overruled, policies: determining, errors }
}

fn describe(error: &AuthorizationError) -> PolicyError {
    match error {
        AuthorizationError::PolicyEvaluationError(inner) => {
            PolicyError { policy: inner.policy_id().to_string(), message: error.to_string() }
        }
    }
}
