//! A request that is sent twice is done once, by the real server, also when it is killed meanwhile.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prov_http::Repeat;
use reference_server::api::route_list;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{Answer, Client};
use crate::people::{World, column, text};
use crate::raw_http;

/// A POST with a key.
fn keyed(client: &Client, path: &str, key: &str, body: &Value) -> Answer {
    try_keyed(client, path, key, body).unwrap()
}

fn try_keyed(client: &Client, path: &str, key: &str, body: &Value) -> Result<Answer, ureq::Error> {
    let body = ("application/json", serde_json::to_vec(body).unwrap());
    client.try_send(&Method::POST, path, Some(body), &[("idempotency-key", key)])
}

#[test]
fn a_repetition_gets_the_first_answer_also_after_kill_9() {
    let mut world = World::new();
    let team = json!({ "name": "payments" });
    let first = keyed(&world.admin, "/api/v1/teams", "7e1d-1", &team);
    let made = first.expect(201);
    assert_eq!(first.header("idempotency-replayed"), None);
    // Without the key it is an ordinary second request.
    world.admin.post("/api/v1/teams", &team).refused(409, "auth.team_exists");
    world.server.kill();
    world.server = world.server.home.start();
    let admin = world.server.client().with_token(world.admin.token.as_deref().unwrap());
    let again = keyed(&admin, "/api/v1/teams", "7e1d-1", &team);
    assert_eq!(again.expect(201), made);
    assert_eq!(again.header("idempotency-replayed").as_deref(), Some("true"));
    assert_eq!(again.header("cache-control").as_deref(), Some("no-store"));
    assert_ne!(again.request_id(), first.request_id());

    let other = json!({ "name": "other" });
    keyed(&admin, "/api/v1/teams", "7e1d-1", &other).refused(422, "http.idempotency_key_reused");
    keyed(&admin, "/api/v1/teams", "", &other).refused(400, "http.idempotency_key_invalid");
    // Each attempt is in the log; the team was made once.
    let events = admin.get("/api/v1/audit/events?action=team.create&outcome=success").expect(200);
    assert_eq!(events["items"].as_array().unwrap().len(), 1, "{events}");
    let asked = admin.get("/api/v1/audit/events?action=api.request").expect(200);
    let replayed: Vec<_> = asked["items"].as_array().unwrap().iter().collect();
    assert!(replayed.iter().any(|event| event["context"]["replayed"] == true), "{asked}");
}

#[test]
fn whoever_repeats_a_request_must_be_allowed_it_still() {
    let world = World::new();
    let olga = world.person("olga", &["admin"], &[]);
    let team = json!({ "name": "payments" });
    keyed(&olga, "/api/v1/teams", "k", &team).expect(201);
    keyed(&olga, "/api/v1/teams", "k", &team).expect(201);
    // The same key of somebody else is another key.
    keyed(&world.admin, "/api/v1/teams", "k", &team).refused(409, "auth.team_exists");
    let roles = json!({ "roles": ["viewer"] });
    let taken = world.admin.send(&Method::PUT, "/api/v1/users/olga/roles", Some(&roles));
    assert!(taken.status < 300, "{taken:?}");
    let answer = keyed(&olga, "/api/v1/teams", "k", &team);
    assert!([401, 403].contains(&answer.status), "{answer:?}");
    assert_eq!(answer.header("idempotency-replayed"), None);
    let nobody = world.server.client();
    assert_eq!(keyed(&nobody, "/api/v1/teams", "k", &team).status, 401);
}

