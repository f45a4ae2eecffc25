use std::sync::Arc;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, RequestEnv};
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicySet, Env, err};
use prov_core::{Error, Result, SystemClock};
use serde::Serialize;

use super::counterexample::{Asked, Counterexample};
use super::invariants::{Checked, Invariant, Invariants};
use super::solver::{BoundedSolver, SolverCommand};
use crate::load::refusal;
use crate::testing::applies;
use crate::{CedarEngine, CedarOptions, Finding, PolicyEngine, PolicyFiles, codes};

/// What came of a claim.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Claim {
    /// It holds of every request.
    Holds,
    /// Here is a request of which it does not hold.
    Violated {
        /// As the engine decided it.
        counterexample: Box<Counterexample>,
    },
    /// The solver could not tell, or told of something that prov can't be asked.
    Unproved {
        /// Why, and what to do.
        reason: String,
    },
}

/// An invariant, and what came of it.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Proof {
    /// The id of the invariant.
    pub id: String,
    /// What it says.
    pub description: String,
    /// The file it stands in.
    pub file: String,
    /// The line it begins on.
    pub line: usize,
    /// What came of it.
    #[serde(flatten)]
    pub claim: Claim,
}

/// Two sets of policies against each other.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Comparison {
    /// That the new set allows nothing that the old one does not.
    pub permits_no_more: Claim,
    /// That it allows everything that the old one does.
    pub permits_no_less: Claim,
    /// For each kind of request on which they differ, one request.
    pub differences: Vec<Difference>,
}

impl Comparison {
    /// Whether both allow the same.
    #[must_use]
    pub const fn is_equivalent(&self) -> bool {
        matches!((&self.permits_no_more, &self.permits_no_less), (Claim::Holds, Claim::Holds))
    }
}

/// A request on which two sets differ.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// As the new set decides it.
    #[serde(flatten)]
    pub request: Counterexample,
    /// By which policies the old set decides the opposite.
    pub old_by: Vec<String>,
}

/// Proves invariants of policies, or finds requests that break them.
///
/// # Errors
/// What is wrong with the policies or the invariants, file and line each; a solver that does not start
/// or does not know what every solver knows.
pub async fn prove(
    files: &PolicyFiles,
    options: CedarOptions,
    invariants: &Invariants,
    solver: &SolverCommand,
) -> Result<Vec<Proof>> {
    let engine = engine(files, options)?;
    let checked = engine.with_compiled(|set| invariants.check(set)).map_err(|f| unfit(&f))?;
    let policies = engine.with_compiled(|set| set.policies.as_set().cloned())?;
    let goals: Vec<_> = checked
        .claims
        .iter()
        .map(|claim| goal(claim, &checked, &policies))
        .collect::<Result<_>>()?;
    let mut prover = Prover::new(&engine, solver).await?;
    let mut proofs = Vec::with_capacity(goals.len());
    for (claim, (left, right)) in checked.claims.iter().zip(&goals) {
        let breaks = |asked: &Asked| {
            let decision = engine.decide(&asked.request());
            let is_about = applies(&engine, &asked.request(), &claim.policy);
            let broken = decision.allowed == (claim.policy.effect() == Effect::Forbid);
            (is_about && broken).then_some(decision)
        };
        let outcome = match prover.first(left, right, &breaks).await? {
            Found::Nothing => Claim::Holds,
            Found::Request(asked, decision) => {
                Claim::Violated { counterexample: Box::new(asked.shown(&decision)) }
            }
            Found::Unclear(reason) => Claim::Unproved { reason },
        };
        proofs.push(Proof {
            id: claim.id.clone(),
            description: claim.description.clone(),
            file: checked.file.clone(),
            line: claim.line,
            claim: outcome,
        });
    }
    Ok(proofs)
}

