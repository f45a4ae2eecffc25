//! Devices that people have signed in on, and how they are told of new ones.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use prov_audit::joining::JoinAlarmKind;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::{Answer, Client};
use crate::people::{ADMIN_PASSWORD, App, World, column, login, password_of, text};
use crate::server::Home;
use crate::terminal::{Terminal, administrator};

const COOKIE: &str = "__Host-prov_device";

/// Signs in as a browser that keeps this cookie.
fn browser(client: &Client, name: &str, password: &str, cookie: Option<&str>) -> Answer {
    let body = json!({ "username": name, "password": password });
    let body = Some(("application/json", serde_json::to_vec(&body).unwrap()));
    let cookie = cookie.map(|cookie| ("cookie", format!("other=1; {COOKIE}={cookie}")));
    let mut headers = vec![("user-agent", "a browser")];
    headers.extend(cookie.as_ref().map(|(name, value)| (*name, value.as_str())));
    client.try_send(&Method::POST, "/api/v1/auth/login", body, &headers).unwrap()
}

fn cookie_of(answer: &Answer) -> Option<String> {
    let set = answer.header("set-cookie")?;
    for part in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age="] {
        assert!(set.contains(part), "{set}");
    }
    let (name, value) = set.split(';').next()?.split_once('=')?;
    assert_eq!(name, COOKIE);
    Some(value.to_owned())
}

#[test]
fn a_browser_is_recognised_listed_and_forgotten() {
    let world = World::new();
    let alice = world.person("alice", &["viewer"], &[]);
    let (nobody, password) = (world.server.client(), password_of("alice"));
    let first = browser(&nobody, "alice", &password, None);
    let cookie = cookie_of(&first).unwrap();
    let second = browser(&nobody, "alice", &password, Some(&cookie));
    assert_eq!((second.status, cookie_of(&second)), (200, None), "it is known by now");
    let devices = alice.get("/api/v1/auth/devices").expect(200);
    assert_eq!(devices["items"].as_array().unwrap().len(), 2, "{devices}");
    assert_eq!(devices["items"][1]["name"], "a browser");
    assert!(!devices.to_string().contains(&cookie));
    let notices = alice.get("/api/v1/auth/notices").expect(200);
    assert_eq!(column(&notices, "kind"), ["new_device", "new_device"]);
    assert_eq!(notices["items"][0]["device"], "a browser", "the newest is first: {notices}");
    // Nobody sees or forgets what is somebody else's.
    let id = column(&devices, "id").remove(1);
    let path = format!("/api/v1/auth/devices/{id}");
    world.admin.delete(&path).refused(404, "core.not_found");
    alice.delete("/api/v1/auth/devices/nonsense").refused(404, "core.not_found");
    assert_eq!(alice.delete(&path).status, 204);
    assert!(cookie_of(&browser(&nobody, "alice", &password, Some(&cookie))).is_some());
    let events = world.admin.get("/api/v1/audit/events?action=auth.device.forget").expect(200);
    assert_eq!(column(&events, "outcome"), ["success", "failure"], "{events}");
}

/// keycloak#26172, authelia#4730: whoever fails often enough must not keep the owner out.
#[test]
fn strangers_who_fail_do_not_keep_the_owner_out() {
    let world = World::new();
    world.person("alice", &["viewer"], &[]);
    let (nobody, password) = (world.server.client(), password_of("alice"));
    let cookie = cookie_of(&browser(&nobody, "alice", &password, None)).unwrap();
    let failures = (0..12).map(|_| browser(&nobody, "alice", "not-the-password", None));
    let throttled = failures.filter(|answer| answer.status == 429).count();
    assert!(throttled > 0, "strangers are throttled");
    browser(&nobody, "alice", &password, None).refused(429, "auth.login_throttled");
    assert_eq!(browser(&nobody, "alice", &password, Some(&cookie)).status, 200);
    let forged = "A".repeat(43);
    assert_eq!(browser(&nobody, "alice", &password, Some(&forged)).status, 429);
}

