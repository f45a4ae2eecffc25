//! The decision matrix: each row of the specification is a row here, with the policies that must
//! determine it.

use std::collections::BTreeSet;

use prov_authz::{AccessRequest, Claims, PolicyEngine, ResourceEntity};

use crate::world::{
    NIGHT, NOON, OFFICE, circumstances, cluster, engine, environment, member, server, workspace,
};

/// The rows of the specification.
const ROWS: usize = 22;

struct Row {
    scenario: &'static str,
    team: Option<&'static str>,
    action: &'static str,
    resource: ResourceEntity,
    mfa: bool,
    claims: Claims,
    address: &'static str,
    time: &'static str,
    allowed: bool,
    policies: &'static [&'static str],
}

fn row(
    scenario: &'static str,
    team: &'static str,
    action: &'static str,
    resource: ResourceEntity,
    mfa: bool,
) -> Row {
    Row {
        scenario,
        team: Some(team),
        action,
        resource,
        mfa,
        claims: Claims::NONE,
        address: OFFICE,
        time: NOON,
        allowed: false,
        policies: &[],
    }
}

impl Row {
    fn approved(mut self) -> Self {
        self.claims = self.claims.with_approval("CHG-4711");
        self
    }

    fn emergency(mut self) -> Self {
        self.claims = self.claims.with_approval("EMERGENCY-OUTAGE-2026-03-02");
        self
    }

    fn forced(mut self) -> Self {
        self.claims = self.claims.with_force(true);
        self
    }

    fn from(mut self, address: &'static str) -> Self {
        self.address = address;
        self
    }

    fn at(mut self, time: &'static str) -> Self {
        self.time = time;
        self
    }

    fn without_team(mut self) -> Self {
        self.team = None;
        self
    }

    fn allow(mut self, policies: &'static [&'static str]) -> Self {
        self.allowed = true;
        self.policies = policies;
        self
    }

    fn deny(mut self, policies: &'static [&'static str]) -> Self {
        self.policies = policies;
        self
    }
}

/// Production, but for clusters and lockdown.
fn rows_of_production() -> Vec<Row> {
    let prod = || server("production");
    vec![
        row("developer deploys to prod", "developers", "deploy", prod(), true).approved().deny(&[]),
        row("SRE deploys to prod", "sre", "deploy", prod(), true).approved().allow(&["prod-sre"]),
        row("admin deploys to prod", "platform-admin", "deploy", prod(), false)
            .allow(&["admin-production-exemption"]),
        row("audit reads prod", "audit", "read", prod(), false).allow(&["audit-read"]),
        row("audit deletes prod", "audit", "delete", prod(), true)
            .approved()
            .deny(&["audit-modifies-nothing"]),
        row("SRE ssh to prod", "sre", "ssh", prod(), false).allow(&["prod-sre"]),
        row("developer ssh to prod", "developers", "ssh", prod(), false)
            .deny(&["prod-ssh-restricted"]),
        row("SRE deploys at night in an emergency", "sre", "deploy", prod(), true)
            .emergency()
            .at(NIGHT)
            .allow(&["prod-sre"]),
        row("SRE deploys at night", "sre", "deploy", prod(), true)
            .approved()
            .at(NIGHT)
            .deny(&["prod-deploy-hours"]),
        row("SRE deploys from elsewhere", "sre", "deploy", prod(), true)
            .approved()
            .from("203.0.113.5")
            .deny(&["prod-ip-restriction"]),
        row("SRE deploys without MFA", "sre", "deploy", prod(), false)
            .approved()
            .deny(&["prod-deploy-mfa"]),
        row("SRE deploys without approval", "sre", "deploy", prod(), true)
            .deny(&["prod-deploy-approval"]),
        row("SRE forced delete, normal approval", "sre", "delete", prod(), true)
            .approved()
            .forced()
            .deny(&["prod-delete-no-force"]),
    ]
}

