//! Every command of `prov` against the real server, and those that need none.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::Duration;

use prov_core::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::people::{ADMIN_PASSWORD, column, password_of, text};
use crate::server::Home;
use crate::terminal::{Terminal, administrator};
use crate::tools::{prov, run, tool};

#[test]
fn an_invitation_a_session_and_their_ends() {
    let Some(program) = prov() else { return };
    let mut server = Home::new().start();
    let admin = Terminal::new(&program, &server.url);
    let (password, token) =
        (admin.file("password", ADMIN_PASSWORD), admin.file("token", &server.invitation()));
    admin.fails(3, &["whoami"]);
    admin.ok(&["server", "init", "--token-file", &token, "--password-file", &password]);
    admin.fails(3, &["login", "--user", "admin", "--password-file", &token]);
    admin.ok(&["login", "--user", "admin", "--password-file", &password]);
    assert_eq!(text(&admin.json(&["whoami"]), "name"), "admin");
    let sessions = admin.path("prov/sessions");
    let kept = std::fs::read_dir(&sessions).unwrap().map(|entry| entry.unwrap().path());
    let kept: Vec<_> = kept.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(std::fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);

    // The session's tokens go to no other server, also if its file is given that one's name.
    let other = "http://127.0.0.1:1";
    let error = admin.fails(6, &["--server", other, "server", "doctor"]);
    assert!(error.contains(other), "{error}");
    admin.fails(3, &["--server", other, "whoami"]);
    std::fs::copy(&kept[0], sessions.join("http%3A%2F%2F127.0.0.1%3A1.json")).unwrap();
    let error = admin.fails(1, &["--server", other, "whoami"]);
    assert!(error.contains(&server.url), "{error}");
    admin.fails(2, &["--server", "http://192.0.2.1", "whoami"]);

    let new = admin.file("new", "calm-lynx-threads-12-needles");
    admin.ok(&["passwd", "--old-password-file", &password, "--new-password-file", &new]);
    admin.ok(&["login", "--user", "admin", "--password-file", &new]);
    let listed = admin.json(&["auth", "session", "list"]);
    let id = column(&listed, "id").into_iter().next().unwrap();
    admin.ok(&["auth", "session", "kill", &id]);
    admin.ok(&["login", "--user", "admin", "--password-file", &new]);
    admin.ok(&["auth", "session", "kill-all"]);
    admin.fails(3, &["whoami"]);
    admin.ok(&["login", "--user", "admin", "--password-file", &new]);
    admin.ok(&["logout"]);
    assert!(!kept[0].exists(), "the tokens are forgotten");
}

#[test]
fn api_tokens_are_good_for_their_scopes_until_they_are_deleted() {
    let Some((world, admin)) = administrator() else { return };
    let new = ["auth", "token", "create", "backup", "--scope", "list:users", "--scope"];
    let creating = |scope: &str| [&new[..], &[scope, "--expires-in", "90d"]].concat().join(" ");
    let ask = |line: &str| admin.json(&line.split(' ').collect::<Vec<_>>());
    let made = ask(&creating("read:account"));
    let (id, value) = (text(&made, "id").to_owned(), text(&made, "value").to_owned());
    assert!(value.starts_with("prov_") && value.len() == 54, "{value}");
    let program = |value: &str| world.server.client().with_token(value);
    program(&value).get("/api/v1/users").expect(200);
    assert_eq!(program(&value).get("/api/v1/auth/me").expect(200)["name"], "admin");
    let beyond = program(&value).get("/api/v1/teams");
    beyond.refused(403, "authz.scope_insufficient");
    program(&value).get("/api/v1/auth/tokens").refused(403, "authz.scope_insufficient");
    let worth = admin.fed(value.as_bytes(), &["-o", "json", "auth", "token", "introspect"]);
    let worth: Value = serde_json::from_slice(&worth).unwrap();
    assert_eq!(worth["scope"], "list:users read:account");
    let second = ask(&format!("auth token rotate {id} --overlap 1h"));
    let second = text(&second, "value").to_owned();
    program(&value).get("/api/v1/users").expect(200);
    let third = text(&ask(&format!("auth token rotate {id}")), "value").to_owned();
    for old in [&value, &second] {
        assert_eq!(program(old).get("/api/v1/users").status, 401, "replaced");
    }
    let listed = ask("auth token list");
    assert_eq!(column(&listed, "id"), [id.as_str()]);
    assert!(!listed.to_string().contains(&third), "the value is shown once");
    admin.ok(&["auth", "token", "delete", &id]);
    assert_eq!(program(&third).get("/api/v1/users").status, 401, "deleted");
    let refused = admin.fails(1, &creating("raed:users").split(' ').collect::<Vec<_>>());
    assert!(refused.contains("raed:users"), "{refused}");
}

