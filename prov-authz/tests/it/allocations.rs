//! That a decision allocates little: what it borrows can't be slow for being copied.

use allocation_counter::measure;
use prov_authz::{AccessRequest, Claims, PolicyEngine, ResourceEntity};
use prov_core::Role;

use crate::world::{NOON, OFFICE, circumstances, engine, holder, member, server};

/// No decision may take more.
const MOST: u64 = 32;

#[test]
fn a_decision_takes_few_allocations() {
    let engine = engine();
    let office = circumstances(true, OFFICE, NOON);
    let (sre, developer) = (member(&["sre"]), member(&["developers"]));
    let (admin, nobody) = (holder(Role::Admin), member(&["unheard-of"]));
    let production = server("production");
    let users = ResourceEntity::api("users");
    let claims = Claims::default().with_approval("CHG-4711");
    let cases = [
        ("deploys", AccessRequest::by(&sre, office, "deploy", &production).with_claims(&claims)),
        ("may not deploy", AccessRequest::by(&sre, office, "deploy", &production)),
        ("reads", AccessRequest::by(&developer, office, "read", &production)),
        ("uses the API", AccessRequest::by(&admin, office, "update", &users)),
        ("is denied by default", AccessRequest::by(&nobody, office, "read", &production)),
    ];
    for (what, asked) in cases {
        let taken = measure(|| drop(engine.decide(&asked))).count_total;
        println!("{what}: {taken}");
        assert!(taken <= MOST, "{what}: {taken}");
    }
}
