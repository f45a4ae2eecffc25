//! The parts of a policy, each with its place in the source, and what each comes to for a request.
//!
//! A policy applies when its scope matches and every condition holds. Cedar evaluates all that as one
//! expression; whoever wants to know *which* part decided needs the parts.

mod facts;
mod place;
mod scope;
mod values;

use cedar_policy_core::ast::{Expr, ExprKind, Literal, Policy, UnaryOp, ValueKind};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::parser::Loc;
use serde::Serialize;

pub use facts::Fact;
pub(crate) use facts::facts_of;
pub use place::Place;
pub(crate) use place::{Documents, Sources};
pub(crate) use scope::shown as shown_scope;
pub use values::Seen;
pub(crate) use values::Viewer;

/// Which part of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = PolicyPart))]
#[expect(clippy::exhaustive_enums, reason = "the parts of Cedar's grammar")]
pub enum Part {
    /// Whom it is about.
    Principal,
    /// What is done.
    Action,
    /// What it is done to.
    Resource,
    /// `when { … }`: must be true.
    When,
    /// `unless { … }`: must be false.
    Unless,
}

/// One `when` or `unless`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clause<'p> {
    /// `When` or `Unless`.
    pub(crate) part: Part,
    /// What stands between the braces.
    pub(crate) body: &'p Expr,
    /// Where: of `unless` the whole clause, of `when` what stands between the braces.
    pub(crate) loc: Option<&'p Loc>,
}

/// The clauses of a policy in the order they are written and evaluated.
///
/// Cedar's parser joins `[c1, c2, c3]` to `c1 && (c2 && c3)`, the joining nodes having the place of
/// the policy itself, and turns `unless { e }` into a `!e` with the place of the clause.
pub(crate) fn clauses(policy: &Policy) -> Vec<Clause<'_>> {
    let mut clauses = Vec::new();
    let Some(mut rest) = policy.non_scope_constraints() else { return clauses };
    while let ExprKind::And { left, right } = rest.expr_kind() {
        if !is_joint(rest, policy) {
            break;
        }
        clauses.push(clause(left));
        rest = right;
    }
    clauses.push(clause(rest));
    clauses
}

fn is_joint(expr: &Expr, policy: &Policy) -> bool {
    match (expr.source_loc(), policy.loc()) {
        (Some(joint), Some(whole)) => joint.span == whole.span,
        _ => false,
    }
}

fn clause(expr: &Expr) -> Clause<'_> {
    let loc = expr.source_loc();
    let is_unless = loc.and_then(Loc::snippet).is_some_and(|text| {
        // An expression can't begin with this word, which is reserved in this place.
        text.strip_prefix("unless").is_some_and(|rest| !rest.starts_with(is_of_a_word))
    });
    match expr.expr_kind() {
        ExprKind::UnaryApp { op: UnaryOp::Not, arg } if is_unless => {
            Clause { part: Part::Unless, body: arg, loc }
        }
        _ => Clause { part: Part::When, body: expr, loc },
    }
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl Clause<'_> {
    /// The clause as it is written, on one line.
    pub(crate) fn text(&self) -> String {
        let written =
            self.loc.and_then(Loc::snippet).map_or_else(|| self.body.to_string(), one_line);
        match self.part {
            Part::When => format!("when {{ {written} }}"),
            _ if self.loc.is_some() => written,
            _ => format!("unless {{ {written} }}"),
        }
    }

    /// Whether it lets the policy apply.
    ///
    /// # Errors
    /// What Cedar says when it can't be evaluated.
    pub(crate) fn holds(&self, evaluator: &Evaluator<'_>, policy: &Policy) -> Result<bool, String> {
        let is_true = truth(evaluator, policy, self.body)?;
        Ok(is_true == (self.part == Part::When))
    }
}

/// The truth value of an expression of this policy.
///
/// # Errors
/// What Cedar says when it has none.
pub(crate) fn truth(
    evaluator: &Evaluator<'_>,
    policy: &Policy,
    expr: &Expr,
) -> Result<bool, String> {
    let value = evaluator.interpret(expr, policy.env()).map_err(|error| error.to_string())?;
    match value.value {
        ValueKind::Lit(Literal::Bool(truth)) => Ok(truth),
        _ => Err("type error: not a truth value".to_owned()),
    }
}

/// A text with each run of white space as one space, and without comments.
pub(crate) fn one_line(text: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for line in text.lines() {
        // `//` inside of a string is rare and only costs the rest of a line that people read.
        let code = match line.find("//") {
            Some(at)
                if line.get(..at).is_some_and(|before| before.matches('"').count() % 2 == 0) =>
            {
                line.get(..at).unwrap_or(line)
            }
            _ => line,
        };
        words.extend(code.split_whitespace());
    }
    words.join(" ")
}

#[cfg(test)]
mod tests;
