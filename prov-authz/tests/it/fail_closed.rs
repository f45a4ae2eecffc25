//! What can't be decided is denied, and says why.

use prov_authz::{
    AccessRequest, Circumstances, Claims, DenyAll, PolicyEngine, PolicyFiles, ResourceEntity,
    SourceFile,
};
use prov_core::{Principal, PrincipalKind};
use serde_json::json;

use crate::world::{
    NOON, OFFICE, ask, circumstances, cluster, engine, engine_of, environment, member, server,
};

#[test]
fn an_error_inside_any_policy_denies_where_cedar_would_permit() {
    let mut files = PolicyFiles::shipped();
    let overflows = "@id(\"overflows\")\n@description(\"a forbid that fails\")\n\
                     forbid (principal, action, resource is Provisioning::Cluster)\n\
                     when { resource.node_count * 9223372036854775807 > 1 };";
    files.policies.push(SourceFile::new("zz.cedar", overflows));
    let engine = engine_of(&files).unwrap();
    let who = member(&["platform-admin"]);
    let decision = ask(&engine, &who, "read", &cluster("development", 3), true, &Claims::NONE);
    assert!(!decision.allowed);
    assert_eq!(decision.determining_policies, ["overflows"]);
    assert!(decision.errors[0].contains("overflow"), "{:?}", decision.errors);
    let fine = ask(&engine, &who, "read", &cluster("development", 1), true, &Claims::NONE);
    assert!(!fine.allowed, "1 * i64::MAX > 1 is a forbid that holds");
    assert_eq!(fine.errors, Vec::<String>::new());
    assert!(ask(&engine, &who, "read", &cluster("development", 0), true, &Claims::NONE).allowed);
    assert_eq!(engine.stats().errors, 1);
}

#[test]
fn no_policy_set_denies() {
    let engine = DenyAll::new().unwrap();
    let (who, what) = (member(&["platform-admin"]), server("development"));
    let request = AccessRequest::by(&who, circumstances(true, OFFICE, NOON), "read", &what);
    let decision = engine.decide(&request);
    assert!(!decision.allowed);
    assert_eq!(decision.errors, ["there is no policy set"]);
    assert!(engine.check(&request).is_err());
}

#[test]
fn an_unknown_address_denies() {
    let engine = engine();
    let (who, what) = (member(&["platform-admin"]), server("development"));
    let nowhere = Circumstances::new(true, None, NOON.parse().unwrap());
    let decision = engine.decide(&AccessRequest::by(&who, nowhere, "read", &what));
    assert!(!decision.allowed);
    assert!(decision.errors[0].contains("context.ip_address"));
}

#[test]
fn programs_are_not_users() {
    let engine = engine();
    let who = Principal::new(PrincipalKind::Workload, "spiffe://example.org/x", "x")
        .with_teams(["platform-admin".parse().unwrap()]);
    let decision = ask(&engine, &who, "read", &server("development"), true, &Claims::NONE);
    assert!(!decision.allowed);
    assert!(decision.errors[0].contains("principal.type"));
}

#[test]
fn what_the_schema_does_not_know_is_refused_by_field_and_denied() {
    let engine = engine();
    let who = member(&["platform-admin"]);
    let dev = || server("development");
    let cases: Vec<(&str, ResourceEntity, &str)> = vec![
        ("explode", dev(), "action"),
        ("Provisioning::Action::\"read\"", dev(), "action"),
        ("lockdown", dev(), "action"),
        ("read", ResourceEntity::new("Toaster", "1"), "resource.type"),
        ("read", ResourceEntity::new("Server", ""), "resource.id"),
        ("read", ResourceEntity::new("Server", "a\nb"), "resource.id"),
        ("read", dev().with("trusted", true), "resource.attributes.trusted"),
        ("read", dev().with("hostname", 7), "resource.attributes.hostname"),
        ("read", dev().with("hostname", json!(null)), "resource.attributes.hostname"),
        ("read", dev().with("hostname", "a\0b"), "resource.attributes.hostname"),
        ("read", dev().with("hostname", "a".repeat(4097)), "resource.attributes.hostname"),
        ("read", dev().with("id", "other"), "resource.attributes.id"),
        (
            "read",
            cluster("development", 1).with("node_count", 1.5),
            "resource.attributes.node_count",
        ),
        ("read", ResourceEntity::new("Server", "s"), "resource.attributes.environment"),
        ("read", dev().within("Team", "sre"), "resource.parents"),
        ("read", dev().within("Environment", "production"), "resource.parents"),
        ("read", environment("production").within("Environment", "x"), "resource.parents"),
    ];
    for (action, what, field) in cases {
        let request = AccessRequest::by(&who, circumstances(true, OFFICE, NOON), action, &what);
        let error = engine.check(&request).unwrap_err();
        assert_eq!(error.fields()[0].field, field, "{action}: {error}");
        let decision = engine.decide(&request);
        assert!(!decision.allowed && !decision.errors.is_empty(), "{action} {what:?}");
    }
    let missing = ResourceEntity::new("Server", "s");
    let request = AccessRequest::by(&who, circumstances(true, OFFICE, NOON), "read", &missing);
    assert_eq!(engine.check(&request).unwrap_err().fields().len(), 3, "all of them are named");
}

#[test]
fn a_claim_an_action_does_not_take_is_refused() {
    let engine = engine();
    let (who, what) = (member(&["sre"]), server("production"));
    let key = Claims::NONE.with_ssh_key(format!("SHA256:{}", "a".repeat(43)));
    let on = |action| {
        let request = AccessRequest::by(&who, circumstances(true, OFFICE, NOON), action, &what);
        engine.check(&request.with_claims(&key))
    };
    assert!(on("ssh").is_ok());
    assert_eq!(on("read").unwrap_err().fields()[0].field, "context.ssh_key_fingerprint");
}

#[test]
fn the_environment_of_a_resource_is_its_parent_whether_or_not_it_is_said() {
    let engine = engine();
    let who = member(&["developers"]);
    let said = server("production").within("Environment", "production").within("Workspace", "shop");
    for what in [server("production"), said] {
        let decision = ask(&engine, &who, "ssh", &what, true, &Claims::NONE);
        assert_eq!(decision.determining_policies, ["prod-ssh-restricted"]);
    }
}
