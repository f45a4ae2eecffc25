//! The main job, from an empty folder to a log that shows where it was changed.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::client::Client;
use crate::people::{ADMIN_PASSWORD, App, World, column, login, signed_in, text};
use crate::server::{Home, Server};
use crate::tools::{prov, run};

const CORPORATE: &str = r#"cedar.corporate_networks=["10.0.0.0/8","127.0.0.0/8"]"#;

#[test]
fn the_bootstrap_token_is_good_for_one_administrator() {
    let home = Home::new();
    let mut server = home.start();
    let nobody = server.client();
    let body = |token: &str, name: &str| json!({ "token": token, "username": name, "password": ADMIN_PASSWORD });
    let wrong = nobody.post("/api/v1/auth/bootstrap", &body("AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "eve"));
    assert!([401, 403].contains(&wrong.status), "{wrong:?}");
    wrong.expect_problem();
    let token = server.invitation();
    let admin = nobody.post("/api/v1/auth/bootstrap", &body(&token, "admin")).expect(201);
    assert_eq!(admin["roles"], json!(["admin"]));
    let again = nobody.post("/api/v1/auth/bootstrap", &body(&token, "mallory"));
    assert!((400..500).contains(&again.status), "{again:?}");
    again.expect_problem();
    let admin = signed_in(&nobody, "admin", ADMIN_PASSWORD);
    assert_eq!(column(&admin.get("/api/v1/users").expect(200), "username"), ["admin"]);

    server.stop();
    let server = home.start();
    assert_eq!(server.greeting.len(), 1, "no second invitation: {:?}", server.greeting);
    let again = server.client().post("/api/v1/auth/bootstrap", &body(&token, "mallory"));
    assert!((400..500).contains(&again.status), "{again:?}");
}

#[test]
fn a_first_password_is_good_for_its_own_change_only() {
    let world = World::new();
    let nobody = world.server.client();
    let made = json!({ "username": "erin", "roles": ["developer"], "teams": ["developers"] });
    let made = world.admin.post("/api/v1/users", &made).expect(201);
    assert_eq!(made["must_change_password"], true);
    let temporary = text(&made, "temporary_password");
    let first = json!({ "username": "erin", "password": temporary });
    nobody.post("/api/v1/auth/login", &first).refused(403, "auth.password_change_required");
    let new = "calm-lynx-threads-12-needles";
    let change = json!({ "username": "erin", "current_password": temporary, "new_password": new });
    assert_eq!(nobody.post("/api/v1/auth/password/expired", &change).status, 204);
    assert_eq!(nobody.post("/api/v1/auth/login", &first).status, 401, "the old one is void");
    let me = signed_in(&nobody, "erin", new).get("/api/v1/auth/me").expect(200);
    assert_eq!((&me["teams"], &me["roles"]), (&json!(["developers"]), &json!(["developer"])));
}

/// A question whether the caller may deploy to a production server.
fn deploy(client: &Client, approval: Option<&str>) -> Value {
    let context = approval.map_or(json!({}), |id| json!({ "approval_id": id }));
    client.post("/api/v1/authz/authorize", &production("deploy", &context)).expect(200)
}

fn production(action: &str, context: &Value) -> Value {
    json!({
        "action": action,
        "resource": {
            "type": "Server", "id": "db-1",
            "attributes": {
                "id": "db-1", "hostname": "db-1.internal", "workspace": "core",
                "environment": "production",
            },
            "parents": [{ "type": "Environment", "id": "production" }],
        },
        "context": context,
    })
}

/// Whether it is between 08:00 and 18:00 UTC.
fn in_business_hours() -> bool {
    (8..18).contains(&(SystemClock::new().now().as_second() / 3600 % 24))
}

fn verdict(decision: &Value) -> (&str, Vec<&str>) {
    let policies = decision["determining_policies"].as_array().unwrap();
    (text(decision, "decision"), policies.iter().map(|id| id.as_str().unwrap()).collect())
}

#[test]
fn deploying_to_production_takes_a_second_factor_an_approval_and_the_right_hour() {
    let world = World::with(&["--set", CORPORATE]);
    let nobody = world.server.client();
    let password = crate::people::password_of;
    let bob = world.person("bob", &["operator"], &["sre"]);
    let alice = world.person("alice", &["operator"], &["sre"]);
    let alice = App::enrolled(&alice).signed_in(&nobody, "alice", &password("alice"));
    let dora = world.person("dora", &["developer"], &["developers"]);
    let dora = App::enrolled(&dora).signed_in(&nobody, "dora", &password("dora"));

    let (ordinary, in_hours) = loop {
        let before = in_business_hours();
        let decision = deploy(&alice, Some("CHG-1042"));
        if before == in_business_hours() {
            break (decision, before);
        }
    };
    if in_hours {
        assert_eq!(verdict(&ordinary), ("ALLOW", vec!["prod-sre"]), "{ordinary}");
    } else {
        assert_eq!(verdict(&ordinary), ("DENY", vec!["prod-deploy-hours"]), "{ordinary}");
    }
    let emergency = deploy(&alice, Some("EMERGENCY-7"));
    assert_eq!(verdict(&emergency), ("ALLOW", vec!["prod-sre"]), "{emergency}");

    let unapproved = deploy(&alice, None);
    assert!(verdict(&unapproved).1.contains(&"prod-deploy-approval"), "{unapproved}");
    let one_factor = deploy(&bob, Some("EMERGENCY-7"));
    assert_eq!(verdict(&one_factor), ("DENY", vec!["prod-deploy-mfa"]), "{one_factor}");
    let developer = deploy(&dora, Some("EMERGENCY-7"));
    assert_eq!(verdict(&developer), ("DENY", vec![]), "nothing permits it: {developer}");

    // Whoever may state the circumstances is answered for them, whatever the clock says now.
    for (time, expected) in [
        ("2026-03-02T07:59:59Z", ("DENY", vec!["prod-deploy-hours"])),
        ("2026-03-02T08:00:00Z", ("ALLOW", vec!["prod-sre"])),
        ("2026-03-02T18:00:00Z", ("DENY", vec!["prod-deploy-hours"])),
    ] {
        let context = json!({ "approval_id": "CHG-1042", "mfa_verified": true, "time": time });
        let mut question = production("deploy", &context);
        let id = alice.get("/api/v1/auth/me").expect(200)["id"].clone();
        question["principal"] = json!({ "type": "User", "id": id });
        let decision = world.admin.post("/api/v1/authz/authorize", &question).expect(200);
        assert_eq!(verdict(&decision), expected, "{time}: {decision}");
        alice.post("/api/v1/authz/authorize", &question).refused(403, "authz.access_denied");
    }
}

#[test]
fn production_is_asked_for_from_the_corporate_networks_only() {
    let world = World::new();
    let alice = world.person("alice", &["operator"], &["sre"]);
    let question = production("read", &json!({}));
    let decision = alice.post("/api/v1/authz/authorize", &question).expect(200);
    assert_eq!(verdict(&decision), ("DENY", vec!["prod-ip-restriction"]), "{decision}");
}

#[test]
fn ciphertexts_are_bound_to_their_context_in_any_order() {
    let world = World::new();
    let dora = world.person("dora", &["developer"], &[]);
    let plaintext = STANDARD.encode("the moon is a harsh mistress");
    let sealed = json!({ "plaintext": plaintext, "context": "env=prod,service=api" });
    let sealed = dora.post("/api/v1/kms/encrypt", &sealed).expect(200);
    let ciphertext = text(&sealed, "ciphertext");
    assert!(ciphertext.starts_with("prov:v1:") && ciphertext.is_ascii(), "{ciphertext}");
    let open = |context: Value| {
        let body = json!({ "ciphertext": ciphertext, "context": context });
        dora.post("/api/v1/kms/decrypt", &body)
    };
    for context in [
        json!("env=prod,service=api"),
        json!("service=api,env=prod"),
        json!({ "service": "api", "env": "prod" }),
    ] {
        assert_eq!(text(&open(context).expect(200), "plaintext"), plaintext);
    }
    for context in
        [json!("env=prod,service=web"), json!("env=prod"), json!({}), json!("service=prod,env=api")]
    {
        open(context).refused(400, "kms.decryption_failed");
    }
}

/// What one person does on one day.
fn a_day_of(name: &str, world: &World) -> Client {
    let nobody = world.server.client();
    let made = json!({ "username": name, "roles": ["operator"], "teams": ["sre"] });
    let made = world.admin.post("/api/v1/users", &made).expect(201);
    let password = crate::people::password_of(name);
    let change = json!({
        "username": name, "current_password": made["temporary_password"], "new_password": password,
    });
    assert_eq!(nobody.post("/api/v1/auth/password/expired", &change).status, 204);
    let client =
        App::enrolled(&signed_in(&nobody, name, &password)).signed_in(&nobody, name, &password);
    deploy(&client, Some("EMERGENCY-7"));
    let sealed = json!({ "plaintext": STANDARD.encode("a file"), "context": "env=prod" });
    let sealed = client.post("/api/v1/kms/encrypt", &sealed).expect(200);
    let opened = json!({ "ciphertext": sealed["ciphertext"], "context": "env=prod" });
    client.post("/api/v1/kms/decrypt", &opened).expect(200);
    let pair = client.post("/api/v1/ssh/keys", &json!({ "ttl": "1h" })).expect(201);
    let sign = json!({ "public_key": pair["public_key"], "ttl": "1h" });
    let signed = client.post("/api/v1/ssh/sign", &sign).expect(200);
    let ends: prov_core::Timestamp = text(&signed, "valid_before").parse().unwrap();
    let left = ends.as_second() - SystemClock::new().now().as_second();
    assert!((3540..=3600).contains(&left), "for one hour: {signed}");
    client
}

#[test]
fn every_step_is_in_the_audit_log_under_its_user() {
    let world = World::with(&["--set", CORPORATE]);
    a_day_of("alice", &world);
    a_day_of("bob", &world);
    let nobody = world.server.client();
    nobody
        .post("/api/v1/auth/login", &json!({ "username": "alice", "password": "wrong-password" }))
        .expect(401);
    let events = world.admin.get("/api/v1/audit/events?user=alice&limit=1000").expect(200);
    let mut seen = column(&events, "action");
    seen.sort();
    seen.dedup();
    for action in [
        "auth.password.change",
        "auth.login",
        "auth.login.mfa",
        "mfa.totp.enroll",
        "mfa.totp.confirm",
        "authz.decision",
        "kms.encrypt",
        "kms.decrypt",
        "ssh.key.generate",
        "ssh.user.sign",
    ] {
        assert!(seen.iter().any(|seen| seen == action), "`{action}` is missing in {seen:?}");
    }
    let events = events["items"].as_array().unwrap();
    let alice = world.admin.get("/api/v1/users/alice").expect(200)["id"].clone();
    assert!(events.iter().all(|event| event["actor"]["id"] == alice), "{events:?}");
    let refused = |event: &&Value| event["action"] == "auth.login" && event["outcome"] != "success";
    assert!(events.iter().any(|event| refused(&event)), "the wrong password is there as well");
    let decided = events.iter().find(|event| event["action"] == "authz.decision").unwrap();
    assert!(decided["request"]["id"].is_string() && decided["hash"].is_string(), "{decided}");
    assert_eq!(decided["request"]["ip"], "127.0.0.1");
    let created = world.admin.get("/api/v1/audit/events?user=admin&action=user.create").expect(200);
    assert_eq!(created["items"].as_array().unwrap().len(), 2);
    for event in created["items"].as_array().unwrap() {
        let decision = &event["decision"];
        assert_eq!(
            (&decision["allowed"], &decision["policies"][0]),
            (&json!(true), &json!("api-admin"))
        );
        let asked = &decision["asked"];
        assert_eq!(
            (&asked["action"], &asked["resource"]["id"]),
            (&json!("create"), &json!("users"))
        );
        assert_eq!(asked["principal"]["roles"], json!(["admin"]), "{event}");
    }
    let report = world.admin.get("/api/v1/audit/verify").expect(200);
    assert_eq!((&report["intact"], &report["findings"]), (&json!(true), &json!([])), "{report}");
}

fn segments(server: &Server) -> Vec<PathBuf> {
    let folder = server.home.data().join("audit/standard/segments");
    let mut found: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    found.sort();
    found
}

fn verified_offline(prov: &Path, audit: &Path) -> (Option<i32>, String, String) {
    run(Command::new(prov).args(["-o", "json", "audit", "verify", "--dir"]).arg(audit))
}

#[test]
fn one_changed_byte_is_found_and_its_record_named() {
    let Some(prov) = prov() else { return };
    let mut world = World::with(&["--set", CORPORATE]);
    a_day_of("alice", &world);
    let events = world.admin.get("/api/v1/audit/events?user=alice&action=kms.encrypt").expect(200);
    let event = events["items"][0].clone();
    world.server.stop();

    let standard = world.server.home.data().join("audit/standard");
    let (code, out, error) = verified_offline(&prov, &standard);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{error}"));
    assert_eq!((code, &report["intact"]), (Some(0), &json!(true)), "{report}");

    let segment = segments(&world.server).remove(0);
    let mut bytes = std::fs::read(&segment).unwrap();
    let id = text(&event, "id").as_bytes();
    let at = bytes.windows(id.len()).position(|window| window == id).unwrap();
    let action = b"kms.encrypt";
    let at = at + bytes[at..].windows(action.len()).position(|window| window == action).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();

    let (code, out, error) = verified_offline(&prov, &standard);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}{error}"));
    assert_eq!((code, &report["intact"]), (Some(1), &json!(false)), "{report}{error}");
    let first = &report["first_bad"];
    assert_eq!((&first["kind"], &first["seq"]), (&json!("record"), &event["seq"]), "{report}");
    assert_eq!(first["event"], event["id"], "{report}");

    bytes[at] ^= 1;
    std::fs::write(&segment, &bytes).unwrap();
    let (code, ..) = verified_offline(&prov, &standard);
    assert_eq!(code, Some(0), "it was that byte and nothing else");
}

#[test]
fn whoever_signs_in_again_is_the_same_person() {
    let world = World::new();
    world.person("alice", &["viewer"], &[]);
    let nobody = world.server.client();
    let tokens = login(&nobody, "alice", &crate::people::password_of("alice"));
    let refreshed = json!({ "refresh_token": tokens["refresh_token"] });
    let refreshed = nobody.post("/api/v1/auth/refresh", &refreshed).expect(200);
    let me = |tokens: &Value| {
        nobody.with_token(text(tokens, "access_token")).get("/api/v1/auth/me").expect(200)
    };
    assert_eq!(me(&tokens)["id"], me(&refreshed)["id"]);
    let client = nobody.with_token(text(&refreshed, "access_token"));
    assert_eq!(client.post("/api/v1/auth/logout", &json!({})).status, 204);
    assert_eq!(client.get("/api/v1/auth/me").status, 401, "signed out");
}
