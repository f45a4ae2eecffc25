use std::collections::BTreeSet;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedar_policy::{Authorizer, Context, Decision as CedarDecision, Entities, EntityUid, Request};
use prov_core::SystemClock;
use serde::Serialize;

use super::outcomes::{OnError, Prepared, Verdict};
#[cfg(feature = "prove")]
use super::outcomes::{Outcome, outcome};
use super::suite::{Asked, Case, CedarQuestion, ProvQuestion, Suite};
use crate::load::Compiled;
use crate::{AccessRequest, CedarEngine, CedarOptions, Finding, PolicyEngine, PolicyFiles};

/// A suite, and the policies it is about.
#[derive(Debug)]
pub struct PolicyTests {
    pub(super) engine: CedarEngine,
    pub(super) suite: Suite,
}

/// What came of all tests.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TestReport {
    /// The revision of the policies.
    pub revision: String,
    /// One for each test, in their order.
    pub results: Vec<TestResult>,
}

/// What came of one test.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TestResult {
    /// Its name.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// The line it begins on; 0 where that is not known.
    pub line: usize,
    /// Whether it came out as expected.
    pub passed: bool,
    /// `allow` or `deny`: what was decided.
    pub decision: &'static str,
    /// By which policies.
    pub by: Vec<String>,
    /// What is wrong, when it did not come out as expected.
    pub failure: Option<String>,
    /// What is to be known though it did.
    pub note: Option<String>,
    /// How long it took, in seconds.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
}

fn seconds<S: serde::Serializer>(took: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(took.as_secs_f64())
}

impl TestReport {
    /// How many did not come out as expected.
    #[must_use]
    pub fn failed(&self) -> usize {
        self.results.iter().filter(|result| !result.passed).count()
    }
}

impl PolicyTests {
    /// These tests of these policies.
    ///
    /// # Errors
    /// What is wrong with the policies, and tests that name policies that do not exist.
    pub fn new(
        files: &PolicyFiles,
        options: CedarOptions,
        suite: Suite,
    ) -> Result<Self, Vec<Finding>> {
        // Every question has its own moment, so the clock decides nothing.
        let clock = Arc::new(SystemClock::new());
        let engine = CedarEngine::of_files(files, clock, options)?;
        let known: BTreeSet<_> = engine.policies().into_iter().map(|policy| policy.id).collect();
        let mut findings = Vec::new();
        for case in &suite.cases {
            for id in case.by.iter().flatten().filter(|id| !known.contains(*id)) {
                let message = format!("test `{}`: there is no policy `{id}`", case.name);
                let remedy = nearest(id, &known).map_or_else(
                    || "see `prov policy validate`".into(),
                    |near| format!("do you mean `{near}`?"),
                );
                let mut finding = Finding::file(&case.place.file, message, &remedy);
                finding.line = case.place.line;
                findings.push(finding);
            }
        }
        if findings.is_empty() { Ok(Self { engine, suite }) } else { Err(findings) }
    }

    /// Runs every test.
    #[must_use]
    pub fn run(&self) -> TestReport {
        TestReport {
            revision: self.engine.revision().to_string(),
            results: self.suite.cases.iter().map(|case| self.run_one(case)).collect(),
        }
    }

    fn run_one(&self, case: &Case) -> TestResult {
        let start = Instant::now();
        let decided = self.decide(case);
        let took = start.elapsed();
        let (verdict, failure, note) = match decided {
            Ok((verdict, note)) => {
                let failure = case.differs_from(&verdict);
                (verdict, failure, note)
            }
            Err(why) => {
                let nothing = Verdict { allowed: false, by: Vec::new(), errors: 0 };
                (nothing, Some(format!("could not be asked: {why}")), None)
            }
        };
        TestResult {
            name: case.name.clone(),
            file: case.place.file.clone(),
            line: case.place.line,
            passed: failure.is_none(),
            decision: word(verdict.allowed),
            by: verdict.by,
            failure,
            note,
            took,
        }
    }

    /// The engine's own answer, or Cedar's to a question in Cedar's form.
    pub(super) fn decide(&self, case: &Case) -> Result<(Verdict, Option<String>), String> {
        match &case.asked {
            Asked::Prov(question) => {
                let request = question.request();
                self.engine.check(&request).map_err(|error| told(&error))?;
                let decision = self.engine.decide(&request);
                let errors = decision.errors.len();
                let by = decision.determining_policies;
                Ok((Verdict { allowed: decision.allowed, by, errors }, None))
            }
            Asked::Cedar(question) => {
                let prepared = self.engine.with_compiled(|set| question.prepare(set))?;
                self.engine.with_compiled(|set| as_cedar_decides(set, &prepared))
            }
        }
    }

