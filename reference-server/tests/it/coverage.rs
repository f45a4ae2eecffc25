//! Every route is documented, in the table, guarded, and refuses whom it must.

use std::collections::{BTreeMap, BTreeSet};

use prov_core::Code;
use prov_http::Access;
use reference_server::api::route_list;
use serde_json::json;
use ureq::http::Method;

use crate::client::Client;
use crate::document::{Operation, operations};
use crate::people::World;

/// Whatever anybody may do without signing in; each line is a decision to defend.
const PUBLIC: &[&str] = &[
    "GET /.well-known/authzen-configuration",
    "GET /.well-known/authzen-configuration/{tenant}",
    "GET /.well-known/jwks.json",
    "GET /.well-known/openid-configuration",
    "GET /api/docs",
    "GET /api/docs.css",
    "GET /api/openapi.json",
    // By the protocol of witnesses nobody signs in; a log's signature is what counts.
    "GET /api/v1/audit/witness/{origin_hash}/checkpoint",
    "POST /api/v1/audit/witness/add-checkpoint",
    "GET /api/v1/auth/oidc/{issuer}/callback",
    "GET /api/v1/auth/oidc/{issuer}/start",
    "GET /api/v1/ssh/ca",
    "GET /api/v1/ssh/krl",
    "GET /api/v1/version",
    "GET /livez",
    "GET /metrics",
    "GET /passkeys",
    "GET /passkeys.js",
    "GET /readyz",
    "POST /api/v1/auth/bootstrap",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/login/mfa",
    "POST /api/v1/auth/oidc/exchange",
    "POST /api/v1/auth/oidc/{issuer}/logout",
    "POST /api/v1/auth/password/expired",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/revoke",
    "POST /api/v1/mfa/webauthn/authenticate/begin",
    "POST /api/v1/mfa/webauthn/authenticate/finish",
];

/// Whatever anybody may do who has signed in, to what is their own.
const SELF_SERVICE: &[&str] = &[
    "DELETE /api/v1/auth/devices/{id}",
    "DELETE /api/v1/auth/sessions",
    "DELETE /api/v1/auth/sessions/{id}",
    "DELETE /api/v1/auth/tokens/{id}",
    "DELETE /api/v1/authz/grants/{id}",
    "DELETE /api/v1/mfa/devices/{id}",
    "DELETE /api/v1/mfa/totp/{id}",
    "GET /api/v1/auth/devices",
    "GET /api/v1/auth/me",
    "GET /api/v1/auth/notices",
    "GET /api/v1/auth/sessions",
    "GET /api/v1/auth/tokens",
    "GET /api/v1/mfa/devices",
    "GET /api/v1/mfa/status",
    "POST /api/v1/auth/introspect",
    "POST /api/v1/auth/logout",
    "POST /api/v1/auth/password",
    "POST /api/v1/auth/step-up",
    "POST /access/v1/evaluation",
    "POST /access/v1/evaluations",
    "POST /access/v1/search/action",
    "POST /access/v1/search/resource",
    "POST /access/v1/search/subject",
    "POST /api/v1/auth/tokens",
    "POST /api/v1/auth/tokens/{id}/rotate",
    "POST /api/v1/authz/authorize",
    "POST /api/v1/authz/authorize/batch",
    "POST /api/v1/authz/explain",
    "POST /api/v1/authz/grants",
    "POST /api/v1/authz/permissions",
    "POST /api/v1/authz/search/resources",
    "POST /api/v1/mfa/backup-codes",
    "POST /api/v1/mfa/backup-codes/verify",
    "POST /api/v1/mfa/totp/enroll",
    "POST /api/v1/mfa/totp/verify",
    "PATCH /api/v1/mfa/devices/{id}",
    "POST /api/v1/mfa/webauthn/register/begin",
    "POST /api/v1/mfa/webauthn/register/finish",
];

/// Whatever a viewer may do beyond that: see how prov is.
const VIEWER: &[&str] =
    &["GET /api/v1/authz/stats", "GET /api/v1/kms/health", "GET /api/v1/kms/status"];

/// The table's routes with this kind of access.
fn listed(wanted: impl Fn(&Access) -> bool) -> BTreeSet<String> {
    route_list()
        .iter()
        .filter(|route| wanted(&route.access))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect()
}

fn set(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|&line| line.to_owned()).collect()
}

#[test]
fn the_document_and_the_table_name_the_same_routes() {
    let world = World::new();
    let documented = operations(&world.server.client());
    let mut names: BTreeSet<String> = documented.iter().map(Operation::name).collect();
    // The document does not describe itself, nor pages for people.
    let itself = [
        "GET /api/openapi.json",
        "GET /api/docs",
        "GET /api/docs.css",
        "GET /passkeys",
        "GET /passkeys.js",
    ]
    .map(str::to_owned);
    names.extend(itself.clone());
    assert_eq!(names, listed(|_| true));
    let mut public: BTreeSet<String> =
        documented.iter().filter(|o| o.public).map(Operation::name).collect();
    public.extend(itself);
    assert_eq!(public, set(PUBLIC), "the document says which need no token");
}

