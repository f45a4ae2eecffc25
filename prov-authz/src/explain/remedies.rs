//! What would turn a denial into an allowance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy_core::ast::{self, Effect, Expr, ExprKind, Policy, Value, Var};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use super::Remedy;
use super::grounds::Grounds;
use super::levers::{Lever, combinations, pulled};
use crate::AccessRequest;
use crate::anatomy::truth;

/// The attributes of a context.
type Attributes = BTreeMap<cedar_policy::pst::SmolStr, Value>;

/// Every smallest combination of levers that allows.
///
/// Levers change the context and nothing else, so only the conditions of the policies whose scope
/// matches need to be looked at again, each once for every combination of those levers it looks at.
/// What is found that way is then decided by the engine itself, and left out unless it allows.
pub(super) fn of(grounds: &Grounds<'_>, request: &AccessRequest<'_>) -> Vec<Remedy> {
    if !grounds.about.iter().any(|policy| policy.effect() == Effect::Permit) {
        return Vec::new();
    }
    let policies: Vec<_> = grounds.about.iter().map(|policy| Looked::at(policy)).collect();
    let is_of_use = |lever: Lever| {
        policies.iter().any(|policy| policy.reads.contains(lever.attribute()))
            && lever.changes(request, grounds.corporate)
    };
    let combinations = combinations(is_of_use);
    let Some(mut bench) = Bench::new(grounds, policies, request, &combinations) else {
        return Vec::new();
    };
    let mut found: Vec<Remedy> = Vec::new();
    for needs in combinations {
        let has_smaller = found.iter().any(|f| f.needs.iter().all(|lever| needs.contains(lever)));
        if has_smaller || !bench.allows(&needs) {
            continue;
        }
        let (circumstances, claims) = pulled(request, &needs, grounds.corporate);
        let changed = AccessRequest { circumstances, claims: &claims, ..*request };
        let decision = (grounds.decide)(&changed);
        if decision.allowed {
            found.push(Remedy { needs, permitted_by: decision.determining_policies });
        }
    }
    found
}

/// The attributes of the context that a policy looks at.
struct Reads {
    whole: bool,
    named: BTreeSet<String>,
}

impl Reads {
    fn of(policy: &Policy) -> Self {
        let mut reads = Self { whole: false, named: BTreeSet::new() };
        let Some(condition) = policy.non_scope_constraints() else { return reads };
        let (mut mentions, mut accesses) = (0_usize, 0_usize);
        for expr in condition.subexpressions() {
            mentions += usize::from(is_context(expr));
            if let ExprKind::GetAttr { expr, attr } | ExprKind::HasAttr { expr, attr } =
                expr.expr_kind()
                && is_context(expr)
            {
                accesses += 1;
                reads.named.insert(attr.to_string());
            }
        }
        reads.whole = mentions > accesses;
        reads
    }

    fn contains(&self, attribute: &str) -> bool {
        self.whole || self.named.contains(attribute)
    }
}

fn is_context(expr: &Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::Var(Var::Context))
}

/// A policy, and what it came to so far.
struct Looked<'b> {
    policy: &'b Policy,
    reads: Reads,
    /// By the levers among those it looks at that were pulled; nothing for an error.
    outcomes: BTreeMap<Vec<Lever>, Option<bool>>,
}

impl<'b> Looked<'b> {
    fn at(policy: &'b Policy) -> Self {
        Self { policy, reads: Reads::of(policy), outcomes: BTreeMap::new() }
    }

    /// Whether it applies with these levers pulled; nothing when that can't be evaluated.
    fn applies(
        &mut self,
        levers: &[Lever],
        evaluate: impl FnOnce(&Policy) -> Option<bool>,
    ) -> Option<bool> {
        let looked_at = levers.iter().filter(|lever| self.reads.contains(lever.attribute()));
        let policy = self.policy;
        *self.outcomes.entry(looked_at.copied().collect()).or_insert_with(|| evaluate(policy))
    }
}

/// Evaluates the conditions of a few policies under many contexts. The dear values (address, time)
/// are made once.
struct Bench<'b> {
    policies: Vec<Looked<'b>>,
    request: &'b ast::Request,
    entities: &'b cedar_policy_core::entities::Entities,
    /// The context as it is.
    base: Arc<Attributes>,
    /// For each lever the attribute it changes, and what to.
    changes: Vec<(Lever, Option<Value>)>,
}

impl<'b> Bench<'b> {
    fn new(
        grounds: &'b Grounds<'_>,
        policies: Vec<Looked<'b>>,
        request: &AccessRequest<'_>,
        combinations: &[Vec<Lever>],
    ) -> Option<Self> {
        let of_context = |context: &ast::Context| match context {
            ast::Context::Value(attributes) => Some(Arc::clone(attributes)),
            ast::Context::RestrictedResidual(_) => None,
        };
        let asked: &ast::Request = grounds.request.as_ref();
        let base = of_context(asked.context()?)?;
        let mut levers = Vec::new();
        for lever in combinations.iter().filter(|levers| levers.len() == 1).flatten() {
            let (circumstances, claims) = pulled(request, &[*lever], grounds.corporate);
            let changed = AccessRequest { circumstances, claims: &claims, ..*request };
            let context = (grounds.context)(&changed).ok()?;
            let context: &ast::Context = context.as_ref();
            let value = of_context(context)?.get(lever.attribute()).cloned();
            levers.push((*lever, value));
        }
        let entities = grounds.entities.as_ref();
        Some(Self { policies, request: asked, entities, base, changes: levers })
    }

    /// Whether the policies allow with these levers pulled, an error in any of them denying.
    fn allows(&mut self, levers: &[Lever]) -> bool {
        let Self { policies, request, entities, base, changes } = self;
        let mut evaluator = None;
        let mut permitted = false;
        for looked in policies {
            let outcome = looked.applies(levers, |policy| {
                let evaluator = evaluator.get_or_insert_with(|| {
                    Evaluator::new(
                        under(request, base, changes, levers),
                        entities,
                        Extensions::all_available(),
                    )
                });
                let condition = policy.non_scope_constraints();
                condition.map_or(Some(true), |expr| truth(evaluator, policy, expr).ok())
            });
            match (outcome, looked.policy.effect()) {
                (None, _) | (Some(true), Effect::Forbid) => return false,
                (Some(true), Effect::Permit) => permitted = true,
                (Some(false), _) => {}
            }
        }
        permitted
    }
}

/// The request with these levers pulled.
fn under(
    request: &ast::Request,
    base: &Attributes,
    changes: &[(Lever, Option<Value>)],
    levers: &[Lever],
) -> ast::Request {
    let mut attributes = base.clone();
    for (lever, value) in changes.iter().filter(|(lever, _)| levers.contains(lever)) {
        match value {
            Some(value) => attributes.insert(lever.attribute().into(), value.clone()),
            None => attributes.remove(lever.attribute()),
        };
    }
    ast::Request::new_unchecked(
        request.principal().clone(),
        request.action().clone(),
        request.resource().clone(),
        Some(ast::Context::Value(Arc::new(attributes))),
    )
}