/// One request to a webhook: its headers and its body.
pub(crate) fn received(listener: &TcpListener) -> (Vec<(String, String)>, Vec<u8>) {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(' ').unwrap();
        headers.push((name.trim_end_matches(':').to_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
    let mut body = vec![0; header("content-length").parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").unwrap();
    (headers, body)
}

#[test]
fn a_webhook_is_told_of_a_new_device_signed_as_standard_webhooks_has_it() {
    const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new();
    std::fs::write(home.path().join("secret"), format!("whsec_{SECRET}\n")).unwrap();
    let url = format!("notices.webhook_url=http://{}/hook", listener.local_addr().unwrap());
    let server = home.start_with(&[
        "--set",
        "server.rate_limit=100000/min",
        "--set",
        &url,
        "--set",
        "notices.webhook_secret_path=secret",
    ]);
    // The administrator signs in for the first time.
    let world = World::over(server);
    let (headers, body) = received(&listener);
    let header = |name: &str| headers.iter().find(|(known, _)| known == name).unwrap().1.clone();
    assert_eq!(header("post"), "/hook HTTP/1.1");
    let signed =
        [format!("{}.{}.", header("webhook-id"), header("webhook-timestamp")).as_bytes(), &body]
            .concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &BASE64_STANDARD.decode(SECRET).unwrap());
    let tag = header("webhook-signature");
    let tag = BASE64_STANDARD.decode(tag.strip_prefix("v1,").unwrap()).unwrap();
    assert!(hmac::verify(&key, &signed, &tag).is_ok());
    let told: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(told["type"], "account.new_device");
    assert_eq!(told["data"]["user"]["name"], "admin");
    assert_eq!(told["data"]["ip"], "127.0.0.1");
    let notices = world.admin.get("/api/v1/auth/notices").expect(200);
    assert_eq!(text(&notices["items"][0], "id"), header("webhook-id"));
    // The log has it, once the webhook has answered.
    let delivered = || {
        let found = world.admin.get("/api/v1/audit/events?action=auth.notice.deliver").expect(200);
        column(&found, "outcome")
    };
    for _ in 0..100 {
        if !delivered().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(delivered(), ["success"]);
    let metrics = world.server.client().get("/metrics").text();
    assert!(metrics.contains("prov_notices_total{outcome=\"delivered\"} 1"), "{metrics}");
}

#[test]
fn half_a_webhook_is_refused_at_the_start() {
    let (code, said) = Home::new().refused(&["--set", "notices.webhook_url=https://example.org"]);
    assert_ne!(code, 0);
    assert!(said.contains("webhook_secret_path"), "{said}");
}

#[test]
fn the_terminal_shows_at_the_next_sign_in_what_happened_meanwhile() {
    let Some((world, admin)) = administrator() else { return };
    let sign_in = |terminal: &Terminal| {
        let file = terminal.file("password", ADMIN_PASSWORD);
        let arguments = ["login", "--user", "admin", "--password-file", &file];
        let output = terminal.command(&arguments).output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!sign_in(&admin).contains("new device"), "its own sign-in is no news to it");
    let nobody = world.server.client();
    assert_eq!(browser(&nobody, "admin", ADMIN_PASSWORD, None).status, 200);
    let told = sign_in(&admin);
    assert!(told.contains("signed in on a new device: a browser from 127.0.0.1, at "), "{told}");
    assert!(!sign_in(&admin).contains("new device"), "once");
    let notices = admin.json(&["auth", "notices"]);
    let count = notices["items"].as_array().unwrap().len();
    let devices = admin.json(&["auth", "device", "list"]);
    assert_eq!(devices["items"].as_array().unwrap().len(), count);
    admin.ok(&["auth", "device", "forget", &column(&devices, "id")[0]]);
    // Signed out or not, the device is known.
    admin.ok(&["logout"]);
    sign_in(&admin);
    let again = admin.json(&["auth", "notices"]);
    assert_eq!(again["items"].as_array().unwrap().len(), count);
}

/// What the rules of `docs/alerts.yml` need is there to be scraped, and counts what it says.
#[test]
fn alert_rules_find_what_they_are_written_on() {
    // What is said of joined logs only where logs are joined, which one server's own may be too.
    let world = World::with(&["--set", "audit.join=true"]);
    let nobody = world.server.client();
    let alice = world.person("alice", &["viewer"], &[]);
    world.person("bob", &["viewer"], &[]);
    App::enrolled(&alice);
    for (name, password) in [("alice", "not-the-password"), ("nobody-at-all", "not-the-password")] {
        assert_eq!(browser(&nobody, name, password, None).status, 401);
    }
    for _ in 0..8 {
        browser(&nobody, "bob", "not-the-password", None);
    }
    let challenged = login(&nobody, "alice", &password_of("alice"));
    // Whatever the code is, it is not this one twice.
    for code in ["000000", "000001"] {
        let body = json!({ "challenge": challenged["challenge"], "method": "totp", "code": code });
        nobody.post("/api/v1/auth/login/mfa", &body);
    }
    let tokens = login(&nobody, "admin", ADMIN_PASSWORD);
    let twice = |_| {
        let body = json!({ "refresh_token": text(&tokens, "refresh_token") });
        nobody.post("/api/v1/auth/refresh", &body).status
    };
    assert_eq!([0, 1].map(twice), [200, 200], "a lost answer is asked for again");
    assert_eq!(alice.post("/api/v1/auth/logout", &json!({})).status, 204);
    let metrics = nobody.get("/metrics").text();
    let value = |series: &str| -> f64 {
        let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let line = line.unwrap_or_else(|| panic!("no `{series}` in {metrics}"));
        line.parse().unwrap()
    };
    for (series, at_least) in [
        ("prov_login_failures_total{reason=\"wrong_password\"}", 6.0),
        ("prov_login_failures_total{reason=\"unknown_user\"}", 1.0),
        ("prov_login_failures_total{reason=\"throttled\"}", 1.0),
        ("prov_login_failures_total{reason=\"locked\"}", 0.0),
        ("prov_refusals_total{code=\"auth.login_throttled\"}", 1.0),
        ("prov_refusals_total{code=\"auth.invalid_credentials\"}", 7.0),
        ("prov_mfa_responses_total{method=\"totp\",outcome=\"rejected\"}", 1.0),
        ("prov_revocations_total{of=\"session\"}", 1.0),
        ("prov_new_devices_total", 4.0),
        ("prov_refresh_reuses_total", 0.0),
    ] {
        assert!(value(series) >= at_least, "{series}: {}", value(series));
    }
    let rules = std::fs::read_to_string("../docs/alerts.yml").unwrap();
    assert_rules_fit(&rules, &metrics);
    for kind in named_kinds(&rules) {
        let log = "control-center/audit/local/standard";
        let series = format!("prov_audit_joined_alarm{{log=\"{log}\",kind=\"{kind}\"}}");
        assert!(value(&series) < 1.0, "{series}");
    }
}

/// The rules name nothing that is not scraped.
fn assert_rules_fit(rules: &str, metrics: &str) {
    let names: std::collections::BTreeSet<&str> = rules
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("prov_"))
        .collect();
    assert!(names.len() >= 9, "{names:?}");
    for name in names {
        let family = name.trim_end_matches("_total");
        assert!(metrics.contains(&format!("# TYPE {family} ")), "no {name} in {metrics}");
    }
    // Codes that no rule may misspell.
    for rest in rules.split("code=\"").skip(1) {
        let code = rest.split('"').next().unwrap();
        assert!(prov_auth::codes::ALL.iter().any(|known| known.name() == code), "{code}");
    }
}

/// The kinds of alarms of joined logs that the rules are on: every one, once.
fn named_kinds(rules: &str) -> Vec<&str> {
    let kinds: Vec<&str> = rules
        .split("kind=~\"")
        .skip(1)
        .flat_map(|rest| rest.split('"').next().unwrap().split('|'))
        .collect();
    for kind in JoinAlarmKind::ALL {
        assert_eq!(kinds.iter().filter(|named| **named == kind.name()).count(), 1, "{kind}");
    }
    assert_eq!(kinds.len(), JoinAlarmKind::ALL.len(), "{kinds:?}");
    kinds
}
