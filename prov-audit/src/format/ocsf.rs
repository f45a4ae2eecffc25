//! Open Cybersecurity Schema Framework 1.8: API Activity (6003) and Authentication (3002).

use serde_json::{Value, json};

use super::{Record, without_nulls};

pub(super) fn event(record: &Record<'_>) -> Value {
    let signs_in = ["auth.login", "auth.login.mfa", "auth.step_up"].contains(&record.action());
    if signs_in || record.action() == "auth.logout" {
        authentication(record, if signs_in { 1 } else { 2 })
    } else {
        api_activity(record)
    }
}

fn authentication(record: &Record<'_>, activity: u32) -> Value {
    let mut event = common(record, 3002, activity);
    let user = json!({ "uid": record.actor().unwrap_or("unknown"), "type_id": 1 });
    extend(&mut event, json!({ "user": user, "service": { "name": "prov" } }));
    without_nulls(event)
}

fn api_activity(record: &Record<'_>) -> Value {
    let last = record.action().rsplit('.').next().unwrap_or_default();
    let activity = match last {
        "create" | "enroll" | "generate" | "issue" | "sign" | "add" => 1,
        "query" | "export" | "verify" | "decision" | "decrypt" => 2,
        "update" | "set" | "change" | "rotate" | "renew" | "reload" | "lock" | "unlock" => 3,
        "delete" | "revoke" | "erase" | "disable" | "remove" => 4,
        _ => 99,
    };
    let mut event = common(record, 6003, activity);
    let leaf = record.leaf.as_ref();
    let request = leaf.map(|leaf| &leaf.request);
    let resource = leaf.and_then(|leaf| leaf.resource.as_ref());
    let resources = resource.map(|resource| json!([{ "uid": resource.id, "type": resource.kind }]));
    extend(
        &mut event,
        json!({
            "activity_name": (activity == 99).then(|| record.action()),
            "actor": { "user": { "uid": record.actor().unwrap_or("unknown"), "type_id": 1 } },
            "api": {
                "operation": record.action(),
                "service": { "name": "prov" },
                "request": request
                    .and_then(|request| request.id.as_ref())
                    .map(|id| json!({ "uid": id.to_string() })),
            },
            "http_request": request.and_then(|request| {
                let method = request.method.as_ref()?;
                let url = json!({ "path": request.path });
                Some(json!({ "http_method": method, "url": url }))
            }),
            "resources": resources,
            // The address is personal data and stays in the log.
            "src_endpoint": { "name": "sealed" },
        }),
    );
    without_nulls(event)
}

/// What every class has.
fn common(record: &Record<'_>, class: u32, activity: u32) -> Value {
    let (status, severity) = match record.outcome() {
        "success" => (1, 1),
        "denied" => (2, 3),
        "failure" => (2, 2),
        _ => (0, 0),
    };
    json!({
        "class_uid": class,
        "category_uid": class / 1000,
        "activity_id": activity,
        "type_uid": class * 100 + activity,
        "time": record.millis(),
        "severity_id": severity,
        "status_id": status,
        "status_detail": record.outcome(),
        "metadata": {
            "version": "1.8.0",
            "uid": record.leaf.as_ref().map(|leaf| leaf.id.to_string()),
            "sequence": record.seq,
            "log_name": record.origin,
            "event_code": record.action(),
            "product": {
                "name": "prov",
                "vendor_name": "prov",
                "version": env!("CARGO_PKG_VERSION"),
            },
        },
        "unmapped": {
            "origin": record.origin, "log": record.log(), "seq": record.seq, "hash": record.hash,
        },
        "raw_data": record.text,
    })
}

fn extend(event: &mut Value, with: Value) {
    if let (Value::Object(event), Value::Object(with)) = (event, with) {
        event.extend(with);
    }
}
