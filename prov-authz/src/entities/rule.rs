//! What a request may say about a resource.

use serde::{Deserialize, Serialize};

/// What is decided about resources that are not in the inventory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum InventoryPolicy {
    /// The asker describes them: attributes and parents are the asker's claim, held against the
    /// schema only. **Limit**: a resource that nobody entered is whatever the asker says it is, so
    /// the asker must be a service that knows, and take nothing from its own client. What the
    /// inventory knows of the claimed *parents* counts all the same.
    #[default]
    Open,
    /// Nothing: they are refused. Parts of prov's own API (`Api`) are always known.
    Closed,
}

/// What becomes of a request that says something about a known resource which the inventory knows
/// to be otherwise. In neither case does what was said decide anything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "a third would be to believe it")]
pub enum Contradiction {
    /// The request is refused; the field is named.
    #[default]
    Refused,
    /// What it says is dropped, and what is known decides.
    Dropped,
}
