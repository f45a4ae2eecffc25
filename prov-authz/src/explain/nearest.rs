use cedar_policy_core::ast::{Effect, Policy};

use super::grounds::Teller;
use super::{Explanation, PolicyNote, PolicyOutcome};
use crate::anatomy::Asked;

/// The permits that come nearest, by id; none when one applies, because then permission is not what
/// is missing.
pub(super) fn permits(teller: &Teller<'_>, asked: &Asked<'_>) -> Vec<PolicyNote> {
    let (mut about, mut missing_one) = (Vec::new(), Vec::new());
    for policy in teller.grounds.all().filter(|policy| policy.effect() == Effect::Permit) {
        let misses = asked.misses(policy);
        match misses.iter().filter(|missed| **missed).count() {
            0 => about.push(policy),
            1 => missing_one.push((policy, misses)),
            _ => {}
        }
    }
    if about.is_empty() {
        missing_one.sort_unstable_by_key(|(policy, misses)| (rank(*misses), policy.id()));
        missing_one.truncate(Explanation::MOST_PERMITS);
        return missing_one
            .into_iter()
            .map(|(policy, misses)| teller.missed(policy, misses))
            .collect();
    }
    about.sort_unstable_by_key(|policy: &&Policy| policy.id());
    about.truncate(Explanation::MOST_PERMITS);
    let notes: Vec<_> = about.into_iter().map(|policy| teller.note(policy)).collect();
    if notes.iter().any(|note| note.outcome == PolicyOutcome::Applies) {
        return Vec::new();
    }
    notes
}

/// What is nearer: another action of the same people on the same thing, then the same action by other
/// people, then on another thing.
fn rank([principal, action, _]: [bool; 3]) -> u8 {
    match (action, principal) {
        (true, _) => 0,
        (_, true) => 1,
        _ => 2,
    }
}
