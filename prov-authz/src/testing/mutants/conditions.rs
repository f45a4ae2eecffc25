//! Changes to conditions, made on the text by the places of its expressions, so that a survivor can be
//! shown as it would be written.

use cedar_policy_core::ast::{BinaryOp, Expr, ExprKind, Literal, Policy, UnaryOp};
use cedar_policy_core::parser::Loc;

use crate::anatomy::{Part, clauses, one_line};

/// A piece of text in the place of another.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) change: String,
    pub(super) loc: Loc,
    /// From the beginning of the policy, in bytes.
    start: usize,
    end: usize,
    text: String,
}

impl Edit {
    /// The text of the policy with this edit.
    pub(super) fn applied_to(&self, text: &str) -> String {
        let (before, after) = (text.get(..self.start), text.get(self.end..));
        format!("{}{}{}", before.unwrap_or_default(), self.text, after.unwrap_or_default())
    }
}

/// Every edit of the conditions of a policy.
pub(super) fn edits(policy: &Policy) -> Vec<Edit> {
    let Some(whole) = policy.loc() else { return Vec::new() };
    let mut editor = Editor { offset: whole.start(), edits: Vec::new() };
    for clause in clauses(policy) {
        let (word, neutral) =
            if clause.part == Part::When { ("when", "true") } else { ("unless", "false") };
        editor.replace(clause.body, &format!("drop this `{word}`"), neutral.to_owned());
        editor.negate(clause.body);
        editor.walk(clause.body);
    }
    editor.edits
}

struct Editor {
    offset: usize,
    edits: Vec<Edit>,
}

impl Editor {
    fn walk(&mut self, expr: &Expr) {
        match expr.expr_kind() {
            ExprKind::And { left, right } | ExprKind::Or { left, right } => {
                let is_and = matches!(expr.expr_kind(), ExprKind::And { .. });
                let (own, other) = if is_and { ("&&", "||") } else { ("||", "&&") };
                self.swap(left, right, own, other);
                self.keep(expr, left, right);
                self.keep(expr, right, left);
                self.walk(left);
                self.walk(right);
            }
            ExprKind::UnaryApp { op: UnaryOp::Not, arg } if is_negation(expr) => {
                self.replace(expr, "without the negation", bracketed(arg));
                self.walk(arg);
            }
            ExprKind::If { test_expr, then_expr, else_expr } => {
                self.keep(expr, then_expr, else_expr);
                self.keep(expr, else_expr, then_expr);
                for part in [test_expr, then_expr, else_expr] {
                    self.walk(part);
                }
            }
            _ => {
                self.negate(expr);
                self.inside(expr);
            }
        }
    }

    /// Inside a comparison: its operator, its bounds, its lists, its pattern.
    fn inside(&mut self, expr: &Expr) {
        match expr.expr_kind() {
            // `a > b` is `!(a <= b)` and `a >= b` is `!(a < b)`.
            ExprKind::UnaryApp { arg, .. } => self.inside(arg),
            ExprKind::BinaryApp { op, arg1, arg2 } => {
                if matches!(op, BinaryOp::Less | BinaryOp::LessEq) {
                    self.shift(arg1, arg2);
                }
                self.inside(arg1);
                self.inside(arg2);
            }
            ExprKind::Set(items) if items.len() > 1 => self.shorten(expr, items),
            ExprKind::Lit(Literal::Long(number)) => {
                if let Some(more) = number.checked_add(1) {
                    self.replace(expr, &format!("{more} for {number}"), more.to_string());
                }
            }
            ExprKind::Like { expr: text, .. } => {
                let (Some(outer), Some(inner)) = (expr.source_loc(), text.source_loc()) else {
                    return;
                };
                let place = outer.span((inner.end(), outer.end().saturating_sub(inner.end())));
                self.push("any pattern", place, " like \"*\"".to_owned());
            }
            ExprKind::ExtensionFunctionApp { args, .. } => {
                for arg in args.iter() {
                    self.inside(arg);
                }
            }
            _ => {}
        }
    }

    /// `<` for `<=`, `>=` for `>`, and back.
    fn shift(&mut self, left: &Expr, right: &Expr) {
        let Some((gap, text)) = between(left, right) else { return };
        let changed = match one_line(&text).trim_matches(['(', ')', ' ']) {
            "<" => "<=",
            "<=" => "<",
            ">" => ">=",
            ">=" => ">",
            _ => return,
        };
        let own = one_line(&text);
        let own = own.trim_matches(['(', ')', ' ']);
        let replaced = text.replacen(own, changed, 1);
        self.push(&format!("`{changed}` for `{own}`"), gap, replaced);
    }

    fn swap(&mut self, left: &Expr, right: &Expr, own: &str, other: &str) {
        let Some((gap, text)) = between(left, right) else { return };
        let replaced = text.replacen(own, other, 1);
        self.push(&format!("`{other}` for `{own}`"), gap, replaced);
    }

    /// One operand for both.
    fn keep(&mut self, whole: &Expr, kept: &Expr, dropped: &Expr) {
        let shown = dropped.source_loc().and_then(Loc::snippet).map(one_line).unwrap_or_default();
        self.replace(whole, &format!("without `{shown}`"), bracketed(kept));
    }

    fn shorten(&mut self, list: &Expr, items: &[Expr]) {
        let texts: Vec<_> =
            items.iter().filter_map(|item| item.source_loc().and_then(Loc::snippet)).collect();
        if texts.len() != items.len() {
            return;
        }
        for (at, taken) in texts.iter().enumerate() {
            let rest = texts.iter().enumerate().filter(|(other, _)| *other != at);
            let rest: Vec<_> = rest.map(|(_, text)| *text).collect();
            self.replace(
                list,
                &format!("without `{taken}` in the list"),
                format!("[{}]", rest.join(", ")),
            );
        }
    }

    fn negate(&mut self, expr: &Expr) {
        if let Some(text) = expr.source_loc().and_then(Loc::snippet) {
            let change = format!("negate `{}`", one_line(text));
            self.replace(expr, &change, format!("(!({text}))"));
        }
    }

    fn replace(&mut self, expr: &Expr, change: &str, text: String) {
        if let Some(loc) = expr.source_loc() {
            self.push(change, loc.clone(), text);
        }
    }

    fn push(&mut self, change: &str, loc: Loc, text: String) {
        let (start, end) =
            (loc.start().saturating_sub(self.offset), loc.end().saturating_sub(self.offset));
        self.edits.push(Edit { change: change.to_owned(), loc, start, end, text });
    }
}

/// Whether it is written with `!`, and not as `!=`, `>` or `>=`.
fn is_negation(expr: &Expr) -> bool {
    expr.source_loc().and_then(Loc::snippet).is_some_and(|text| text.starts_with('!'))
}

fn bracketed(expr: &Expr) -> String {
    let text = expr.source_loc().and_then(Loc::snippet);
    format!("({})", text.map_or_else(|| expr.to_string(), str::to_owned))
}

/// What stands between two expressions.
fn between(left: &Expr, right: &Expr) -> Option<(Loc, String)> {
    let (left, right) = (left.source_loc()?, right.source_loc()?);
    let gap = left.span((left.end(), right.start().checked_sub(left.end())?));
    let text = gap.snippet()?.to_owned();
    Some((gap, text))
}
