//! What nodes tell each other through the store.

use std::time::Duration;

use jiff::Timestamp;
use prov_core::store::Entity;
use serde::{Deserialize, Serialize};

/// What a node says of a log of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announced {
    /// The log's name.
    pub(super) log: String,
    /// The key that verifies it.
    pub(super) key: String,
    /// Its newest checkpoint: a signed note.
    pub(super) checkpoint: String,
    /// The signed statement of how far it is pruned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pruned: Option<String>,
    /// When this was said, by the node's clock.
    pub(super) at: Timestamp,
}

impl Entity for Announced {
    const KIND: &'static str = "audit.joined_log";

    fn id(&self) -> String {
        self.log.clone()
    }
}

/// Up to 256 records of a log, which somebody lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartRecord {
    pub(super) log: String,
    /// Its first record is 256 times this.
    pub(super) index: u64,
    /// The checkpoint at its end: a signed note.
    pub(super) checkpoint: String,
    /// That the records are those the checkpoint speaks of (base64).
    pub(super) proof: Vec<String>,
    /// Where segments of the log begin in it.
    pub(super) segments: Vec<u64>,
    /// Whether it is the hashes of records that were pruned.
    pub(super) pruned: bool,
    /// An entry bundle or hash tile (C2SP tlog-tiles), packed with zstd, base64.
    pub(super) bytes: String,
}

impl PartRecord {
    /// The id of a part of a log. No log has a plus sign in its name.
    pub(super) fn id_of(log: &str, index: u64) -> String {
        format!("{log}+{index:020}")
    }
}

impl Entity for PartRecord {
    const KIND: &'static str = "audit.joined_part";

    fn id(&self) -> String {
        Self::id_of(&self.log, self.index)
    }
}

/// How long a node that says nothing is waited for.
const MISSED_FOR: Duration = Duration::from_hours(30 * 24);

/// How far a node has taken in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Follower {
    pub(super) log: String,
    /// The origin of the node's own logs.
    pub(super) by: String,
    /// The number of the record that it needs next.
    pub(super) next: u64,
    pub(super) at: Timestamp,
}

impl Entity for Follower {
    const KIND: &'static str = "audit.joined_follower";

    fn id(&self) -> String {
        format!("{}+{}", self.log, self.by)
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.at.checked_add(MISSED_FOR).ok()
    }
}
