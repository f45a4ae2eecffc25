//! What would change.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Rebuilt;
use crate::{Decision, EntityRef};

/// So many of the decisions that differ are shown; all are counted.
const SHOWN: usize = 50;

/// What a set would have decided otherwise.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Simulation {
    /// Decisions that were looked at.
    pub considered: u64,
    /// Of these, those that were made again.
    pub evaluated: u64,
    /// Those of which too little was kept to make them again (a stated address, large attributes).
    pub incomplete: u64,
    /// Those that were made again with a stand-in for what is not kept (the text of a reason, the
    /// name of somebody asked about), or with other stored entities than then.
    pub inexact: u64,
    /// Those of the set in force that it does not reproduce; 0, unless something outside the record
    /// had a say.
    pub unreproduced: u64,
    /// Denied then, allowed now.
    pub newly_allowed: u64,
    /// Allowed then, denied now.
    pub newly_denied: u64,
    /// The same answer for other reasons.
    pub otherwise_determined: u64,
    /// Whether there are more decisions than were looked at.
    pub is_cut: bool,
    /// By policy, how many changed answers it has a part in.
    pub policies: BTreeMap<String, PolicyShare>,
    /// The first fifty decisions that differ.
    pub samples: Vec<DifferingDecision>,
}

/// A policy's part in changed answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyShare {
    /// It determined so many answers that are allowances now.
    pub newly_allows: u64,
    /// It determined so many answers that are denials now.
    pub newly_denies: u64,
    /// It determined so many of the earlier answers to the same questions.
    pub no_longer_determines: u64,
}

/// A decision that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DifferingDecision {
    /// The earlier decision, as the audit log names it.
    pub decision_id: String,
    /// Who.
    pub principal: String,
    /// Does what.
    pub action: String,
    /// To what.
    pub resource: EntityRef,
    /// Whether it was allowed.
    pub was_allowed: bool,
    /// The policies that determined it.
    pub was_determined_by: Vec<String>,
    /// Whether it would be allowed.
    pub would_be_allowed: bool,
    /// The policies that would determine it.
    pub would_be_determined_by: Vec<String>,
    /// What would go wrong.
    pub errors: Vec<String>,
}

/// An earlier answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Earlier<'e> {
    pub(crate) id: &'e str,
    pub(crate) allowed: bool,
    pub(crate) policies: &'e [String],
}

impl Earlier<'_> {
    pub(crate) fn is_as(&self, now: &Decision) -> bool {
        self.allowed == now.allowed && self.policies == now.determining_policies
    }
}

/// Counts one decision that was made again.
pub(crate) fn compare(
    total: &mut Simulation,
    rebuilt: &Rebuilt,
    earlier: Earlier<'_>,
    now: &Decision,
) {
    total.evaluated += 1;
    if earlier.is_as(now) {
        return;
    }
    let counter = match (earlier.allowed, now.allowed) {
        (false, true) => &mut total.newly_allowed,
        (true, false) => &mut total.newly_denied,
        _ => &mut total.otherwise_determined,
    };
    *counter += 1;
    if earlier.allowed != now.allowed {
        for policy in &now.determining_policies {
            let share = total.policies.entry(policy.clone()).or_default();
            let part = if now.allowed { &mut share.newly_allows } else { &mut share.newly_denies };
            *part += 1;
        }
        for policy in earlier.policies {
            total.policies.entry(policy.clone()).or_default().no_longer_determines += 1;
        }
    }
    if total.samples.len() < SHOWN && earlier.allowed != now.allowed {
        total.samples.push(DifferingDecision {
            decision_id: earlier.id.to_owned(),
            principal: rebuilt.principal().to_owned(),
            action: rebuilt.action().to_owned(),
            resource: rebuilt.resource().clone(),
            was_allowed: earlier.allowed,
            was_determined_by: earlier.policies.to_vec(),
            would_be_allowed: now.allowed,
            would_be_determined_by: now.determining_policies.clone(),
            errors: now.errors.clone(),
        });
    }
}
