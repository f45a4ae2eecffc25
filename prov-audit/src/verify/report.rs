use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::anchors::Anchor;
use crate::witness::Cosigned;

/// What verifying a log found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "axum", schema(as = AuditVerification))]
#[non_exhaustive]
pub struct Report {
    /// The name of the log.
    pub origin: String,
    /// Whether everything is as it was written.
    pub intact: bool,
    /// How many records were read and found whole.
    pub records: u64,
    /// How many were pruned before them: their hashes were read, and lead to every root that was signed.
    #[serde(default)]
    pub pruned: u64,
    /// How many the newest checkpoint vouches for.
    pub signed_size: u64,
    /// The root it vouches for, hexadecimal.
    pub root: String,
    /// How many checkpoints were verified.
    pub checkpoints: usize,
    /// Whole records behind the newest checkpoint: no signature protects them yet.
    pub unsigned_records: u64,
    /// How many the newest checkpoint vouches for that witnesses cosigned; none without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cosigned_size: Option<u64>,
    /// The witnesses of the verifier's policy that cosigned it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnessed: Vec<Cosigned>,
    /// The time stamps that hold, of the authorities that the verifier believes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anchors: Vec<Anchor>,
    /// Whether the last group was torn by a crash; none of it was ever acknowledged.
    pub torn_tail: bool,
    /// The first record that is not as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_bad: Option<Finding>,
    /// Everything that is wrong, at most a hundred findings.
    pub findings: Vec<Finding>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "axum", schema(as = AuditFinding))]
#[non_exhaustive]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// The record it begins with, if it is about records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// That record's event, if its id can still be read anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "axum", schema(value_type = Option<String>, format = "uuid"))]
    pub event: Option<Uuid>,
    /// In words.
    pub detail: String,
}

/// What kind of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// A record in a segment.
    Record,
    /// A segment is missing, or is not one of this log.
    Segment,
    /// A hash tile.
    Tile,
    /// An entry bundle.
    Bundle,
    /// A checkpoint, or the list of them.
    Checkpoint,
    /// The root of the records is not the one that was signed.
    Root,
    /// The statement of how far the log is pruned.
    Pruned,
    /// The checkpoint that witnesses cosigned, or a witness that the policy wants.
    Witness,
    /// A checkpoint that was time-stamped, or its time stamp.
    Anchor,
    /// The key beside the log.
    Key,
    /// A file that does not belong to the log.
    Foreign,
}

impl Finding {
    pub(super) fn new(
        kind: FindingKind,
        seq: Option<u64>,
        event: Option<Uuid>,
        detail: String,
    ) -> Self {
        Self { kind, seq, event, detail }
    }
}
