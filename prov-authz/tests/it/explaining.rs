//! Explanations: what blocked, what nearly permitted, and what would help, each tried.

use prov_authz::{
    AccessRequest, CedarEngine, CedarOptions, Circumstances, Claims, Decision, Explanation, Lever,
    Part, PolicyEngine, PolicyFiles, PolicyNote, PolicyOutcome, ResourceEntity, SourceFile,
};
use prov_core::Principal;

use crate::world::{
    NIGHT, NOON, OFFICE, circumstances, clock, cluster, engine, engine_of, member, server,
    workspace,
};

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

fn ids(notes: &[PolicyNote]) -> Vec<&str> {
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
        |mfa, from, at, claims| explained("sre", "deploy", mfa, from, at, claims).would_allow();
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
    assert_eq!(told.would_allow(), Vec::<Vec<Lever>>::new());
    assert_eq!(told.determined_by, []);
    assert_eq!(told.summary, "denied: no policy permits it");
}

#[test]
fn without_a_forbid_the_nearest_permits_are_named() {
    let told = explained("sre", "rollback", true, OFFICE, NOON, &Claims::NONE);
    assert_eq!(told.determined_by, []);
    assert_eq!(ids(&told.nearest_permits), ["prod-sre-rollback"]);
    assert_eq!(told.would_allow(), [[Lever::Approval], [Lever::EmergencyApproval]]);
}

#[test]
fn an_allowance_names_its_permits_and_no_way_out() {
    let told = explained("sre", "ssh", false, OFFICE, NOON, &Claims::NONE);
    assert!(told.decision.allowed);
    assert_eq!(ids(&told.determined_by), ["prod-sre"]);
    assert_eq!(told.would_allow(), Vec::<Vec<Lever>>::new());
}

#[test]
fn the_network_that_would_help_is_the_configured_one() {
    let options = CedarOptions::default().with_corporate_networks(["192.168.0.0/16"]);
    let engine = CedarEngine::shipped(clock(), options).unwrap();
    let (who, what) = (member(&["sre"]), server("production"));
    let request = AccessRequest::by(&who, circumstances(true, OFFICE, NOON), "ssh", &what);
    assert_eq!(engine.explain(&request).unwrap().would_allow(), [[Lever::CorporateNetwork]]);
}

#[test]
fn what_can_not_be_asked_can_not_be_explained() {
    let engine = engine();
    let (who, what) = (member(&["sre"]), cluster("production", 1).with("node_count", "many"));
    let request = AccessRequest::by(&who, circumstances(true, OFFICE, NOON), "read", &what);
    let error = engine.explain(&request).unwrap_err();
    assert_eq!(error.fields()[0].field, "resource.attributes.node_count");
}

fn note<'n>(notes: &'n [PolicyNote], id: &str) -> &'n PolicyNote {
    notes.iter().find(|note| note.id == id).unwrap()
}

#[test]
fn a_blocking_forbid_is_told_with_its_clause_its_place_and_the_values() {
    let told = explained("sre", "deploy", false, "203.0.113.5", NIGHT, &Claims::NONE);
    let hours = note(&told.determined_by, "prod-deploy-hours");
    assert_eq!((hours.effect, hours.outcome), ("forbid", PolicyOutcome::Applies));
    let [unless] = hours.parts.as_slice() else { panic!("{hours:?}") };
    assert_eq!((unless.part, unless.holds), (Part::Unless, true));
    let place = unless.place.as_ref().unwrap();
    let text = PolicyFiles::shipped();
    let file = text.policies.iter().find(|file| file.name == place.file).unwrap();
    let line = file.text.lines().nth(place.line - 1).unwrap();
    assert!(line.trim_start().starts_with("unless {"), "{place} is `{line}`");
    assert_eq!(line.find("unless"), Some(place.column - 1));
    assert!(place.end_line > place.line);
    let because: Vec<_> =
        unless.because.iter().map(|fact| (fact.text.as_str(), fact.holds)).collect();
    assert_eq!(
        because,
        [
            ("principal in Provisioning::Team::\"platform-admin\"", Some(false)),
            ("context has approval_id", Some(false)),
            ("context.time.toTime() < duration(\"18h\")", Some(false)),
        ]
    );
    assert_eq!(because_of(unless, 2), [("context.time", NIGHT)]);
    let network = note(&told.determined_by, "prod-ip-restriction");
    assert_eq!(because_of(&network.parts[0], 0), [("context.ip_address", "203.0.113.0/24")]);
}

fn because_of(part: &prov_authz::PartNote, fact: usize) -> Vec<(&str, &str)> {
    let seen = part.because.get(fact).unwrap().seen.iter();
    seen.map(|seen| (seen.expression.as_str(), seen.value.as_str())).collect()
}

