use jiff::Timestamp;
use serde::Serialize;

use super::OnFailure;

/// How a sink is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditSink))]
#[non_exhaustive]
pub struct SinkStatus {
    /// Its name.
    pub name: String,
    /// What it delivers to.
    pub kind: String,
    /// How it is.
    pub state: SinkState,
    /// How many events of all logs it has not delivered.
    pub behind: u64,
    /// Where it is in each log.
    pub logs: Vec<SinkLog>,
    /// How many events it delivered since the start.
    pub delivered: u64,
    /// How many events it left out since the start, each time with an event that says so.
    pub left_out: u64,
    /// How many deliveries failed since the last that did not.
    pub failures: u64,
    /// When a delivery was confirmed last, since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>, format = "date-time"))]
    pub last_delivered: Option<Timestamp>,
    /// Why the last delivery failed, while it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When it is tried again, while it fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>, format = "date-time"))]
    pub retry_at: Option<Timestamp>,
}

/// Where a sink is in one log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditSinkLog))]
#[non_exhaustive]
pub struct SinkLog {
    /// Which log: `standard` or `break_glass`.
    pub log: String,
    /// What happens to its events while the sink fails.
    pub on_failure: OnFailure,
    /// The number of the next event it delivers.
    pub next: u64,
    /// How many events it has not delivered.
    pub behind: u64,
    /// When the oldest event happened that is being delivered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>, format = "date-time"))]
    pub oldest: Option<Timestamp>,
}

/// How a sink is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditSinkState))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SinkState {
    /// Nobody runs it.
    Stopped,
    /// The last delivery was confirmed, or none was tried yet.
    Up,
    /// The last delivery failed.
    Failing,
}