#[test]
fn users_and_teams() {
    let Some((world, admin)) = administrator() else { return };
    let password = admin.file("first", "a-first-password-9-herons");
    let dora = ["user", "create", "dora", "--role", "developer", "--email", "d@example.org"];
    let dora = admin.json(&[&dora[..], &["--password-file", &password]].concat());
    assert_eq!(dora["must_change_password"], true);
    let made = admin.json(&["user", "create", "tim", "--temporary"]);
    let temporary = admin.file("temporary", text(&made, "temporary_password"));
    assert!(column(&admin.json(&["user", "list"]), "username").contains(&"tim".to_owned()));
    assert!(admin.ok(&["user", "list", "--limit", "1"]).contains("USERNAME"));
    let renamed = admin.json(&["user", "update", "dora", "--display-name", "Dora"]);
    assert_eq!(text(&renamed, "display_name"), "Dora");
    assert!(admin.ok(&["user", "show", "dora"]).contains("d@example.org"));
    assert_eq!(admin.json(&["user", "lock", "dora"])["locked"], true);
    assert_eq!(admin.json(&["user", "unlock", "dora"])["locked"], false);
    assert_eq!(
        text(&admin.json(&["team", "create", "blue", "--description", "us"]), "name"),
        "blue"
    );
    assert!(column(&admin.json(&["team", "list"]), "name").contains(&"blue".to_owned()));
    let roles = admin.json(&["user", "set-roles", "dora", "developer", "viewer"]);
    assert_eq!(roles["roles"].as_array().unwrap().len(), 2);
    assert_eq!(admin.json(&["user", "set-teams", "dora", "blue"])["teams"], json!(["blue"]));
    admin.ok(&["user", "set-teams", "dora"]);
    admin.ok(&["team", "delete", "blue"]);
    assert!(admin.json(&["user", "reset-password", "dora"])["temporary_password"].is_string());

    let tim = Terminal::new(&admin.program, &world.server.url);
    let given = std::fs::read_to_string(admin.path(&temporary)).unwrap();
    let (given, own) = (tim.file("given", &given), tim.file("own", &password_of("tim")));
    let login = ["login", "--user", "tim", "--password-file", &given];
    tim.fails(2, &login);
    tim.ok(&[&login[..], &["--new-password-file", &own]].concat());
    tim.fails(4, &["user", "list"]);
    admin.ok(&["user", "delete", "tim"]);
    tim.fails(3, &["whoami"]);
    assert!(admin.fails(1, &["user", "show", "tim"]).contains("request req_"));
}

#[test]
fn tokens_and_signing_keys() {
    let Some((world, admin)) = administrator() else { return };
    assert_eq!(admin.json(&["auth", "keys", "list"])["items"].as_array().unwrap().len(), 2);
    admin.fails(1, &["auth", "keys", "rotate"]);
    let rotated = admin.json(&["auth", "keys", "rotate", "--at-once"]);
    let jwks: Value = serde_json::from_str(&admin.ok(&["auth", "jwks"])).unwrap();
    let known = jwks["keys"].as_array().unwrap();
    assert!(known.iter().any(|key| key["kid"] == rotated["active"]), "{jwks}");
    let token = world.admin.token.clone().unwrap();
    let worth = |token: &str| -> Value {
        let out = admin.fed(token.as_bytes(), &["-o", "json", "auth", "token", "introspect"]);
        serde_json::from_slice(&out).unwrap()
    };
    assert_eq!(text(&worth(&token), "username"), "admin");
    let nobody = Terminal::new(&admin.program, &world.server.url);
    nobody.fed(token.as_bytes(), &["auth", "token", "revoke"]);
    assert_eq!(worth(&token), json!({ "active": false }));
}

