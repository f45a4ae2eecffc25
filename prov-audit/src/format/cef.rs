//! `ArcSight` Common Event Format, version 0.

use prov_core::audit::CATALOGUE;

use super::Record;

pub(super) fn event(record: &Record<'_>) -> String {
    let action = record.action();
    let meaning = CATALOGUE.iter().find(|info| info.name == action).map_or(action, |i| i.meaning);
    let severity = match record.outcome() {
        "denied" => "7",
        "failure" => "5",
        _ => "3",
    };
    let header = ["prov", "audit", env!("CARGO_PKG_VERSION"), action, meaning, severity];
    let mut text = "CEF:0".to_owned();
    for part in header {
        text.push('|');
        text.push_str(&part.replace('\\', "\\\\").replace('|', "\\|"));
    }
    text.push('|');
    let (millis, seq) = (record.millis().to_string(), record.seq.to_string());
    let id = record.leaf.as_ref().map(|leaf| leaf.id.to_string());
    let request = record.leaf.as_ref().map(|leaf| &leaf.request);
    // The escape of JSON means the same, and no receiver takes it for the end of a header.
    let raw = record.text.replace('|', "\\u007c");
    let fields = [
        ("rt", Some(millis.as_str())),
        ("externalId", id.as_deref()),
        ("act", Some(action)),
        ("outcome", Some(record.outcome())),
        ("suid", record.actor()),
        ("requestMethod", request.and_then(|request| request.method.as_deref())),
        ("request", request.and_then(|request| request.path.as_deref())),
        ("cs1Label", Some("origin")),
        ("cs1", Some(record.origin)),
        ("cn1Label", Some("seq")),
        ("cn1", Some(&seq)),
        ("cs2Label", Some("leafHash")),
        ("cs2", Some(&record.hash)),
        ("rawEvent", Some(raw.as_str())),
    ];
    let mut first = true;
    for (field, value) in fields {
        let Some(value) = value else { continue };
        text.push_str(if std::mem::take(&mut first) { "" } else { " " });
        text.extend([field, "=", &escaped(value)]);
    }
    text
}

/// In an extension a backslash and an equals sign are escaped. Control characters, which have an
/// escape in the raw event, and bars, at which receivers cut, become spaces.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('=', "\\=");
    value.replace(|c: char| c.is_control() || c == '|', " ")
}
