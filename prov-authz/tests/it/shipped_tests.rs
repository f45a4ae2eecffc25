//! The shipped tests of the shipped policies: they pass, every row of the specification is there, they
//! exercise every clause, and they notice when a policy changes.

use std::collections::BTreeSet;

use prov_authz::testing::{PolicyTests, Suite};
use prov_authz::{CedarOptions, PolicyFiles};

/// The scenarios of the specification's decision matrix. Each is a test by this name; a row that is
/// taken out of the file is missed here.
const SCENARIOS: [&str; 22] = [
    "developer creates dev server",
    "developer deploys to prod",
    "SRE deploys to prod",
    "admin deploys to prod",
    "audit reads prod",
    "audit deletes prod",
    "SRE ssh to prod",
    "developer ssh to prod",
    "SRE deploys at 22:30 with `EMERGENCY-OUTAGE-…`, MFA, corporate IP",
    "SRE deploys at 22:30 with a normal approval",
    "SRE deploys from 203.0.113.5",
    "SRE deploys without MFA",
    "SRE deploys without approval",
    "SRE forced delete, normal approval",
    "SRE updates prod cluster",
    "developer creates 6-node dev cluster",
    "developer creates 5-node dev cluster",
    "developer updates own dev workspace",
    "developer updates another's workspace",
    "security locks production down",
    "security deploys to prod",
    "nobody's team",
];

fn tests_of(suite: Suite) -> PolicyTests {
    PolicyTests::new(&PolicyFiles::shipped(), CedarOptions::default(), suite).unwrap()
}

fn missing(suite: &Suite) -> Vec<&'static str> {
    let names: BTreeSet<_> = suite.names().collect();
    SCENARIOS.into_iter().filter(|scenario| !names.contains(scenario)).collect()
}

#[test]
fn every_row_of_the_specification_is_a_test_and_comes_out_with_its_reason() {
    let suite = Suite::shipped();
    assert_eq!(missing(&suite), Vec::<&str>::new());
    let rows = suite.only(|name| SCENARIOS.contains(&name));
    let report = tests_of(rows).run();
    let failures: Vec<_> = report.results.iter().filter(|result| !result.passed).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(report.results.len(), SCENARIOS.len());
}

#[test]
fn a_row_that_is_taken_out_is_missed() {
    let without = Suite::shipped().only(|name| name != "audit deletes prod");
    assert_eq!(missing(&without), ["audit deletes prod"]);
}

#[test]
fn all_shipped_tests_pass() {
    let report = tests_of(Suite::shipped()).run();
    let failures: Vec<_> = report.results.iter().filter(|result| !result.passed).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(report.results.len() >= SCENARIOS.len());
}

#[test]
fn the_shipped_tests_exercise_every_policy_and_clause_both_ways() {
    let coverage = tests_of(Suite::shipped()).coverage();
    let bare: Vec<_> = coverage
        .policies
        .iter()
        .flat_map(|policy| {
            let id = policy.id.as_str();
            let own = [("applies", policy.applied), ("does not apply", policy.did_not_apply)];
            let clauses = policy.clauses.iter().flat_map(|clause| {
                [(clause.text.as_str(), clause.held), (clause.text.as_str(), clause.did_not_hold)]
            });
            let all: Vec<_> = own.into_iter().chain(clauses).collect();
            all.into_iter().filter(|(_, count)| *count == 0).map(move |(what, _)| (id, what))
        })
        .collect();
    assert!(bare.is_empty(), "{bare:#?}");
    assert!((coverage.percent() - 100.0).abs() < f64::EPSILON);
}

#[test]
fn the_shipped_tests_notice_nearly_every_change_of_the_shipped_policies() {
    let mutation = tests_of(Suite::shipped()).mutate().unwrap();
    let survivors: Vec<_> = mutation
        .survivors
        .iter()
        .map(|s| format!("{} {}: {}", s.place.as_ref().unwrap(), s.policy, s.change))
        .collect();
    assert!(mutation.mutants > 300, "{}", mutation.mutants);
    assert!(mutation.score() >= 95.0, "{:.1} %: {survivors:#?}", mutation.score());
}
