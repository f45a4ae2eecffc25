//! JSON lines, and what Splunk and `CloudWatch` make of them.

use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::Record;

/// The leaf stands in it byte for byte.
#[derive(Serialize)]
struct Line<'a> {
    origin: &'a str,
    log: &'a str,
    seq: u64,
    hash: &'a str,
    leaf: &'a RawValue,
}

pub(super) fn json(record: &Record<'_>) -> String {
    let line = Line {
        origin: record.origin,
        log: record.log(),
        seq: record.seq,
        hash: &record.hash,
        leaf: raw(record),
    };
    serde_json::to_string(&line).unwrap_or_default()
}

/// Leaves are JSON by construction; one that is not could not be read back either.
fn raw<'a>(record: &Record<'a>) -> &'a RawValue {
    serde_json::from_str::<&RawValue>(record.text).unwrap_or(RawValue::NULL)
}

#[derive(Serialize)]
struct Collected<'a> {
    /// Seconds with a fraction; the collector refuses milliseconds.
    time: f64,
    host: &'a str,
    source: &'a str,
    sourcetype: &'a str,
    event: &'a RawValue,
    fields: serde_json::Value,
}

/// An event for the HTTP event collector.
pub(super) fn splunk(record: &Record<'_>) -> String {
    let collected = Collected {
        #[expect(clippy::cast_precision_loss, reason = "exact for milliseconds of 285,000 years")]
        time: record.millis() as f64 / 1000.0,
        host: record.origin.split('/').next().unwrap_or_default(),
        source: record.origin,
        sourcetype: "prov:audit",
        event: raw(record),
        // Indexed fields are texts.
        fields: json!({
            "prov_origin": record.origin,
            "prov_seq": record.seq.to_string(),
            "prov_hash": record.hash,
            "action": record.action(),
            "outcome": record.outcome(),
        }),
    };
    serde_json::to_string(&collected).unwrap_or_default()
}

/// An event for `PutLogEvents`: its message is the JSON line.
pub(super) fn cloudwatch(record: &Record<'_>) -> String {
    json!({ "timestamp": record.millis(), "message": json(record) }).to_string()
}
