//! Which decisions are remembered, and that none outlives what it depends on.

use std::fs;

use prov_authz::{
    AccessRequest, CedarEngine, CedarOptions, Claims, PolicyEngine, PolicyFiles, ResourceEntity,
    SourceFile,
};
use prov_core::{Principal, PrincipalKind, Role};

use crate::world::{
    NIGHT, NOON, OFFICE, circumstances, clock, context_of, engine, engine_of, environment, holder,
    policy_directory,
};

/// The shipped set and this policy on `read` of prov's own API.
fn with_policy(text: &str) -> CedarEngine {
    let mut files = PolicyFiles::shipped();
    let text = format!("@id(\"added\")\n@description(\"added\")\n{text}");
    files.policies.push(SourceFile::new("zz.cedar", text));
    engine_of(&files).unwrap()
}

/// Asks as somebody signed in, twice; how many of the two answers came from memory.
fn twice(
    engine: &CedarEngine,
    who: &Principal,
    what: &ResourceEntity,
    change: impl Fn(&mut AccessRequest<'_>),
) -> u64 {
    let before = engine.stats().remembered;
    let clock = clock();
    let context = context_of(who, false, &*clock);
    let mut request = AccessRequest::new(&context, &*clock, "read", what);
    change(&mut request);
    let (first, second) = (engine.decide(&request), engine.decide(&request));
    assert_eq!(first.allowed, second.allowed);
    assert_eq!(first.determining_policies, second.determining_policies);
    assert_eq!(first.errors, second.errors);
    assert_ne!(first.decision_id, second.decision_id, "each decision has a name of its own");
    engine.stats().remembered - before
}

fn users() -> ResourceEntity {
    ResourceEntity::api("users")
}

#[test]
fn an_allowance_and_a_denial_on_prov_s_own_api_are_remembered() {
    let engine = engine();
    assert_eq!(twice(&engine, &holder(Role::Admin), &users(), |_| ()), 1);
    assert_eq!(twice(&engine, &holder(Role::Viewer), &users(), |_| ()), 1);
    let stats = engine.stats();
    assert_eq!((stats.allowed, stats.denied, stats.errors), (2, 2, 0), "all of them are counted");
}

#[test]
fn what_is_remembered_holds_from_everywhere_and_at_any_time() {
    let engine = engine();
    let (admin, what) = (holder(Role::Admin), users());
    assert_eq!(twice(&engine, &admin, &what, |_| ()), 1);
    let far = |request: &mut AccessRequest<'_>| {
        request.circumstances = circumstances(false, "203.0.113.5", NIGHT);
    };
    assert_eq!(twice(&engine, &admin, &what, far), 2);
}

#[test]
fn without_the_client_s_address_nothing_is_answered_from_memory() {
    let engine = engine();
    let (admin, what) = (holder(Role::Admin), users());
    assert_eq!(twice(&engine, &admin, &what, |_| ()), 1);
    let nowhere = |request: &mut AccessRequest<'_>| request.circumstances.address = None;
    assert_eq!(twice(&engine, &admin, &what, nowhere), 0);
    let clock = clock();
    let context = context_of(&admin, false, &*clock);
    let mut request = AccessRequest::new(&context, &*clock, "read", &what);
    request.circumstances.address = None;
    let decision = engine.decide(&request);
    assert!(!decision.allowed);
    assert!(decision.errors[0].contains("context.ip_address"));
}

#[test]
fn a_changed_principal_is_somebody_else() {
    let engine = engine();
    let what = users();
    let admin = holder(Role::Admin);
    let read = |who: &Principal| {
        let clock = clock();
        let context = context_of(who, false, &*clock);
        engine.decide(&AccessRequest::new(&context, &*clock, "read", &what)).allowed
    };
    assert!(read(&admin) && read(&admin));
    assert!(!read(&admin.clone().with_roles([])), "the role was taken away");
    assert!(read(&admin));
    assert_eq!(engine.stats().remembered, 2);
    assert!(!read(&holder(Role::Viewer)));
}

