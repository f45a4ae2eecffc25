//! How long events are kept, what may not be pruned, and where a copy goes first.
//!
//! A log is pruned from its start, whole segments at a time. What stays is the stub: every hash tile,
//! so that every proof still holds, and a statement, signed with the log's key, of how far the log
//! was pruned. A segment that is missing without such a statement is damage.

mod archive;
mod hold;
mod terms;

pub use archive::{Archive, ArchiveReport, verify_archive, verify_archive_in};
pub(crate) use archive::{FolderArchive, Packed};
pub(crate) use hold::MOST as MOST_HOLDS;
pub use hold::{Hold, NewHold};
pub use terms::Retention;
pub(crate) use terms::StoredRetention;

use serde::Serialize;

/// What pruning a class came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pruned {
    /// The class, as the API names it.
    pub log: String,
    /// The number of the oldest event before.
    pub from: u64,
    /// The number of the oldest event now.
    pub to: u64,
    /// What kept it from going further.
    pub until: PruneEnd,
}

/// What kept pruning from going further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum PruneEnd {
    /// What follows is not old enough, or is still written to.
    Age,
    /// A hold, by its id.
    Hold(String),
    /// A sink has not got what follows, and must get everything.
    Sink,
}
