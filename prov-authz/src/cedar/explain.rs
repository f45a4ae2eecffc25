//! Why the answer is what it is, and what would change it.

use std::net::IpAddr;

use cedar_policy::Effect;
use serde::Serialize;

use super::engine::CedarEngine;
use super::held::Held;
use super::snapshot::Snapshot;
use crate::load::first_address;
use crate::{AccessRequest, Claims, Decision};

/// A policy, named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PolicyNote {
    /// Its id.
    pub id: String,
    /// Its description.
    pub description: String,
}

/// Something the asker could change about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Lever {
    /// Prove yourself by a second factor.
    SecondFactor,
    /// Name an approval.
    Approval,
    /// Name an emergency approval.
    EmergencyApproval,
    /// Come back at noon (UTC).
    BusinessHours,
    /// Ask from a corporate network.
    CorporateNetwork,
}

/// A decision with its reasons.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// The policies that determined it.
    pub determined_by: Vec<PolicyNote>,
    /// When no policy forbids and none permits: the permits that are about this principal, action
    /// and resource, and whose conditions do not hold.
    pub nearest_permits: Vec<PolicyNote>,
    /// Every smallest set of levers that turns this denial into an allowance, fewest first. Each was
    /// decided again, with the levers pulled, before it was put here.
    pub would_allow: Vec<Vec<Lever>>,
}

/// A way to pull a lever twice makes no sense, so each row is one kind of lever.
const CHOICES: [&[Lever]; 4] = [
    &[Lever::SecondFactor],
    &[Lever::Approval, Lever::EmergencyApproval],
    &[Lever::BusinessHours],
    &[Lever::CorporateNetwork],
];

pub(super) fn explain(engine: &CedarEngine, live: &Snapshot, held: &Held<'_>) -> Explanation {
    let request = &held.asked;
    let decision = engine.decide_by(live, request);
    let note = |id: &String| {
        let document = live.compiled.documents.get(id);
        let description = document.map(|document| document.description.clone()).unwrap_or_default();
        PolicyNote { id: id.clone(), description }
    };
    let determined_by: Vec<_> = decision.determining_policies.iter().map(note).collect();
    let mut nearest_permits = Vec::new();
    if !decision.allowed && determined_by.is_empty() {
        let rules = live.candidates(held).into_iter().filter_map(|number| live.rules.rule(number));
        let permits = rules.filter(|rule| rule.effect == Effect::Permit);
        nearest_permits = permits.map(|rule| note(&rule.id.to_string())).collect();
    }
    let would_allow =
        if decision.allowed { Vec::new() } else { counterfactuals(engine, live, request) };
    Explanation { decision, determined_by, nearest_permits, would_allow }
}

/// Tries every combination, the small ones first, and keeps those that allow and contain no smaller
/// one that does.
fn counterfactuals(
    engine: &CedarEngine,
    live: &Snapshot,
    request: &AccessRequest<'_>,
) -> Vec<Vec<Lever>> {
    let corporate = first_address(engine.options());
    let mut found: Vec<Vec<Lever>> = Vec::new();
    for levers in combinations() {
        let contains_smaller = found.iter().any(|f| f.iter().all(|l| levers.contains(l)));
        if !contains_smaller && allows(engine, live, request, &levers, corporate) {
            found.push(levers);
        }
    }
    found
}

fn combinations() -> Vec<Vec<Lever>> {
    let mut all: Vec<Vec<Lever>> = vec![Vec::new()];
    for choice in CHOICES {
        let with = |lever: &Lever| {
            let extended = all.iter().map(|some| [some.as_slice(), &[*lever]].concat());
            extended.collect::<Vec<_>>()
        };
        let more: Vec<_> = choice.iter().flat_map(with).collect();
        all.extend(more);
    }
    all.retain(|levers| !levers.is_empty());
    all.sort_by_key(|levers| (levers.len(), levers.clone()));
    all
}

fn allows(
    engine: &CedarEngine,
    live: &Snapshot,
    request: &AccessRequest<'_>,
    levers: &[Lever],
    corporate: Option<IpAddr>,
) -> bool {
    let mut changed = *request;
    let mut claims: Claims = request.claims.clone();
    for lever in levers {
        match lever {
            Lever::SecondFactor => changed.circumstances.mfa_verified = true,
            Lever::Approval => claims.approval_id = Some("APPROVAL".to_owned()),
            Lever::EmergencyApproval => claims.approval_id = Some("EMERGENCY-APPROVAL".to_owned()),
            Lever::BusinessHours => {
                let noon = changed.circumstances.time.strftime("%Y-%m-%dT12:00:00Z").to_string();
                let Ok(noon) = noon.parse() else { return false };
                changed.circumstances.time = noon;
            }
            Lever::CorporateNetwork => {
                let Some(address) = corporate else { return false };
                changed.circumstances.address = Some(address);
            }
        }
    }
    changed.claims = &claims;
    engine.decide_by(live, &changed).allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_all_there_and_the_smallest_first() {
        let all = combinations();
        assert_eq!(all.len(), 2 * 3 * 2 * 2 - 1);
        assert!(all.is_sorted_by_key(Vec::len));
        let both = |levers: &&Vec<Lever>| {
            levers.contains(&Lever::Approval) && levers.contains(&Lever::EmergencyApproval)
        };
        assert_eq!(all.iter().find(both), None);
    }
}