/// Codes of an authenticator app, none of which was used before: of the step before, of this one and
/// of the next (one step of drift is forgiven), after which it waits.
pub(crate) fn codes_of(uri: &str) -> impl Iterator<Item = String> {
    const STEP: u64 = 30;
    let (totp, clock) = (totp_rs::Totp::from_url(uri).unwrap(), SystemClock::new());
    let mut used = 0;
    std::iter::from_fn(move || {
        loop {
            let now = clock.now().as_second().unsigned_abs();
            let step = (now / STEP - 1).max(used + 1);
            // Not at the end of a step: by the time the code arrives it would be too old.
            if step <= now / STEP + 1 && STEP - now % STEP > 5 {
                used = step;
                return Some(totp.generate(step * STEP).to_string());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    })
}

#[test]
fn second_factors() {
    let Some((world, admin)) = administrator() else { return };
    world.person("dora", &["developer"], &[]);
    let password = password_of("dora");
    let dora = Terminal::of(&admin.program, &world, "dora", &password);
    assert_eq!(dora.json(&["mfa", "status"])["enabled"], false);
    dora.ok(&["mfa", "step-up", "--password-file", "password"]);
    let enrolled = dora.json(&["mfa", "totp", "enroll", "--name", "phone"]);
    let (id, uri) = (text(&enrolled, "id"), text(&enrolled, "otpauth_uri"));
    let mut codes_of_app = codes_of(uri);
    let mut code = || codes_of_app.next().unwrap();
    let first = code();
    assert_eq!(dora.json(&["mfa", "totp", "verify", id, &first])["confirmed"], true);
    dora.fails(5, &["mfa", "totp", "verify", id, &first]);
    assert!(dora.ok(&["mfa", "devices"]).contains("phone"));
    assert!(dora.ok(&["mfa", "webauthn", "enroll", "--print"]).ends_with("/passkeys\n"));
    assert_eq!(dora.json(&["mfa", "webauthn", "list"])["items"], json!([]));
    assert_eq!(dora.json(&["mfa", "webauthn", "rename", id, "pocket"])["name"], "pocket");
    let codes = dora.json(&["mfa", "backup-codes", "generate"]);
    let code_of = |at: usize| codes["codes"][at].as_str().unwrap();
    assert_eq!(dora.json(&["mfa", "backup-codes", "verify", code_of(0)])["remaining"], 9);
    assert_eq!(dora.json(&["mfa", "backup-codes", "status"])["backup_codes_remaining"], 9);
    dora.ok(&["mfa", "step-up", "--totp", &code()]);
    dora.ok(&["mfa", "step-up", "--backup-code", code_of(1)]);
    dora.fails(5, &["mfa", "step-up", "--password-file", "password"]);
    let login = ["login", "--user", "dora", "--password-file", "password"];
    dora.fails(2, &login);
    dora.ok(&[&login[..], &["--backup-code", code_of(2)]].concat());
    dora.ok(&[&login[..], &["--totp", &code()]].concat());
    let me = dora.json(&["whoami"]);
    dora.fails(4, &["mfa", "reset", text(&me, "id")]);
    dora.fails(1, &["mfa", "webauthn", "remove", "passkey_01JQ8ZK3V9M2T4R6X8Y0A1B2C3"]);
    dora.ok(&["mfa", "totp", "disable", id]);
    assert!(dora.ok(&["mfa", "totp", "enroll"]).contains("secret"), "a picture for people");
    admin.ok(&["mfa", "reset", text(&me, "id")]);
    dora.fails(3, &["mfa", "devices"]);
    dora.ok(&login);
    assert_eq!(dora.json(&["mfa", "devices"])["items"], json!([]));
    let set = admin.json(&["mfa", "policy", "set", "--role", "auditor", "--grace", "7d"]);
    assert_eq!((&set["roles"], &set["grace"]), (&json!(["auditor"]), &json!("7d")));
    assert_eq!(admin.json(&["mfa", "policy", "show"]), set);
}

#[test]
fn policies_and_decisions() {
    let Some((world, admin)) = administrator() else { return };
    assert!(column(&admin.json(&["policy", "list"]), "id").contains(&"prod-sre".to_owned()));
    assert_eq!(text(&admin.json(&["policy", "show", "prod-sre"]), "effect"), "permit");
    assert!(admin.json(&["policy", "stats"])["allowed"].is_number());
    admin.fails(1, &["policy", "reload"]);
    let help = admin.ok(&["policy", "authorize", "--help"]);
    let example = help.split("Example:").nth(1).unwrap().replace('\\', " ");
    // What the help shows is asked, for another environment.
    let example = example.replace("production", "development");
    let words: Vec<&str> = example.split_whitespace().skip(1).collect();
    let decision = admin.json(&words);
    assert_eq!(text(&decision, "decision"), "ALLOW", "{decision}");
    world.person("vera", &["viewer"], &[]);
    let vera = Terminal::of(&admin.program, &world, "vera", &password_of("vera"));
    vera.fails(4, &words);
    vera.fails(1, &["policy", "authorize", "deploy", "Server", "web-1"]);
    vera.fails(2, &["policy", "authorize", "deploy", "Server", "web-1", "-a", "hostname"]);
    let explain = [&["policy", "explain"], &words[2..]].concat();
    assert_eq!(text(&vera.json(&explain), "decision"), "DENY");
    let id = text(&vera.json(&["whoami"]), "id").to_owned();
    let (code, ..) = run(&mut admin.command(&[&words[..], &["--principal", &id]].concat()));
    assert_eq!(code, Some(4), "the administrator asks about vera");
}

#[test]
fn what_is_known_and_what_follows_from_it() {
    let Some((mut world, admin)) = administrator() else { return };
    let facts = ["-a", "hostname=web-1", "-a", "workspace=core", "-a", "environment=development"];
    let set = [&["policy", "entities", "set", "Server", "web-1"], &facts[..]].concat();
    admin.ok(&set);
    let file = admin.file(
        "known.json",
        r#"[{"uid": {"type": "Provisioning::Workspace", "id": "core"},
             "attrs": {"name": "core", "environment": "development", "owner_id": "user_x"}}]"#,
    );
    assert_eq!(admin.json(&["policy", "entities", "import", &file])["entered"], 1);
    admin.fails(1, &["policy", "entities", "set", "Server", "web-2", "-a", "hostname=x"]);
    let shown = admin.json(&["policy", "entities", "show", "Server", "web-1"]);
    assert_eq!(shown["ancestors"].as_array().unwrap().len(), 2, "{shown}");
    world.person("dev", &["viewer"], &["developers"]);
    world.person("eve", &["viewer"], &[]);
    let dev = Terminal::of(&admin.program, &world, "dev", &password_of("dev"));
    assert_eq!(column(&dev.json(&["policy", "what", "ssh", "Server"]), "id"), ["web-1"]);
    let who = column(&admin.json(&["policy", "who", "ssh", "Server", "web-1"]), "id");
    // The first administrator is in platform-admin.
    assert_eq!(who, [&admin, &dev].map(|person| text(&person.json(&["whoami"]), "id").to_owned()));
    dev.fails(4, &["policy", "who", "ssh", "Server", "web-1"]);
    dev.fails(4, &["policy", "entities", "list"]);
    // What was entered survives the server, and a lie about it helps nobody.
    let home = world.server.home.clone();
    world.server.stop();
    world.server = home.start();
    let admin = Terminal::of(&admin.program, &world, "admin", ADMIN_PASSWORD);
    let dev = Terminal::of(&admin.program, &world, "dev", &password_of("dev"));
    admin.ok(&["policy", "entities", "list", "--type", "Server"]);
    let lie = ["policy", "authorize", "ssh", "Server", "web-1", "-a", "environment=production"];
    dev.fails(1, &lie);
    assert_eq!(
        text(&dev.json(&["policy", "authorize", "ssh", "Server", "web-1"]), "decision"),
        "ALLOW"
    );
    admin.ok(&["policy", "entities", "delete", "Server", "web-1"]);
    admin.fails(1, &["policy", "entities", "show", "Server", "web-1"]);
    assert!(column(&dev.json(&["policy", "what", "ssh", "Server"]), "id").is_empty());
}

