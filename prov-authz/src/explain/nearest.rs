use super::grounds::Teller;
use super::{Explanation, PolicyNote, PolicyOutcome};
use crate::anatomy::Part;
use crate::cedar::Rule;
use cedar_policy_core::ast::Effect;

/// The permits that come nearest, by id; none when one applies, because then permission is not what
/// is missing.
pub(super) fn permits(teller: &Teller<'_>, near: &[(&Rule, Part)]) -> Vec<PolicyNote> {
    let about = || teller.grounds.about.iter().filter(|policy| policy.effect() == Effect::Permit);
    if about().next().is_none() {
        // They are in the order of their ids, which sorting by rank keeps.
        let mut near: Vec<_> = near.iter().collect();
        near.sort_by_key(|(_, missed)| rank(*missed));
        let nearest = near.into_iter().take(Explanation::MOST_PERMITS);
        return nearest.map(|(rule, part)| teller.missed((*rule.policy).as_ref(), *part)).collect();
    }
    let notes: Vec<_> =
        about().take(Explanation::MOST_PERMITS).map(|policy| teller.note(policy)).collect();
    if notes.iter().any(|note| note.outcome == PolicyOutcome::Applies) {
        return Vec::new();
    }
    notes
}

/// What is nearer: another action of the same people on the same thing, then the same action by other
/// people, then on another thing.
const fn rank(missed: Part) -> u8 {
    match missed {
        Part::Action => 0,
        Part::Principal => 1,
        _ => 2,
    }
}
