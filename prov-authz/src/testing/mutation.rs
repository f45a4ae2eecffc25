use std::collections::BTreeMap;

use cedar_policy::{Policy, PolicySet, ValidationMode, Validator};
use cedar_policy_core::ast::Effect;
use cedar_policy_core::evaluator::Evaluator;
use serde::Serialize;

use super::coverage::percent;
use super::mutants::{self, Mutant};
use super::outcomes::{OnError, Outcome, Prepared, outcome, verdict};
use super::parties::Parties;
use super::run::PolicyTests;
use super::suite::Case;
use crate::Finding;
use crate::anatomy::{Place, Sources};
use crate::load::Compiled;

/// How many small changes to the policies the tests notice.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Mutation {
    /// Changes that were tried. What the engine would refuse to load is not among them.
    pub mutants: usize,
    /// Those that made at least one test fail.
    pub killed: usize,
    /// Those that no test noticed, by policy and place.
    pub survivors: Vec<Survivor>,
}

/// A change that no test noticed: a missing test, or a part of the policy that means nothing.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Survivor {
    /// The policy.
    pub policy: String,
    /// What was changed.
    pub change: String,
    /// Where.
    pub place: Option<Place>,
    /// The changed policy; absent when it was taken out.
    pub changed: Option<String>,
}

impl Mutation {
    /// The share of the changes that were noticed, in percent.
    #[must_use]
    pub fn score(&self) -> f64 {
        percent(self.killed, self.mutants)
    }
}

impl PolicyTests {
    /// Changes every policy in many small ways and looks which changes the tests notice.
    ///
    /// # Errors
    /// The tests that fail without any change: they could notice nothing.
    pub fn mutate(&self) -> Result<Mutation, Vec<Finding>> {
        let prepared = self.passing()?;
        self.engine.with_compiled(|set| {
            let benches: Vec<_> = prepared
                .iter()
                .filter_map(|(case, prepared)| {
                    let (asked, evaluator) = prepared.bench()?;
                    Some(Bench::new(case, prepared.on_error, asked, evaluator, set))
                })
                .collect();
            self.confirm(&benches)?;
            Ok(score(set, &benches))
        })
    }

    /// Every test as Cedar evaluates it; the failing ones as findings.
    fn passing(&self) -> Result<Vec<(&Case, Prepared)>, Vec<Finding>> {
        let (mut prepared, mut findings) = (Vec::new(), Vec::new());
        for (case, result) in self.suite.cases.iter().zip(self.run().results) {
            let failure = match (result.failure, self.prepare(case)) {
                (None, Ok(ready)) => {
                    prepared.push((case, ready));
                    continue;
                }
                (Some(failure), _) | (None, Err(failure)) => failure,
            };
            let message = format!("test `{}` fails: {failure}", case.name);
            let remedy = "mutants can be told only by tests that pass";
            let mut finding = Finding::file(&case.place.file, message, remedy);
            finding.line = case.place.line;
            findings.push(finding);
        }
        if findings.is_empty() { Ok(prepared) } else { Err(findings) }
    }

    /// That decisions put together from outcomes are those of the engine.
    fn confirm(&self, benches: &[Bench<'_>]) -> Result<(), Vec<Finding>> {
        for bench in benches {
            let own = bench.verdict_without("", None);
            let decided = self.decide(bench.case).map(|(verdict, _)| verdict);
            if decided.as_ref() != Ok(&own) {
                let message = format!(
                    "test `{}`: the engine says {decided:?}, its policies one by one {own:?}",
                    bench.case.name
                );
                return Err(vec![Finding::file(&bench.case.place.file, message, "report this")]);
            }
        }
        Ok(())
    }
}

/// A test with what every policy comes to for it.
struct Bench<'b> {
    case: &'b Case,
    on_error: OnError,
    asked: Parties<'b>,
    evaluator: Evaluator<'b>,
    outcomes: BTreeMap<&'b str, (Effect, Outcome)>,
}

impl<'b> Bench<'b> {
    fn new(
        case: &'b Case,
        on_error: OnError,
        asked: Parties<'b>,
        evaluator: Evaluator<'b>,
        set: &'b Compiled,
    ) -> Self {
        let outcomes = set
            .policies
            .iter()
            .map(|policy| {
                let policy: &cedar_policy_core::ast::Policy = policy.as_ref();
                let becomes = outcome(&asked, &evaluator, policy);
                (policy.id().as_ref(), (policy.effect(), becomes))
            })
            .collect();
        Self { case, on_error, asked, evaluator, outcomes }
    }

    /// The verdict with another outcome of one policy, or without that policy.
    fn verdict_without(
        &self,
        policy: &str,
        instead: Option<(Effect, Outcome)>,
    ) -> super::outcomes::Verdict {
        let others = self.outcomes.iter().filter(|(id, _)| **id != policy);
        let others = others.map(|(id, (effect, outcome))| (*id, *effect, *outcome));
        let changed = instead.map(|(effect, outcome)| (policy, effect, outcome));
        verdict(others.chain(changed), self.on_error)
    }

    fn notices(&self, id: &str, mutant: &Mutant) -> bool {
        let instead = mutant.policy.as_ref().map(|policy| {
            let policy = policy.as_ref();
            (policy.effect(), outcome(&self.asked, &self.evaluator, policy))
        });
        if instead.is_some_and(|instead| self.outcomes.get(id) == Some(&instead)) {
            return false;
        }
        self.case.differs_from(&self.verdict_without(id, instead)).is_some()
    }
}

fn score(set: &Compiled, benches: &[Bench<'_>]) -> Mutation {
    let validator = Validator::new(set.facts.schema.clone());
    let mut total = Mutation { mutants: 0, killed: 0, survivors: Vec::new() };
    for policy in set.policies.iter() {
        let id = policy.id().to_string();
        for mutant in mutants::of(policy, Sources::new(&set.documents)) {
            if benches.iter().any(|bench| bench.notices(&id, &mutant)) {
                // What was noticed counts only if it could have gone live.
                let counts = usize::from(may_go_live(&validator, &mutant));
                total.mutants += counts;
                total.killed += counts;
            } else if may_go_live(&validator, &mutant) {
                total.mutants += 1;
                total.survivors.push(Survivor {
                    policy: id.clone(),
                    change: mutant.change,
                    place: mutant.place,
                    changed: mutant.policy.map(|policy| policy.to_string()),
                });
            }
        }
    }
    total.survivors.sort_by(|a, b| (&a.place, &a.change).cmp(&(&b.place, &b.change)));
    total
}

/// Whether strict validation accepts it, as loading it would have to.
fn may_go_live(validator: &Validator, mutant: &Mutant) -> bool {
    let Some(policy) = &mutant.policy else { return true };
    let alone: Result<PolicySet, _> = PolicySet::from_policies([Policy::clone(policy)]);
    alone.is_ok_and(|set| validator.validate(&set, ValidationMode::Strict).validation_passed())
}