#[test]
fn access_is_reviewed_and_compared_without_a_server() {
    let Some(program) = prov() else { return };
    let offline = Terminal::new(&program, "http://127.0.0.1:1");
    let shipped = std::path::absolute("../prov-authz/policies").unwrap();
    for folder in ["now", "next"] {
        std::fs::create_dir(offline.path(folder)).unwrap();
        for file in std::fs::read_dir(&shipped).unwrap() {
            let file = file.unwrap();
            // The tests of the policies are a folder beside them.
            if file.file_type().unwrap().is_file() {
                std::fs::copy(file.path(), offline.path(folder).join(file.file_name())).unwrap();
            }
        }
    }
    let (now, next) = (offline.path("now"), offline.path("next"));
    let (now, next) = (now.to_str().unwrap(), next.to_str().unwrap());
    offline.fails(1, &["policy", "matrix", now]);
    for folder in ["now", "next"] {
        offline.file(
            &format!("{folder}/entities.json"),
            r#"[{"uid": {"type": "Provisioning::Environment", "id": "production"}}]"#,
        );
    }
    let table = offline.ok(&["policy", "matrix", now, "--at", "2026-03-02T12:00:00Z"]);
    let line = "\"one-of-security\",\"Environment\",\"production\",\"lockdown\",\"allow\"";
    assert!(table.contains(line), "{table}");
    assert_eq!(offline.ok(&["policy", "matrix", now, "--diff", next]).lines().count(), 1);
    offline.file(
        "next/freeze.cedar",
        "@id(\"freeze\")\n@description(\"d\")\nforbid (principal, \
         action == Provisioning::Action::\"lockdown\", resource);\n",
    );
    let changes = offline.ok(&["policy", "matrix", now, "--diff", next, "--format", "jsonl"]);
    assert!(changes.contains("\"lost\":[\"lockdown\"]"), "{changes}");
    let users = offline.file("users.json", r#"{"items": [{"id": "user_1", "username": "=cmd"}]}"#);
    let table = offline.ok(&["policy", "matrix", now, "--users", &users]);
    assert!(!table.contains("\"allow\""), "{table}");
}

#[test]
fn the_audit_log() {
    let Some((_world, admin)) = administrator() else { return };
    let found = admin.json(&["audit", "query", "--user", "admin", "--action", "auth.*"]);
    let id = column(&found, "id").into_iter().next().unwrap();
    let request = text(&found["items"][0]["request"], "id");
    assert!(column(&admin.json(&["audit", "query", "--request-id", request]), "id").contains(&id));
    assert!(admin.ok(&["audit", "query", "--from", "1h", "--limit", "2"]).contains("ACTION"));
    let counted = admin.json(&["audit", "query", "actor:admin action:auth.* | count by action"]);
    assert!(counted["complete"] == true && counted["total"].as_u64() > Some(0), "{counted}");
    assert!(admin.ok(&["audit", "query", "| count"]).starts_with("total "));
    admin.fails(1, &["audit", "query", "acter:admin"]);
    admin.fails(1, &["audit", "tail", "acter:admin"]);
    assert_eq!(text(&admin.json(&["audit", "show", &id]), "id"), id);
    let proof: Value = serde_json::from_str(&admin.ok(&["audit", "proof", &id])).unwrap();
    assert!(proof["proof"].is_string() && proof["verifier_key"].is_string(), "{proof}");
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("case").to_str().unwrap().to_owned();
    admin.ok(&["audit", "proof", &id, "--save", &name]);
    let key = format!("{name}.vkey");
    let checked = admin.json(&["audit", "proof", "--check", &name, "--key", &key]);
    assert_eq!((&checked["valid"], &checked["event"]["id"]), (&true.into(), &id.as_str().into()));
    let kept = format!("{name}.note");
    std::fs::write(&kept, admin.ok(&["audit", "checkpoint", "--note"])).unwrap();
    admin.ok(&["audit", "stats"]);
    assert_eq!(admin.json(&["audit", "sinks"])["items"], serde_json::json!([]));
    assert_eq!(admin.json(&["audit", "logs"])["items"], serde_json::json!([]));
    assert_eq!(admin.json(&["audit", "retention"])["break_glass"], "2555d");
    assert_eq!(admin.json(&["audit", "retention", "--standard", "500d"])["standard"], "500d");
    admin.fails(1, &["audit", "retention", "--standard", "1d"]);
    let case = admin.json(&["audit", "hold", "add", "case 7", "--log", "standard"]);
    assert_eq!(column(&admin.json(&["audit", "hold", "list"]), "reason"), ["case 7"]);
    admin.ok(&["audit", "hold", "remove", text(&case, "id")]);
    admin.fails(1, &["audit", "hold", "remove", text(&case, "id")]);
    let actions = column(&admin.json(&["audit", "actions"]), "action");
    assert!(actions.len() > 40 && actions.contains(&"auth.login".to_owned()), "{actions:?}");
    let grown = admin.json(&["audit", "checkpoint", "--since", &kept, "--key", &key]);
    assert!(grown["unchanged"] == true && grown["to"].as_u64() > grown["from"].as_u64(), "{grown}");
    let mut leaf = std::fs::read(format!("{name}.leaf")).unwrap();
    leaf[40] ^= 1;
    std::fs::write(format!("{name}.leaf"), leaf).unwrap();
    admin.fails(1, &["audit", "proof", "--check", &name, "--key", &key]);
    let lines = admin.ok(&["audit", "export"]);
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines}");
    let csv = admin.ok(&["audit", "export", "--format", "csv", "--from-seq", "2"]);
    assert!(csv.lines().nth(1).unwrap().starts_with("standard,2,"), "{csv}");
    admin.fails(1, &["audit", "export", "--format", "xml"]);
    for format in ["jsonl", "json", "csv", "splunk", "ecs", "syslog", "cloudwatch", "ocsf", "cef"] {
        let copy = folder.path().join(format).to_str().unwrap().to_owned();
        let exported = admin.ok(&["audit", "export", "--format", format, "--to-seq", "9"]);
        std::fs::write(&copy, &exported).unwrap();
        let held = ["audit", "reconcile", &copy, "--to-seq", "9", "--key", &key];
        let fits = admin.json(&held);
        assert_eq!((&fits["fits"], &fits["found"]), (&true.into(), &9.into()), "{format}: {fits}");
        std::fs::write(&copy, exported.replacen("auth.", "autH.", 7)).unwrap();
        admin.fails(1, &held);
    }
    assert!(admin.json(&["audit", "stats"])["standard"].as_u64().unwrap() > 0);
    for log in ["standard", "break_glass"] {
        assert_eq!(admin.json(&["audit", "verify", "--log", log])["intact"], true);
        assert!(admin.json(&["audit", "checkpoint", "--log", log])["note"].is_string());
    }
}