    /// The test as Cedar evaluates it.
    pub(super) fn prepare(&self, case: &Case) -> Result<Prepared, String> {
        match &case.asked {
            Asked::Prov(question) => {
                let asked = question.request();
                let (request, entities) =
                    self.engine.as_cedar(&asked).map_err(|error| told(&error))?;
                Ok(Prepared { request, entities, on_error: OnError::Deny })
            }
            Asked::Cedar(question) => self.engine.with_compiled(|set| question.prepare(set)),
        }
    }
}

fn as_cedar_decides(
    set: &Compiled,
    prepared: &Prepared,
) -> Result<(Verdict, Option<String>), String> {
    let policies = set.policies.as_set().map_err(|error| told(&error))?;
    let answer = Authorizer::new().is_authorized(&prepared.request, policies, &prepared.entities);
    let allowed = answer.decision() == CedarDecision::Allow;
    let mut by: Vec<_> = answer.diagnostics().reason().map(ToString::to_string).collect();
    by.sort_unstable();
    let errors = answer.diagnostics().errors().count();
    let note = (allowed && errors > 0).then(|| {
        "Cedar passes the failed policy over and allows; prov denies, because it failed".to_owned()
    });
    Ok((Verdict { allowed, by, errors }, note))
}

impl ProvQuestion {
    fn request(&self) -> AccessRequest<'_> {
        AccessRequest::by(&self.principal, self.circumstances, &self.action, &self.resource)
            .with_claims(&self.claims)
    }
}

impl CedarQuestion {
    fn prepare(&self, set: &Compiled) -> Result<Prepared, String> {
        let schema = Some(&set.facts.schema);
        let named = |what: &str, text: &str| {
            EntityUid::from_str(text).map_err(|error| format!("`{what}` `{text}`: {error}"))
        };
        let principal = named("request.principal", &self.principal)?;
        let action = named("request.action", &self.action)?;
        let resource = named("request.resource", &self.resource)?;
        let context =
            Context::from_json_value(self.context.clone(), Some((&set.facts.schema, &action)))
                .map_err(|error| format!("`request.context`: {error}"))?;
        let request = Request::new(principal, action, resource, context, schema)
            .map_err(|error| format!("`request`: {error}"))?;
        let entities = Entities::from_json_value(self.entities.clone(), schema)
            .map_err(|error| format!("`entities`: {}", with_cause(&error)))?;
        Ok(Prepared { request, entities, on_error: OnError::Skip })
    }
}

fn with_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

impl Case {
    /// What is wrong with this verdict; `None` when it is the expected one.
    pub(super) fn differs_from(&self, verdict: &Verdict) -> Option<String> {
        let list = |ids: &[String]| match ids {
            [] => "no policy".to_owned(),
            ids => format!("`{}`", ids.join("`, `")),
        };
        if verdict.allowed != self.allowed {
            let (expected, got) = (word(self.allowed), word(verdict.allowed));
            return Some(format!("expected {expected}, got {got} by {}", list(&verdict.by)));
        }
        let by = self.by.as_ref()?;
        match &self.asked {
            Asked::Prov(_) if *by != verdict.by => {
                Some(format!("expected {} to determine it, got {}", list(by), list(&verdict.by)))
            }
            Asked::Cedar(_) if by.iter().any(|id| !verdict.by.contains(id)) => {
                Some(format!("expected {} among the reasons, got {}", list(by), list(&verdict.by)))
            }
            Asked::Cedar(question) if question.errors != verdict.errors => {
                Some(format!("expected {} errors, got {}", question.errors, verdict.errors))
            }
            _ => None,
        }
    }
}

const fn word(allowed: bool) -> &'static str {
    if allowed { "allow" } else { "deny" }
}

/// An error with its fields on one line.
fn told(error: &prov_core::Error) -> String {
    let fields: Vec<_> = error
        .fields()
        .iter()
        .map(|field| format!("`{}`: {}", field.field, field.message))
        .collect();
    if fields.is_empty() { error.to_string() } else { fields.join("; ") }
}

/// The known id that shares most of its beginning and end with this one, if it shares half.
fn nearest<'k>(id: &str, known: &'k BTreeSet<String>) -> Option<&'k String> {
    let alike = |other: &str| {
        let front = id.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
        let back = id.chars().rev().zip(other.chars().rev()).take_while(|(a, b)| a == b).count();
        front + back
    };
    known.iter().max_by_key(|other| alike(other)).filter(|other| alike(other) * 2 >= id.len())
}

/// Whether a policy that is not in the set applies to a request.
#[cfg(feature = "prove")]
pub(crate) fn applies(
    engine: &CedarEngine,
    request: &AccessRequest<'_>,
    policy: &cedar_policy::Policy,
) -> bool {
    let Ok((request, entities)) = engine.as_cedar(request) else { return false };
    let prepared = Prepared { request, entities, on_error: OnError::Deny };
    prepared.bench().is_some_and(|(asked, evaluator)| {
        outcome(&asked, &evaluator, policy.as_ref()) == Outcome::Applies
    })
}
