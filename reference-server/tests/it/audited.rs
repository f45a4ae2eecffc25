//! Whatever changes something leaves an event.

use std::collections::BTreeSet;

use serde_json::Value;
use ureq::http::Method;

use crate::bodies::good_bodies;
use crate::client::Client;
use crate::document::operations;
use crate::people::{ADMIN_PASSWORD, World, signed_in, text};

/// What changes nothing here although it is no GET: the event that the audit layer writes of every
/// request is enough. Each line is a decision to defend.
const NOTHING_CHANGED: &[&str] = &[
    // These only ask.
    "POST /api/v1/auth/introspect",
    "POST /api/v1/authz/policies/validate",
    // The body names what is not there: a token nobody gave out (RFC 7009, section 2.2), leases of
    // nobody.
    "POST /api/v1/auth/revoke",
    "POST /api/v1/secrets/leases/revoke-prefix",
    "POST /api/v1/secrets/leases/revoke-user",
];

/// The actions of the events of one request.
fn recorded(admin: &Client, request: &str) -> BTreeSet<String> {
    let found = admin.get(&format!("/api/v1/audit/events?request_id={request}")).expect(200);
    let items = found["items"].as_array().unwrap();
    items.iter().map(|event: &Value| text(event, "action").to_owned()).collect()
}

#[test]
fn every_operation_that_changes_something_leaves_an_event_of_its_own() {
    let world = World::with(&[]);
    let good = good_bodies(&world);
    let mut admin = world.admin.clone();
    let (mut without, mut done, mut seen) = (BTreeSet::new(), 0, 0);
    for operation in operations(&world.server.client()) {
        if operation.method == Method::GET {
            continue;
        }
        let name = operation.name();
        let known = good.iter().find(|(known, ..)| *known == name);
        let (path, body) = known.map_or_else(
            || (operation.path_with("nothing"), None),
            |(_, path, body, _)| (path.clone(), Some(body)),
        );
        let answer = admin.send(&operation.method, &path, body);
        // Some of them end the session of whoever asks.
        if admin.get("/api/v1/auth/me").status == 401 {
            admin = signed_in(&world.server.client(), "admin", ADMIN_PASSWORD);
        }
        let actions = recorded(&admin, &answer.request_id());
        assert!(!actions.is_empty(), "{name} left no event: {answer:?}");
        seen += 1;
        if (200..300).contains(&answer.status) {
            done += 1;
            if actions.iter().all(|action| action == "api.request") {
                without.insert(name);
            }
        }
    }
    let expected: BTreeSet<String> = NOTHING_CHANGED.iter().map(|&name| name.to_owned()).collect();
    assert_eq!(without, expected, "done without an event of its own");
    assert!(seen > 40 && done > 20, "{done} of {seen} were done");
}

#[test]
fn whose_account_was_read_is_recorded_however_it_was_named() {
    let world = World::with(&[]);
    world.person("alice", &[], &[]);
    let admin = &world.admin;
    let alice = text(&admin.get("/api/v1/users/alice").expect(200), "id").to_owned();
    for named in ["alice".to_owned(), alice.clone(), alice.replace('_', "%5F")] {
        let answer = admin.get(&format!("/api/v1/users/{named}"));
        let request = answer.request_id();
        answer.expect(200);
        let found = admin.get(&format!("/api/v1/audit/events?request_id={request}")).expect(200);
        let events = found["items"].as_array().unwrap();
        assert!(!events.is_empty(), "{named}");
        let told = events.iter().any(|event| event["context"]["found"] == *alice);
        assert!(told, "reading {named} left {events:?}");
    }
}
