//! How often one may ask, who is asking, and what is not told.

use prov_core::{Clock, SystemClock};
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{Answer, Client};
use crate::people::{App, World, login, password_of};
use crate::server::Home;

/// A cheap request that claims to come from somewhere.
fn from(client: &Client, headers: &[(&str, &str)]) -> Answer {
    client.try_send(&Method::GET, "/api/v1/version", None, headers).unwrap()
}

#[track_caller]
fn limited(answer: &Answer) {
    answer.refused(429, "core.rate_limited");
    let after: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=3600).contains(&after), "{answer:?}");
}

#[test]
fn one_address_has_a_hundred_requests_in_a_minute_unless_said_otherwise() {
    let server = Home::new().start_with(&[]);
    let client = server.client();
    let clock = SystemClock::new();
    let began = clock.monotonic();
    let mut passed = 0;
    let refused = loop {
        let answer = from(&client, &[]);
        if answer.status != 200 {
            break answer;
        }
        passed += 1;
        // They are given back evenly: as many more as the time that has gone by is worth.
        let given_back = clock.monotonic().saturating_sub(began).as_millis() / 600;
        assert!(passed <= 101 + given_back, "{passed} passed, {given_back} were given back");
    };
    assert!(passed >= 100, "{passed}");
    limited(&refused);
    // Nothing that costs anything is done for them: not even a password is looked at.
    let login = json!({ "username": "admin", "password": "whatever-it-may-be" });
    limited(&client.post("/api/v1/auth/login", &login));
}

#[test]
fn nobody_gets_more_requests_by_claiming_to_be_somebody_else() {
    let server = Home::new().start_with(&["--set", "server.rate_limit=5/hour"]);
    let client = server.client();
    for n in 0..5 {
        let claim = format!("203.0.113.{n}");
        let forwarded = format!("for={claim}");
        let headers = [("x-forwarded-for", &*claim), ("forwarded", &forwarded)];
        assert_eq!(from(&client, &headers).status, 200);
    }
    limited(&from(&client, &[("x-forwarded-for", "203.0.113.99")]));
    limited(&from(&client, &[("forwarded", "for=203.0.113.98")]));
    limited(&from(&client, &[("x-real-ip", "203.0.113.97")]));
}

#[test]
fn a_trusted_proxy_speaks_for_its_clients() {
    let server = Home::new().start_with(&[
        "--set",
        "server.rate_limit=5/hour",
        "--set",
        r#"server.trusted_proxies=["127.0.0.1"]"#,
    ]);
    let client = server.client();
    // What stands left of the nearest untrusted hop could be from anybody.
    for n in 0..5 {
        let claim = format!("198.51.100.{n}, 203.0.113.1");
        assert_eq!(from(&client, &[("x-forwarded-for", &claim)]).status, 200);
    }
    limited(&from(&client, &[("x-forwarded-for", "198.51.100.77, 203.0.113.1")]));
    assert_eq!(from(&client, &[("x-forwarded-for", "203.0.113.2")]).status, 200);
}

#[test]
fn refused_requests_are_counted() {
    let server = Home::new().start_with(&[
        "--set",
        "server.rate_limit=5/hour",
        "--set",
        r#"server.trusted_proxies=["127.0.0.1"]"#,
    ]);
    let client = server.client();
    for _ in 0..8 {
        from(&client, &[("x-forwarded-for", "203.0.113.1")]);
    }
    let watcher = [("x-forwarded-for", "203.0.113.2")];
    let metrics = client.try_send(&Method::GET, "/metrics", None, &watcher).unwrap().text();
    assert!(metrics.contains(r#"prov_refusals_total{code="core.rate_limited"} 3"#), "{metrics}");
}

#[test]
fn the_first_refusal_of_an_address_is_in_the_audit_log_and_a_flood_does_not_fill_it() {
    let mut world = World::with(&[
        "--set",
        "server.rate_limit=60/hour",
        "--set",
        r#"server.trusted_proxies=["127.0.0.1"]"#,
    ]);
    let nobody = world.server.client();
    for address in ["203.0.113.1", "203.0.113.2"] {
        let refused =
            (0..100).filter(|_| from(&nobody, &[("x-forwarded-for", address)]).status == 429);
        assert_eq!(refused.count(), 40);
    }
    // The log is written beside the requests; stopping in order writes what is left.
    world.server.stop();
    world.server = world.server.home.start();
    let admin = world.server.client().with_token(world.admin.token.as_deref().unwrap());
    let events = admin.get("/api/v1/audit/events?action=api.rate_limited").expect(200);
    let mut addresses: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["request"]["ip"].as_str().unwrap().to_owned())
        .collect();
    addresses.sort();
    assert_eq!(addresses, ["203.0.113.1", "203.0.113.2"], "{events}");
    assert_eq!(events["items"][0]["resource"]["id"], "GET /api/v1/version", "{events}");
}

/// The problem without what names the request.
fn told(answer: &Answer) -> (u16, Value, Vec<String>) {
    let mut problem = answer.expect_problem();
    problem.as_object_mut().unwrap().remove("request_id");
    let mut headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    headers.retain(|line| !line.starts_with("x-request-id") && !line.starts_with("date"));
    headers.sort();
    (answer.status, problem, headers)
}

#[test]
fn unknown_wrong_and_locked_are_answered_alike() {
    let world = World::new();
    world.person("alice", &["viewer"], &[]);
    world.person("lotte", &["viewer"], &[]);
    assert!(world.admin.post("/api/v1/users/lotte/lock", &json!({})).status < 300);
    let nobody = world.server.client();
    let try_as = |name: &str, password: &str| {
        let body = json!({ "username": name, "password": password });
        nobody.post("/api/v1/auth/login", &body)
    };
    let wrong = try_as("alice", "not-the-password-of-alice");
    assert_eq!(wrong.status, 401);
    let unknown = try_as("nobody-of-this-name", "not-the-password-of-alice");
    let locked = try_as("lotte", &password_of("lotte"));
    assert_eq!(told(&wrong), told(&unknown));
    assert_eq!(told(&wrong), told(&locked));
    // The bytes as well, once the ids, which are of one length, are the same.
    let bytes = |answer: &Answer| answer.text().replace(&answer.request_id(), "");
    assert_eq!(bytes(&wrong), bytes(&unknown));
    assert_eq!(bytes(&wrong), bytes(&locked));
}

/// eugenioenko/autentico#360: every sign-in that is begun brings its own guesses.
#[test]
fn autentico_360_sign_ins_begun_in_parallel_bring_no_further_guesses() {
    let world = World::new();
    let client = world.server.client();
    let dora = world.person("dora", &["viewer"], &[]);
    let mut app = App::enrolled(&dora);
    let password = password_of("dora");
    let begun: Vec<_> = (0..4).map(|_| login(&client, "dora", &password)).collect();
    let guess = |begun: &Value, code: &str| {
        let body = json!({ "challenge": begun["challenge"], "method": "totp", "code": code });
        client.post("/api/v1/auth/login/mfa", &body)
    };
    let heard = (0..8).filter(|n| guess(&begun[n % 4], "000000").status == 401).count();
    assert_eq!(heard, 5, "of all of them together");
    let right = guess(&begun[3], &app.code());
    assert_eq!(right.status, 429, "{}", right.text());
}