#[test]
fn secrets_are_shown_once_whatever_is_repeated() {
    let world = World::new();
    let user = json!({ "username": "temp" });
    let made = keyed(&world.admin, "/api/v1/users", "k", &user).expect(201);
    let password = text(&made, "temporary_password").to_owned();
    let again = keyed(&world.admin, "/api/v1/users", "k", &user);
    again.refused(409, "http.idempotent_answer_withheld");
    assert!(!again.text().contains(&password));
    let users = world.admin.get("/api/v1/users").expect(200);
    assert_eq!(column(&users, "username"), ["admin", "temp"]);
    // What changes nothing is simply done again.
    let encrypt = json!({ "plaintext": "aGVsbG8=", "context": "a=b" });
    let first = keyed(&world.admin, "/api/v1/kms/encrypt", "k", &encrypt).expect(200);
    let second = keyed(&world.admin, "/api/v1/kms/encrypt", "k", &encrypt).expect(200);
    assert_ne!(first["ciphertext"], second["ciphertext"]);
}

/// Whoever is cut off in the middle of a request finds out what became of it: it was done once, or
/// not at all, and a repetition never does it a second time.
#[test]
fn killed_in_the_middle_it_is_done_once_or_not_at_all() {
    let mut world = World::new();
    let (mut answered, mut unknown, mut fresh) = (0, 0, 0);
    for round in 0..6 {
        let names: Vec<String> = (0..8).map(|n| format!("team-{round}-{n}")).collect();
        let told = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for name in &names {
                let client = Client::new(&world.server.url)
                    .with_token(world.admin.token.as_deref().unwrap());
                let told = &told;
                scope.spawn(move || {
                    // Whether an answer comes is not known.
                    if try_keyed(&client, "/api/v1/teams", name, &json!({ "name": name })).is_ok() {
                        told.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            // At different moments; in the end when somebody has an answer already.
            std::thread::sleep(Duration::from_millis(2 << round));
            while round > 3 && told.load(Ordering::SeqCst) < round {
                std::thread::sleep(Duration::from_millis(1));
            }
            world.server.kill();
        });
        world.server = world.server.home.start();
        world.admin = world.server.client().with_token(world.admin.token.as_deref().unwrap());
        let before = teams(&world.admin);
        for name in &names {
            let answer = keyed(&world.admin, "/api/v1/teams", name, &json!({ "name": name }));
            match answer.status {
                201 if answer.header("idempotency-replayed").is_some() => {
                    assert!(before.contains(name), "{name} was confirmed and is not there");
                    answered += 1;
                }
                201 => {
                    assert!(!before.contains(name), "{name} was made a second time");
                    fresh += 1;
                }
                _ => {
                    answer.refused(409, "http.idempotent_outcome_unknown");
                    unknown += 1;
                }
            }
        }
    }
    println!("answered {answered}, unknown {unknown}, done only now {fresh}");
    assert!(answered >= 4 + 5, "{answered}");
}

fn teams(admin: &Client) -> BTreeSet<String> {
    column(&admin.get("/api/v1/teams?limit=1000").expect(200), "name").into_iter().collect()
}

#[test]
fn a_body_that_is_too_large_is_refused_before_it_is_read_whole() {
    let mut world = World::new();
    let token = world.admin.token.as_deref().unwrap();
    let mut stream = TcpStream::connect(world.server.address()).unwrap();
    write!(
        stream,
        "POST /api/v1/teams HTTP/1.1\r\nhost: x\r\nconnection: close\r\nidempotency-key: k\r\n\
         authorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: 104857600\r\n\r\n"
    )
    .unwrap();
    let chunk = vec![b' '; 64 * 1024];
    for _ in 0..64 {
        // The server may have answered and closed by now.
        if stream.write_all(&chunk).is_err() {
            break;
        }
    }
    let answer = raw_http::parse(&raw_http::read_answer(&mut stream), "a large body");
    answer.refused(413, "core.too_large");
    world.server.assert_alive();
}

/// Answers with a secret, which no repetition gets; each line is a decision to defend.
const WITHHELD: &[&str] = &[
    "POST /api/v1/auth/step-up",
    "POST /api/v1/auth/tokens",
    "POST /api/v1/auth/tokens/{id}/rotate",
    "POST /api/v1/mfa/backup-codes",
    "POST /api/v1/mfa/totp/enroll",
    "POST /api/v1/secrets/{engine}/generate",
    "POST /api/v1/ssh/keys",
    "POST /api/v1/users",
    "POST /api/v1/users/{id}/password-reset",
];

/// What changes nothing, or is no one's: a repetition is done again.
const EXECUTED: &[&str] = &[
    "POST /access/v1/evaluation",
    "POST /access/v1/evaluations",
    "POST /access/v1/search/action",
    "POST /access/v1/search/resource",
    "POST /access/v1/search/subject",
    "POST /api/v1/audit/query",
    "POST /api/v1/audit/witness/add-checkpoint",
    "POST /api/v1/auth/bootstrap",
    "POST /api/v1/auth/introspect",
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/login/mfa",
    "POST /api/v1/auth/oidc/exchange",
    "POST /api/v1/auth/oidc/{issuer}/logout",
    "POST /api/v1/auth/password/expired",
    "POST /api/v1/auth/refresh",
    "POST /api/v1/auth/revoke",
    "POST /api/v1/authz/authorize",
    "POST /api/v1/authz/authorize/batch",
    "POST /api/v1/authz/explain",
    "POST /api/v1/authz/permissions",
    "POST /api/v1/authz/policies/validate",
    "POST /api/v1/authz/search/principals",
    "POST /api/v1/authz/search/resources",
    "POST /api/v1/kms/decrypt",
    "POST /api/v1/kms/encrypt",
    "POST /api/v1/kms/generate-key",
    "POST /api/v1/kms/rewrap",
    "POST /api/v1/mfa/webauthn/authenticate/begin",
    "POST /api/v1/mfa/webauthn/authenticate/finish",
];

/// Names of members that hold a secret.
const SECRET: &[&str] = &[
    "access_token",
    "codes",
    "data",
    "otpauth_uri",
    "password",
    "plaintext",
    "private_key",
    "refresh_token",
    "secret",
    "temporary_password",
    "token",
];

#[test]
fn no_answer_with_a_secret_is_kept() {
    let named = |wanted: Repeat| -> BTreeSet<String> {
        let routes = route_list();
        let of = routes.iter().filter(|r| r.method != Method::GET && r.repeat == wanted);
        of.map(|route| format!("{} {}", route.method, route.path)).collect()
    };
    let lines = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
    assert_eq!(named(Repeat::Withheld), lines(WITHHELD));
    assert_eq!(named(Repeat::Executed), lines(EXECUTED));

    // Nor is one forgotten: the document tells which answers have members of such names.
    let server = crate::server::Home::new().start();
    let document = server.client().get("/api/openapi.json").expect(200);
    let kept = named(Repeat::Answered);
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            if !kept.contains(&name) {
                continue;
            }
            seen += 1;
            let mut members = BTreeSet::new();
            for (status, answer) in operation["responses"].as_object().unwrap() {
                if status.starts_with('2') {
                    collect_members(answer, &document, 0, &mut members);
                }
            }
            let secret: Vec<_> = SECRET.iter().filter(|s| members.contains(**s)).collect();
            assert!(secret.is_empty(), "{name} answers with {secret:?}: `with_secret_answer()`");
            let parameters = operation["parameters"].as_array().unwrap();
            let documented = parameters.iter().any(|p| p["name"] == "Idempotency-Key");
            assert!(documented && operation["responses"]["422"].is_object(), "{name}");
        }
    }
    assert_eq!(seen, kept.len());
}

/// The names of all members of a schema, references followed.
fn collect_members(schema: &Value, document: &Value, depth: usize, into: &mut BTreeSet<String>) {
    if depth > 24 {
        return;
    }
    match schema {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let target = document.pointer(&reference[1..]).expect(reference);
                collect_members(target, document, depth + 1, into);
            }
            if let Some(properties) = members.get("properties").and_then(Value::as_object) {
                into.extend(properties.keys().cloned());
            }
            for value in members.values() {
                collect_members(value, document, depth + 1, into);
            }
        }
        Value::Array(values) => {
            for value in values {
                collect_members(value, document, depth + 1, into);
            }
        }
        _ => {}
    }
}