#[test]
fn keys_and_ciphertexts() {
    let Some((_world, admin)) = administrator() else { return };
    assert_eq!(text(&admin.json(&["kms", "keys", "create", "app"]), "key_id"), "app");
    assert_eq!(column(&admin.json(&["kms", "keys", "list"]), "key_id"), ["app", "default"]);
    assert_eq!(admin.json(&["kms", "rotate", "app"])["key_version"], 2);
    assert_eq!(text(&admin.json(&["kms", "keys", "disable", "app"]), "state"), "disabled");
    assert_eq!(text(&admin.json(&["kms", "keys", "enable", "app"]), "state"), "enabled");
    assert_eq!(text(&admin.json(&["kms", "keys", "show", "app"]), "state"), "enabled");
    assert_eq!(text(&admin.json(&["kms", "status"]), "state"), "up");
    assert_eq!(text(&admin.json(&["kms", "health"]), "state"), "up");
    assert!(admin.ok(&["kms", "backends"]).contains("local"));
    let generated = admin.json(&["kms", "generate-key", "--key-spec", "AES_128", "--key", "app"]);
    assert_eq!((text(&generated, "key_id"), text(&generated, "plaintext").len()), ("app", 24));

    let context = ["--context", "env=prod,service=api"];
    let secret = b"the moon\0is a harsh\xffmistress\n";
    let sealed = admin.fed(secret, &[&["kms", "encrypt", "--key", "app"], &context[..]].concat());
    assert!(sealed.starts_with(b"prov:v1:local:app:2:"), "{}", String::from_utf8_lossy(&sealed));
    admin.ok(&["kms", "rotate", "app"]);
    let rewrap = [&["-o", "json", "kms", "rewrap"], &context[..]].concat();
    let rewrapped: Value = serde_json::from_slice(&admin.fed(&sealed, &rewrap)).unwrap();
    assert_eq!(rewrapped["key_version"], 3);
    let decrypt = ["kms", "decrypt", "--context", "service=api,env=prod"];
    assert_eq!(admin.fed(text(&rewrapped, "ciphertext").as_bytes(), &decrypt), secret);

    std::fs::write(admin.path("plain"), secret).unwrap();
    admin.file("open", "was readable by everybody");
    std::fs::set_permissions(admin.path("open"), PermissionsExt::from_mode(0o666)).unwrap();
    admin.ok(&["kms", "encrypt-file", "plain", "sealed", "--context", "env=prod"]);
    admin.ok(&["kms", "decrypt-file", "sealed", "open", "--context", "env=prod"]);
    assert_eq!(
        (std::fs::read(admin.path("open")).unwrap(), admin.mode("open")),
        (secret.into(), 0o600)
    );
    std::fs::write(admin.path("large"), vec![0; 512 * 1024]).unwrap();
    admin.ok(&["kms", "encrypt-file", "large", "sealed"]);
    std::fs::write(admin.path("large"), vec![0; 512 * 1024 + 1]).unwrap();
    admin.fails(2, &["kms", "encrypt-file", "large", "sealed"]);
}

