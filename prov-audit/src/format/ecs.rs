//! Elastic Common Schema 9.

use serde_json::{Value, json};

use super::{Record, without_nulls};

pub(super) fn document(record: &Record<'_>) -> Value {
    let leaf = record.leaf.as_ref();
    let (category, kinds) = category(record.action(), record.outcome());
    let request = leaf.map(|leaf| &leaf.request);
    let resource = leaf.and_then(|leaf| leaf.resource.as_ref());
    without_nulls(json!({
        "@timestamp": leaf.map(|leaf| leaf.time.to_string()),
        "ecs": { "version": "9.4.0" },
        "event": {
            "id": leaf.map(|leaf| leaf.id.to_string()),
            "kind": "event",
            "module": "prov",
            "dataset": "prov.audit",
            "provider": "prov",
            "action": record.action(),
            "category": [category],
            "type": kinds,
            // The schema knows no third outcome.
            "outcome": match record.outcome() {
                "success" => "success",
                "unknown" => "unknown",
                _ => "failure",
            },
            "sequence": record.seq,
            "hash": record.hash,
            "original": record.text,
        },
        "user": { "id": record.actor() },
        "http": { "request": {
            "id": request.and_then(|request| request.id.as_ref()).map(ToString::to_string),
            "method": request.and_then(|request| request.method.as_deref()),
        } },
        "url": { "path": request.and_then(|request| request.path.as_deref()) },
        "observer": { "vendor": "prov", "product": "prov", "name": record.origin },
        "labels": {
            "log": record.log(),
            "outcome": record.outcome(),
            "resource_type": resource.map(|resource| resource.kind.as_str()),
            "resource_id": resource.map(|resource| resource.id.as_str()),
        },
    }))
}

/// The schema's words for an action; types are those the category allows.
fn category(action: &str, outcome: &str) -> (&'static str, Vec<&'static str>) {
    let area = action.split('.').next().unwrap_or_default();
    let last = action.rsplit('.').next().unwrap_or_default();
    let change = match last {
        "create" | "enroll" | "generate" => "creation",
        "delete" | "disable" | "erase" => "deletion",
        _ => "change",
    };
    match area {
        "auth" => match last {
            "login" | "mfa" | "step_up" => ("authentication", vec!["start"]),
            "logout" => ("authentication", vec!["end"]),
            _ => ("authentication", vec!["info"]),
        },
        "user" | "mfa" => ("iam", vec!["user", change]),
        "team" => ("iam", vec!["group", change]),
        "server" => ("configuration", vec!["info"]),
        _ if outcome == "denied" => ("api", vec!["denied"]),
        _ => ("api", vec!["access"]),
    }
}
