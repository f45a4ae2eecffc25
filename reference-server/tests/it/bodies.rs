//! A body for every operation that takes one, good enough that whatever is refused in a changed one
//! is the change.

use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::people::{App, World, password_of, text};
use crate::tools::printed;

/// An operation, where to send it, a body, and what the administrator is answered.
pub(crate) type Good = (&'static str, String, Value, u16);

/// A world with things to speak of, and a good body for each operation.
pub(crate) fn good_bodies(world: &World) -> Vec<Good> {
    world.person("probe", &["developer"], &[]);
    let mut all = about_signing_in();
    all.extend(about_people());
    all.extend(about_factors(world));
    all.extend(about_policies());
    all.extend(about_policy_sets());
    all.extend(about_authzen());
    all.extend(about_entities());
    all.extend(about_keys(world));
    all.extend(about_secrets(world));
    all.extend(about_keeping());
    all
}

fn about_signing_in() -> Vec<Good> {
    let at = |path: &str| format!("/api/v1/auth/{path}");
    let credentials = json!({ "username": "probe", "password": password_of("probe") });
    let new = "sad-moth-orbits-3-lamps";
    let renewal = json!({
        "username": "probe", "current_password": "not-the-password", "new_password": new,
    });
    let change = json!({ "current_password": "not-the-password", "new_password": new });
    let first = json!({
        "token": "x".repeat(43), "username": "fresh", "password": password_of("fresh"),
    });
    let answer = json!({ "challenge": "x".repeat(43), "method": "totp", "code": "123456" });
    let step_up = json!({ "method": "totp", "code": "123456" });
    let rotation = json!({ "rotation": "published" });
    let token = || json!({ "token": "x" });
    let program = json!({ "name": "backup", "scopes": ["read:users"], "expires_in": "90d" });
    let handover = json!({ "code": "x".repeat(43), "code_verifier": "x".repeat(43) });
    let issuer = json!({
        "name": "probe", "issuer": "https://idp.invalid", "client_id": "prov",
        "client_secret": "not-told-to-anybody", "organization": "Probe", "scopes": ["profile"],
        "groups_claim": "groups", "trusts_second_factor": false,
        "rules": [{ "group": "ops", "roles": ["viewer"], "teams": ["sre"] }],
    });
    let renewed = "tokens/pat_01M818C9P4TME7GS2YF210MV9Z/rotate";
    vec![
        ("POST /api/v1/auth/bootstrap", at("bootstrap"), first, 409),
        ("POST /api/v1/auth/login", at("login"), credentials, 200),
        ("POST /api/v1/auth/login/mfa", at("login/mfa"), answer, 401),
        ("POST /api/v1/auth/password", at("password"), change, 400),
        ("POST /api/v1/auth/password/expired", at("password/expired"), renewal, 401),
        ("POST /api/v1/auth/refresh", at("refresh"), json!({ "refresh_token": "x" }), 401),
        ("POST /api/v1/auth/revoke", at("revoke"), token(), 200),
        ("POST /api/v1/auth/introspect", at("introspect"), token(), 200),
        ("POST /api/v1/auth/step-up", at("step-up"), step_up, 401),
        ("POST /api/v1/auth/issuers", at("issuers"), issuer, 201),
        ("POST /api/v1/auth/oidc/exchange", at("oidc/exchange"), handover, 401),
        // There is no such issuer.
        (
            "POST /api/v1/auth/oidc/{issuer}/logout",
            at("oidc/nobody/logout"),
            json!({ "logout_token": "x" }),
            404,
        ),
        ("POST /api/v1/auth/tokens", at("tokens"), program, 201),
        // Nobody has such a token.
        ("POST /api/v1/auth/tokens/{id}/rotate", at(renewed), json!({ "overlap": "1h" }), 404),
        // The next key has not been published for long enough in a server that young.
        ("POST /api/v1/auth/keys/rotate", at("keys/rotate"), rotation, 409),
    ]
}

fn about_people() -> Vec<Good> {
    let at = |path: &str| format!("/api/v1/{path}");
    let user = json!({
        "username": "fresh", "password": password_of("fresh"), "must_change_password": true,
        "email": "fresh@example.org", "display_name": "Fresh", "roles": ["viewer"], "teams": ["sre"],
    });
    let details = json!({ "email": "probe@example.org", "display_name": "Probe" });
    let team = json!({ "name": "probes", "description": "Those who probe" });
    let (roles, teams) = (json!({ "roles": ["viewer"] }), json!({ "teams": ["sre"] }));
    vec![
        ("POST /api/v1/users", at("users"), user, 201),
        ("PATCH /api/v1/users/{id}", at("users/probe"), details, 200),
        ("PUT /api/v1/users/{id}/roles", at("users/probe/roles"), roles, 200),
        ("PUT /api/v1/users/{id}/teams", at("users/probe/teams"), teams, 200),
        ("POST /api/v1/teams", at("teams"), team, 201),
    ]
}

fn about_keeping() -> Vec<Good> {
    let at = |path: &str| format!("/api/v1/audit/{path}");
    let retention = json!({ "standard": "400d", "break_glass": "2555d" });
    let hold = json!({
        "reason": "case 7", "log": "standard", "user": "user_01M818C9P4TME7GS2YF210MV9Z",
        "from": "2026-01-01T00:00:00Z", "to": "2026-12-31T00:00:00Z",
    });
    vec![
        ("PUT /api/v1/audit/retention", at("retention"), retention, 200),
        ("POST /api/v1/audit/holds", at("holds"), hold, 201),
    ]
}

fn about_factors(world: &World) -> Vec<Good> {
    let app = App::enrolled(&world.person("factor", &["viewer"], &[])).id;
    let at = |path: &str| format!("/api/v1/mfa/{path}");
    let code = json!({ "id": app, "code": "123456" });
    let proof = json!({ "method": "totp", "code": "123456" });
    let backup = json!({ "code": "7QK2M-0XZ9T-4HVRD-C8PNB-W3J6E" });
    let device = || at(&format!("devices/{app}"));
    let (created, proved) = passkey_answers();
    vec![
        ("POST /api/v1/mfa/totp/enroll", at("totp/enroll"), json!({ "name": "phone" }), 201),
        // The app is somebody else's.
        ("POST /api/v1/mfa/totp/verify", at("totp/verify"), code, 404),
        ("DELETE /api/v1/mfa/totp/{id}", at(&format!("totp/{app}")), proof.clone(), 401),
        ("POST /api/v1/mfa/backup-codes/verify", at("backup-codes/verify"), backup, 401),
        (
            "PUT /api/v1/mfa/policy",
            at("policy"),
            json!({ "roles": ["auditor"], "teams": ["sre"], "grace": "7d" }),
            200,
        ),
        ("PATCH /api/v1/mfa/devices/{id}", device(), json!({ "name": "desk" }), 404),
        ("DELETE /api/v1/mfa/devices/{id}", device(), proof, 401),
        (
            "POST /api/v1/mfa/webauthn/register/begin",
            at("webauthn/register/begin"),
            json!({ "name": "laptop" }),
            200,
        ),
        // Nobody has asked for these answers.
        (
            "POST /api/v1/mfa/webauthn/register/finish",
            at("webauthn/register/finish"),
            json!({ "credential": created }),
            400,
        ),
        (
            "POST /api/v1/mfa/webauthn/authenticate/begin",
            at("webauthn/authenticate/begin"),
            json!({ "purpose": "sign_in" }),
            200,
        ),
        (
            "POST /api/v1/mfa/webauthn/authenticate/finish",
            at("webauthn/authenticate/finish"),
            json!({ "assertion": proved }),
            401,
        ),
    ]
}

/// What a browser makes of a passkey that was created, and of one that was proved.
fn passkey_answers() -> (Value, Value) {
    let b64 = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let client = |kind: &str| {
        let data = json!({
            "type": kind, "challenge": b64("nobody asked for this answer"),
            "origin": "http://localhost:8443", "crossOrigin": false,
        });
        b64(&data.to_string())
    };
    let of = |response: Value| json!({ "id": b64("key"), "rawId": b64("key"), "type": "public-key", "response": response });
    let created = of(json!({
        "clientDataJSON": client("webauthn.create"), "attestationObject": b64("x"),
    }));
    let proved = of(json!({
        "clientDataJSON": client("webauthn.get"), "authenticatorData": b64("x"),
        "signature": b64("x"),
    }));
    (created, proved)
}

fn about_policies() -> Vec<Good> {
    let at = |path: &str| format!("/api/v1/authz/{path}");
    let resource = json!({
        "type": "Server", "id": "db-1",
        "attributes": {
            "id": "db-1", "hostname": "db-1.internal", "workspace": "core",
            "environment": "production",
        },
        "parents": [{ "type": "Environment", "id": "production" }],
    });
    let context = json!({
        "approval_id": "CHG-1", "reason": "because", "force": false, "mfa_verified": true,
        "ip_address": "10.0.0.1", "time": "2026-03-02T08:00:00Z",
    });
    let question = json!({
        "principal": { "type": "User", "id": "probe" }, "action": "deploy", "resource": resource,
        "context": context,
    });
    let several = json!({
        "principal": { "type": "User", "id": "probe" }, "resources": [resource], "context": context,
    });
    let draft = json!({ "policies": "permit (principal, action, resource);" });
    let query = json!({
        "user": "probe", "action": "auth.login", "outcome": "success", "resource": "user:x",
        "ip": "127.0.0.1", "from": "24h", "to": "2099-03-02T08:00:00Z",
        "request_id": "req_01M818C9P4TME7GS2YF210MV9Z", "limit": 10,
    });
    vec![
        ("POST /api/v1/authz/authorize", at("authorize"), question.clone(), 200),
        (
            "POST /api/v1/authz/authorize/batch",
            at("authorize/batch"),
            json!({ "requests": [question] }),
            200,
        ),
        ("POST /api/v1/authz/explain", at("explain"), question, 200),
        ("POST /api/v1/authz/permissions", at("permissions"), several, 200),
        ("POST /api/v1/authz/policies/validate", at("policies/validate"), draft, 200),
        ("POST /api/v1/audit/query", "/api/v1/audit/query".to_owned(), query, 200),
    ]
}

fn about_policy_sets() -> Vec<Good> {
    let at = |path: &str| format!("/api/v1/authz/{path}");
    let text = "@id(\"all\")\n@description(\"d\")\npermit (principal, action, resource);";
    let files = json!([{ "name": "all.cedar", "text": text }]);
    let set = json!({ "policies": files });
    let upload = json!({ "set": { "policies": files, "bundle": "x" }, "reason": "because" });
    let grant = json!({
        "template": "none", "principal": { "type": "User", "id": "probe" }, "reason": "because",
        "resource": { "type": "Server", "id": "db-1" }, "ttl": "8h",
    });
    let replayed = json!({ "set": set, "from": "24h", "to": "2099-03-02T08:00:00Z", "limit": 10 });
    vec![
        // The policies of this server are built in, and nothing else was ever in force.
        ("PUT /api/v1/authz/policies", at("policies"), upload, 409),
        (
            "POST /api/v1/authz/policies/rollback",
            at("policies/rollback"),
            json!({ "number": 1, "reason": "because" }),
            409,
        ),
        // They have no templates either.
        ("POST /api/v1/authz/grants", at("grants"), grant, 400),
        ("POST /api/v1/authz/policies/simulate", at("policies/simulate"), replayed, 200),
        (
            "PUT /api/v1/authz/policies/shadow",
            at("policies/shadow"),
            json!({ "set": set, "one_in": 64 }),
            200,
        ),
    ]
}

fn about_authzen() -> Vec<Good> {
    let authzen = json!({
        "subject": { "type": "user", "id": "probe" }, "action": { "name": "deploy" },
        "resource": { "type": "Environment", "id": "production" },
    });
    let mut many = authzen.clone();
    many["options"] = json!({ "evaluations_semantic": "execute_all" });
    let mut actions = authzen.clone();
    actions.as_object_mut().unwrap().remove("action");
    // Of what is searched for, only the type is looked at.
    let without_id = |part: &str| {
        let mut search = authzen.clone();
        search[part].as_object_mut().unwrap().remove("id");
        search
    };
    let (subjects, resources) = (without_id("subject"), without_id("resource"));
    let access = |path: &str| format!("/access/v1/{path}");
    vec![
        ("POST /access/v1/evaluation", access("evaluation"), authzen, 200),
        ("POST /access/v1/evaluations", access("evaluations"), many, 200),
        ("POST /access/v1/search/subject", access("search/subject"), subjects, 200),
        ("POST /access/v1/search/resource", access("search/resource"), resources, 200),
        ("POST /access/v1/search/action", access("search/action"), actions, 200),
    ]
}

fn about_entities() -> Vec<Good> {
    let at = |path: &str| format!("/api/v1/authz/{path}");
    let facts = json!({
        "attributes": { "hostname": "web-1.internal", "workspace": "core", "environment": "production" },
        "parents": [{ "type": "Environment", "id": "production" }],
    });
    let mut named = facts.clone();
    named["type"] = "Server".into();
    named["id"] = "web-2".into();
    let context = json!({
        "approval_id": "CHG-1", "reason": "because", "force": false, "mfa_verified": true,
        "ip_address": "10.0.0.1", "time": "2026-03-02T08:00:00Z",
    });
    let resources = json!({
        "principal": { "type": "User", "id": "probe" }, "action": "deploy", "type": "Server",
        "context": context, "limit": 10,
    });
    let principals =
        json!({ "action": "deploy", "resource": named, "context": context, "limit": 10 });
    vec![
        ("POST /api/v1/authz/search/resources", at("search/resources"), resources, 200),
        ("POST /api/v1/authz/search/principals", at("search/principals"), principals, 200),
        ("PUT /api/v1/authz/entities", at("entities"), json!({ "entities": [named] }), 200),
        ("PUT /api/v1/authz/entities/{type}/{id}", at("entities/Server/web-1"), facts, 200),
    ]
}

fn about_keys(world: &World) -> Vec<Good> {
    let at = |path: &str| format!("/api/v1/kms/{path}");
    let plain = json!({ "plaintext": "aGVsbG8=", "context": "env=prod", "key_id": "default" });
    let sealed = world.admin.post("/api/v1/kms/encrypt", &plain).expect(200);
    let sealed = json!({ "ciphertext": sealed["ciphertext"], "context": "env=prod" });
    let data_key = json!({ "key_spec": "AES_256", "context": "env=prod", "key_id": "default" });
    vec![
        ("POST /api/v1/kms/encrypt", at("encrypt"), plain, 200),
        ("POST /api/v1/kms/decrypt", at("decrypt"), sealed.clone(), 200),
        ("POST /api/v1/kms/rewrap", at("rewrap"), sealed, 200),
        ("POST /api/v1/kms/generate-key", at("generate-key"), data_key, 200),
        ("POST /api/v1/kms/keys", at("keys"), json!({ "key_id": "fresh" }), 201),
    ]
}

/// A public key of SSH in one line.
fn public_key() -> String {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("id");
    let mut command = Command::new("ssh-keygen");
    printed(command.args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"]).arg(&at));
    std::fs::read_to_string(at.with_extension("pub")).unwrap().trim().to_owned()
}

fn about_secrets(world: &World) -> Vec<Good> {
    let at = |path: &str| format!("/api/v1/{path}");
    let key = public_key();
    // Nobody becomes the account `admin` of a machine by being called so.
    let machines = json!({
        "name": "machines", "roles": ["operator"], "allowed_principals": ["deploy"],
    });
    world.admin.post("/api/v1/secrets/roles", &machines).expect(201);
    let lease = json!({ "public_key": key, "role": "machines" });
    let lease = world.admin.post("/api/v1/ssh/sign", &lease).expect(200);
    let lease = format!("secrets/leases/{}/renew", text(&lease, "lease_id"));
    let role = json!({
        "name": "probe-role", "description": "For probes", "teams": ["sre"], "roles": ["operator"],
        "allowed_principals": ["{{username}}"], "default_principals": ["{{username}}"],
        "default_ttl": "1h", "max_ttl": "24h", "extensions": { "permit-pty": "" },
        "default_extensions": ["permit-pty"], "force_command": "uptime",
        "source_addresses": ["10.0.0.0/8"], "key_types": ["ssh-ed25519"],
    });
    let mut other = role.clone();
    other["name"] = json!("other-role");
    let sign = json!({
        "public_key": key, "principals": ["deploy"], "ttl": "1h", "extensions": ["permit-pty"],
        "source_address": "10.0.0.0/8", "role": "machines",
    });
    let host = json!({ "public_key": key, "hostnames": ["web-1.example.org"], "ttl": "30d" });
    let pair = json!({ "role": "machines", "principals": ["deploy"], "ttl": "1h" });
    let prefix = json!({ "prefix": "ssh/nothing/" });
    vec![
        (
            "POST /api/v1/secrets/{engine}/generate",
            at("secrets/ssh/generate"),
            json!({ "role": "machines", "ttl": "1h" }),
            201,
        ),
        ("POST /api/v1/secrets/leases/{id}/renew", at(&lease), json!({ "ttl": "1h" }), 400),
        (
            "POST /api/v1/secrets/leases/revoke-prefix",
            at("secrets/leases/revoke-prefix"),
            prefix,
            200,
        ),
        (
            "POST /api/v1/secrets/leases/revoke-user",
            at("secrets/leases/revoke-user"),
            json!({ "user": "user_of_nothing" }),
            200,
        ),
        ("POST /api/v1/secrets/roles", at("secrets/roles"), role, 201),
        ("PUT /api/v1/secrets/roles/{id}", at("secrets/roles/other-role"), other, 200),
        ("POST /api/v1/ssh/sign", at("ssh/sign"), sign, 200),
        ("POST /api/v1/ssh/keys", at("ssh/keys"), pair, 201),
        ("POST /api/v1/ssh/host/sign", at("ssh/host/sign"), host, 200),
    ]
}

/// Where each leaf of a body is: as JSON pointers (RFC 6901).
pub(crate) fn leaves(body: &Value) -> Vec<String> {
    let below = |key: &str, value: &Value| {
        leaves(value).into_iter().map(|rest| format!("/{key}{rest}")).collect::<Vec<_>>()
    };
    match body {
        Value::Object(fields) => fields.iter().flat_map(|(key, value)| below(key, value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(n, value)| below(&n.to_string(), value)).collect()
        }
        _ => vec![String::new()],
    }
}

/// The body with something else at one place.
pub(crate) fn changed(body: &Value, at: &str, to: Value) -> Value {
    let mut body = body.clone();
    *body.pointer_mut(at).unwrap() = to;
    body
}
