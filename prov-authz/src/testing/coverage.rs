use serde::Serialize;

use super::run::PolicyTests;
use crate::anatomy::{Part, Place, Sources, clauses};

/// Which policies and clauses the tests exercised, both ways.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Coverage {
    /// One for each policy, by id.
    pub policies: Vec<PolicyCoverage>,
    /// How many outcomes there are: two for each policy (applies or not) and two for each of its
    /// clauses (holds or not).
    pub outcomes: usize,
    /// How many of them occurred.
    pub covered: usize,
}

/// One policy.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PolicyCoverage {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub place: Option<Place>,
    /// How many tests it applied to.
    pub applied: usize,
    /// How many it did not apply to.
    pub did_not_apply: usize,
    /// Its clauses, in order.
    pub clauses: Vec<ClauseCoverage>,
}

/// One clause. Cedar evaluates it only where the scope matches and every clause before it holds.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ClauseCoverage {
    /// `when` or `unless`.
    pub part: Part,
    /// As it is written, on one line.
    pub text: String,
    /// Where.
    pub place: Option<Place>,
    /// For how many tests it let the policy apply.
    pub held: usize,
    /// For how many it did not.
    pub did_not_hold: usize,
    /// For how many it could not be evaluated.
    pub failed: usize,
}

impl Coverage {
    /// How much occurred, in percent.
    #[must_use]
    pub fn percent(&self) -> f64 {
        percent(self.covered, self.outcomes)
    }
}

/// A share in percent; of nothing, all.
pub(super) fn percent(part: usize, whole: usize) -> f64 {
    /// Counts are far below what `f64` holds exactly.
    fn exact(count: usize) -> f64 {
        f64::from(u32::try_from(count).unwrap_or(u32::MAX))
    }
    if whole == 0 { 100.0 } else { exact(part) * 100.0 / exact(whole) }
}

impl PolicyCoverage {
    fn outcomes(&self) -> impl Iterator<Item = usize> {
        let clauses = self.clauses.iter().flat_map(|c| [c.held, c.did_not_hold]);
        [self.applied, self.did_not_apply].into_iter().chain(clauses)
    }
}

impl PolicyTests {
    /// What the tests exercise. Tests that can't be asked exercise nothing.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let prepared: Vec<_> =
            self.suite.cases.iter().filter_map(|case| self.prepare(case).ok()).collect();
        let benches: Vec<_> =
            prepared.iter().filter_map(super::outcomes::Prepared::bench).collect();
        let mut policies = self.engine.with_compiled(|set| {
            let sources = Sources::new(&set.documents);
            let cover = |policy: &cedar_policy::Policy| {
                let policy = policy.as_ref();
                let mut covered = PolicyCoverage {
                    id: policy.id().to_string(),
                    place: sources.place(policy, policy.loc()),
                    applied: 0,
                    did_not_apply: 0,
                    clauses: Vec::new(),
                };
                let parts = clauses(policy);
                covered.clauses.extend(parts.iter().map(|clause| ClauseCoverage {
                    part: clause.part,
                    text: clause.text(),
                    place: sources.place(policy, clause.loc),
                    held: 0,
                    did_not_hold: 0,
                    failed: 0,
                }));
                for (asked, evaluator) in &benches {
                    let mut applies = asked.is_about(policy);
                    for (clause, seen) in parts.iter().zip(&mut covered.clauses) {
                        if !applies {
                            break;
                        }
                        match clause.holds(evaluator, policy) {
                            Ok(true) => seen.held += 1,
                            Ok(false) => {
                                seen.did_not_hold += 1;
                                applies = false;
                            }
                            Err(_) => {
                                seen.failed += 1;
                                applies = false;
                            }
                        }
                    }
                    let count =
                        if applies { &mut covered.applied } else { &mut covered.did_not_apply };
                    *count += 1;
                }
                covered
            };
            set.policies.iter().map(cover).collect::<Vec<_>>()
        });
        policies.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let outcomes = policies.iter().map(|policy| policy.outcomes().count()).sum();
        let occurred =
            |policy: &PolicyCoverage| policy.outcomes().filter(|count| *count > 0).count();
        let covered = policies.iter().map(occurred).sum();
        Coverage { policies, outcomes, covered }
    }
}
