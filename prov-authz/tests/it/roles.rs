//! What each of the five roles may do to each part of prov's own API.

use std::collections::BTreeMap;

use prov_authz::{Claims, ResourceEntity};
use prov_core::Role;

use crate::world::{ask, engine, holder};

const ACTIONS: [&str; 8] =
    ["create", "delete", "update", "read", "list", "monitor", "admin", "execute"];

const ALL: &str = "create delete update read list monitor admin execute";
const LOOK: &str = "read list monitor";
const NONE: &str = "";

/// Part of the API, and what an administrator, an operator, a developer, an auditor and a viewer may.
/// A line that changes is a decision to defend; so is a policy that changes a line.
const MATRIX: &[(&str, [&str; 5])] = &[
    ("api-tokens", [ALL, NONE, NONE, LOOK, NONE]),
    ("audit", [ALL, NONE, NONE, LOOK, NONE]),
    ("decisions", [ALL, NONE, NONE, LOOK, NONE]),
    ("entities", [ALL, NONE, NONE, LOOK, NONE]),
    ("grants", [ALL, NONE, NONE, LOOK, NONE]),
    ("issuers", [ALL, NONE, NONE, LOOK, NONE]),
    ("kms-data", [ALL, ALL, "execute", NONE, NONE]),
    ("kms-keys", [ALL, ALL, "read list", LOOK, NONE]),
    ("leases", [ALL, ALL, NONE, LOOK, NONE]),
    ("metrics", [ALL, LOOK, LOOK, LOOK, LOOK]),
    ("mfa", [ALL, NONE, NONE, LOOK, NONE]),
    ("policies", [ALL, "read list", "read list", LOOK, NONE]),
    ("secret-engines", [ALL, ALL, "read list", LOOK, NONE]),
    ("secret-roles", [ALL, ALL, "read list", LOOK, NONE]),
    ("secrets", [ALL, ALL, "execute", NONE, NONE]),
    ("sessions", [ALL, NONE, NONE, LOOK, NONE]),
    ("signing-keys", [ALL, NONE, NONE, LOOK, NONE]),
    ("ssh-ca", [ALL, ALL, "read list", LOOK, NONE]),
    ("ssh-certificates", [ALL, ALL, "execute", LOOK, NONE]),
    ("status", [ALL, LOOK, LOOK, LOOK, LOOK]),
    ("teams", [ALL, NONE, NONE, LOOK, NONE]),
    ("users", [ALL, NONE, NONE, LOOK, NONE]),
    // What nobody has thought of yet is for those who may do, or see, everything.
    ("something-new", [ALL, NONE, NONE, LOOK, NONE]),
];

#[test]
fn each_role_may_exactly_what_the_matrix_says() {
    let engine = engine();
    for (part, expected) in MATRIX {
        let resource = ResourceEntity::api(*part);
        for (role, expected) in Role::ALL.into_iter().zip(expected) {
            let may = |action: &&str| {
                ask(&engine, &holder(role), action, &resource, true, &Claims::NONE).allowed
            };
            let permitted: Vec<_> = ACTIONS.into_iter().filter(|action| may(action)).collect();
            let expected: Vec<_> =
                ACTIONS.into_iter().filter(|a| expected.split(' ').any(|e| e == *a)).collect();
            assert_eq!(permitted, expected, "{role} on {part}");
        }
    }
}

/// Every action that the schema knows for the API is in the matrix, so that a new one is not
/// forgotten here.
#[test]
fn the_matrix_has_every_action_there_is() {
    let mut known = engine().actions_on("Api");
    let mut listed = ACTIONS.map(str::to_owned).to_vec();
    known.sort();
    listed.sort();
    assert_eq!(known, listed);
    let parts: BTreeMap<_, _> = MATRIX.iter().copied().collect();
    assert_eq!(parts.len(), MATRIX.len(), "each part stands there once");
}

#[test]
fn a_role_may_whatever_the_roles_below_it_may() {
    let engine = engine();
    for (part, _) in MATRIX {
        let resource = ResourceEntity::api(*part);
        for (role, below) in
            Role::ALL.into_iter().flat_map(|role| role.inherits().iter().map(move |b| (role, *b)))
        {
            for action in ACTIONS {
                let may = |role| {
                    ask(&engine, &holder(role), action, &resource, true, &Claims::NONE).allowed
                };
                assert!(may(role) || !may(below), "{role} over {below}: {action} on {part}");
            }
        }
    }
}
