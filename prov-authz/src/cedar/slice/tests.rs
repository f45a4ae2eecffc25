//! What is found out about policies from their text.

use std::str::FromStr;

use cedar_policy::{EntityTypeName, EntityUid, Schema};

use super::*;

fn policy(text: &str) -> Policy {
    Policy::from_str(text).unwrap()
}

fn reads(condition: &str) -> ContextReads {
    ContextReads::of(&policy(&format!("permit (principal, action, resource) {condition};")))
}

#[test]
fn a_policy_that_names_attributes_reads_those() {
    let cases: [(&str, &[&str]); 8] = [
        ("", &[]),
        ("when { principal.context == \"context\" }", &[]),
        ("when { context.mfa_verified }", &["mfa_verified"]),
        ("unless { context[\"mfa_verified\"] }", &["mfa_verified"]),
        ("when { context has force && context.force }", &["force"]),
        (
            "when { context has reason } unless { context.mfa_verified }",
            &["mfa_verified", "reason"],
        ),
        ("when { ip(\"10.0.0.0/8\") == context.ip_address }", &["ip_address"]),
        (
            "when { if [1].contains(2) then {a: context.time}.a.toTime() > duration(\"8h\") \
             else context.approval_id like \"E*\" }",
            &["approval_id", "time"],
        ),
    ];
    for (condition, expected) in cases {
        let found = reads(condition);
        let expected = expected.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(
            found,
            ContextReads { attributes: expected, ..ContextReads::NOTHING },
            "{condition}"
        );
    }
}

#[test]
fn a_policy_that_uses_the_record_otherwise_reads_everything() {
    let cases = [
        "when { context == {mfa_verified: true} }",
        "when { {mfa_verified: true} != context }",
        "when { [context].contains(resource.seen) }",
        "when { {inner: context}.inner.mfa_verified }",
        "when { (if true then context else context).mfa_verified }",
        "when { context.mfa_verified && resource.seen == context }",
        "when { context has mfa_verified.inner }",
    ];
    for condition in cases {
        assert!(reads(condition).reads("time"), "{condition}");
        assert!(!reads(condition).nothing_but("mfa_verified"), "{condition}");
    }
}

#[test]
fn only_a_slice_without_other_reads_is_context_free() {
    let mfa = reads("when { context.mfa_verified }");
    assert!(ContextReads::NOTHING.nothing_but("mfa_verified"));
    assert!(mfa.nothing_but("mfa_verified"));
    let more = mfa.and(&reads("when { context has reason }"));
    assert!(!more.nothing_but("mfa_verified"));
    assert!(more.reads("reason") && more.reads("mfa_verified") && !more.reads("time"));
}

const SCHEMA: &str = "
    entity Site; entity Room in [Site]; entity Desk in [Room]; entity Door;
    entity Team; entity User in [Team];
    action look; action \"open\" in [look]; action close;
    action peek in [\"open\"] appliesTo { principal: [User], resource: [Desk, Door] };";

fn scope(resource: &str) -> Scope {
    let (schema, _) = Schema::from_cedarschema_str(SCHEMA).unwrap();
    let kind = |name: &str| EntityTypeName::from_str(name).unwrap();
    let action = EntityUid::from_str("Action::\"peek\"").unwrap();
    let actions = schema.action_entities().unwrap();
    Scope::new(&schema, &actions, &kind("User"), &action, &kind(resource))
}

#[test]
fn a_scope_admits_what_can_match_and_nothing_else() {
    let desk = scope("Desk");
    let cases = [
        ("principal, action, resource", true),
        // Who.
        ("principal == User::\"a\", action, resource", true),
        ("principal in User::\"a\", action, resource", true),
        ("principal in Team::\"t\", action, resource", true),
        ("principal is User in Team::\"t\", action, resource", true),
        ("principal is User, action, resource", true),
        ("principal is Team, action, resource", false),
        ("principal == Team::\"t\", action, resource", false),
        ("principal in Site::\"s\", action, resource", false),
        ("principal is User in Site::\"s\", action, resource", false),
        // Does what.
        ("principal, action == Action::\"peek\", resource", true),
        ("principal, action == Action::\"open\", resource", false),
        ("principal, action in Action::\"peek\", resource", true),
        ("principal, action in Action::\"look\", resource", true),
        ("principal, action in [Action::\"close\", Action::\"open\"], resource", true),
        ("principal, action in [Action::\"close\"], resource", false),
        ("principal, action in [], resource", false),
        // To what.
        ("principal, action, resource == Desk::\"d\"", true),
        ("principal, action, resource == Room::\"r\"", false),
        ("principal, action, resource in Desk::\"d\"", true),
        ("principal, action, resource in Room::\"r\"", true),
        ("principal, action, resource in Site::\"s\"", true),
        ("principal, action, resource in Door::\"x\"", false),
        ("principal, action, resource is Desk", true),
        ("principal, action, resource is Door", false),
        ("principal, action, resource is Desk in Site::\"s\"", true),
        ("principal, action, resource is Desk in Door::\"x\"", false),
        ("principal, action, resource is Room in Site::\"s\"", false),
    ];
    for (written, expected) in cases {
        assert_eq!(desk.admits(&policy(&format!("permit ({written});"))), expected, "{written}");
    }
}

#[test]
fn where_the_schema_says_nothing_every_hierarchy_is_thought_possible() {
    let unknown = scope("Attic");
    assert!(unknown.admits(&policy("forbid (principal, action, resource in Door::\"x\");")));
    assert!(!unknown.admits(&policy("forbid (principal, action, resource is Door);")));
}
