//! Which comparisons inside a condition made it come out as it did.

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Policy, UnaryOp};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::parser::Loc;
use serde::Serialize;

use super::values::{Seen, Viewer};
use super::{Place, Sources, one_line, truth};

/// A comparison that had a part in the outcome: what it says, how it came out, on which values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = PolicyFact))]
#[non_exhaustive]
pub struct Fact {
    /// As it is written, on one line.
    pub text: String,
    /// Where.
    pub place: Option<Place>,
    /// Whether it is true; absent when it could not be evaluated.
    pub holds: Option<bool>,
    /// What it looked at. Personal values are not shown.
    pub seen: Vec<Seen>,
}

/// Facts beyond these are left out: nobody reads on.
const MOST_FACTS: usize = 16;

/// What facts are told with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling<'t> {
    pub(super) evaluator: &'t Evaluator<'t>,
    pub(super) policy: &'t Policy,
    pub(super) sources: Sources<'t>,
    pub(super) viewer: Viewer<'t>,
}

/// The facts behind the value of an expression: of `a && b` that is false the first operand that is,
/// of one that is true both; of `||` the other way round; of `!` those of what it negates.
pub(crate) fn facts_of(
    evaluator: &Evaluator<'_>,
    policy: &Policy,
    expr: &Expr,
    sources: Sources<'_>,
    viewer: Viewer<'_>,
) -> Vec<Fact> {
    let telling = Telling { evaluator, policy, sources, viewer };
    let mut facts = Vec::new();
    telling.collect(expr, &mut facts);
    facts.truncate(MOST_FACTS);
    facts
}

impl Telling<'_> {
    fn collect(&self, expr: &Expr, facts: &mut Vec<Fact>) {
        match expr.expr_kind() {
            ExprKind::And { left, right } => self.collect_of_two(left, right, false, facts),
            ExprKind::Or { left, right } => self.collect_of_two(left, right, true, facts),
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } if !is_written_as_one(expr, arg) => {
                self.collect(arg, facts);
            }
            ExprKind::If { test_expr, then_expr, else_expr } => {
                self.collect(test_expr, facts);
                match truth(self.evaluator, self.policy, test_expr) {
                    Ok(true) => self.collect(then_expr, facts),
                    Ok(false) => self.collect(else_expr, facts),
                    Err(_) => {}
                }
            }
            _ => facts.push(self.fact(expr)),
        }
    }

    /// `decides` is the value with which the left operand decides alone.
    fn collect_of_two(&self, left: &Expr, right: &Expr, decides: bool, facts: &mut Vec<Fact>) {
        match truth(self.evaluator, self.policy, left) {
            Ok(value) if value != decides => {
                // The right operand decides; the left is a reason only if both had to be so.
                let of_right = truth(self.evaluator, self.policy, right);
                if of_right == Ok(!decides) {
                    self.collect(left, facts);
                }
                self.collect(right, facts);
            }
            _ => self.collect(left, facts),
        }
    }

    fn fact(&self, expr: &Expr) -> Fact {
        let loc = expr.source_loc();
        let text = loc.and_then(Loc::snippet).map_or_else(|| expr.to_string(), one_line);
        Fact {
            text,
            place: self.sources.place(self.policy, loc),
            holds: truth(self.evaluator, self.policy, expr).ok(),
            seen: self.seen(expr),
        }
    }
}

/// Whether a negation is one only to Cedar: `a != b`, `a > b` and `a >= b` become `!(a == b)`,
/// `!(a <= b)` and `!(a < b)`.
fn is_written_as_one(negation: &Expr, negated: &Expr) -> bool {
    let is_comparison = matches!(
        negated.expr_kind(),
        ExprKind::BinaryApp { op: BinaryOp::Eq | BinaryOp::Less | BinaryOp::LessEq, .. }
    );
    let text = negation.source_loc().and_then(Loc::snippet);
    is_comparison && text.is_some_and(|text| !text.starts_with('!'))
}
