//! Policies of every shape the language has, over the shipped schema. Many of them fail on some of
//! the requests: no validator stands before them here.

use super::Dice;

const TEAMS: [&str; 5] = ["platform-admin", "sre", "developers", "audit", "security"];

/// A policy set; each policy with its id.
pub(super) fn policies(dice: &mut Dice, count: usize) -> String {
    (0..count).map(|number| policy(dice, number)).collect()
}

fn policy(dice: &mut Dice, number: usize) -> String {
    let effect = dice.pick(&["permit", "permit", "forbid"]);
    let (who, does, what) = (principal(dice), action(dice), resource(dice));
    let clause = |dice: &mut Dice| {
        let keyword = dice.pick(&["when", "unless"]);
        format!("\n{keyword} {{ {} }}", condition(dice, 3))
    };
    let clauses: String = (0..dice.below(3)).map(|_| clause(dice)).collect();
    format!("@id(\"policy-{number}\") {effect} ({who}, {does}, {what}){clauses};\n")
}

fn team(dice: &mut Dice) -> String {
    format!("Provisioning::Team::\"{}\"", dice.pick(&TEAMS))
}

fn principal(dice: &mut Dice) -> String {
    match dice.below(9) {
        0..3 => "principal".to_owned(),
        3..5 => format!("principal in {}", team(dice)),
        5 => "principal is Provisioning::User".to_owned(),
        6 => "principal == Provisioning::User::\"user_ann\"".to_owned(),
        7 => format!("principal is Provisioning::User in {}", team(dice)),
        _ => {
            let role = dice.pick(&["admin", "operator", "auditor", "viewer"]);
            format!("principal in Provisioning::Role::\"{role}\"")
        }
    }
}

fn action_name(dice: &mut Dice) -> String {
    format!("Provisioning::Action::\"{}\"", dice.pick(&super::ACTIONS))
}

fn action(dice: &mut Dice) -> String {
    match dice.below(4) {
        0 | 1 => "action".to_owned(),
        2 => format!("action == {}", action_name(dice)),
        _ => {
            let (one, two, three) = (action_name(dice), action_name(dice), action_name(dice));
            format!("action in [{one}, {two}, {three}]")
        }
    }
}

fn environment(dice: &mut Dice) -> String {
    let name = dice.pick(&["production", "staging", "development"]);
    format!("Provisioning::Environment::\"{name}\"")
}

fn resource(dice: &mut Dice) -> String {
    let kind = dice.pick(&super::KINDS);
    match dice.below(8) {
        0..3 => "resource".to_owned(),
        3 | 4 => format!("resource in {}", environment(dice)),
        5 => format!("resource is Provisioning::{kind}"),
        6 => format!("resource is Provisioning::{kind} in {}", environment(dice)),
        _ => format!("resource == Provisioning::{kind}::\"shop\""),
    }
}

fn condition(dice: &mut Dice, deepest: usize) -> String {
    if deepest == 0 || dice.below(3) == 0 {
        return atom(dice);
    }
    let one = condition(dice, deepest - 1);
    let other = condition(dice, deepest - 1);
    match dice.below(6) {
        0 | 1 => format!("({one} && {other})"),
        2 | 3 => format!("({one} || {other})"),
        4 => format!("!({one})"),
        _ => format!("(if {} then {one} else {other})", atom(dice)),
    }
}

fn atom(dice: &mut Dice) -> String {
    match dice.below(12) {
        0 => format!("principal in {}", team(dice)),
        1 => format!("principal in [{}, {}]", team(dice), team(dice)),
        2 => format!("resource in {}", environment(dice)),
        3 => format!("action in [{}, {}]", action_name(dice), action_name(dice)),
        4 => format!("resource is Provisioning::{}", dice.pick(&super::KINDS)),
        5 => moment(dice),
        _ => dice.pick(&ATOMS).to_owned(),
    }
}

