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
    let unseen: Vec<_> = all
        .iter()
        .skip(usize::from(is_new_device))
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
    let (device, ip, at) = (text(notice, "device"), text(notice, "ip"), text(notice, "at"));
    let device = if device.is_empty() { "an unnamed program" } else { device };
    let from = if ip.is_empty() { String::new() } else { format!(" from {ip}") };
    let what = match text(notice, "kind") {
        "new_device" => format!("signed in on a new device: {device}{from}, at {at}"),
        other => format!("{other}, at {at}"),
    };
    terminal::shown(&what)
}

fn text<'a>(notice: &'a Value, field: &str) -> &'a str {
    notice.get(field).and_then(Value::as_str).unwrap_or_default()
}