#[test]
fn who_may_come_in_is_written_down() {
    assert_eq!(listed(|access| *access == Access::Public), set(PUBLIC));
    assert_eq!(listed(|access| *access == Access::SelfService), set(SELF_SERVICE));
}

/// Asks for an operation with something where something must be.
fn ask(client: &Client, operation: &Operation) -> crate::client::Answer {
    let body = operation.body.as_ref().map(|_| json!({}));
    client.send(&operation.method, &operation.path_with("nothing"), body.as_ref())
}

#[test]
fn without_a_token_every_other_route_asks_to_sign_in() {
    let world = World::new();
    let nobody = world.server.client();
    let mut seen = 0;
    for operation in operations(&nobody) {
        if PUBLIC.contains(&&*operation.name()) {
            continue;
        }
        for (client, what) in [
            (nobody.clone(), "no token"),
            (nobody.with_token("x"), "no token at all"),
            (nobody.with_token("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."), "an unsigned one"),
        ] {
            let answer = ask(&client, &operation);
            answer.expect_problem();
            assert_eq!(answer.status, 401, "{what}: {answer:?}");
            let challenge = answer.header("www-authenticate").unwrap_or_default();
            assert!(challenge.starts_with("Bearer"), "{what}: {answer:?}");
            seen += 1;
        }
        if operation.method == Method::GET {
            let head = nobody.send(&Method::HEAD, &operation.path_with("nothing"), None);
            assert_eq!(head.status, 401, "{head:?}");
        }
    }
    assert!(seen > 3 * 70, "{seen}");
}

#[test]
fn a_viewer_sees_how_prov_is_and_nothing_else() {
    let world = World::new();
    let viewer = world.person("vera", &["viewer"], &[]);
    let nothing = world.person("norm", &[], &[]);
    let guarded = listed(|access| matches!(access, Access::Guarded { .. }));
    let (mut let_in, mut seen) = (BTreeMap::new(), 0);
    for operation in operations(&world.server.client()) {
        let name = operation.name();
        if !guarded.contains(&name) {
            continue;
        }
        seen += 1;
        for (who, client) in [("viewer", &viewer), ("nothing", &nothing)] {
            let answer = ask(client, &operation);
            if answer.status == 403 {
                answer.refused(403, "authz.access_denied");
            } else {
                let_in.entry(who).or_insert_with(BTreeSet::new).insert(name.clone());
            }
        }
    }
    assert_eq!(seen, guarded.len());
    assert_eq!(let_in.remove("viewer"), Some(set(VIEWER)));
    assert_eq!(let_in.remove("nothing"), None, "who has no role may do nothing");
}

#[test]
fn what_is_not_in_the_table_does_not_exist() {
    let world = World::new();
    for client in [&world.server.client(), &world.admin] {
        for path in
            ["/", "/api", "/api/v1", "/api/v1/users/", "/api/v1/nowhere", "//livez", "/LIVEZ"]
        {
            client.get(path).refused(404, "core.not_found");
        }
        let answer = client.delete("/api/v1/users");
        answer.refused(405, "core.method_not_allowed");
        assert_eq!(answer.header("allow").as_deref(), Some("GET, POST"));
        client.send(&Method::TRACE, "/livez", None).refused(405, "core.method_not_allowed");
    }
}

#[test]
fn every_answer_carries_the_headers_that_harden_it() {
    let world = World::new();
    for path in ["/livez", "/api/v1/users", "/api/v1/nowhere", "/api/openapi.json", "/api/docs"] {
        for client in [&world.server.client(), &world.admin] {
            let answer = client.get(path);
            let header = |name: &str| answer.header(name).unwrap_or_default();
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header("x-frame-options"), "DENY", "{path}");
            assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(header("cache-control"), "no-store", "{path}");
            assert!(header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
            assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
            assert!(header("x-request-id").starts_with("req_"), "{path}");
        }
    }
}

#[test]
fn every_error_code_has_a_name_of_its_own() {
    let all: Vec<&Code> = [
        prov_core::codes::ALL,
        prov_http::codes::ALL,
        prov_auth::codes::ALL,
        prov_mfa::codes::ALL,
        prov_authz::codes::ALL,
        prov_audit::codes::ALL,
        prov_kms::codes::ALL,
        prov_secrets::codes::ALL,
        prov_store::codes::ALL,
    ]
    .concat()
    .leak()
    .iter()
    .collect();
    let mut slugs = BTreeMap::new();
    for code in &all {
        if let Some(other) = slugs.insert(code.slug(), code.name()) {
            panic!("`{other}` and `{}` are one problem type", code.name());
        }
    }
    assert!(all.len() > 80, "{}", all.len());
}