/// The time, compared and calculated with.
fn moment(dice: &mut Dice) -> String {
    let span = dice.pick(&["8h", "18h", "1d2h3m4s5ms", "-30m", "0s", "12h"]);
    let compared = dice.pick(&["<", "<=", ">", ">=", "==", "!="]);
    let day = dice.pick(&[
        "2026-03-02",
        "2026-03-02T12:00:00Z",
        "1969-12-31T23:59:59.999Z",
        "2026-03-02T13:00:00.500+0100",
    ]);
    match dice.below(4) {
        0 => format!("context.time.toTime() {compared} duration(\"{span}\")"),
        1 => format!("context.time {compared} datetime(\"{day}\")"),
        2 => format!("context.time.offset(duration(\"{span}\")) {compared} datetime(\"{day}\")"),
        _ => {
            let unit = dice.pick(&["Milliseconds", "Seconds", "Minutes", "Hours", "Days"]);
            let since = format!("context.time.durationSince(datetime(\"{day}\"))");
            format!("{since}.to{unit}() {compared} {}", dice.below(90))
        }
    }
}

const ATOMS: [&str; 54] = [
    "context.mfa_verified",
    "context.mfa_verified == true",
    "context has approval_id",
    "context has approval_id && context.approval_id like \"EMERGENCY-*\"",
    "context.approval_id == \"CHG-4711\"",
    "context.approval_id != \"CHG-4711\"",
    "context.approval_id like \"*-*1*\"",
    "context has force && context.force",
    "context.force",
    "context has reason && context.reason like \"w*y*t\"",
    "context has ssh_key_fingerprint",
    "context has unheard_of",
    "context has mfa_verified.inner",
    "context.ip_address.isInRange(ip(\"10.0.0.0/8\"))",
    "context.ip_address.isInRange(ip(\"2001:db8::/32\"))",
    "context.ip_address.isInRange(ip(\"0.0.0.0/0\"))",
    "ip(\"10.0.0.0/24\").isInRange(ip(\"10.0.0.0/8\"))",
    "context.ip_address == ip(\"10.0.0.1\")",
    "context.ip_address.isIpv4() || context.ip_address.isLoopback()",
    "context.ip_address.isIpv6() && !context.ip_address.isMulticast()",
    "context.time.toDate() == datetime(\"2026-03-02\")",
    "context.ip_address == context.time",
    "principal == Provisioning::User::\"user_ann\"",
    "principal == resource",
    "principal != action",
    "principal.id == resource.owner_id",
    "principal.username like \"a*\"",
    "principal.username == \"ann\"",
    "principal has email",
    "principal has id && principal.id like \"user_*\"",
    "principal is Provisioning::User",
    "principal is Provisioning::User in Provisioning::Team::\"sre\"",
    "resource has node_count && resource.node_count > 5",
    "resource.node_count <= 5",
    "resource.node_count * 9223372036854775807 > 0",
    "resource.node_count + 1 - 2 >= -(3)",
    "resource.environment == \"production\"",
    "resource.id == \"shop\"",
    "resource has owner_id",
    "[\"shop\", \"stage\"].contains(resource.workspace)",
    "[resource.environment, \"x\"].containsAny([\"production\", \"y\"])",
    "[resource.environment, \"x\"].containsAll([\"x\"])",
    "[principal, resource].contains(principal)",
    "[1, 2, 2] == [2, 1]",
    "[].isEmpty() && ![context.mfa_verified].isEmpty()",
    "principal in [principal, resource]",
    "resource in [principal, Provisioning::Workspace::\"shop\"]",
    "{a: context.mfa_verified, b: 1}.a",
    "{a: principal, b: [1]} == {b: [1], a: principal}",
    "decimal(\"1.5\").lessThan(decimal(\"1.50\")) || decimal(\"-0.1\").greaterThan(decimal(\"-0.2\"))",
    "context == {mfa_verified: true}",
    "Provisioning::Team::\"sre\".name == \"sre\"",
    "Provisioning::Team::\"sre\" in Provisioning::Team::\"sre\"",
    "Provisioning::Role::\"admin\" in Provisioning::Role::\"viewer\"",
];