#[test]
fn policies_on_attributes_of_the_principal_are_decided_by_them() {
    let engine = with_policy(
        "forbid (principal, action, resource is Provisioning::Api)
         when { principal.username == \"mallory\" };",
    );
    let what = users();
    assert_eq!(twice(&engine, &holder(Role::Admin), &what, |_| ()), 1);
    let renamed =
        Principal::new(PrincipalKind::User, "user_ann", "mallory").with_roles([Role::Admin]);
    assert_eq!(twice(&engine, &renamed, &what, |_| ()), 1, "the first answer is another's");
    assert_eq!((engine.stats().allowed, engine.stats().denied), (2, 2));
}

#[test]
fn a_policy_on_the_second_factor_leaves_memory_on_and_keeps_both_answers_apart() {
    let engine = with_policy(
        "forbid (principal, action, resource is Provisioning::Api)
         unless { context.mfa_verified };",
    );
    let (admin, what) = (holder(Role::Admin), users());
    let verified = |request: &mut AccessRequest<'_>| request.circumstances.mfa_verified = true;
    assert_eq!(twice(&engine, &admin, &what, |_| ()), 1);
    assert_eq!(twice(&engine, &admin, &what, verified), 1);
    assert_eq!((engine.stats().allowed, engine.stats().denied), (2, 2));
}

#[test]
fn a_policy_that_looks_at_anything_else_of_the_context_turns_memory_off() {
    for condition in [
        "context.time.toTime() >= duration(\"18h\")",
        "context.ip_address.isLoopback()",
        "context has reason",
        "context has approval_id && context.approval_id like \"CHG-*\"",
        "{inner: context}.inner.mfa_verified",
        "[context].contains(context)",
    ] {
        let engine = with_policy(&format!(
            "forbid (principal, action == Provisioning::Action::\"read\", resource)
             when {{ {condition} }};"
        ));
        assert_eq!(twice(&engine, &holder(Role::Admin), &users(), |_| ()), 0, "{condition}");
    }
}

#[test]
fn such_a_policy_on_another_action_or_type_leaves_it_on() {
    for scope in [
        "principal, action == Provisioning::Action::\"list\", resource",
        "principal, action, resource is Provisioning::Server",
        "principal, action, resource in Provisioning::Workspace::\"shop\"",
    ] {
        let engine =
            with_policy(&format!("forbid ({scope}) when {{ context.ip_address.isLoopback() }};"));
        assert_eq!(twice(&engine, &holder(Role::Admin), &users(), |_| ()), 1, "{scope}");
    }
}

#[test]
fn claims_attributes_parents_other_types_and_large_questions_are_decided_each_time() {
    let engine = engine();
    let admin = holder(Role::Admin);
    let claims = Claims::NONE.with_reason("because");
    let context = context_of(&admin, false, &*clock());
    let what = users();
    for _ in 0..2 {
        let request = AccessRequest::new(&context, &*clock(), "read", &what).with_claims(&claims);
        assert!(engine.decide(&request).allowed);
    }
    assert_eq!(engine.stats().remembered, 0, "claims");
    assert_eq!(twice(&engine, &admin, &users().with("x", "y"), |_| ()), 0, "attributes");
    assert_eq!(twice(&engine, &admin, &users().within("Team", "sre"), |_| ()), 0, "parents");
    assert_eq!(twice(&engine, &admin, &environment("staging"), |_| ()), 0, "another type");
    let long = ResourceEntity::api("x".repeat(129));
    assert_eq!(twice(&engine, &admin, &long, |_| ()), 0, "a long id");
    let long = Principal::new(PrincipalKind::User, "user_ann", "x".repeat(129));
    assert_eq!(twice(&engine, &long, &users(), |_| ()), 0, "a long name");
    let teams = (0..17).map(|n| format!("team-{n}").parse().unwrap());
    assert_eq!(twice(&engine, &admin.with_teams(teams), &users(), |_| ()), 0, "many teams");
}

#[test]
fn what_can_t_be_decided_is_not_remembered() {
    let engine = engine();
    let workload = Principal::new(PrincipalKind::Workload, "spiffe://example.org/x", "x");
    assert_eq!(twice(&engine, &workload, &users(), |_| ()), 0);
    let nameless = ResourceEntity::api("");
    assert_eq!(twice(&engine, &holder(Role::Admin), &nameless, |_| ()), 0);
    assert_eq!(engine.stats().errors, 4);
}

#[test]
fn questions_about_anybody_are_answered_from_memory_and_add_nothing_to_it() {
    let engine = engine();
    let (admin, what) = (holder(Role::Admin), users());
    let office = circumstances(false, OFFICE, NOON);
    let stated = AccessRequest::by(&admin, office, "read", &what);
    for _ in 0..3 {
        assert!(engine.decide(&stated).allowed);
    }
    assert_eq!(engine.stats().remembered, 0);
    assert_eq!(twice(&engine, &admin, &what, |_| ()), 1);
    assert!(engine.decide(&stated).allowed);
    assert_eq!(engine.stats().remembered, 2);
}

#[test]
fn a_reload_forgets() {
    let folder = policy_directory();
    let engine = CedarEngine::open(folder.path(), clock(), CedarOptions::default()).unwrap();
    let (admin, what) = (holder(Role::Admin), users());
    assert_eq!(twice(&engine, &admin, &what, |_| ()), 1);
    assert_eq!(engine.stats().allowed, 2);
    fs::write(
        folder.path().join("freeze.cedar"),
        "@id(\"freeze\") @description(\"nobody\") forbid (principal, action, resource);",
    )
    .unwrap();
    engine.reload_from(folder.path()).unwrap();
    assert_eq!(twice(&engine, &admin, &what, |_| ()), 1, "the first answer is the new set's");
    assert_eq!((engine.stats().allowed, engine.stats().denied), (2, 2));
    fs::remove_file(folder.path().join("freeze.cedar")).unwrap();
    engine.reload_from(folder.path()).unwrap();
    assert_eq!(twice(&engine, &admin, &what, |_| ()), 1);
    assert_eq!(engine.stats().allowed, 4);
}