/// Compares what two sets allow, under the schema of the new one.
///
/// # Errors
/// As [`prove`]; an old set that does not fit the schema of the new one.
pub async fn compare(
    old: &PolicyFiles,
    new: &PolicyFiles,
    options: CedarOptions,
    invariants: Option<&Invariants>,
    solver: &SolverCommand,
) -> Result<Comparison> {
    let fitted = PolicyFiles { schema: new.schema.clone(), ..old.clone() };
    let (old, new) = (engine(&fitted, options.clone())?, engine(new, options)?);
    let assumptions = match invariants {
        Some(invariants) => {
            new.with_compiled(|set| invariants.check(set)).map_err(|f| unfit(&f))?.assumptions
        }
        None => Vec::new(),
    };
    let of = |engine: &CedarEngine| engine.with_compiled(|set| set.policies.as_set().cloned());
    let (old_set, new_set) = (of(&old)?, of(&new)?);
    let differ = |asked: &Asked| {
        let (now, then) = (new.decide(&asked.request()), old.decide(&asked.request()));
        (now.allowed != then.allowed).then_some((now, then))
    };
    let mut prover = Prover::new(&new, solver).await?;
    let (mut claims, mut differences) = (Vec::new(), Vec::new());
    for (left, right) in [(&new_set, &old_set), (&old_set, &new_set)] {
        let left = with(left, &assumptions)?;
        let mut claim = Claim::Holds;
        for environment in prover.environments() {
            match prover.one(&environment, &left, right, &|asked| differ(asked)).await? {
                Found::Nothing => {}
                Found::Unclear(reason) => {
                    if matches!(claim, Claim::Holds) {
                        claim = Claim::Unproved { reason };
                    }
                }
                Found::Request(asked, (now, then)) => {
                    let request = asked.shown(&now);
                    if !matches!(claim, Claim::Violated { .. }) {
                        claim = Claim::Violated { counterexample: Box::new(request.clone()) };
                    }
                    differences.push(Difference { request, old_by: then.determining_policies });
                }
            }
        }
        claims.push(claim);
    }
    let unknown = || Claim::Unproved { reason: "not asked".to_owned() };
    let permits_no_less = claims.pop().unwrap_or_else(unknown);
    let permits_no_more = claims.pop().unwrap_or_else(unknown);
    Ok(Comparison { permits_no_more, permits_no_less, differences })
}

fn engine(files: &PolicyFiles, options: CedarOptions) -> Result<CedarEngine> {
    CedarEngine::from_files(files, Arc::new(SystemClock::new()), options)
}

/// The refusal of invariants because of these findings.
fn unfit(findings: &[Finding]) -> Error {
    refusal(findings).detail("the invariants can't be used as they are")
}

/// Left implies right: of a `forbid`, that whatever the policies allow, everything but what it matches
/// allows as well; of a `permit`, that whatever it matches, the policies allow.
fn goal(
    claim: &Invariant,
    checked: &Checked,
    policies: &PolicySet,
) -> Result<(PolicySet, PolicySet)> {
    let alone = [claim.policy.clone()];
    if claim.policy.effect() == Effect::Forbid {
        let everything = Policy::parse(
            Some(PolicyId::new("invariant//everything")),
            "permit (principal, action, resource);",
        )
        .map_err(|error| internal(&error.to_string()))?;
        let right = with(&PolicySet::new(), &[everything, claim.policy.clone()])?;
        Ok((with(policies, &checked.assumptions)?, right))
    } else {
        let left = with(&PolicySet::new(), &alone)?;
        Ok((with(&left, &checked.assumptions)?, policies.clone()))
    }
}

fn with(set: &PolicySet, more: &[Policy]) -> Result<PolicySet> {
    let mut all = set.clone();
    for policy in more {
        all.add(policy.clone()).map_err(|error| internal(&error.to_string()))?;
    }
    Ok(all)
}

fn internal(why: &str) -> Error {
    Error::new(prov_core::codes::INTERNAL).context(why.to_owned())
}

/// What was found in one question or several.
enum Found<T> {
    /// There is no such request.
    Nothing,
    /// This one, and what was decided.
    Request(Box<Asked>, T),
    /// It can't be told.
    Unclear(String),
}

