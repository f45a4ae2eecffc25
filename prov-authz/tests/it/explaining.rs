//! Explanations: what blocked, what nearly permitted, and what would help, each tried.

use prov_authz::{AccessRequest, CedarEngine, CedarOptions, Claims, Explanation, Lever};

use crate::world::{NIGHT, NOON, OFFICE, circumstances, clock, cluster, engine, member, server};

fn explained(
    team: &str,
    action: &str,
    mfa: bool,
    from: &str,
    at: &str,
    claims: &Claims,
) -> Explanation {
    let (who, what) = (member(&[team]), server("production"));
    let request = AccessRequest::by(&who, circumstances(mfa, from, at), action, &what);
    engine().explain(&request.with_claims(claims)).unwrap()
}

fn ids(notes: &[prov_authz::PolicyNote]) -> Vec<&str> {
    notes.iter().map(|note| note.id.as_str()).collect()
}

#[test]
fn a_denial_names_every_blocking_policy_with_its_description() {
    let told = explained("sre", "deploy", false, "203.0.113.5", NIGHT, &Claims::NONE);
    assert_eq!(
        ids(&told.determined_by),
        ["prod-deploy-approval", "prod-deploy-hours", "prod-deploy-mfa", "prod-ip-restriction"]
    );
    assert_eq!(
        told.determined_by[2].description,
        "a deployment to production needs a second factor"
    );
    assert_eq!(told.nearest_permits, []);
}

#[test]
fn the_smallest_ways_out_are_named_and_hold() {
    use Lever::{Approval, BusinessHours, CorporateNetwork, EmergencyApproval, SecondFactor};
    let approved = Claims::NONE.with_approval("CHG-1");
    let ways =
        |mfa, from, at, claims| explained("sre", "deploy", mfa, from, at, claims).would_allow;
    assert_eq!(ways(false, OFFICE, NOON, &approved), [[SecondFactor]]);
    assert_eq!(ways(true, "203.0.113.5", NOON, &approved), [[CorporateNetwork]]);
    assert_eq!(ways(true, OFFICE, NOON, &Claims::NONE), [[Approval], [EmergencyApproval]]);
    assert_eq!(ways(true, OFFICE, NIGHT, &approved), [[EmergencyApproval], [BusinessHours]]);
    assert_eq!(
        ways(false, "203.0.113.5", NIGHT, &Claims::NONE),
        [
            vec![SecondFactor, EmergencyApproval, CorporateNetwork],
            vec![SecondFactor, Approval, BusinessHours, CorporateNetwork],
        ]
    );
}

#[test]
fn where_no_lever_helps_none_is_named() {
    let approved = Claims::NONE.with_approval("CHG-1");
    let told = explained("developers", "deploy", true, OFFICE, NOON, &approved);
    assert_eq!(told.would_allow, Vec::<Vec<Lever>>::new());
    assert_eq!((told.determined_by, told.nearest_permits), (vec![], vec![]));
}

#[test]
fn without_a_forbid_the_nearest_permits_are_named() {
    let told = explained("sre", "rollback", true, OFFICE, NOON, &Claims::NONE);
    assert_eq!(told.determined_by, []);
    assert_eq!(ids(&told.nearest_permits), ["prod-sre-rollback"]);
    assert_eq!(told.would_allow, [[Lever::Approval], [Lever::EmergencyApproval]]);
}

#[test]
fn an_allowance_names_its_permits_and_no_way_out() {
    let told = explained("sre", "ssh", false, OFFICE, NOON, &Claims::NONE);
    assert!(told.decision.allowed);
    assert_eq!(ids(&told.determined_by), ["prod-sre"]);
    assert_eq!(told.would_allow, Vec::<Vec<Lever>>::new());
}

#[test]
fn the_network_that_would_help_is_the_configured_one() {
    let options = CedarOptions::default().with_corporate_networks(["192.168.0.0/16"]);
    let engine = CedarEngine::shipped(clock(), options).unwrap();
    let (who, what) = (member(&["sre"]), server("production"));
    let request = AccessRequest::by(&who, circumstances(true, OFFICE, NOON), "ssh", &what);
    assert_eq!(engine.explain(&request).unwrap().would_allow, [[Lever::CorporateNetwork]]);
}

#[test]
fn what_can_not_be_asked_can_not_be_explained() {
    let engine = engine();
    let (who, what) = (member(&["sre"]), cluster("production", 1).with("node_count", "many"));
    let request = AccessRequest::by(&who, circumstances(true, OFFICE, NOON), "read", &what);
    let error = engine.explain(&request).unwrap_err();
    assert_eq!(error.fields()[0].field, "resource.attributes.node_count");
}
