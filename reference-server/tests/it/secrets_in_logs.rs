//! A whole day at the highest log level; then every secret of it is looked for everywhere.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use memchr::memmem;
use serde_json::{Value, json};
use ureq::http::Method;

use crate::client::Client;
use crate::people::{ADMIN_PASSWORD, App, World, login, password_of, text};
use crate::server::Home;

/// Secrets by what they are.
#[derive(Debug, Default)]
struct Secrets(Vec<(&'static str, Vec<u8>)>);

impl Secrets {
    fn note(&mut self, what: &'static str, secret: impl AsRef<[u8]>) {
        let secret = secret.as_ref();
        assert!(secret.len() >= 6, "{what} is too short to be looked for");
        self.0.push((what, secret.to_owned()));
    }

    /// A token, and its signature alone, without which it is worth nothing.
    fn note_tokens(&mut self, tokens: &Value) {
        let access = text(tokens, "access_token");
        self.note("an access token", access);
        self.note("the signature of an access token", access.rsplit('.').next().unwrap());
        if let Some(refresh) = tokens["refresh_token"].as_str() {
            self.note("a refresh token", refresh);
        }
    }

    /// What of all this stands in these bytes, as it is, as base64 or hexadecimal.
    fn found_in(&self, bytes: &[u8]) -> Vec<&'static str> {
        let found =
            |secret: &[u8]| spellings(secret).iter().any(|s| memmem::find(bytes, s).is_some());
        self.0.iter().filter(|(_, secret)| found(secret)).map(|(what, _)| *what).collect()
    }
}

/// The secret as it would stand in a file: also in base64 of something longer, where it may begin at
/// any of three offsets.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut all =
        vec![secret.to_owned(), hex::encode(secret).into(), hex::encode_upper(secret).into()];
    for offset in 0..3 {
        let padded = [&vec![0; offset][..], secret].concat();
        let whole = padded.len() / 3 * 3;
        // Characters that depend on what stands before or after are left out.
        let from = usize::from(offset > 0) * 4;
        for text in [STANDARD.encode(&padded[..whole]), URL_SAFE_NO_PAD.encode(&padded[..whole])] {
            all.push(text.as_bytes()[from..].to_owned());
        }
    }
    all
}

/// Base 32 of RFC 4648, without padding.
fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut held, mut bytes) = (0_u32, 0, Vec::new());
    for character in text.bytes() {
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let value = alphabet.iter().position(|letter| *letter == character).unwrap();
        bits = bits << 5 | u32::try_from(value).unwrap();
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).unwrap());
        }
    }
    bytes
}

/// All files below, with their bytes.
fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files_below(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            all.push((path, bytes));
        }
    }
    all
}

/// Signing in, with everything that can go wrong.
fn sign_in(world: &World, secrets: &mut Secrets) -> Client {
    let nobody = world.server.client();
    let made = json!({ "username": "alice", "roles": ["operator"], "teams": ["sre"] });
    let made = world.admin.post("/api/v1/users", &made).expect(201);
    let password = password_of("alice");
    secrets.note("a temporary password", text(&made, "temporary_password"));
    secrets.note("a password", &password);
    secrets.note("another password", ADMIN_PASSWORD);
    let change = json!({
        "username": "alice", "current_password": made["temporary_password"], "new_password": password,
    });
    assert_eq!(nobody.post("/api/v1/auth/password/expired", &change).status, 204);
    for (what, wrong) in [
        ("a wrong password", json!({ "username": "alice", "password": "mistyped-by-hand-77" })),
        (
            "a password of the wrong type",
            json!({ "username": "alice", "password": ["in-a-list-4711"] }),
        ),
        (
            "a password in the wrong field",
            json!({ "username": "alice", "passwort": "in-german-4711" }),
        ),
        ("a password as a name", json!({ "username": "password-as-name-4711", "password": 1 })),
    ] {
        let secret = wrong.to_string();
        let secret =
            ["mistyped-by-hand-77", "in-a-list-4711", "in-german-4711", "password-as-name-4711"]
                .into_iter()
                .find(|s| secret.contains(s));
        secrets.note(what, secret.unwrap());
        assert!((400..500).contains(&nobody.post("/api/v1/auth/login", &wrong).status));
    }
    let tokens = login(&nobody, "alice", &password);
    secrets.note_tokens(&tokens);
    let mut app = App::enrolled(&nobody.with_token(text(&tokens, "access_token")));
    secrets.note("a TOTP secret", &app.secret);
    secrets.note("a TOTP secret as bytes", base32(&app.secret));
    let tokens = app.login(&nobody, "alice", &password);
    secrets.note_tokens(&tokens);
    let again = json!({ "refresh_token": tokens["refresh_token"] });
    let tokens = nobody.post("/api/v1/auth/refresh", &again).expect(200);
    secrets.note_tokens(&tokens);
    nobody.with_token(text(&tokens, "access_token"))
}

