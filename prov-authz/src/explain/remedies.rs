//! What would turn a denial into an allowance.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cedar_policy_core::ast::{self, Effect, Expr, ExprKind, Policy, Value, Var};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use prov_core::TeamName;

use super::Remedy;
use super::grounds::Grounds;
use super::levers::{Lever, combinations, pulled};
use crate::AccessRequest;
use crate::anatomy::{Asked, truth};

/// The attributes of a context.
type Attributes = BTreeMap<cedar_policy::pst::SmolStr, Value>;

/// Every smallest combination of levers that allows.
///
/// Levers change the context and nothing else, so only the conditions of the policies whose scope
/// matches need to be looked at again, and only levers that one of them looks at can be of use. What
/// is found that way is then decided by the engine itself, and left out unless it allows.
pub(super) fn of(
    grounds: &Grounds<'_>,
    asked: &Asked<'_>,
    request: &AccessRequest<'_>,
) -> Vec<Remedy> {
    let about: Vec<_> = grounds.all().filter(|policy| asked.is_about(policy)).collect();
    if !about.iter().any(|policy| policy.effect() == Effect::Permit) {
        return Vec::new();
    }
    let reads = Reads::of(&about);
    let is_of_use = |lever: Lever| {
        reads.contains(lever.attribute()) && lever.changes(request, grounds.corporate)
    };
    let combinations = combinations(is_of_use);
    let Some(bench) = Bench::new(grounds, about, request, &combinations) else { return Vec::new() };
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

/// The teams that a permit names and to whose members it would be allowed as the request stands.
pub(super) fn teams(
    grounds: &Grounds<'_>,
    asked: &Asked<'_>,
    request: &AccessRequest<'_>,
) -> Vec<String> {
    /// Nobody reads more, and each costs a decision.
    const MOST_TEAMS: usize = 8;
    let mut named = BTreeSet::new();
    for policy in grounds.all().filter(|policy| policy.effect() == Effect::Permit) {
        let [misses_principal, misses_action, misses_resource] = asked.misses(policy);
        let constraint = policy.principal_constraint();
        if misses_principal
            && !misses_action
            && !misses_resource
            && let Some(group) = constraint.as_inner().get_euid()
            && group.entity_type().name().basename().to_string() == "Team"
        {
            named.insert(AsRef::<str>::as_ref(group.eid()).to_owned());
        }
    }
    let would_be_allowed = |name: &String| {
        let Ok(team) = name.parse::<TeamName>() else { return false };
        let mut member = request.principal.clone();
        member.teams.push(team);
        (grounds.decide)(&AccessRequest { principal: &member, ..*request }).allowed
    };
    named.into_iter().take(MOST_TEAMS).filter(would_be_allowed).collect()
}

/// The attributes of the context that policies look at.
struct Reads {
    whole: bool,
    named: BTreeSet<String>,
}

impl Reads {
    fn of(policies: &[&Policy]) -> Self {
        let mut reads = Self { whole: false, named: BTreeSet::new() };
        for condition in policies.iter().filter_map(|policy| policy.non_scope_constraints()) {
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
            reads.whole |= mentions > accesses;
        }
        reads
    }

    fn contains(&self, attribute: &str) -> bool {
        self.whole || self.named.contains(attribute)
    }
}

fn is_context(expr: &Expr) -> bool {
    matches!(expr.expr_kind(), ExprKind::Var(Var::Context))
}

/// Evaluates the conditions of a few policies under many contexts. The dear values (address, time)
/// are made once.
struct Bench<'b> {
    policies: Vec<&'b Policy>,
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
        policies: Vec<&'b Policy>,
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
    fn allows(&self, levers: &[Lever]) -> bool {
        let mut attributes = Attributes::clone(&self.base);
        for (lever, value) in self.changes.iter().filter(|(lever, _)| levers.contains(lever)) {
            match value {
                Some(value) => attributes.insert(lever.attribute().into(), value.clone()),
                None => attributes.remove(lever.attribute()),
            };
        }
        let request = ast::Request::new_unchecked(
            self.request.principal().clone(),
            self.request.action().clone(),
            self.request.resource().clone(),
            Some(ast::Context::Value(Arc::new(attributes))),
        );
        let evaluator = Evaluator::new(request, self.entities, Extensions::all_available());
        let mut permitted = false;
        for policy in &self.policies {
            let condition = policy.non_scope_constraints();
            let applies = condition.map_or(Ok(true), |expr| truth(&evaluator, policy, expr));
            match (applies, policy.effect()) {
                (Err(_), _) | (Ok(true), Effect::Forbid) => return false,
                (Ok(true), Effect::Permit) => permitted = true,
                (Ok(false), _) => {}
            }
        }
        permitted
    }
}
