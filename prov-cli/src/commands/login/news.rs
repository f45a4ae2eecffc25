//! What happened to an account since somebody last signed in to it from here.

use serde_json::Value;

use crate::commands::Session;
use crate::terminal;

/// More than this are not shown one by one.
const MOST: usize = 5;

/// Shows the notices that this account has not been shown here, oldest first. The newest is left out when
/// it is about this very sign-in, which was on a new device: `device_before` is what the device was
/// recognised by until then. Nothing here keeps anybody from having signed in.
pub(super) fn show(session: &Session, account: &str, device_before: Option<&str>) {
    let sessions = session.client.sessions();
    let Ok(list) = session.client.get("/api/v1/auth/notices") else { return };
    let items = list.get("items").and_then(Value::as_array);
    let all: Vec<&Value> = items.into_iter().flatten().collect();
    let mut shown = sessions.shown_notices();
    let until_now = shown.get(account).map_or("", String::as_str);
    let is_new_device = sessions.device().as_deref().map(String::as_str) != device_before;
    let is_this = all.first().is_some_and(|newest| text(newest, "kind") == "new_device");
    let unseen: Vec<_> = all
        .iter()
        .skip(usize::from(is_new_device && is_this))
        .take_while(|notice| text(notice, "id") > until_now)
        .collect();
    for notice in unseen.iter().take(MOST).rev() {
        session.done(&sentence(notice));
    }
    if unseen.len() > MOST {
        session.done(&format!("and {} more: prov auth notices", unseen.len() - MOST));
    }
    if !unseen.is_empty() {
        session.done(
            "was that not you? prov passwd, then prov auth session kill-all and prov auth device list",
        );
    }
    if let Some(newest) = all.first() {
        shown.insert(account.to_owned(), text(newest, "id").to_owned());
        sessions.keep_shown_notices(&shown);
    }
}

/// Others chose what stands in it: only what a terminal shows as it is.
fn sentence(notice: &Value) -> String {
    let from = match text(notice, "ip") {
        "" => String::new(),
        ip => format!(" from {ip}"),
    };
    let what = what(notice, &from);
    terminal::shown(&format!("{what}, at {}", text(notice, "at")))
}

/// What happened; `from` where, if that is known.
fn what(notice: &Value, from: &str) -> String {
    let named = |what: &str| format!("{what} `{}`", text(notice, "name"));
    let by = match text(notice, "by") {
        "administrator" => " by an administrator",
        _ => "",
    };
    let factor = match text(notice, "factor") {
        "totp" => "authenticator app",
        "webauthn" => "passkey",
        "backup_code" => "backup codes",
        other => other,
    };
    match text(notice, "kind") {
        "new_device" => {
            let device = match text(notice, "device") {
                "" => "an unnamed program",
                device => device,
            };
            format!("signed in on a new device: {device}{from}")
        }
        "password_changed" => format!("the password was changed{by}{from}"),
        "email_changed" => format!("the e-mail address was changed{by}"),
        "second_factor_added" => format!("a second factor was added: {}{from}", named(factor)),
        "second_factor_removed" => format!("a second factor was removed: {}{from}", named(factor)),
        "second_factors_reset" => format!("all second factors were removed{by}{from}"),
        "backup_codes_made" => format!("new backup codes were made{from}"),
        "account_locked" => "the account was locked".to_owned(),
        "account_unlocked" => "the account was unlocked".to_owned(),
        "api_token_made" => format!("{} was made{from}", named("the API token")),
        "api_token_renewed" => format!("{} got a new value{from}", named("the API token")),
        "api_token_ends" => {
            let until = text(notice, "ends_at");
            format!("{} ends at {until}: prov auth token rotate", named("the API token"))
        }
        "failed_attempts" => {
            let attempts = notice.get("attempts").and_then(Value::as_u64).unwrap_or_default();
            format!("at least {attempts} wrong passwords in a row, the last one{from}")
        }
        "second_factor_failed" => {
            format!("somebody failed at the second factor ({factor}) again and again{from}")
        }
        other => other.to_owned(),
    }
}

fn text<'a>(notice: &'a Value, field: &str) -> &'a str {
    notice.get(field).and_then(Value::as_str).unwrap_or_default()
}
