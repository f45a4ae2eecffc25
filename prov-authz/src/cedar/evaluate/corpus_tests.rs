//! Cedar's own conformance corpus through the call every decision takes. As Cedar specifies it, every
//! decision, reason and error is exact; as prov runs it, every error denies and nothing else changes.
//! The same holds of the policies that the index finds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Context, EntityId, EntityTypeName, EntityUid, Schema};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;

use super::*;
use crate::cedar::rules::{Rule, Rules, set_of};
use crate::cedar::{Closure, OwnedName};

/// Every n-th case of the large corpus is run: more than 2,000 requests, in seconds.
const EVERY: usize = 20;

#[derive(Deserialize)]
struct Case {
    policies: String,
    entities: String,
    schema: String,
    requests: Vec<Asked>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    principal: Value,
    action: Value,
    resource: Value,
    context: Value,
    #[serde(default = "yes")]
    validate_request: bool,
    decision: String,
    reason: Vec<String>,
    errors: Vec<String>,
}

const fn yes() -> bool {
    true
}

type Files = BTreeMap<PathBuf, String>;

/// The files of an archive; `None` and a visible line when it is not there.
#[expect(clippy::disallowed_methods, reason = "a test finds its vectors by the environment")]
fn archive(name: &str) -> Option<Files> {
    let root = std::env::var("PROV_VECTORS").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
        PathBuf::from,
    );
    let Ok(file) = File::open(root.join("cedar").join(name)) else {
        assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "the vectors {name} are missing");
        println!("SKIPPED: {name} is not in PROV_VECTORS/cedar");
        return None;
    };
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(GzDecoder::new(file)).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let mut text = String::new();
        if entry.header().entry_type().is_file() && entry.read_to_string(&mut text).is_ok() {
            files.insert(path, text);
        }
    }
    Some(files)
}

fn uid(value: &Value) -> EntityUid {
    let kind = EntityTypeName::from_str(value["type"].as_str().unwrap()).unwrap();
    EntityUid::from_type_name_and_id(kind, EntityId::new(value["id"].as_str().unwrap()))
}

/// An entity with all it is in, as the request's entities have it.
struct Place {
    own: OwnedName,
    above: Vec<OwnedName>,
}

impl Place {
    fn of(uid: &EntityUid, entities: &Entities) -> Self {
        let above = entities.ancestors(uid).into_iter().flatten();
        Self { own: OwnedName::of(uid), above: above.map(OwnedName::of).collect() }
    }

    fn closure(&self) -> Closure<'_> {
        Closure { own: self.own.name(), above: self.above.iter().map(OwnedName::name).collect() }
    }
}

fn outcome(evaluated: &Evaluated) -> (bool, &[String], BTreeMap<&str, &str>) {
    let errors = evaluated.errors.iter().map(|e| (e.policy.as_str(), e.message.as_str()));
    (evaluated.allowed, &evaluated.policies, errors.collect())
}

fn whole(ids: impl IntoIterator<Item = impl ToString>) -> BTreeSet<String> {
    ids.into_iter().map(|id| id.to_string()).collect()
}

/// Runs one request both ways; whether it had errors.
fn check(name: &str, asked: &Asked, run: impl Fn(OnError) -> Evaluated) -> bool {
    let errors_of = |evaluated: &Evaluated| whole(evaluated.errors.iter().map(|e| &e.policy));

    let plain = run(OnError::Skip);
    assert_eq!(plain.allowed, asked.decision == "allow", "{name}");
    assert_eq!(whole(&plain.policies), whole(&asked.reason), "{name}");
    assert_eq!(errors_of(&plain), whole(&asked.errors), "{name}");

    let strict = run(OnError::Deny);
    assert_eq!(strict.allowed, plain.allowed && asked.errors.is_empty(), "{name}");
    assert_eq!(errors_of(&strict), whole(&asked.errors), "{name}");
    if asked.errors.is_empty() {
        assert_eq!(strict.policies, plain.policies, "{name}");
    } else {
        assert!(whole(&strict.policies).is_superset(&whole(&asked.errors)), "{name}");
    }
    !asked.errors.is_empty()
}

/// Runs one case; the number of requests it had and how many of them had errors.
fn run(name: &Path, case: &Case, files: &Files) -> (usize, usize) {
    let text = |path: &str| files.get(Path::new(path)).unwrap();
    let policies = PolicySet::from_str(text(&case.policies)).unwrap();
    let (schema, _) = Schema::from_cedarschema_str(text(&case.schema)).unwrap();
    let entities = Entities::from_json_str(text(&case.entities), Some(&schema)).unwrap();
    let authorizer = Authorizer::new();
    let known = schema.action_entities().unwrap();
    let known: Vec<_> = known.iter().map(|action| Place::of(&action.uid(), &known)).collect();
    let known: Vec<_> = known.iter().map(Place::closure).collect();
    let mut rules: Vec<_> = policies.policies().map(|p| Arc::new(Rule::of(p))).collect();
    rules.sort_unstable_by(|one, other| one.id.cmp(&other.id));
    let rules = Rules::indexed(rules, &known);
    let mut failed = 0;
    for (at, asked) in case.requests.iter().enumerate() {
        let action = uid(&asked.action);
        let context =
            Context::from_json_value(asked.context.clone(), Some((&schema, &action))).unwrap();
        let (principal, resource) = (uid(&asked.principal), uid(&asked.resource));
        let places = [&principal, &action, &resource].map(|uid| Place::of(uid, &entities));
        let [who, does, what] = &places.each_ref().map(Place::closure);
        let candidates = rules.candidates(who, does, what).unwrap();
        let few = set_of(&policies, &rules, &candidates).unwrap();
        let schema = asked.validate_request.then_some(&schema);
        let request = Request::new(principal, action, resource, context, schema).unwrap();
        let name = format!("{} request {at}", name.display());
        failed += usize::from(check(&name, asked, |on_error| {
            let whole = evaluate(&authorizer, &request, &policies, &entities, on_error);
            let found = evaluate(&authorizer, &request, &few, &entities, on_error);
            assert_eq!(outcome(&found), outcome(&whole), "{name}");
            whole
        }));
    }
    (case.requests.len(), failed)
}

fn run_all(archive_name: &str, every: usize) -> Option<(usize, usize)> {
    let files = archive(archive_name)?;
    let is_case = |path: &Path| {
        let name = path.to_string_lossy();
        name.ends_with(".json") && !name.ends_with("entities.json")
    };
    let (mut requests, mut failed) = (0, 0);
    for (path, text) in files.iter().filter(|(path, _)| is_case(path)).step_by(every) {
        let case: Case = serde_json::from_str(text).unwrap();
        let (ran, errors) = run(path, &case, &files);
        requests += ran;
        failed += errors;
    }
    println!("{archive_name}: {requests} requests exact, {failed} of them with errors");
    Some((requests, failed))
}

#[test]
fn the_handwritten_cases_are_exact() {
    if let Some((requests, _)) = run_all("handwritten-tests.tar.gz", 1) {
        assert!(requests >= 60, "only {requests} requests ran");
    }
}

#[test]
fn a_sample_of_the_corpus_is_exact() {
    if let Some((requests, failed)) = run_all("corpus-tests.tar.gz", EVERY) {
        assert!(requests >= 2_000, "only {requests} requests ran");
        assert!(failed > 0, "no erring policy was among them");
    }
}
