use std::fmt;
use std::net::IpAddr;

use cedar_policy::{Context, Entities, Request};
use cedar_policy_core::ast::{Effect, Policy};
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;
use prov_core::Result;

use super::{Explanation, PartNote, PolicyNote, PolicyOutcome, nearest, remedies, teams};
use crate::anatomy::{Part, Sources, Viewer, clauses, facts_of, shown_scope};
use crate::cedar::{Closure, Rule, Rules};
use crate::{AccessRequest, Decision};

/// All that an explanation is made from: the policies that may have a say, the request as Cedar sees
/// it, and the engine to decide again.
pub(crate) struct Grounds<'g> {
    /// The policies and the grants whose scope matches, by id: no others have a say.
    pub(crate) about: Vec<&'g Policy>,
    /// To find those that are nearly about it.
    pub(crate) rules: &'g Rules,
    /// Who asks, for what to be done, to what.
    pub(crate) asked: [&'g Closure<'g>; 3],
    /// What people are told of them.
    pub(crate) sources: Sources<'g>,
    pub(crate) request: &'g Request,
    pub(crate) entities: &'g Entities,
    /// An address in a corporate network.
    pub(crate) corporate: Option<IpAddr>,
    /// Decides as the engine does.
    pub(crate) decide: &'g dyn Fn(&AccessRequest<'_>) -> Decision,
    /// The context of a request that differs in circumstances and claims.
    pub(crate) context: &'g dyn Fn(&AccessRequest<'_>) -> Result<Context>,
}

impl fmt::Debug for Grounds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grounds").field("request", &self.request).finish_non_exhaustive()
    }
}

/// Explains the decision on this request.
pub(crate) fn explain(grounds: &Grounds<'_>, request: &AccessRequest<'_>) -> Explanation {
    let decision = (grounds.decide)(request);
    let evaluator = grounds.evaluator();
    let teller = Teller { grounds, evaluator: &evaluator, request };
    let determined_by: Vec<_> = decision
        .determining_policies
        .iter()
        .filter_map(|id| grounds.policy(id))
        .map(|policy| teller.note(policy))
        .collect();
    let mut explanation = Explanation {
        summary: String::new(),
        determined_by,
        nearest_permits: Vec::new(),
        remedies: Vec::new(),
        allowed_to_teams: Vec::new(),
        decision,
    };
    if !explanation.decision.allowed {
        let near = grounds.near();
        explanation.nearest_permits = nearest::permits(&teller, &near);
        explanation.remedies = remedies::of(grounds, request);
        explanation.allowed_to_teams = teams::allowed(grounds, &near, request);
    }
    explanation.summary = summary(&explanation);
    explanation
}

impl<'g> Grounds<'g> {
    pub(super) fn evaluator(&self) -> Evaluator<'g> {
        let request: &cedar_policy_core::ast::Request = self.request.as_ref();
        Evaluator::new(request.clone(), self.entities.as_ref(), Extensions::all_available())
    }

    /// The permits of the set of whose scope one part does not match, by id, and which. Of grants about
    /// somebody or something else nobody is told.
    fn near(&self) -> Vec<(&'g Rule, Part)> {
        let [principal, action, resource] = self.asked;
        self.rules.near_permits(principal, action, resource)
    }

    /// One that has a say.
    fn policy(&self, id: &str) -> Option<&'g Policy> {
        self.about.iter().find(|policy| AsRef::<str>::as_ref(policy.id()) == id).copied()
    }
}

/// Tells about policies.
pub(super) struct Teller<'t> {
    pub(super) grounds: &'t Grounds<'t>,
    pub(super) evaluator: &'t Evaluator<'t>,
    pub(super) request: &'t AccessRequest<'t>,
}

impl Teller<'_> {
    /// What became of a policy whose scope matches.
    pub(super) fn note(&self, policy: &Policy) -> PolicyNote {
        let mut all = Vec::new();
        for clause in clauses(policy) {
            let outcome = clause.holds(self.evaluator, policy);
            let stops = outcome.is_err();
            let was_stopped = all.iter().any(|part: &PartNote| !part.holds);
            // Cedar stops at the first condition that does not hold: an error after it is none.
            if !(stops && was_stopped) {
                all.push(PartNote {
                    part: clause.part,
                    text: clause.text(),
                    place: self.grounds.sources.place(policy, clause.loc),
                    holds: outcome == Ok(true),
                    because: self.facts(policy, clause.body),
                    error: outcome.err(),
                });
            }
            if stops {
                break;
            }
        }
        let outcome = if all.iter().any(|part| part.error.is_some()) {
            PolicyOutcome::Failed
        } else if all.iter().any(|part| !part.holds) {
            PolicyOutcome::DoesNotApply
        } else {
            PolicyOutcome::Applies
        };
        match outcome {
            PolicyOutcome::Applies => {}
            PolicyOutcome::DoesNotApply => all.retain(|part| !part.holds),
            PolicyOutcome::Failed => all.retain(|part| part.error.is_some()),
        }
        self.told(policy, outcome, all)
    }

    /// A policy of whose scope this part does not match.
    pub(super) fn missed(&self, policy: &Policy, part: Part) -> PolicyNote {
        let (text, loc) = shown_scope(policy, part);
        let place = self.grounds.sources.place(policy, loc.as_ref().or(policy.loc()));
        let missed = PartNote { part, text, place, holds: false, error: None, because: Vec::new() };
        self.told(policy, PolicyOutcome::DoesNotApply, vec![missed])
    }

    fn told(&self, policy: &Policy, outcome: PolicyOutcome, parts: Vec<PartNote>) -> PolicyNote {
        let known = self.grounds.sources.of(policy);
        PolicyNote {
            id: policy.id().to_string(),
            description: known.map(|known| known.description.clone()).unwrap_or_default(),
            effect: match policy.effect() {
                Effect::Permit => "permit",
                Effect::Forbid => "forbid",
            },
            outcome,
            place: self.grounds.sources.place(policy, policy.loc()),
            parts,
        }
    }

    fn facts(&self, policy: &Policy, expr: &cedar_policy_core::ast::Expr) -> Vec<crate::Fact> {
        let viewer = Viewer { circumstances: Some(&self.request.circumstances) };
        facts_of(self.evaluator, policy, expr, self.grounds.sources, viewer)
    }
}

/// One sentence for people.
fn summary(told: &Explanation) -> String {
    let names = |notes: &[PolicyNote]| {
        notes.iter().map(|note| format!("`{}`", note.id)).collect::<Vec<_>>().join(", ")
    };
    if told.decision.allowed {
        return format!("allowed by {}", names(&told.determined_by));
    }
    let mut text = match (told.decision.errors.is_empty(), told.determined_by.is_empty()) {
        (true, true) => "denied: no policy permits it".to_owned(),
        (true, false) => format!("denied by {}", names(&told.determined_by)),
        (false, true) => "denied: it could not be decided".to_owned(),
        (false, false) => format!("denied: {} could not be evaluated", names(&told.determined_by)),
    };
    let ways: Vec<_> =
        told.remedies.iter().map(|remedy| super::levers::in_words(&remedy.needs)).collect();
    if !ways.is_empty() {
        text = format!("{text}; allowed with {}", ways.join("; or with "));
    }
    text
}