#[test]
fn the_clause_of_a_near_permit_that_does_not_hold_is_told() {
    let told = explained("sre", "rollback", true, OFFICE, NOON, &Claims::NONE);
    let near = note(&told.nearest_permits, "prod-sre-rollback");
    assert_eq!(near.outcome, PolicyOutcome::DoesNotApply);
    let [when] = near.parts.as_slice() else { panic!("{near:?}") };
    assert_eq!((when.text.as_str(), when.holds), ("when { context has approval_id }", false));
    assert_eq!(
        told.summary,
        "denied: no policy permits it; allowed with an approval; or with an emergency approval"
    );
}

#[test]
fn without_a_permit_that_is_about_it_those_that_miss_by_one_part_are_near() {
    let approved = Claims::NONE.with_approval("CHG-1");
    let told = explained("developers", "deploy", true, OFFICE, NOON, &approved);
    let near = note(&told.nearest_permits, "prod-developers-read");
    let [action] = near.parts.as_slice() else { panic!("{near:?}") };
    assert_eq!(action.part, Part::Action);
    assert!(action.text.starts_with("action in [Provisioning::Action::\"read\", "), "{action:?}");
    assert_eq!(told.nearest_permits[0].id, "prod-developers-read", "the same people come first");
    let sre = note(&told.nearest_permits, "prod-sre");
    assert_eq!(sre.parts[0].text, "principal in Provisioning::Team::\"sre\"");
}

#[test]
fn teams_are_information_and_no_remedy() {
    let approved = Claims::NONE.with_approval("CHG-1");
    let told = explained("developers", "deploy", true, OFFICE, NOON, &approved);
    assert_eq!(told.allowed_to_teams, ["platform-admin", "sre"]);
    assert_eq!(told.remedies, []);
    let told = explained("developers", "deploy", true, OFFICE, NOON, &Claims::NONE);
    assert_eq!(told.allowed_to_teams, ["platform-admin"], "sre would still need an approval");
    let told = explained("audit", "delete", true, OFFICE, NOON, &approved);
    assert_eq!(told.allowed_to_teams, Vec::<String>::new(), "audit's forbid holds in any team");
}

#[test]
fn dropping_force_is_a_way_out() {
    let files = with_policy(
        "@id(\"sre-delete\") @description(\"x\") permit (
           principal in Provisioning::Team::\"sre\", action == Provisioning::Action::\"delete\", resource);",
    );
    let engine = engine_of(&files).unwrap();
    let (who, what) = (member(&["sre"]), server("production"));
    let claims = Claims::NONE.with_approval("CHG-1").with_force(true);
    let request = AccessRequest::by(&who, circumstances(true, OFFICE, NOON), "delete", &what);
    let told = engine.explain(&request.with_claims(&claims)).unwrap();
    assert_eq!(ids(&told.determined_by), ["prod-delete-no-force"]);
    assert_eq!(told.would_allow(), [[Lever::EmergencyApproval], [Lever::WithoutForce]]);
}

/// The shipped set and one more policy.
fn with_policy(text: &str) -> PolicyFiles {
    let mut files = PolicyFiles::shipped();
    files.policies.push(SourceFile::new("site.cedar", text));
    files
}

