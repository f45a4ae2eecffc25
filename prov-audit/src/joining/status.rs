use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

/// How far a node has a log: one of its own, or its mirror of another's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditJoinedLog))]
#[non_exhaustive]
pub struct JoinedLog {
    /// The log's name.
    pub origin: String,
    /// Its retention class: `standard` or `break_glass`.
    pub log: String,
    /// Whether this node writes it.
    pub own: bool,
    /// The public key that verifies it, kept since it was first seen.
    pub verifier_key: String,
    /// The public key for ML-DSA-44 that it must be signed with too: of a log of another node where that is
    /// stated here, of an own one where it signs so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ml_dsa_44_key: Option<String>,
    /// How many events of it are here, verified; those that were pruned included.
    pub size: u64,
    /// How many of them were pruned.
    pub pruned: u64,
    /// How many events the log says it has.
    pub published: u64,
    /// How many of them are not here yet.
    pub behind: u64,
    /// When its node last said something, by that node's clock; none before the first time since the start.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>, format = "date-time"))]
    pub time: Option<Timestamp>,
    /// The directory of the files, below that of the audit log.
    pub directory: String,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm: Option<JoinAlarm>,
}

/// Something about a joined log that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditJoinAlarm))]
#[non_exhaustive]
pub struct JoinAlarm {
    /// What.
    pub kind: JoinAlarmKind,
    /// Since when this node knows.
    #[cfg_attr(feature = "axum", schema(value_type = String, format = "date-time"))]
    pub since: Timestamp,
    /// In words.
    pub detail: String,
    /// The signed checkpoint that does not fit: evidence against whoever has the log's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<String>,
}

/// What is wrong with a joined log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditJoinAlarmKind))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JoinAlarmKind {
    /// Something is not signed with the log's key, or not with the one for ML-DSA-44 that was stated.
    Forged,
    /// The log shows itself under another key than before.
    KeyChanged,
    /// The log is none of those whose keys were given.
    UnknownKey,
    /// Records are not those that were signed.
    BadLeaf,
    /// What was signed does not continue what was signed before: there are two logs of this name.
    Fork,
    /// The log says that it has fewer events than it had.
    RolledBack,
    /// Events that the log has are not to be had.
    Gap,
    /// The log shows itself no longer.
    Withdrawn,
    /// The log pruned events that must still be kept; they are kept here.
    PrunedEarly,
    /// The files of the mirror are damaged.
    Damaged,
    /// Somebody else publishes under the name of this node's own log.
    SameName,
}

impl JoinAlarmKind {
    /// Every one.
    pub const ALL: [Self; 11] = [
        Self::Forged,
        Self::KeyChanged,
        Self::UnknownKey,
        Self::BadLeaf,
        Self::Fork,
        Self::RolledBack,
        Self::Gap,
        Self::Withdrawn,
        Self::PrunedEarly,
        Self::Damaged,
        Self::SameName,
    ];

    /// Its name in events and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forged => "forged",
            Self::KeyChanged => "key_changed",
            Self::UnknownKey => "unknown_key",
            Self::BadLeaf => "bad_leaf",
            Self::Fork => "fork",
            Self::RolledBack => "rolled_back",
            Self::Gap => "gap",
            Self::Withdrawn => "withdrawn",
            Self::PrunedEarly => "pruned_early",
            Self::Damaged => "damaged",
            Self::SameName => "same_name",
        }
    }
}

impl fmt::Display for JoinAlarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
