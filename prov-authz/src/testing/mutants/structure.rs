//! Changes to effect and scope, made on Cedar's tree for programs.

use cedar_policy::Policy;
use cedar_policy::pst::{
    ActionConstraint, Effect, PrincipalConstraint, ResourceConstraint, StaticPolicy, Template,
};
use cedar_policy_core::parser::Loc;

use crate::anatomy::{Part, shown_scope};

type Change = (String, Option<Loc>, Policy);

/// Flips the effect; widens each part of the scope; takes each action out of a list. A policy made from
/// a template has none: the template would have to change.
pub(super) fn changes(policy: &Policy) -> Vec<Change> {
    let Ok(cedar_policy::pst::Policy::Static(known)) = policy.to_pst() else { return Vec::new() };
    let body = known.body();
    let place = |part| shown_scope(policy.as_ref(), part).1;
    let mut changed: Vec<(String, Option<Loc>, Template)> = Vec::new();
    let mut push = |what: &str, loc, edit: &dyn Fn(&mut Template)| {
        let mut template = body.clone();
        edit(&mut template);
        changed.push((what.to_owned(), loc, template));
    };
    push("flip the effect", None, &|t| {
        t.effect = match t.effect {
            Effect::Permit => Effect::Forbid,
            Effect::Forbid => Effect::Permit,
        };
    });
    let principal = || place(Part::Principal);
    if !matches!(body.principal, PrincipalConstraint::Any) {
        push("any principal", principal(), &|t| t.principal = PrincipalConstraint::Any);
    }
    if let PrincipalConstraint::IsIn(kind, _) = &body.principal {
        let wide = PrincipalConstraint::Is(kind.clone());
        push("a principal in any group", principal(), &|t| t.principal = wide.clone());
    }
    let resource = || place(Part::Resource);
    if !matches!(body.resource, ResourceConstraint::Any) {
        push("any resource", resource(), &|t| t.resource = ResourceConstraint::Any);
    }
    if let ResourceConstraint::IsIn(kind, group) = &body.resource {
        let (of_kind, of_group) =
            (ResourceConstraint::Is(kind.clone()), ResourceConstraint::In(group.clone()));
        push("a resource in any group", resource(), &|t| t.resource = of_kind.clone());
        push("a resource of any type", resource(), &|t| t.resource = of_group.clone());
    }
    let action = || place(Part::Action);
    if !matches!(body.action, ActionConstraint::Any) {
        push("any action", action(), &|t| t.action = ActionConstraint::Any);
    }
    if let ActionConstraint::In(list) = &body.action
        && list.len() > 1
    {
        for (at, taken) in list.iter().enumerate() {
            let mut rest = list.clone();
            rest.remove(at);
            let what = format!("without the action `{}`", taken.eid);
            push(&what, action(), &|t| t.action = ActionConstraint::In(rest.clone()));
        }
    }
    changed
        .into_iter()
        .filter_map(|(what, loc, template)| {
            let fixed = StaticPolicy::try_from(template).ok()?;
            let policy = Policy::from_pst(cedar_policy::pst::Policy::Static(fixed)).ok()?;
            Some((what, loc, policy))
        })
        .collect()
}