#[test]
fn credentials_and_certificates() {
    let Some((world, admin)) = administrator() else { return };
    if tool("/usr/bin/ssh-keygen").is_none() {
        return;
    }
    world.person("olga", &["operator"], &[]);
    let olga = Terminal::of(&admin.program, &world, "olga", &password_of("olga"));
    assert_eq!(column(&olga.json(&["secrets", "engines"]), "name"), ["ssh"]);
    let role = json!({ "allowed_principals": ["deploy"], "roles": ["operator"] });
    let role = olga.file("role.json", &role.to_string());
    olga.ok(&["secrets", "role", "set", "ops", "--file", &role]);
    assert!(column(&olga.json(&["secrets", "role", "list"]), "name").contains(&"ops".to_owned()));
    assert_eq!(text(&olga.json(&["secrets", "role", "show", "ops"]), "default_ttl"), "1h");
    let generated = olga.json(&["secrets", "generate", "ssh", "--role", "ops", "--ttl", "1hr"]);
    let lease = text(&generated, "lease_id");
    assert!(
        column(&olga.json(&["secrets", "leases", "--engine", "ssh"]), "lease_id")
            .contains(&lease.to_owned())
    );
    assert_eq!(text(&olga.json(&["secrets", "show", lease]), "state"), "active");
    olga.fails(1, &["secrets", "renew", lease, "--ttl", "2h"]);
    assert_eq!(text(&olga.json(&["secrets", "revoke", lease]), "state"), "revoked");
    olga.ok(&["secrets", "role", "delete", "ops"]);

    olga.ok(&["ssh", "keygen", "-f", "id", "--ttl", "1h"]);
    assert_eq!((olga.mode("id"), olga.path("id-cert.pub").exists()), (0o600, true));
    olga.fails(2, &["ssh", "keygen", "-f", "id"]);
    let certificate = |name: &str| {
        let mut command = Command::new("ssh-keygen");
        let (code, out, error) = run(command.arg("-L").arg("-f").arg(olga.path(name)));
        assert_eq!(code, Some(0), "{error}");
        out
    };
    std::fs::copy(olga.path("id.pub"), olga.path("own.pub")).unwrap();
    let sign = ["ssh", "sign", "own.pub", "--source-address", "10.0.0.0/8"];
    let signed = olga.json(&[&sign[..], &["--extension", "permit-pty"]].concat());
    assert!(certificate("own-cert.pub").contains("source-address 10.0.0.0/8"));
    let host = ["ssh", "host-sign", "own.pub", "--hostname", "web-1.example.org", "--ttl", "1h"];
    olga.ok(&host);
    let host = certificate("own-cert.pub");
    assert!(host.contains("host certificate") && host.contains("web-1.example.org"), "{host}");
    let lease = text(&signed, "lease_id");
    assert!(column(&olga.json(&["ssh", "list"]), "lease_id").contains(&lease.to_owned()));
    assert_eq!(text(&olga.json(&["ssh", "show", lease]), "state"), "active");
    olga.ok(&["ssh", "krl", "-f", "krl"]);
    let empty = std::fs::read(olga.path("krl")).unwrap();
    assert_eq!(text(&olga.json(&["ssh", "revoke", lease]), "state"), "revoked");
    olga.ok(&["ssh", "krl", "-f", "krl"]);
    assert_ne!(std::fs::read(olga.path("krl")).unwrap(), empty);
    let keys = olga.json(&["ssh", "ca"]);
    assert!(keys["user"][0]["public_key"].is_string() && keys["host"][0]["public_key"].is_string());
    assert!(olga.json(&["ssh", "stats"])["revoked_listed"].as_u64().unwrap() >= 1);
    olga.fails(2, &["ssh", "connect", "-oProxyCommand=true"]);
    assert!(olga.json(&["secrets", "revoke-prefix", "ssh/"])["revoked"].as_u64().unwrap() >= 1);
    let id = text(&olga.json(&["whoami"]), "id").to_owned();
    assert_eq!(olga.json(&["secrets", "revoke-user", &id])["pending"], 0);
    assert!(olga.json(&["secrets", "stats"])["engines"][0]["revoked"].as_u64().unwrap() >= 1);
    assert_eq!(olga.json(&["secrets", "leases", "--state", "active"])["items"], json!([]));
}

