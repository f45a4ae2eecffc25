//! The values that comparisons looked at, as far as whoever asks may see them.

use std::net::IpAddr;

use cedar_policy_core::ast::{Expr, ExprKind, Value, ValueKind, Var};
use serde::Serialize;

use super::facts::Telling;
use crate::Circumstances;

/// A value that a comparison looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = PolicySeenValue))]
#[non_exhaustive]
pub struct Seen {
    /// The expression: `context.time`.
    pub expression: String,
    /// Its value. `(personal)` where it says something about a person, `(absent)` where there is none;
    /// of an address only its network (/24, /48).
    pub value: String,
}

/// What prov knows of the request, to show it as people write it rather than as Cedar does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Viewer<'c> {
    pub(crate) circumstances: Option<&'c Circumstances>,
}

/// Longer values are cut.
const LONGEST: usize = 96;

impl Telling<'_> {
    /// The values of all paths (`principal`, `resource.owner_id`, `context.a.b`) of an expression.
    pub(super) fn seen(&self, expr: &Expr) -> Vec<Seen> {
        let mut paths = Vec::new();
        collect_paths(expr, &mut paths);
        let mut seen: Vec<Seen> = Vec::new();
        for path in paths {
            let expression = written(path);
            if seen.iter().any(|other| other.expression == expression) {
                continue;
            }
            let value = self.value_of(path, &expression);
            seen.push(Seen { expression, value });
        }
        seen
    }

    fn value_of(&self, path: &Expr, expression: &str) -> String {
        if is_personal(expression) {
            return "(personal)".to_owned();
        }
        match (expression, self.viewer.circumstances) {
            ("context.ip_address", Some(known)) => {
                return known.address.map_or_else(|| "(absent)".to_owned(), network_of);
            }
            ("context.time", Some(known)) => {
                return known.time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            }
            _ => {}
        }
        match self.evaluator.interpret(path, self.policy.env()) {
            Ok(value) => shown(&value),
            Err(_) => "(absent)".to_owned(),
        }
    }
}

fn shown(value: &Value) -> String {
    let text = match &value.value {
        ValueKind::Record(fields) => {
            let names: Vec<_> = fields.keys().map(ToString::to_string).collect();
            format!("{{ {} }}", names.join(", "))
        }
        _ => value.to_string(),
    };
    let readable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(LONGEST).map(readable).collect();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    shown
}

/// What says something about a person beyond who is asked about.
fn is_personal(expression: &str) -> bool {
    match expression.split_once('.') {
        Some(("principal", attribute)) => attribute != "id",
        Some(("context", attribute)) => attribute == "reason",
        Some(("resource", attribute)) => matches!(attribute, "email" | "username"),
        _ => false,
    }
}

/// The network an address is in, so that an answer says enough without saying whose it is.
fn network_of(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

/// The longest paths from a variable.
fn collect_paths<'e>(expr: &'e Expr, paths: &mut Vec<&'e Expr>) {
    match expr.expr_kind() {
        // The whole context says nothing that its attributes do not.
        ExprKind::Var(Var::Principal | Var::Action | Var::Resource) => paths.push(expr),
        ExprKind::GetAttr { expr: inner, .. } => {
            if is_path(inner) {
                paths.push(expr);
            } else {
                collect_paths(inner, paths);
            }
        }
        ExprKind::HasAttr { expr: inner, .. } | ExprKind::ExtHasAttr { expr: inner, .. } => {
            if !matches!(inner.expr_kind(), ExprKind::Var(_)) {
                collect_paths(inner, paths);
            }
        }
        ExprKind::UnaryApp { arg, .. } => collect_paths(arg, paths),
        ExprKind::BinaryApp { arg1, arg2, .. } => {
            collect_paths(arg1, paths);
            collect_paths(arg2, paths);
        }
        ExprKind::ExtensionFunctionApp { args, .. } => {
            args.iter().for_each(|arg| collect_paths(arg, paths));
        }
        ExprKind::Like { expr, .. } | ExprKind::Is { expr, .. } => collect_paths(expr, paths),
        ExprKind::Set(items) => items.iter().for_each(|item| collect_paths(item, paths)),
        ExprKind::Record(fields) => fields.values().for_each(|item| collect_paths(item, paths)),
        ExprKind::And { left, right } | ExprKind::Or { left, right } => {
            collect_paths(left, paths);
            collect_paths(right, paths);
        }
        ExprKind::If { test_expr, then_expr, else_expr } => {
            for part in [test_expr, then_expr, else_expr] {
                collect_paths(part, paths);
            }
        }
        ExprKind::Var(Var::Context)
        | ExprKind::Lit(_)
        | ExprKind::Slot(_)
        | ExprKind::Unknown(_) => {}
    }
}

fn is_path(expr: &Expr) -> bool {
    match expr.expr_kind() {
        ExprKind::Var(_) => true,
        ExprKind::GetAttr { expr, .. } => is_path(expr),
        _ => false,
    }
}

fn written(path: &Expr) -> String {
    match path.expr_kind() {
        ExprKind::GetAttr { expr, attr } => format!("{}.{attr}", written(expr)),
        _ => path.to_string(),
    }
}
