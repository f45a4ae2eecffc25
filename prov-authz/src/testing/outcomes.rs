//! What each policy comes to for each test, and what decision follows from that.
//!
//! A mutant changes one policy, so only that one is evaluated again; the decision follows from the
//! outcomes of all. This is Cedar's rule of authorization, with prov's rule about errors where prov
//! asks; that it says what the engine says is checked for every test before it is relied upon.

use cedar_policy::{Entities, Request};
use cedar_policy_core::ast::{Effect, Policy};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use super::parties::Parties;
use crate::anatomy::truth;

/// What a policy comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Applies,
    DoesNotApply,
    Failed,
}

/// A test as Cedar evaluates it.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) request: Request,
    pub(super) entities: Entities,
    pub(super) on_error: OnError,
}

/// What an error in a policy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnError {
    /// It denies, as prov has it.
    Deny,
    /// The policy is passed over, as Cedar has it.
    Skip,
}

impl Prepared {
    /// What to evaluate policies with; `None` for a request that leaves something open.
    pub(super) fn bench(&self) -> Option<(Parties<'_>, Evaluator<'_>)> {
        let request: &cedar_policy_core::ast::Request = self.request.as_ref();
        let evaluator =
            Evaluator::new(request.clone(), self.entities.as_ref(), Extensions::all_available());
        Some((Parties::of(&self.request, &self.entities)?, evaluator))
    }
}

/// What this policy comes to.
pub(super) fn outcome(asked: &Parties<'_>, evaluator: &Evaluator<'_>, policy: &Policy) -> Outcome {
    if !asked.is_about(policy) {
        return Outcome::DoesNotApply;
    }
    match policy.non_scope_constraints().map(|condition| truth(evaluator, policy, condition)) {
        None | Some(Ok(true)) => Outcome::Applies,
        Some(Ok(false)) => Outcome::DoesNotApply,
        Some(Err(_)) => Outcome::Failed,
    }
}

/// A decision, with the policies that determined it, sorted, and the number of those that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) allowed: bool,
    pub(super) by: Vec<String>,
    pub(super) errors: usize,
}

/// The decision that follows.
pub(super) fn verdict<'o>(
    outcomes: impl Iterator<Item = (&'o str, Effect, Outcome)>,
    on_error: OnError,
) -> Verdict {
    let (mut permits, mut forbids, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for (id, effect, outcome) in outcomes {
        match (outcome, effect) {
            (Outcome::Applies, Effect::Permit) => permits.push(id),
            (Outcome::Applies, Effect::Forbid) => forbids.push(id),
            (Outcome::Failed, _) => failed.push(id),
            (Outcome::DoesNotApply, _) => {}
        }
    }
    let errors = failed.len();
    let overruled = on_error == OnError::Deny && errors > 0;
    let permitted = !permits.is_empty() && forbids.is_empty();
    // The permits do not determine a denial.
    let mut by = if permitted && !overruled { permits } else { forbids };
    if overruled {
        by.extend(failed);
    }
    let mut by: Vec<_> = by.into_iter().map(str::to_owned).collect();
    by.sort_unstable();
    by.dedup();
    Verdict { allowed: permitted && !overruled, by, errors }
}