#[test]
fn what_needs_no_server() {
    let Some(program) = prov() else { return };
    let offline = Terminal::new(&program, "http://127.0.0.1:1");
    let secret = "DATABASE_URL=postgres://\n";
    offline.file("plain", secret);
    let read = |name: &str| std::fs::read_to_string(offline.path(name)).unwrap();
    offline.ok(&["kms", "generate-key", "--file", "key"]);
    assert_eq!(offline.mode("key"), 0o600);
    offline.ok(&[
        "kms",
        "encrypt-file",
        "plain",
        "sealed",
        "--key",
        "key",
        "--context",
        "env=prod",
    ]);
    let decrypt = ["kms", "decrypt-file", "sealed", "out", "--key", "key", "--context"];
    offline.fails(1, &[&decrypt[..], &["env=dev"]].concat());
    offline.ok(&[&decrypt[..], &["env=prod"]].concat());
    assert_eq!((read("out").as_str(), offline.mode("out")), (secret, 0o600));
    offline.fails(6, &["server", "doctor"]);
    offline.fails(2, &["kms", "frobnicate"]);
    offline.fails(2, &["audit", "verify", "--dir", "."]);

    let script = offline.ok(&["completions", "bash"]);
    let (code, _, error) =
        run(Command::new("bash").arg("-n").arg(offline.path(&offline.file("prov.bash", &script))));
    assert_eq!((code, error.as_str()), (Some(0), ""), "bash understands it");
    assert!(script.contains("complete -F _prov"), "{script}");
    assert!(offline.ok(&["man"]).contains(".TH prov 1"));
    offline.file("good.toml", "[jwt]\nissuer = \"fleet\"\n");
    offline.ok(&["server", "check-config", "--config", "good.toml"]);
    offline.file("bad.toml", "[jwt]\nisuer = \"fleet\"\n");
    let error = offline.fails(1, &["server", "check-config", "--config", "bad.toml"]);
    assert!(error.contains("isuer"), "{error}");
}

