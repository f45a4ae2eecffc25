//! Events as other programs want to read them.
//!
//! Every record keeps the name of its log, its place in it and the hash of its leaf, and the leaf's
//! exact bytes as text, so that a copy can be held against the log: see [`reconcile`](mod@crate::reconcile).
//! Only what is no personal data leaves the log: names, addresses and user agents stay sealed.

mod cef;
mod csv;
mod ecs;
mod lines;
mod ocsf;
mod syslog;

use std::fmt;
use std::str::FromStr;

use prov_core::audit::RetentionClass;
use prov_core::{Error, Result, codes as core_codes};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::leaf::Leaf;
use crate::log::ExportedLeaf;

/// In which form events leave the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditExportFormat))]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// One JSON object on each line.
    #[default]
    Jsonl,
    /// One JSON array.
    Json,
    /// RFC 4180, with a head line.
    Csv,
    /// Splunk's HTTP event collector, one event on each line.
    Splunk,
    /// Elastic Common Schema 9, one document on each line.
    Ecs,
    /// RFC 5424, one message on each line.
    Syslog,
    /// What `PutLogEvents` of `CloudWatch` Logs takes, one event on each line.
    Cloudwatch,
    /// Open Cybersecurity Schema Framework 1.8, one event on each line.
    Ocsf,
    /// `ArcSight` Common Event Format, one event on each line.
    Cef,
}

/// Every format by its name.
const FORMATS: [(&str, Format); 9] = [
    ("jsonl", Format::Jsonl),
    ("json", Format::Json),
    ("csv", Format::Csv),
    ("splunk", Format::Splunk),
    ("ecs", Format::Ecs),
    ("syslog", Format::Syslog),
    ("cloudwatch", Format::Cloudwatch),
    ("ocsf", Format::Ocsf),
    ("cef", Format::Cef),
];

impl Format {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        FORMATS.iter().find(|(_, format)| *format == self).map_or("jsonl", |(name, _)| name)
    }

    /// Whether each event is a line of its own, so that events can be added at any time.
    #[must_use]
    pub fn is_lines(self) -> bool {
        !matches!(self, Self::Json | Self::Csv)
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Syslog | Self::Cef => "text/plain; charset=utf-8",
            _ => "application/jsonl",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = FORMATS.iter().find(|(name, _)| *name == text);
        known.map(|(_, format)| *format).ok_or_else(|| {
            let names = FORMATS.map(|(name, _)| name).join(", ");
            Error::new(core_codes::INVALID_REQUEST).field("format", format!("one of {names}"))
        })
    }
}

/// Writes the leaves of logs, one after the other.
///
/// ```
/// use prov_audit::format::{Format, Writer};
/// use prov_core::audit::RetentionClass;
/// let mut writer = Writer::new(Format::Json, "prov.example/audit/standard", RetentionClass::Standard);
/// assert_eq!(writer.end(), "[]\n");
/// ```
#[derive(Debug, Clone)]
pub struct Writer {
    format: Format,
    origin: String,
    class: RetentionClass,
    started: bool,
}

/// One record on its way out.
pub(crate) struct Record<'a> {
    pub(crate) origin: &'a str,
    pub(crate) class: RetentionClass,
    pub(crate) seq: u64,
    pub(crate) hash: String,
    /// The leaf's bytes: UTF-8 by construction.
    pub(crate) text: &'a str,
    /// What it says; `None` when this version can't read it.
    pub(crate) leaf: Option<Leaf<'a>>,
}

impl Writer {
    /// A writer of the log with this name.
    #[must_use]
    pub fn new(format: Format, origin: impl Into<String>, class: RetentionClass) -> Self {
        Self { format, origin: origin.into(), class, started: false }
    }

    /// Goes on with the leaves of another log.
    pub fn turn_to(&mut self, origin: impl Into<String>, class: RetentionClass) {
        (self.origin, self.class) = (origin.into(), class);
    }

    /// The next leaves.
    pub fn write(&mut self, leaves: &[ExportedLeaf]) -> String {
        let mut text = String::new();
        for leaf in leaves {
            let first = !std::mem::replace(&mut self.started, true);
            match (self.format, first) {
                (Format::Json, true) => text.push('['),
                (Format::Json, false) => text.push_str(",\n"),
                (Format::Csv, true) => text.push_str(csv::HEAD),
                _ => {}
            }
            text.push_str(&self.record(leaf));
            text.push_str(match self.format {
                Format::Json => "",
                Format::Csv => "\r\n",
                _ => "\n",
            });
        }
        text
    }

    /// One leaf alone, without what stands between it and others.
    #[must_use]
    pub fn record(&self, exported: &ExportedLeaf) -> String {
        let record = Record {
            origin: &self.origin,
            class: self.class,
            seq: exported.seq,
            hash: hex::encode(exported.hash),
            text: std::str::from_utf8(&exported.leaf).unwrap_or_default(),
            leaf: Leaf::read(&exported.leaf),
        };
        match self.format {
            Format::Jsonl | Format::Json => lines::json(&record),
            Format::Csv => csv::line(&record),
            Format::Splunk => lines::splunk(&record),
            Format::Cloudwatch => lines::cloudwatch(&record),
            Format::Ecs => ecs::document(&record).to_string(),
            Format::Ocsf => ocsf::event(&record).to_string(),
            Format::Syslog => syslog::message(&record),
            Format::Cef => cef::event(&record),
        }
    }

    /// What stands behind the last one.
    #[must_use]
    pub fn end(&mut self) -> String {
        match (self.format, self.started) {
            (Format::Json, true) => "]\n".to_owned(),
            (Format::Json, false) => "[]\n".to_owned(),
            (Format::Csv, false) => csv::HEAD.to_owned(),
            _ => String::new(),
        }
    }
}

impl Record<'_> {
    /// The log's class, as the API names it.
    pub(crate) fn log(&self) -> &'static str {
        crate::log::api_name(self.class)
    }

    /// When it happened, in milliseconds of the Unix epoch.
    fn millis(&self) -> i64 {
        self.leaf.as_ref().map_or(0, |leaf| leaf.time.as_millisecond())
    }

    fn action(&self) -> &str {
        self.leaf.as_ref().map_or("unknown", |leaf| &*leaf.action)
    }

    fn outcome(&self) -> &'static str {
        self.leaf.as_ref().map_or("unknown", |leaf| leaf.outcome.as_str())
    }

    /// The account's id, a pseudonym.
    fn actor(&self) -> Option<&str> {
        self.leaf.as_ref()?.actor.id.as_deref()
    }
}

/// Takes members without a value out of an object, and out of the objects in it.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, without_nulls(value)))
                .filter(|(_, value)| value.as_object().is_none_or(|object| !object.is_empty()))
                .collect(),
        ),
        other => other,
    }
}
