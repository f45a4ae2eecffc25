//! Small changes to a policy, each of which some test should notice.

mod conditions;
mod structure;

use cedar_policy::{Policy, PolicyId};
use cedar_policy_core::parser::Loc;

use crate::anatomy::{Place, Sources};

/// A changed policy.
#[derive(Debug)]
pub(super) struct Mutant {
    /// The changed policy; `None` when it is taken out of the set.
    pub(super) policy: Option<Policy>,
    /// What was changed.
    pub(super) change: String,
    /// Where.
    pub(super) place: Option<Place>,
}

/// Every mutant of a policy, those left out that are the same as another or do not parse.
pub(super) fn of(policy: &Policy, sources: Sources<'_>) -> Vec<Mutant> {
    let whole = policy.as_ref().loc();
    let place = |loc: Option<&Loc>| sources.place(policy.as_ref(), loc.or(whole));
    let mut mutants =
        vec![Mutant { policy: None, change: "take the policy out".to_owned(), place: place(None) }];
    for (change, loc, changed) in structure::changes(policy) {
        mutants.push(Mutant { policy: Some(changed), change, place: place(loc.as_ref()) });
    }
    // A policy that was not written as text has no places; then its text is made from it.
    if let Some(text) = whole.and_then(Loc::snippet) {
        let mut seen = std::collections::BTreeSet::new();
        for edit in conditions::edits(policy.as_ref()) {
            let changed = edit.applied_to(text);
            if !seen.insert(changed.clone()) {
                continue;
            }
            let Ok(changed) = Policy::parse(Some(PolicyId::new(policy.id())), &changed) else {
                continue;
            };
            let place = place(Some(&edit.loc));
            mutants.push(Mutant { policy: Some(changed), change: edit.change, place });
        }
    }
    mutants
}
