//! RFC 5424, facility "log audit".

use super::Record;

/// Facility 13 (RFC 5424, section 6.2.1).
const LOG_AUDIT: u8 = 13;

/// The private enterprise number of examples (RFC 5612), which is used by everyone without one.
const STRUCTURE: &str = "prov@32473";

pub(super) fn message(record: &Record<'_>) -> String {
    // Warning, notice or informational.
    let severity = match record.outcome() {
        "denied" => 4,
        "failure" => 5,
        _ => 6,
    };
    let time = record.leaf.as_ref().map_or_else(|| "-".to_owned(), |leaf| micros(leaf.time));
    let host = name(record.origin.split('/').next().unwrap_or_default(), 255);
    let mut structure = format!("[{STRUCTURE}");
    let seq = record.seq.to_string();
    let fields = [
        ("origin", record.origin),
        ("seq", &seq),
        ("hash", &record.hash),
        ("outcome", record.outcome()),
        ("actor", record.actor().unwrap_or_default()),
    ];
    for (field, value) in fields {
        structure.extend([" ", field, "=\"", &escaped(value), "\""]);
    }
    let priority = LOG_AUDIT * 8 + severity;
    let message_id = name(record.action(), 32);
    // The leaf is JSON without line breaks; no byte order mark, so that it can be hashed as it is.
    format!("<{priority}>1 {time} {host} prov - {message_id} {structure}] {}", record.text)
}

/// Six digits of a second at most (RFC 5424, section 6.2.3).
fn micros(time: jiff::Timestamp) -> String {
    let micros = jiff::Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time);
    format!("{micros:.6}")
}

/// Printable ASCII, so many characters at most; `-` for nothing.
fn name(text: &str, longest: usize) -> String {
    let fit: String = text.chars().filter(char::is_ascii_graphic).take(longest).collect();
    if fit.is_empty() { "-".to_owned() } else { fit }
}

/// RFC 5424, section 6.3.3.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        if ['"', '\\', ']'].contains(&c) {
            text.push('\\');
        }
        // A line break would end the message where messages are lines.
        text.push(if c.is_control() { ' ' } else { c });
    }
    text
}