#[test]
fn age_and_prov_understand_each_other() {
    let (Some(program), Some(age)) = (prov(), tool("/usr/bin/age")) else { return };
    let offline = Terminal::new(&program, "http://127.0.0.1:1");
    offline.file("plain", "for two programs\n");
    let at = |name: &str| offline.path(name);
    let (code, _, error) = run(Command::new("age-keygen").arg("-o").arg(at("identity")));
    assert_eq!(code, Some(0), "{error}");
    let (_, recipient, _) = run(Command::new("age-keygen").arg("-y").arg(at("identity")));
    offline.file("recipients", &recipient);
    offline.ok(&[
        "kms",
        "encrypt-file",
        "plain",
        "ours",
        "--age-recipients",
        "recipients",
        "--armor",
    ]);
    let (code, out, error) =
        run(Command::new(&age).arg("-d").arg("-i").arg(at("identity")).arg(at("ours")));
    assert_eq!((code, out.as_str()), (Some(0), "for two programs\n"), "{error}");
    let mut theirs = Command::new(&age);
    theirs.arg("-r").arg(recipient.trim()).arg("-o").arg(at("theirs")).arg(at("plain"));
    assert_eq!(run(&mut theirs).0, Some(0));
    offline.ok(&["kms", "decrypt-file", "theirs", "out", "--age-identity", "identity"]);
    assert_eq!(std::fs::read_to_string(at("out")).unwrap(), "for two programs\n");
}

#[test]
fn policies_are_validated_without_a_server() {
    let Some(program) = prov() else { return };
    let offline = Terminal::new(&program, "http://127.0.0.1:1");
    let shipped = std::path::absolute("../prov-authz/policies").unwrap();
    let valid = offline.json(&["policy", "validate", shipped.to_str().unwrap()]);
    assert!(column(&valid, "id").contains(&"prod-sre".to_owned()), "{valid}");
    std::fs::create_dir(offline.path("broken")).unwrap();
    std::fs::copy(shipped.join("schema.cedarschema"), offline.path("broken/schema.cedarschema"))
        .unwrap();
    offline.file("broken/a.cedar", "@id(\"a\")\npermit (principal, action, resouce);\n");
    let error = offline.fails(1, &["policy", "validate", "broken"]);
    assert!(error.contains("a.cedar:2:"), "it names file and line: {error}");
}

#[test]
fn a_log_is_verified_without_a_server() {
    let Some((mut world, admin)) = administrator() else { return };
    world.server.stop();
    let log = world.server.home.data().join("audit");
    let log = log.to_str().unwrap();
    assert!(admin.ok(&["audit", "verify", "--dir", log]).contains("intact"));
    let standard = format!("{log}/standard");
    let key = format!("{standard}/log.vkey");
    let report = admin.json(&["audit", "verify", "--dir", &standard, "--key", &key]);
    assert_eq!(report["intact"], true);
    admin.fails(2, &["audit", "verify", "--dir", log, "--key", &key]);
    admin.fails(
        1,
        &["audit", "verify", "--dir", &standard, "--key", &format!("{log}/break-glass/log.vkey")],
    );
    admin.fails(6, &["whoami"]);
}
