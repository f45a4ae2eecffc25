//! Whatever changes how somebody signs in reaches them: where they look, at the terminal, and outside.

use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::Client;
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

/// A server with a webhook.
fn with_webhook() -> (World, mpsc::Receiver<Value>) {
    let home = Home::new();
    let (url, told) = webhook(&home);
    let settings = ["server.rate_limit=100000/min", &url, "notices.webhook_secret_path=secret"];
    let arguments: Vec<&str> = settings.into_iter().flat_map(|set| ["--set", set]).collect();
    (World::over(home.start_with(&arguments)), told)
}

const PASSWORD: &str = "other-herons-count-42";

/// Whatever alice can change of how she signs in; and the secrets that it made.
fn change_everything(alice: &Client) -> Vec<String> {
    let body = json!({ "current_password": password_of("alice"), "new_password": PASSWORD });
    assert_eq!(alice.post("/api/v1/auth/password", &body).status, 204);
    let token = json!({ "name": "nightly", "scopes": ["read:users"], "expires_in": "30d" });
    let made = alice.post("/api/v1/auth/tokens", &token).expect(201);
    let rotate = format!("/api/v1/auth/tokens/{}/rotate", text(&made, "id"));
    let renewed = alice.post(&rotate, &json!({})).expect(200);
    let app = App::enrolled(alice);
    let codes = alice.post("/api/v1/mfa/backup-codes", &json!({})).expect(201);
    let code = codes["codes"][0].as_str().unwrap();
    let secrets = [PASSWORD, text(&made, "value"), text(&renewed, "value"), &app.secret, code];
    secrets.map(str::to_owned).into()
}

/// Whatever others do to her account; and the temporary password that ends it.
fn change_from_outside(world: &World, id: &str) -> String {
    let nobody = world.server.client();
    let users = |what: &str| format!("/api/v1/users/{id}/{what}");
    world.admin.post(&format!("/api/v1/mfa/users/{id}/reset"), &json!({})).expect(200);
    for what in ["lock", "unlock"] {
        world.admin.post(&users(what), &json!({})).expect(200);
    }
    for _ in 0..5 {
        let body = json!({ "username": "alice", "password": "not-the-password" });
        nobody.post("/api/v1/auth/login", &body).refused(401, "auth.invalid_credentials");
    }
    // The sixth has to wait a second.
    std::thread::sleep(Duration::from_millis(1100));
    let answer = world.admin.post(&users("password-reset"), &json!({})).expect(200);
    let temporary = text(&answer, "temporary_password");
    let body = json!({
        "username": "alice", "current_password": temporary, "new_password": PASSWORD,
    });
    assert_eq!(nobody.post("/api/v1/auth/password/expired", &body).status, 204);
    temporary.to_owned()
}

/// What all of it is told as, in the order of the alphabet.
const TOLD: [&str; 13] = [
    "account_locked",
    "account_unlocked",
    "api_token_made",
    "api_token_renewed",
    "backup_codes_made",
    "failed_attempts",
    "new_device",
    "new_device",
    "password_changed",
    "password_changed",
    "password_changed",
    "second_factor_added",
    "second_factors_reset",
];

#[test]
fn every_change_of_how_somebody_signs_in_reaches_them() {
    let (world, told) = with_webhook();
    let alice = world.person("alice", &["viewer"], &[]);
    let id = text(&alice.get("/api/v1/auth/me").expect(200), "id").to_owned();
    let mut secrets = change_everything(&alice);
    secrets.push(change_from_outside(&world, &id));
    let alice = signed_in(&world.server.client(), "alice", PASSWORD);
    let notices = alice.get("/api/v1/auth/notices").expect(200);
    let mut kinds = column(&notices, "kind");
    kinds.sort();
    assert_eq!(kinds, TOLD);
    let of = |kind: &str, fields: [&str; 2]| {
        let items = notices["items"].as_array().unwrap();
        let told = items.iter().find(|notice| notice["kind"] == kind).unwrap();
        fields.map(|field| told[field].clone())
    };
    let local = json!("127.0.0.1");
    assert_eq!(of("second_factor_added", ["name", "ip"]), [json!("phone"), local.clone()]);
    assert_eq!(of("api_token_made", ["name", "ip"]), [json!("nightly"), local.clone()]);
    let by_other = [json!("administrator"), Value::Null];
    assert_eq!(of("second_factors_reset", ["by", "ip"]), by_other, "where they sit is not told");
    assert_eq!(of("failed_attempts", ["attempts", "ip"]), [json!(5), local]);
    // Nobody but her, and nothing of it is a secret.
    let admins = world.admin.get("/api/v1/auth/notices").expect(200);
    assert_eq!(column(&admins, "kind"), ["new_device"]);
    let one = format!("/api/v1/auth/notices/{}", column(&notices, "id")[0]);
    for path in ["/api/v1/auth/notices", &one] {
        assert!([404, 405].contains(&alice.delete(path).status), "nobody deletes one");
    }
    for secret in secrets {
        assert!(!notices.to_string().contains(&secret), "{secret}");
    }
    // Outside, all of it arrives as well.
    let mut outside = Vec::new();
    while outside.len() < TOLD.len() {
        let one = told.recv_timeout(Duration::from_secs(25));
        let one = one.unwrap_or_else(|_| panic!("only {outside:?}"));
        if one["data"]["user"]["name"] == "alice" {
            outside.push(text(&one, "type").trim_start_matches("account.").to_owned());
        }
    }
    outside.sort();
    assert_eq!(outside, TOLD);
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
