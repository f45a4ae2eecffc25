//! The table of team permissions, the limits of development, the roles over prov's own API.

use prov_authz::{CedarEngine, Claims, PolicyFiles, ResourceEntity};
use prov_core::Role;

use crate::world::{
    ask, cluster, engine, engine_of, environment, holder, member, server, workspace,
};

/// Actions on a server, and `lockdown` on its environment, that a team may do with MFA and approval.
fn permitted(engine: &CedarEngine, team: &str, place: &'static str, claims: &Claims) -> String {
    let who = member(&[team]);
    let on_server = ["read", "list", "monitor", "create", "update", "delete", "deploy", "rollback"];
    let more = ["ssh", "execute", "admin"];
    let mut allowed: Vec<_> = on_server
        .into_iter()
        .chain(more)
        .filter(|action| ask(engine, &who, action, &server(place), true, claims).allowed)
        .collect();
    if ask(engine, &who, "lockdown", &environment(place), true, claims).allowed {
        allowed.push("lockdown");
    }
    allowed.join(" ")
}

#[test]
fn each_team_may_exactly_what_the_table_says() {
    const FULL: &str =
        "read list monitor create update delete deploy rollback ssh execute admin lockdown";
    const LOOK: &str = "read list monitor";
    let engine = engine();
    let approved = Claims::NONE.with_approval("CHG-1");
    for (team, production, staging, development) in [
        ("platform-admin", FULL, FULL, FULL),
        ("sre", "read list monitor deploy rollback ssh", "read list monitor deploy rollback", FULL),
        ("developers", LOOK, "read list monitor deploy", FULL),
        ("audit", LOOK, LOOK, LOOK),
        ("security", "read list monitor lockdown", "read list monitor lockdown", LOOK),
    ] {
        for (place, expected) in
            [("production", production), ("staging", staging), ("development", development)]
        {
            assert_eq!(permitted(&engine, team, place, &approved), expected, "{team} in {place}");
        }
    }
}

#[test]
fn approvals_are_needed_where_the_table_says_so() {
    let engine = engine();
    let none = &Claims::NONE;
    let may = |team: &str, action: &str, place: &str| {
        ask(&engine, &member(&[team]), action, &server(place), true, none).allowed
    };
    assert!(!may("sre", "rollback", "production"));
    assert!(may("sre", "rollback", "staging"));
    assert!(!may("developers", "deploy", "staging"));
    assert!(may("developers", "deploy", "development"));
}

#[test]
fn developers_are_free_in_development_but_for_two_limits() {
    let engine = engine();
    let dana = member(&["developers"]);
    let forced = Claims::NONE.with_force(true);
    let may = |action: &str, what: &ResourceEntity| {
        ask(&engine, &dana, action, what, false, &forced).allowed
    };
    assert!(may("delete", &server("development")), "forced delete");
    assert!(may("ssh", &server("development")));
    assert!(may("read", &cluster("development", 6)));
    assert!(!may("update", &cluster("development", 6)));
    assert!(may("read", &workspace("development", "user_bob")));
    assert!(!may("delete", &workspace("development", "user_bob")));
    let both = member(&["developers", "sre"]);
    let large = cluster("development", 6);
    assert!(ask(&engine, &both, "create", &large, false, &forced).allowed, "sre has no limit");
}

#[test]
fn no_permit_undoes_what_the_audit_team_is_forbidden() {
    let engine = engine();
    let both = member(&["audit", "platform-admin"]).with_roles([Role::Admin]);
    for place in ["production", "staging", "development"] {
        let decision = ask(&engine, &both, "update", &server(place), true, &Claims::NONE);
        assert_eq!(decision.determining_policies, ["audit-modifies-nothing"], "{place}");
    }
    let users = ResourceEntity::api("users");
    assert!(!ask(&engine, &both, "create", &users, true, &Claims::NONE).allowed);
    assert!(ask(&engine, &both, "read", &users, true, &Claims::NONE).allowed);
}

#[test]
fn an_environment_nobody_wrote_policies_for_is_closed_to_all_but_platform_admin() {
    let engine = engine();
    for (team, allowed) in [("platform-admin", true), ("sre", false), ("developers", false)] {
        let decision = ask(&engine, &member(&[team]), "read", &server("qa"), true, &Claims::NONE);
        assert_eq!(decision.allowed, allowed, "{team}");
    }
}