/// Development, clusters, lockdown, and nobody.
fn other_rows() -> Vec<Row> {
    let prod = || server("production");
    vec![
        row("developer creates dev server", "developers", "create", server("development"), false)
            .allow(&["dev-developers"]),
        row("SRE updates prod cluster", "sre", "update", cluster("production", 3), true)
            .approved()
            .deny(&["prod-cluster-admin-only"]),
        row(
            "developer creates 6-node dev cluster",
            "developers",
            "create",
            cluster("development", 6),
            false,
        )
        .deny(&["dev-cluster-size"]),
        row(
            "developer creates 5-node dev cluster",
            "developers",
            "create",
            cluster("development", 5),
            false,
        )
        .allow(&["dev-developers"]),
        row(
            "developer updates own dev workspace",
            "developers",
            "update",
            workspace("development", "user_ann"),
            false,
        )
        .allow(&["dev-developers"]),
        row(
            "developer updates another's workspace",
            "developers",
            "update",
            workspace("development", "user_bob"),
            false,
        )
        .deny(&["dev-workspace-owner"]),
        row(
            "security locks production down",
            "security",
            "lockdown",
            environment("production"),
            true,
        )
        .allow(&["prod-security"]),
        row("security deploys to prod", "security", "deploy", prod(), true).approved().deny(&[]),
        row("nobody's team", "none", "read", prod(), true).approved().without_team().deny(&[]),
    ]
}

#[test]
fn every_row_of_the_matrix_comes_out_with_its_reason() {
    let engine = engine();
    let rows: Vec<_> = rows_of_production().into_iter().chain(other_rows()).collect();
    let named: BTreeSet<_> = rows.iter().map(|row| row.scenario).collect();
    assert_eq!((rows.len(), named.len()), (ROWS, ROWS), "a row of the specification is missing");
    for row in rows {
        let who = member(row.team.as_slice());
        let circumstances = circumstances(row.mfa, row.address, row.time);
        let request = AccessRequest::by(&who, circumstances, row.action, &row.resource)
            .with_claims(&row.claims);
        let decision = engine.decide(&request);
        assert_eq!(decision.errors, Vec::<String>::new(), "{}", row.scenario);
        assert_eq!(decision.allowed, row.allowed, "{}: {decision:?}", row.scenario);
        assert_eq!(decision.determining_policies, row.policies, "{}", row.scenario);
    }
}

#[test]
fn an_emergency_approval_lifts_the_hours_and_nothing_else() {
    let engine = engine();
    let who = member(&["sre"]);
    let server = server("production");
    let claims = Claims::NONE.with_approval("EMERGENCY-OUTAGE-1");
    let blocked_by = |mfa, address| {
        let circumstances = circumstances(mfa, address, NIGHT);
        let request =
            AccessRequest::by(&who, circumstances, "deploy", &server).with_claims(&claims);
        engine.decide(&request).determining_policies
    };
    assert_eq!(blocked_by(false, OFFICE), ["prod-deploy-mfa"]);
    assert_eq!(blocked_by(true, "203.0.113.5"), ["prod-ip-restriction"]);
}

#[test]
fn the_hours_begin_at_eight_and_end_before_eighteen() {
    let engine = engine();
    let (who, server) = (member(&["sre"]), server("production"));
    let claims = Claims::NONE.with_approval("CHG-1");
    for (time, allowed) in [
        ("2026-03-02T07:59:59.999Z", false),
        ("2026-03-02T08:00:00Z", true),
        ("2026-03-02T17:59:59.999Z", true),
        ("2026-03-02T18:00:00Z", false),
        ("2026-03-02T09:30:00+02:00", false),
        ("2026-03-02T20:30:00+03:00", true),
    ] {
        let circumstances = circumstances(true, OFFICE, time);
        let request =
            AccessRequest::by(&who, circumstances, "deploy", &server).with_claims(&claims);
        assert_eq!(engine.decide(&request).allowed, allowed, "{time}");
    }
}

#[test]
fn a_mapped_address_of_a_dual_stack_socket_is_the_ipv4_address_it_is() {
    let engine = engine();
    let (who, server) = (member(&["sre"]), server("production"));
    for (address, allowed) in [("::ffff:10.1.2.3", true), ("::ffff:203.0.113.5", false)] {
        let circumstances = circumstances(false, address, NOON);
        let request = AccessRequest::by(&who, circumstances, "ssh", &server);
        assert_eq!(engine.decide(&request).allowed, allowed, "{address}");
    }
}
