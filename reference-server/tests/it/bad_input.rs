//! Whatever is wrong with a request, the answer is a problem of the 400s, and the server goes on.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use ureq::http::Method;

use crate::bodies::{changed, good_bodies, leaves};
use crate::client::{Answer, Client};
use crate::document::{Operation, operations};
use crate::people::{World, column, password_of, signed_in};
use crate::raw_http;

const JSON: &str = "application/json";

/// Sends bytes as a body.
fn send(client: &Client, method: &Method, path: &str, kind: &str, body: &[u8]) -> Answer {
    client.try_send(method, path, Some((kind, body.to_owned())), &[]).unwrap()
}

/// Sends a body that the server does not read to its end.
fn send_large(client: &Client, address: &str, method: &Method, path: &str, body: &[u8]) -> Answer {
    let token = client.token.as_ref();
    let token = token.map_or(String::new(), |token| format!("authorization: Bearer {token}\r\n"));
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{token}content-type: {JSON}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    raw_http::exchange(address, &[head.as_bytes(), body].concat(), &format!("{method} {path}"))
}

fn two_mebibytes() -> Vec<u8> {
    [br#"{"pad":""#, &vec![b'a'; 2 << 20][..], br#""}"#].concat()
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[track_caller]
fn refused(answer: &Answer, what: &str) -> Value {
    let fine = (400..500).contains(&answer.status);
    assert!(fine, "{what}: {}: {} {}", answer.asked, answer.status, answer.text());
    answer.expect_problem()
}

/// A refusal of the body itself, with this status, that says what was wrong.
#[track_caller]
fn refused_with(answer: &Answer, status: u16, what: &str) {
    let problem = refused(answer, what);
    assert_eq!(answer.status, status, "{what}: {}: {problem}", answer.asked);
    let named = problem["errors"].as_array().is_some_and(|errors| !errors.is_empty());
    assert!(status != 400 || named, "{what}: {}: no field is named: {problem}", answer.asked);
}

/// What there is, to see whether anything was stored.
fn inventory(admin: &Client) -> Vec<BTreeSet<String>> {
    [
        ("users", "username"),
        ("teams", "name"),
        ("kms/keys", "key_id"),
        ("secrets/roles", "name"),
        ("secrets/leases", "lease_id"),
        ("mfa/devices", "id"),
        ("auth/keys", "id"),
        ("auth/tokens", "id"),
        ("authz/entities", "id"),
        ("auth/issuers", "id"),
    ]
    .map(|(list, field)| {
        let query = if ["mfa/devices", "auth/keys", "auth/tokens", "auth/issuers"].contains(&list) {
            ""
        } else {
            "?limit=1000"
        };
        let items = admin.get(&format!("/api/v1/{list}{query}")).expect(200);
        column(&items, field).into_iter().collect()
    })
    .into()
}

#[test]
fn every_body_is_good_before_it_is_spoilt() {
    let world = World::new();
    let all = good_bodies(&world);
    let documented: BTreeSet<String> = operations(&world.server.client())
        .iter()
        // What witnesses are sent is no JSON: see `witnesses.rs`.
        .filter(|operation| operation.body.as_ref().is_some_and(|kind| kind != "text/plain"))
        .map(Operation::name)
        .collect();
    let known: BTreeSet<String> = all.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(documented, known, "each operation that takes a body has one here");
    let mut wrong = Vec::new();
    for (name, path, body, expected) in all {
        let method = name.split(' ').next().unwrap().parse().unwrap();
        let answer = world.admin.send(&method, &path, Some(&body));
        if answer.status != expected {
            wrong.push(format!("{name}: {} and not {expected}: {}", answer.status, answer.text()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Everything that can be wrong with the bytes of a body, whoever sends it.
fn spoilt(good: &Value) -> Vec<(&'static str, &'static str, Vec<u8>, u16)> {
    let text = good.to_string().into_bytes();
    let mut invalid_utf8 = text.clone();
    let value = text.windows(2).position(|two| [&b":\""[..], b"[\""].contains(&two)).unwrap();
    invalid_utf8.insert(value + 2, 0xff);
    let mut with_nul = text.clone();
    with_nul.push(0);
    let deep_inside =
        format!("{{\"{}\":{}}}", good.as_object().unwrap().keys().next().unwrap(), nested(10_000));
    vec![
        ("cut off", JSON, text[..text.len() - 1].to_owned(), 400),
        ("empty", JSON, Vec::new(), 400),
        ("twice", JSON, text.repeat(2), 400),
        ("no JSON", JSON, b"<user/>".to_vec(), 400),
        ("null", JSON, b"null".to_vec(), 400),
        ("another media type", "text/plain", text.clone(), 415),
        ("XML", "application/xml", text, 415),
        ("invalid UTF-8", JSON, invalid_utf8, 400),
        ("a NUL behind it", JSON, with_nul, 400),
        ("nested 10,000 deep", JSON, nested(10_000).into_bytes(), 400),
        ("nested 10,000 deep in a field", JSON, deep_inside.into_bytes(), 400),
        ("a duplicate key", JSON, duplicated(good), 400),
    ]
}

/// `AuthZEN` wants unknown members ignored, and 400 where HTTP has 415.
fn is_authzen(name: &str) -> bool {
    name.starts_with("POST /access/")
}

/// What a body of the wrong media type is answered with.
fn status_of(name: &str, status: u16) -> u16 {
    if status == 415 && is_authzen(name) { 400 } else { status }
}

/// The first field twice.
fn duplicated(good: &Value) -> Vec<u8> {
    let (key, value) = good.as_object().unwrap().iter().next().unwrap();
    let first = format!("{{{}:{value},", json!(key));
    let text = good.to_string();
    format!("{first}{}", &text[1..]).into_bytes()
}

/// Bodies that may be left out, for which nothing and null are good.
fn is_optional(name: &str) -> bool {
    [
        "POST /api/v1/auth/keys/rotate",
        "POST /api/v1/auth/tokens/{id}/rotate",
        "POST /api/v1/mfa/totp/enroll",
        "DELETE /api/v1/mfa/devices/{id}",
        "DELETE /api/v1/mfa/totp/{id}",
        "POST /api/v1/mfa/webauthn/register/begin",
    ]
    .contains(&name)
}

#[test]
fn bodies_that_are_no_good_json_are_refused() {
    let mut world = World::new();
    let address = world.server.address().to_owned();
    let all = good_bodies(&world);
    let before = inventory(&world.admin);
    for (name, path, good, _) in &all {
        let method: Method = name.split(' ').next().unwrap().parse().unwrap();
        for (what, kind, body, status) in spoilt(good) {
            if is_optional(name) && ["empty", "null"].contains(&what) {
                continue;
            }
            let answer = send(&world.admin, &method, path, kind, &body);
            refused_with(&answer, status_of(name, status), what);
        }
        let large = send_large(&world.admin, &address, &method, path, &two_mebibytes());
        refused_with(&large, 413, "2 MiB");
    }
    assert_eq!(inventory(&world.admin), before, "nothing was stored");
    world.server.assert_alive();
}

#[test]
fn bodies_from_nobody_are_not_even_read() {
    let mut world = World::new();
    let address = world.server.address().to_owned();
    let all = good_bodies(&world);
    let before = inventory(&world.admin);
    let nobody = world.server.client();
    let public: BTreeSet<String> =
        operations(&nobody).iter().filter(|o| o.public).map(Operation::name).collect();
    for (name, path, good, _) in &all {
        let method: Method = name.split(' ').next().unwrap().parse().unwrap();
        for (what, kind, body, status) in spoilt(good) {
            let answer = send(&nobody, &method, path, kind, &body);
            refused(&answer, what);
            assert_eq!(answer.status, if public.contains(*name) { status } else { 401 }, "{what}");
        }
        let large = send_large(&nobody, &address, &method, path, &two_mebibytes());
        let expected = if public.contains(*name) { 413 } else { 401 };
        refused_with(&large, expected, "2 MiB");
        if !public.contains(*name) {
            let answer = send(&nobody, &method, path, JSON, good.to_string().as_bytes());
            refused_with(&answer, 401, "a good body");
        }
    }
    assert_eq!(inventory(&world.admin), before, "nothing was stored");
    world.server.assert_alive();
}

/// Tokens are answered for by RFC 7009 and 7662 whatever they are, and the findings about a draft of
/// a policy are the answer.
fn takes_any_text(name: &str, at: &str) -> bool {
    matches!(
        (name, at),
        ("POST /api/v1/auth/revoke" | "POST /api/v1/auth/introspect", "/token")
            | ("POST /api/v1/authz/policies/validate", "/policies")
    )
}

#[test]
fn fields_that_hold_what_they_must_not_are_refused() {
    let mut world = World::new();
    let all = good_bodies(&world);
    let before = inventory(&world.admin);
    let mut wrong = Vec::new();
    for (name, path, good, _) in &all {
        let method: Method = name.split(' ').next().unwrap().parse().unwrap();
        let rfc = name.ends_with("/revoke") || name.ends_with("/introspect") || is_authzen(name);
        let mut bad: Vec<(String, Value)> = Vec::new();
        if !rfc {
            let mut more = good.clone();
            more["surprise"] = json!(1);
            bad.push(("an unknown field".to_owned(), more));
        }
        for at in leaves(good) {
            bad.push((format!("an object as `{at}`"), changed(good, &at, json!({ "a": [1] }))));
            if at == "/plaintext" {
                // Long texts are what it is for; the other spellings have a test of their own.
                continue;
            }
            if good.pointer(&at).unwrap().is_string() && !takes_any_text(name, &at) {
                bad.push((format!("a NUL in `{at}`"), changed(good, &at, json!("a\0b"))));
                let endless = "a".repeat(1 << 18);
                bad.push((
                    format!("262,144 characters as `{at}`"),
                    changed(good, &at, json!(endless)),
                ));
            }
        }
        for (what, body) in bad {
            let answer = world.admin.send(&method, path, Some(&body));
            if !(400..500).contains(&answer.status) {
                wrong.push(format!("{name}: {what}: {} {}", answer.status, answer.text()));
                continue;
            }
            answer.expect_problem();
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(inventory(&world.admin), before, "nothing was stored");
    world.server.assert_alive();
}

#[test]
fn durations_and_base64_that_are_not_canonical_are_refused_by_field() {
    let mut world = World::new();
    let all = good_bodies(&world);
    let before = inventory(&world.admin);
    let durations =
        ["-5m", "99999999999999999999d", "1e9h", "5 fortnights", "", "h", "∞", "1month"];
    let not_base64 = ["AA=", "AAB=", "aGVsbG8", "aGVsbG8=\n", "aGVs bG8=", "_-==", "====", "é"];
    let mut seen = 0;
    for (name, path, good, _) in &all {
        let method: Method = name.split(' ').next().unwrap().parse().unwrap();
        for at in leaves(good) {
            let field = at.trim_start_matches('/');
            let bad: &[&str] = match field {
                "ttl" | "default_ttl" | "max_ttl" => &durations,
                "plaintext" => &not_base64,
                _ => continue,
            };
            for text in bad {
                let answer =
                    world.admin.send(&method, path, Some(&changed(good, &at, json!(text))));
                assert_eq!(answer.status, 400, "{name}: `{text}`: {}", answer.text());
                let problem = answer.expect_problem();
                assert_eq!(problem["errors"][0]["field"], field, "{name}: `{text}`: {problem}");
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "{seen}");
    assert_eq!(inventory(&world.admin), before, "nothing was stored");
    world.server.assert_alive();
}

#[test]
fn path_parameters_lead_nowhere_else() {
    let mut world = World::new();
    let all = good_bodies(&world);
    let before = inventory(&world.admin);
    let nobody = world.server.client();
    let long = "a".repeat(10_000);
    let values = [
        "..%2f..%2f",
        "..%2f..%2f..%2fetc%2fpasswd",
        "..",
        ".",
        "%2e%2e",
        "%00",
        "a%00b",
        &long,
        "%ff%fe",
        "%f0%28%8c%28",
        "%0d%0ax-evil:%201",
        "'%20OR%201=1--",
        "%3Cscript%3E",
        "%25s",
        "%E2%80%AE",
        "-1",
        "*",
        "prov:v1",
    ];
    for operation in operations(&nobody).iter().filter(|operation| operation.has_parameter()) {
        let name = operation.name();
        let mut body =
            all.iter().find(|(known, ..)| *known == name).map(|(_, _, body, _)| body.clone());
        if let Some(Value::Object(fields)) = &mut body {
            // The name of a role stands in its path.
            fields.remove("name");
        }
        for value in values {
            let path = operation.path_with(value);
            let answer = world.admin.send(&operation.method, &path, body.as_ref());
            refused(&answer, value);
            assert!(answer.header("x-evil").is_none());
            let answer = nobody.send(&operation.method, &path, body.as_ref());
            refused(&answer, value);
            // Where nobody is asked who they are, what is no text is refused as that.
            let is_public = name.contains("/auth/oidc/") || name.contains("/audit/witness/");
            let fine = [401, 404].contains(&answer.status) || (is_public && answer.status == 400);
            assert!(fine, "{value}: {answer:?}");
        }
    }
    assert_eq!(inventory(&world.admin), before, "nothing was stored");
    world.server.assert_alive();
}

#[test]
fn queries_are_refused_by_field() {
    let mut world = World::new();
    let mut seen = 0;
    for operation in operations(&world.server.client()) {
        // What an identity provider adds to its answer is ignored (RFC 6749, section 4.1.2).
        if operation.query.is_empty() || operation.name().ends_with("/callback") {
            continue;
        }
        let path = operation.path_with("x");
        let mut bad = vec!["surprise=1".to_owned()];
        if operation.query.iter().any(|name| name == "limit") {
            bad.extend(
                ["0", "-1", "1001", "99999999999", "many", ""].map(|n| format!("limit={n}")),
            );
            bad.extend(["!", "%00", "%ff", "AAAA%3D"].map(|c| format!("cursor={c}")));
        }
        if operation.query.iter().any(|name| name == "from") {
            bad.extend(
                ["from=yesterday", "to=-5m", "ip=localhost", "outcome=fine"].map(str::to_owned),
            );
        }
        for query in bad {
            let answer = world.admin.get(&format!("{path}?{query}"));
            refused_with(&answer, 400, &query);
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
    world.server.assert_alive();
}

#[test]
fn operations_without_a_body_do_not_mind_one() {
    let mut world = World::new();
    world.person("probe", &["developer"], &[]);
    let address = world.server.address().to_owned();
    let nobody = world.server.client();
    let mut seen = 0;
    for operation in operations(&nobody).iter().filter(|o| o.writes() && o.body.is_none()) {
        let path = operation.path_with("nothing");
        for body in [b"{\"a\":".to_vec(), nested(10_000).into_bytes(), two_mebibytes(), vec![0xff]]
        {
            // Each with a session of its own, since one of them ends it.
            let probe = signed_in(&nobody, "probe", &password_of("probe"));
            for client in [&probe, &nobody, &world.admin] {
                if client.token == world.admin.token && operation.path.ends_with("/logout") {
                    continue;
                }
                let answer = send_large(client, &address, &operation.method, &path, &body);
                assert!(answer.status < 500, "{answer:?}");
                if answer.status >= 400 {
                    answer.expect_problem();
                }
                assert!(client.token.is_some() || answer.status == 401, "{answer:?}");
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen}");
    world.server.assert_alive();
}

#[test]
fn requests_that_are_hardly_http_do_no_harm() {
    let mut world = World::new();
    let address = world.server.address().to_owned();
    let endless =
        format!("GET /livez HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "a".repeat(200_000));
    let many = "x-many: 1\r\n".repeat(5000);
    for bytes in [
        &b"\0\0\0\0"[..],
        b"GET\r\n\r\n",
        b"GET /liv\0ez HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /livez HTTP/9.9\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST /api/v1/auth/login HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
        endless.as_bytes(),
        format!("GET /livez HTTP/1.1\r\nhost: x\r\n{many}\r\n").as_bytes(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
    ] {
        let answered = raw_http::answered(&address, bytes);
        let text = String::from_utf8_lossy(&answered);
        let refused = answered.is_empty() || text.starts_with("HTTP/1.1 4") || answered[0] == 0;
        assert!(refused, "{:?}: {text}", String::from_utf8_lossy(&bytes[..bytes.len().min(80)]));
        world.server.assert_alive();
    }
}