#[test]
fn personal_values_are_not_shown() {
    let files = with_policy(
        "@id(\"site-ann\") @description(\"x\") forbid (principal, action, resource)
         when { principal.username like \"a*\" && principal.id == \"user_ann\" }
         when { context has reason && context.reason like \"*secret*\" };",
    );
    let engine = engine_of(&files).unwrap();
    let (who, what) = (member(&["sre"]), server("production"));
    let claims = Claims::NONE.with_reason("my secret illness");
    let request = AccessRequest::by(&who, circumstances(true, OFFICE, NOON), "read", &what);
    let told = engine.explain(&request.with_claims(&claims)).unwrap();
    let parts = &note(&told.determined_by, "site-ann").parts;
    assert_eq!(because_of(&parts[0], 0), [("principal.username", "(personal)")]);
    assert_eq!(because_of(&parts[0], 1), [("principal.id", "\"user_ann\"")]);
    assert_eq!(because_of(&parts[1], 1), [("context.reason", "(personal)")]);
    assert!(!format!("{told:?}").contains("illness"));
}

#[test]
fn a_policy_that_can_not_be_evaluated_is_told_with_its_error() {
    let files = with_policy(
        "@id(\"site-overflow\") @description(\"x\") forbid (principal, action, resource is Provisioning::Cluster)
         when { resource.node_count * 2 > 7 };",
    );
    let engine = engine_of(&files).unwrap();
    let (who, what) = (member(&["sre"]), cluster("development", i64::MAX));
    let request = AccessRequest::by(&who, circumstances(true, OFFICE, NOON), "read", &what);
    let told = engine.explain(&request).unwrap();
    let failed = note(&told.determined_by, "site-overflow");
    assert_eq!(failed.outcome, PolicyOutcome::Failed);
    let [part] = failed.parts.as_slice() else { panic!("{failed:?}") };
    assert!(part.error.as_ref().unwrap().contains("overflow"), "{part:?}");
    assert_eq!(told.summary, "denied: `site-overflow` could not be evaluated");
}

/// Every combination of levers, tried through the engine alone.
fn by_brute_force(
    engine: &CedarEngine,
    who: &Principal,
    action: &str,
    what: &ResourceEntity,
    now: Circumstances,
    claims: &Claims,
) -> Vec<Vec<Lever>> {
    use Lever::{
        Approval, BusinessHours, CorporateNetwork, EmergencyApproval, SecondFactor, WithoutForce,
    };
    let decide = |levers: &[Lever]| -> Decision {
        let mut claims = claims.clone();
        let mut at = (now.mfa_verified, now.address.unwrap(), now.time);
        for lever in levers {
            match lever {
                SecondFactor => at.0 = true,
                Approval => claims.approval_id = Some("CHG-9".into()),
                EmergencyApproval => claims.approval_id = Some("EMERGENCY-9".into()),
                BusinessHours => at.2 = NOON.parse().unwrap(),
                CorporateNetwork => at.1 = OFFICE.parse().unwrap(),
                _ => claims.force = None,
            }
        }
        let now = Circumstances::new(at.0, Some(at.1), at.2);
        engine.decide(&AccessRequest::by(who, now, action, what).with_claims(&claims))
    };
    let all =
        [SecondFactor, Approval, EmergencyApproval, BusinessHours, CorporateNetwork, WithoutForce];
    let mut sets: Vec<Vec<Lever>> = (1_usize..64)
        .map(|bits| {
            let chosen = all.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0);
            chosen.map(|(_, lever)| *lever).collect()
        })
        .filter(|set: &Vec<_>| !(set.contains(&Approval) && set.contains(&EmergencyApproval)))
        .filter(|set: &Vec<_>| !(set.contains(&Approval) && claims.approval_id.is_some()))
        .collect();
    sets.sort_by_key(|set| (set.len(), set.clone()));
    let mut found: Vec<Vec<Lever>> = Vec::new();
    for set in sets {
        if !found.iter().any(|f| f.iter().all(|lever| set.contains(lever))) && decide(&set).allowed
        {
            found.push(set);
        }
    }
    found
}

/// What is evaluated in short must be what the engine decides at length.
#[test]
fn no_way_out_is_missing_and_none_is_longer_than_it_must_be() {
    let engine = engine();
    let teams = ["platform-admin", "sre", "developers", "audit"];
    let actions = ["read", "create", "update", "delete", "deploy", "rollback", "ssh"];
    let environments = ["production", "staging", "development"];
    let things: Vec<_> =
        environments.iter().flat_map(|e| [server(e), workspace(e, "user_bob")]).collect();
    let mut denied = 0;
    for (at, (team, action)) in teams.iter().flat_map(|t| actions.map(|a| (t, a))).enumerate() {
        for what in &things {
            let who = member(&[team]);
            let (mfa, office) = (at % 2 == 0, at % 3 == 0);
            let address = if office { OFFICE } else { "203.0.113.5" };
            let now = circumstances(mfa, address, if at % 5 < 2 { NIGHT } else { NOON });
            let claims = match at % 4 {
                0 => Claims::NONE,
                1 => Claims::NONE.with_approval("CHG-1"),
                2 => Claims::NONE.with_force(true),
                _ => Claims::NONE.with_force(true).with_approval("CHG-1"),
            };
            let request = AccessRequest::by(&who, now, action, what).with_claims(&claims);
            let Ok(told) = engine.explain(&request) else { continue };
            assert_eq!(told.decision.allowed, engine.decide(&request).allowed);
            if told.decision.allowed {
                assert_eq!(told.remedies, []);
                continue;
            }
            denied += 1;
            let brute = by_brute_force(&engine, &who, action, what, now, &claims);
            assert_eq!(
                told.would_allow(),
                brute,
                "{team} {action} {:?} {now:?} {claims:?}",
                what.entity
            );
        }
    }
    assert!(denied > 60, "{denied}");
}
