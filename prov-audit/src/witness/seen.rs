//! What a witness remembers of a log.

use prov_core::store::Entity;
use serde::{Deserialize, Serialize};

use aws_lc_rs::digest::{SHA256, digest};

/// The largest checkpoint of a log that was cosigned.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Seen {
    /// The witness: one store may serve several.
    pub(super) witness: String,
    /// The log.
    pub(super) origin: String,
    /// How many events it had.
    pub(super) size: u64,
    /// The root over them, hexadecimal.
    pub(super) root: String,
    /// The signed note, with the signatures of the log and of the witness.
    pub(super) note: String,
}

impl Seen {
    /// The id of what this witness has seen of a log, of which only the hash is known.
    pub(super) fn id_of(witness: &str, origin_hash: &str) -> String {
        format!("{witness}/{origin_hash}")
    }
}

impl Entity for Seen {
    const KIND: &'static str = "audit.witness_seen";

    fn id(&self) -> String {
        Self::id_of(&self.witness, &origin_hash(&self.origin))
    }
}

/// SHA-256 of a log's name, hexadecimal (C2SP tlog-witness, monitor retrieval).
pub(super) fn origin_hash(origin: &str) -> String {
    hex::encode(digest(&SHA256, origin.as_bytes()))
}
