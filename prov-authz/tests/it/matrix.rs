//! What the decision matrix says in time, network and approval, to the moment and the address. The
//! matrix itself is the shipped tests.

use prov_authz::{AccessRequest, Claims, PolicyEngine};

use crate::world::{NIGHT, NOON, OFFICE, circumstances, engine, member, server};

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