struct Prover<'p> {
    engine: &'p CedarEngine,
    command: &'p SolverCommand,
    compiler: CedarSymCompiler<BoundedSolver>,
}

impl<'p> Prover<'p> {
    async fn new(engine: &'p CedarEngine, command: &'p SolverCommand) -> Result<Self> {
        let compiler = compiler(command).await?;
        Ok(Self { engine, command, compiler })
    }

    /// Every action by every type of principal on every type of resource.
    fn environments(&self) -> Vec<RequestEnv> {
        self.engine.with_compiled(|set| set.facts.schema.request_envs().collect())
    }

    /// The first request that left allows and right does not, and that is what it is looked for.
    async fn first<T>(
        &mut self,
        left: &PolicySet,
        right: &PolicySet,
        confirm: &(dyn Fn(&Asked) -> Option<T> + Sync),
    ) -> Result<Found<T>>
    where
        T: Send,
    {
        let mut unclear = None;
        for environment in self.environments() {
            match self.one(&environment, left, right, confirm).await? {
                Found::Nothing => {}
                Found::Request(asked, decided) => return Ok(Found::Request(asked, decided)),
                Found::Unclear(reason) => {
                    unclear.get_or_insert(reason);
                }
            }
        }
        Ok(unclear.map_or(Found::Nothing, Found::Unclear))
    }

    async fn one<T>(
        &mut self,
        environment: &RequestEnv,
        left: &PolicySet,
        right: &PolicySet,
        confirm: &(dyn Fn(&Asked) -> Option<T> + Sync),
    ) -> Result<Found<T>>
    where
        T: Send,
    {
        let compiled = self.engine.with_compiled(|set| {
            let schema = &set.facts.schema;
            let compile = |policies| {
                CompiledPolicySet::compile(policies, environment, schema).map_err(Box::new)
            };
            Ok::<_, Box<err::Error>>((compile(left)?, compile(right)?))
        });
        let kind = || {
            format!("`{}` on `{}`", environment.action().id().unescaped(), environment.resource())
        };
        let (left, right) = match compiled {
            Ok(compiled) => compiled,
            Err(error) => {
                return Ok(Found::Unclear(format!("{} can't be compiled: {error}", kind())));
            }
        };
        match self.compiler.check_implies_with_counterexample_opt(&left, &right).await {
            Ok(None) => Ok(Found::Nothing),
            Ok(Some(model)) => Ok(self.judge(&model, confirm)),
            Err(error) => {
                // Whatever it was asked, the next question needs a solver in its senses.
                self.compiler = compiler(self.command).await?;
                Ok(Found::Unclear(format!("{}: {error}", kind())))
            }
        }
    }

    /// A model counts when prov can be asked what it says, and answers as it says.
    fn judge<T>(&self, model: &Env, confirm: &dyn Fn(&Asked) -> Option<T>) -> Found<T> {
        let asked = self
            .engine
            .with_compiled(|set| Asked::of(model, set))
            .filter(|asked| self.engine.check(&asked.request()).is_ok());
        let Some(asked) = asked else {
            let shown: String = model.to_string().chars().take(400).collect();
            return Found::Unclear(format!(
                "the solver found something that prov can't be asked; if there are no such requests, \
                 say so by a `forbid` with `@assume(\"…\")`: {}",
                crate::anatomy::one_line(&shown)
            ));
        };
        match confirm(&asked) {
            Some(decided) => Found::Request(Box::new(asked), decided),
            None => Found::Unclear(
                "the solver found a request that the engine decides otherwise".to_owned(),
            ),
        }
    }
}

async fn compiler(command: &SolverCommand) -> Result<CedarSymCompiler<BoundedSolver>> {
    let solver = command.start().await?;
    CedarSymCompiler::new(solver)
        .map_err(|error| Error::new(codes::SOLVER_UNUSABLE).detail(error.to_string()))
}
