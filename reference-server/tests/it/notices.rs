//! Whatever changes how somebody signs in reaches them: where they look, at the terminal, and outside.

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::devices::received;
use crate::people::{ADMIN_PASSWORD, App, World, column, login, password_of, signed_in, text};
use crate::server::Home;
use crate::terminal::administrator;

/// A webhook that hands on what it is told, until nobody listens any more.
fn webhook(home: &Home) -> (String, mpsc::Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    std::fs::write(home.path().join("secret"), secret).unwrap();
    let url = format!("notices.webhook_url=http://{}/hook", listener.local_addr().unwrap());
    let (sender, told) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            let (_, body) = received(&listener);
            if sender.send(serde_json::from_slice(&body).unwrap()).is_err() {
                return;
            }
        }
    });
    (url, told)
}

#[test]
fn every_change_of_how_somebody_signs_in_reaches_them() {
    let home = Home::new();
    let (url, told) = webhook(&home);
    let arguments = [
        "--set",
        "server.rate_limit=100000/min",
        "--set",
        &url,
        "--set",
        "notices.webhook_secret_path=secret",
    ];
    let world = World::over(home.start_with(&arguments));
    let nobody = world.server.client();
    let alice = world.person("alice", &["viewer"], &[]);
    let id = text(&alice.get("/api/v1/auth/me").expect(200), "id").to_owned();
    let password = "other-herons-count-42";
    let body = json!({ "current_password": password_of("alice"), "new_password": password });
    assert_eq!(alice.post("/api/v1/auth/password", &body).status, 204);
    let token = json!({ "name": "nightly", "scopes": ["read:users"], "expires_in": "30d" });
    let made = alice.post("/api/v1/auth/tokens", &token).expect(201);
    let rotate = format!("/api/v1/auth/tokens/{}/rotate", text(&made, "id"));
    let renewed = alice.post(&rotate, &json!({})).expect(200);
    let app = App::enrolled(&alice);
    let codes = alice.post("/api/v1/mfa/backup-codes", &json!({})).expect(201);
    // By an administrator.
    let users = |what: &str| format!("/api/v1/users/{id}/{what}");
    world.admin.post(&format!("/api/v1/mfa/users/{id}/reset"), &json!({})).expect(200);
    for what in ["lock", "unlock"] {
        world.admin.post(&users(what), &json!({})).expect(200);
    }
    for _ in 0..5 {
        let body = json!({ "username": "alice", "password": "not-the-password" });
        nobody.post("/api/v1/auth/login", &body).refused(401, "auth.invalid_credentials");
    }
    let temporary = world.admin.post(&users("password-reset"), &json!({})).expect(200);
    let temporary = text(&temporary, "temporary_password").to_owned();
    let body = json!({
        "username": "alice", "current_password": temporary, "new_password": password,
    });
    assert_eq!(nobody.post("/api/v1/auth/password/expired", &body).status, 204);
    let alice = signed_in(&nobody, "alice", password);
    let notices = alice.get("/api/v1/auth/notices").expect(200);
    let mut kinds = column(&notices, "kind");
    kinds.sort();
    let mut expected = [
        "new_device",
        "password_changed",
        "api_token_made",
        "api_token_renewed",
        "second_factor_added",
        "backup_codes_made",
        "second_factors_reset",
        "account_locked",
        "account_unlocked",
        "password_changed",
        "password_changed",
        "failed_attempts",
        "new_device",
    ];
    expected.sort_unstable();
    assert_eq!(kinds, expected);
    let of = |kind: &str, field: &str| {
        let items = notices["items"].as_array().unwrap();
        let told = items.iter().find(|notice| notice["kind"] == kind).unwrap();
        told[field].clone()
    };
    assert_eq!(
        (of("second_factor_added", "name"), of("api_token_made", "name")),
        (json!("phone"), json!("nightly"))
    );
    assert_eq!(
        (of("second_factors_reset", "by"), of("second_factors_reset", "ip")),
        (json!("administrator"), Value::Null)
    );
    assert_eq!(
        (of("failed_attempts", "attempts"), of("failed_attempts", "ip")),
        (json!(5), json!("127.0.0.1"))
    );
    // Nobody but her, and nothing of it is a secret.
    let admins = world.admin.get("/api/v1/auth/notices").expect(200);
    assert_eq!(column(&admins, "kind"), ["new_device"]);
    for path in
        ["/api/v1/auth/notices", &format!("/api/v1/auth/notices/{}", column(&notices, "id")[0])]
    {
        assert!([404, 405].contains(&alice.delete(path).status), "nobody deletes one");
    }
    let first_code = codes["codes"][0].as_str().unwrap();
    for secret in [
        password,
        &temporary,
        text(&made, "value"),
        text(&renewed, "value"),
        &app.secret,
        first_code,
    ] {
        assert!(!notices.to_string().contains(secret), "{secret}");
    }
    // Outside, all of it arrives as well.
    let mut outside = Vec::new();
    while outside.len() < kinds.len() {
        let one =
            told.recv_timeout(Duration::from_secs(25)).unwrap_or_else(|_| panic!("{outside:?}"));
        if one["data"]["user"]["name"] == "alice" {
            outside.push(text(&one, "type").trim_start_matches("account.").to_owned());
        }
    }
    outside.sort();
    assert_eq!(outside, kinds);
}

#[test]
fn the_terminal_says_what_changed_meanwhile() {
    let Some((world, admin)) = administrator() else { return };
    let tokens = login(&world.server.client(), "admin", ADMIN_PASSWORD);
    let elsewhere = world.server.client().with_token(text(&tokens, "access_token"));
    let token =
        json!({ "name": "\u{1b}[2Jnightly", "scopes": ["read:users"], "expires_in": "30d" });
    assert_eq!(elsewhere.post("/api/v1/auth/tokens", &token).status, 400, "no escape gets in");
    let token = json!({ "name": "nightly", "scopes": ["read:users"], "expires_in": "30d" });
    elsewhere.post("/api/v1/auth/tokens", &token).expect(201);
    let mut app = App::enrolled(&elsewhere);
    let file = admin.file("password", ADMIN_PASSWORD);
    let code = app.code();
    let arguments = ["login", "--user", "admin", "--password-file", &file, "--totp", &code];
    let output = admin.command(&arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for told in [
        "the API token `nightly` was made from 127.0.0.1, at ",
        "a second factor was added: authenticator app `phone` from 127.0.0.1, at ",
        "was that not you?",
    ] {
        assert!(said.contains(told), "{said}");
    }
}
