//! The scope of a policy as people read it.

use cedar_policy_core::ast::{EntityUID, Policy, PrincipalOrResourceConstraint};
use cedar_policy_core::parser::Loc;

use super::Part;

/// A part of the scope as people read it, and the place of what it names, if it names something.
pub(crate) fn shown(policy: &Policy, part: Part) -> (String, Option<Loc>) {
    let reference = |constraint: &PrincipalOrResourceConstraint| {
        constraint.get_euid().and_then(|uid| uid.loc().cloned())
    };
    let (text, loc) = match part {
        Part::Action => {
            let constraint = policy.action_constraint();
            let first = constraint.iter_euids().next().and_then(EntityUID::loc);
            let last = constraint.iter_euids().last().and_then(EntityUID::loc);
            let loc = first.zip(last).map(|(first, last)| {
                first.span((first.start(), last.end().saturating_sub(first.start())))
            });
            (constraint.to_string(), loc)
        }
        Part::Resource => {
            let constraint = policy.resource_constraint();
            (constraint.to_string(), reference(constraint.as_inner()))
        }
        _ => {
            let constraint = policy.principal_constraint();
            (constraint.to_string(), reference(constraint.as_inner()))
        }
    };
    (text.replace("\",", "\", "), loc)
}