#[test]
fn without_the_exemption_platform_admin_keeps_the_rules_of_production() {
    let mut files = PolicyFiles::shipped();
    let admin = files.policies.iter_mut().find(|file| file.name == "admin.cedar").unwrap();
    let start = admin.text.find("@id(\"admin-production-exemption\")").unwrap();
    let end = start + admin.text.get(start..).unwrap().find(");").unwrap() + 1;
    admin.text.replace_range(start..=end, "");
    let engine = engine_of(&files).unwrap();
    let server = server("production");
    let approved = Claims::NONE.with_approval("CHG-1");
    for teams in [&["platform-admin"][..], &["platform-admin", "sre"]] {
        let who = member(teams);
        let deploys =
            |mfa, claims: &Claims| ask(&engine, &who, "deploy", &server, mfa, claims).allowed;
        assert!(deploys(true, &approved));
        assert!(!deploys(false, &approved), "{teams:?} without MFA");
        assert!(!deploys(true, &Claims::NONE), "{teams:?} without approval");
        assert!(!ask(&engine, &who, "delete", &server, false, &approved).allowed);
        assert!(ask(&engine, &who, "update", &server, false, &Claims::NONE).allowed);
    }
}

/// What each role may do on each part of prov's API, by inheritance included.
#[test]
fn roles_govern_the_api_with_their_inheritance() {
    let engine = engine();
    let may = |role: Role, action: &str, part: &'static str| {
        let part = ResourceEntity::api(part);
        ask(&engine, &holder(role), action, &part, false, &Claims::NONE).allowed
    };
    // (action, part, the roles that may)
    let table: &[(&str, &str, &[Role])] = &[
        ("create", "users", &[Role::Admin]),
        ("admin", "policies", &[Role::Admin]),
        ("admin", "decisions", &[Role::Admin]),
        ("update", "signing-keys", &[Role::Admin]),
        ("delete", "mfa", &[Role::Admin]),
        ("read", "audit", &[Role::Admin, Role::Auditor]),
        ("list", "users", &[Role::Admin, Role::Auditor]),
        ("create", "kms-keys", &[Role::Admin, Role::Operator]),
        ("delete", "leases", &[Role::Admin, Role::Operator]),
        ("create", "ssh-ca", &[Role::Admin, Role::Operator]),
        ("update", "secret-roles", &[Role::Admin, Role::Operator]),
        ("execute", "kms-data", &[Role::Admin, Role::Operator, Role::Developer]),
        ("execute", "ssh-certificates", &[Role::Admin, Role::Operator, Role::Developer]),
        ("execute", "secrets", &[Role::Admin, Role::Operator, Role::Developer]),
        ("read", "secrets", &[Role::Admin, Role::Operator]),
        ("read", "policies", &[Role::Admin, Role::Operator, Role::Developer, Role::Auditor]),
        ("list", "secret-engines", &[Role::Admin, Role::Operator, Role::Developer, Role::Auditor]),
        ("read", "status", &Role::ALL),
        ("read", "metrics", &Role::ALL),
        ("update", "status", &[Role::Admin]),
    ];
    for (action, part, roles) in table {
        let allowed: Vec<_> =
            Role::ALL.into_iter().filter(|role| may(*role, action, part)).collect();
        assert_eq!(allowed, *roles, "{action} on {part}");
    }
}

#[test]
fn roles_say_nothing_about_infrastructure_and_teams_nothing_about_the_api() {
    let engine = engine();
    let none = &Claims::NONE;
    assert!(
        !ask(&engine, &holder(Role::Admin), "read", &server("development"), true, none).allowed
    );
    let users = ResourceEntity::api("users");
    assert!(!ask(&engine, &member(&["platform-admin"]), "create", &users, true, none).allowed);
    assert!(ask(&engine, &member(&["audit"]), "read", &users, true, none).allowed);
    let secrets = ResourceEntity::api("secrets");
    assert!(!ask(&engine, &member(&["audit"]), "read", &secrets, true, none).allowed);
}
