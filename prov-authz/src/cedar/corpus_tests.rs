//! Cedar's own conformance corpus through every way a decision can take: all policies by Cedar, those
//! the index finds by Cedar, and those without Cedar. As Cedar specifies it, every decision, reason
//! and error is exact; as prov runs it, every error denies and nothing else changes.

mod files;
#[cfg(feature = "fast")]
mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Entities, EntityId, EntityTypeName, EntityUid, PolicySet, Request, Schema,
};
use serde_json::Value;

use self::files::{Asked, Case, Files, archive, is_case};
use super::evaluate::{Evaluated, OnError, evaluate};
use super::rules::{Reader, Rules, set_of};
use super::{Closure, OwnedName};

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

/// Holds the plain way against what the case expects, and against what prov makes of it.
fn check(name: &str, asked: &Asked, plain: &Evaluated, strict: &Evaluated) {
    let errors_of = |evaluated: &Evaluated| whole(evaluated.errors.iter().map(|e| &e.policy));
    assert_eq!(plain.allowed, asked.decision == "allow", "{name}");
    assert_eq!(whole(&plain.policies), whole(&asked.reason), "{name}");
    assert_eq!(errors_of(plain), whole(&asked.errors), "{name}");

    assert_eq!(strict.allowed, plain.allowed && asked.errors.is_empty(), "{name}");
    assert_eq!(errors_of(strict), whole(&asked.errors), "{name}");
    if asked.errors.is_empty() {
        assert_eq!(strict.policies, plain.policies, "{name}");
    } else {
        assert!(whole(&strict.policies).is_superset(&whole(&asked.errors)), "{name}");
    }
}

/// How much ran.
#[derive(Debug, Default)]
struct Ran {
    cases: usize,
    requests: usize,
    /// Those in which a policy failed.
    failed: usize,
    /// Those that were decided without Cedar.
    fast: usize,
}

/// A case, read.
struct Read {
    policies: PolicySet,
    schema: Schema,
    entities: Entities,
    rules: Rules,
    #[cfg(feature = "fast")]
    everybody: known::Everybody,
}

impl Read {
    fn new(case: &Case, files: &Files) -> Self {
        let text = |path: &str| files.get(Path::new(path)).unwrap();
        let policies = PolicySet::from_str(text(&case.policies)).unwrap();
        let (schema, _) = Schema::from_cedarschema_str(text(&case.schema)).unwrap();
        let entities = Entities::from_json_str(text(&case.entities), Some(&schema)).unwrap();
        let known = schema.action_entities().unwrap();
        let known: Vec<_> = known.iter().map(|action| Place::of(&action.uid(), &known)).collect();
        let known: Vec<_> = known.iter().map(Place::closure).collect();
        let mut reader = Reader::new();
        let mut rules: Vec<_> = policies
            .policies()
            .map(|policy| Arc::new(reader.rule(Arc::new(policy.clone()))))
            .collect();
        rules.sort_unstable_by(|one, other| one.id.cmp(&other.id));
        Self {
            rules: Rules::indexed(rules, &known),
            #[cfg(feature = "fast")]
            everybody: known::Everybody::of(&entities),
            policies,
            schema,
            entities,
        }
    }

    fn ask(&self, name: &str, asked: &Asked, ran: &mut Ran) {
        let Self { policies, schema, entities, rules, .. } = self;
        let action = uid(&asked.action);
        let context =
            Context::from_json_value(asked.context.clone(), Some((schema, &action))).unwrap();
        let (principal, resource) = (uid(&asked.principal), uid(&asked.resource));
        let places = [&principal, &action, &resource].map(|uid| Place::of(uid, entities));
        let [who, does, what] = &places.each_ref().map(Place::closure);
        let candidates = rules.candidates(who, does, what).unwrap();
        let few = set_of(rules, &candidates).unwrap();
        let authorizer = Authorizer::new();
        #[cfg(feature = "fast")]
        let world = known::Case::new([who.own, does.own, what.own], &self.everybody, &context);
        let schema = asked.validate_request.then_some(schema);
        let request = Request::new(principal, action, resource, context, schema).unwrap();
        let both = [OnError::Skip, OnError::Deny].map(|on_error| {
            let all = evaluate(&authorizer, &request, policies, entities, on_error);
            let found = evaluate(&authorizer, &request, &few, entities, on_error);
            assert_eq!(outcome(&found), outcome(&all), "{name}");
            #[cfg(feature = "fast")]
            if let Some(fast) = super::fast::evaluate(rules, &candidates, &world) {
                assert_eq!(outcome(&fast), outcome(&all), "{name}");
                ran.fast += usize::from(on_error == OnError::Deny);
            }
            all
        });
        check(name, asked, &both[0], &both[1]);
        ran.requests += 1;
        ran.failed += usize::from(!asked.errors.is_empty());
    }
}

fn run_all(archive_name: &str, wanted: impl Fn(&str) -> bool) -> Option<Ran> {
    let files = archive(archive_name, wanted)?;
    let mut ran = Ran::default();
    for (path, text) in files.iter().filter(|(path, _)| is_case(path)) {
        let case: Case = serde_json::from_str(text).unwrap();
        let read = Read::new(&case, &files);
        for (at, asked) in case.requests.iter().enumerate() {
            read.ask(&format!("{} request {at}", path.display()), asked, &mut ran);
        }
        ran.cases += 1;
    }
    println!("{archive_name}: {ran:?}");
    Some(ran)
}

#[test]
fn the_handwritten_cases_are_exact() {
    if let Some(ran) = run_all("handwritten-tests.tar.gz", |_| true) {
        assert_eq!((ran.cases, ran.requests), (22, 74), "{ran:?}");
    }
}

/// The cases whose names begin with one of two digits; how many there are, and of requests.
fn run_digits(digits: [char; 2], cases: usize, requests: usize) {
    if let Some(ran) = run_all("corpus-tests.tar.gz", |name| name.starts_with(digits)) {
        assert_eq!((ran.cases, ran.requests), (cases, requests), "{ran:?}");
        assert!(ran.failed > 0, "no erring policy was among them");
        let enough = if cfg!(feature = "fast") { requests * 9 / 10 } else { 0 };
        assert!(ran.fast >= enough, "Cedar was asked too often: {ran:?}");
    }
}

/// One test for each share, so that they run beside each other.
macro_rules! corpus {
    ($($name:ident: $one:literal $other:literal $cases:literal $requests:literal,)*) => {$(
        #[test]
        fn $name() {
            run_digits([$one, $other], $cases, $requests);
        }
    )*};
}

corpus! {
    the_corpus_from_0_is_exact: '0' '1' 1010 8080,
    the_corpus_from_2_is_exact: '2' '3' 958 7664,
    the_corpus_from_4_is_exact: '4' '5' 991 7928,
    the_corpus_from_6_is_exact: '6' '7' 998 7984,
    the_corpus_from_8_is_exact: '8' '9' 990 7920,
    the_corpus_from_a_is_exact: 'a' 'b' 969 7752,
    the_corpus_from_c_is_exact: 'c' 'd' 960 7680,
    the_corpus_from_e_is_exact: 'e' 'f' 933 7464,
}
