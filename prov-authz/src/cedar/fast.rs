//! The fast path: conditions compiled when a set is loaded, and evaluated over the request as it
//! stands, without building what Cedar evaluates.
//!
//! It knows part of the language and answers only what it is sure of. A policy with anything else in
//! it, an attribute that is missing, a type that does not fit, an overflow: it says that it can't
//! tell, and Cedar is asked, which also words the errors. What it does answer is held against Cedar's
//! own conformance corpus, request by request.
//!
//! Bound to the exact version of Cedar the workspace names: a new version is a new language until the
//! corpus says otherwise.

mod compile;
mod constant;
mod evaluate;
mod expression;
mod facts;
mod operator;
mod pattern;
mod value;

pub(crate) use compile::{Body, Compiler};
#[cfg(test)]
pub(super) use constant::read_constant;
#[cfg(test)]
pub(super) use evaluate::Fact;
pub(crate) use evaluate::World;
pub(super) use facts::Facts;
#[cfg(test)]
pub(super) use value::Value;

use cedar_policy::Effect;

use super::evaluate::Evaluated;
use super::index::Number;
use super::rules::Rules;

/// What these policies, found by the index, say; nothing when Cedar is to be asked.
pub(super) fn evaluate<W: World>(
    rules: &Rules,
    candidates: &[Number],
    world: &W,
) -> Option<Evaluated> {
    let (mut permits, mut forbids) = (Vec::new(), Vec::new());
    for number in candidates {
        let rule = rules.rule(*number)?;
        if rule.body.holds(world)? {
            match rule.effect {
                Effect::Permit => permits.push(rule),
                Effect::Forbid => forbids.push(rule),
            }
        }
    }
    let allowed = forbids.is_empty() && !permits.is_empty();
    let determining = if forbids.is_empty() { permits } else { forbids };
    // The candidates are in the order of their ids, and so are these.
    let policies = determining.into_iter().map(|rule| rule.id.to_string()).collect();
    Some(Evaluated { allowed, policies, errors: Vec::new() })
}
