//! Passkeys in a real browser, on the page that the server brings for them.

use std::path::Path;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::people::{ADMIN_PASSWORD, World, column, text};
use crate::server::{Home, free_port};

/// A world whose server knows the address that the browser sees, on the page for passkeys.
fn world() -> (World, String) {
    let port = free_port();
    let world = World::over(Home::new().start_at(port));
    (world, format!("http://localhost:{port}/passkeys"))
}

#[track_caller]
fn assert_done(browser: &Browser, what: &str) {
    assert_eq!(browser.outcome(), ("done".to_owned(), what.to_owned()));
}

fn sign_in_with_password(browser: &Browser, page: &str) {
    browser.open(page);
    browser.fill("input[name=username]", "admin");
    browser.fill("input[name=password]", ADMIN_PASSWORD);
    browser.click("#with-password button");
}

fn sign_in_with_passkey(browser: &Browser, page: &str) {
    browser.open(page);
    browser.click("#with-passkey");
}

#[test]
fn a_passkey_is_registered_and_signs_in_and_a_copy_of_it_does_not() {
    let Some(browser) = Browser::start() else { return };
    let (world, page) = world();
    let authenticator = browser.plug_in();
    sign_in_with_password(&browser, &page);
    assert_done(&browser, "signed in as admin");
    browser.fill("input[name=name]", "chromium");
    browser.click("#add button");
    assert_done(&browser, "added chromium");
    let devices = world.admin.get("/api/v1/mfa/devices").expect(200);
    assert_eq!(column(&devices, "name"), ["chromium"]);
    assert_eq!(devices["items"][0]["discoverable"], true);
    let before = browser.credentials(&authenticator);
    assert_eq!(before.len(), 1);

    // Without user name and password; and as the second step after the password.
    sign_in_with_passkey(&browser, &page);
    assert_done(&browser, "signed in as admin");
    let picture = browser.screenshot();
    assert!(picture.starts_with(b"\x89PNG"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    std::fs::write(target.join("passkey-ceremony.png"), picture).unwrap();
    sign_in_with_password(&browser, &page);
    assert_done(&browser, "signed in as admin");
    let logins = json!({ "action": "auth.login", "outcome": "success" });
    let logins = world.admin.post("/api/v1/audit/query", &logins).expect(200);
    let by_passkey = |event: &Value| event["context"]["method"] == "webauthn";
    assert!(logins["items"].as_array().unwrap().iter().any(by_passkey), "{logins}");

    // Signing out ends the session on the server too.
    let sessions =
        || world.admin.get("/api/v1/auth/sessions").expect(200)["items"].as_array().unwrap().len();
    let before_it = sessions();
    browser.click("#sign-out");
    assert_done(&browser, "signed out");
    assert_eq!(sessions(), before_it - 1);

    // A user who is not recognised, then a copy that was made before: its counter lags behind.
    browser.recognise(&authenticator, false);
    sign_in_with_passkey(&browser, &page);
    assert_eq!(browser.outcome().0, "refused");
    browser.recognise(&authenticator, true);
    browser.replace(&authenticator, &before[0]);
    sign_in_with_passkey(&browser, &page);
    assert_eq!(browser.outcome().0, "refused");
    let cloned = world.admin.get("/api/v1/audit/events?action=mfa.passkey.cloned").expect(200);
    assert_eq!(text(&cloned["items"][0], "outcome"), "denied");
    let metrics = world.server.client().get("/metrics").text();
    for line in [
        "prov_mfa_passkeys_cloned_total 1",
        "prov_mfa_responses_total{method=\"webauthn\",outcome=\"rejected\"} ",
        "prov_refusals_total{code=\"mfa.factor_rejected\"} ",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[test]
fn the_password_field_masks_and_hinders_no_password_manager() {
    let world = World::new();
    let page = world.server.client().get("/passkeys").text();
    let field = page.split_once("name=\"password\"").unwrap().1.split_once('>').unwrap().0;
    assert!(field.contains("type=\"password\""), "{field}");
    assert!(field.contains("autocomplete=\"current-password\""), "{field}");
    for hindrance in ["readonly", "maxlength", "pattern", "onpaste", "autocomplete=\"off\""] {
        assert!(!field.contains(hindrance), "{field}");
    }
    assert!(!world.server.client().get("/passkeys.js").text().contains("paste"));
}

#[test]
fn the_page_may_load_nothing_from_elsewhere_and_runs_nothing_inline() {
    let world = World::new();
    let page = world.server.client().get("/passkeys");
    let policy = page.header("content-security-policy").unwrap();
    for rule in ["default-src 'none'", "script-src 'self'", "require-trusted-types-for 'script'"] {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    let html = page.text();
    assert!(!html.contains("style=") && !html.contains("onclick") && !html.contains("<style"));
    assert_eq!(html.matches("<script").count(), 1);
    let script = world.server.client().get("/passkeys.js").text();
    for sink in ["innerHTML", "localStorage", "sessionStorage", "eval(", "document.write"] {
        assert!(!script.contains(sink), "{sink}");
    }
}