/// Factors, keys and credentials.
fn work(alice: &Client, secrets: &mut Secrets) {
    let codes = alice.post("/api/v1/mfa/backup-codes", &json!({})).expect(201);
    for code in codes["codes"].as_array().unwrap() {
        let code = code.as_str().unwrap();
        secrets.note("a backup code", code);
        secrets.note("a backup code without dashes", code.replace('-', ""));
    }
    let used = json!({ "code": codes["codes"][0] });
    alice.post("/api/v1/mfa/backup-codes/verify", &used).expect(200);

    let plaintext = "attack at dawn, by the old mill";
    secrets.note("a plaintext", plaintext);
    let sealed = json!({ "plaintext": STANDARD.encode(plaintext), "context": "env=prod" });
    let sealed = alice.post("/api/v1/kms/encrypt", &sealed).expect(200);
    let open = |context: &str| {
        let body = json!({ "ciphertext": sealed["ciphertext"], "context": context });
        alice.post("/api/v1/kms/decrypt", &body)
    };
    open("env=prod").expect(200);
    open("env=test").refused(400, "kms.decryption_failed");
    let key = alice.post("/api/v1/kms/generate-key", &json!({ "context": "a=b" })).expect(200);
    secrets.note("a data key", STANDARD.decode(text(&key, "plaintext")).unwrap());

    let pair = alice.post("/api/v1/ssh/keys", &json!({ "ttl": "1h" })).expect(201);
    // The middle of the text is the key itself; its ends are the same for every key.
    let private = text(&pair, "private_key").replace('\n', "");
    secrets.note("a private key", &private[private.len() / 2..private.len() / 2 + 40]);
    for line in text(&pair, "private_key").lines().filter(|line| !line.starts_with('-')).skip(1) {
        secrets.note("a line of a private key", line);
    }
    let generated = alice.post("/api/v1/secrets/ssh/generate", &json!({})).status;
    assert!(generated < 500);
}

/// Leaving, with tokens in bodies.
fn leave(alice: &Client, nobody: &Client) {
    let token = alice.token.clone().unwrap();
    let form = format!("token={token}").into_bytes();
    let kind = "application/x-www-form-urlencoded";
    for path in ["/api/v1/auth/introspect", "/api/v1/auth/revoke"] {
        let answer = alice.try_send(&Method::POST, path, Some((kind, form.clone())), &[]);
        assert_eq!(answer.unwrap().status, 200);
    }
    assert_eq!(alice.get("/api/v1/auth/me").status, 401, "it is revoked");
    // A token in a query is not taken, and is no reason to log it either.
    assert_eq!(nobody.get(&format!("/api/v1/auth/me?access_token={token}")).status, 401);
}

#[test]
fn no_secret_of_a_whole_day_is_in_any_log_or_file() {
    let home = Home::new();
    let world = World::over(home.start_with(&[
        "--set",
        "server.rate_limit=100000/min",
        "--set",
        "telemetry.log=trace",
        "--set",
        "telemetry.format=json",
    ]));
    let mut secrets = Secrets::default();
    let invitation =
        world.server.greeting.iter().map(|line| line.trim()).find(|line| line.len() == 43).unwrap();
    let invitation = invitation.to_owned();
    secrets.note("the bootstrap token", &invitation);
    let admin = world.admin.token.clone().unwrap();
    secrets.note_tokens(&json!({ "access_token": admin }));
    let alice = sign_in(&world, &mut secrets);
    work(&alice, &mut secrets);
    leave(&alice, &world.server.client());
    let mut server = world.server;
    server.stop();

    let stdout = server.all_of_stdout();
    assert_eq!(stdout.matches(&invitation).count(), 1, "the invitation is shown once: {stdout}");
    assert_eq!(secrets.found_in(stdout.replace(&invitation, "").as_bytes()), [""; 0]);
    let log = home.log();
    assert!(log.contains(r#""level":"TRACE""#), "the log is at its highest level");
    assert_eq!(secrets.found_in(log.as_bytes()), [""; 0], "in the log");
    let files = files_below(&home.data());
    assert!(
        files.iter().any(|(_, bytes)| memmem::find(bytes, b"kms.encrypt").is_some()),
        "they are searched"
    );
    for (path, bytes) in files {
        assert_eq!(secrets.found_in(&bytes), [""; 0], "in {}", path.display());
    }
}

#[test]
fn the_search_finds_what_is_there() {
    let mut secrets = Secrets::default();
    secrets.note("a secret", "correct horse");
    for prefix in ["", "a", "ab", "abc"] {
        let text = format!("{prefix}correct horse battery");
        for hidden in [
            text.clone(),
            hex::encode(&text),
            STANDARD.encode(&text),
            URL_SAFE_NO_PAD.encode(&text),
        ] {
            assert_eq!(
                secrets.found_in(format!("..{hidden}..").as_bytes()),
                ["a secret"],
                "{hidden}"
            );
        }
    }
    assert!(secrets.found_in(STANDARD.encode("correct mule").as_bytes()).is_empty());
    assert_eq!(base32("MZXW6YTBOI"), b"foobar");
}
