//! Recorded decisions, made again: by the set in force, or by a draft of the next one.

mod rebuild;
mod simulation;

use std::fmt::Debug;
use std::net::IpAddr;

use async_trait::async_trait;
use prov_core::audit::DecisionRecord;
use prov_core::{Result, Timestamp};
pub(crate) use rebuild::Rebuilt;
pub use simulation::{DifferingDecision, PolicyShare, Simulation};
pub(crate) use simulation::{Earlier, compare};

/// A decision as the audit log has it, with what the log keeps sealed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RecordedDecision {
    /// The decision, and what was asked.
    pub record: DecisionRecord,
    /// Who acted: the id of the event's actor.
    pub actor: Option<String>,
    /// The name of that actor.
    pub name: Option<String>,
    /// The client's address.
    pub address: Option<IpAddr>,
}

impl RecordedDecision {
    /// A record without name and address.
    #[must_use]
    pub const fn new(record: DecisionRecord) -> Self {
        Self { record, actor: None, name: None, address: None }
    }

    /// Of this actor, by id and name.
    #[must_use]
    pub fn by(mut self, id: Option<String>, name: Option<String>) -> Self {
        (self.actor, self.name) = (id, name);
        self
    }

    /// From this address.
    #[must_use]
    pub const fn from_address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }
}

/// From when to when, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a span of time has two ends")]
pub struct Window {
    /// The earliest moment.
    pub from: Timestamp,
    /// The latest.
    pub to: Timestamp,
}

/// A part of the decisions of a window, newest first.
#[derive(Debug, Clone, Default)]
#[expect(clippy::exhaustive_structs, reason = "made by whoever offers the records")]
pub struct RecordedPage {
    /// The decisions.
    pub items: Vec<RecordedDecision>,
    /// Where the next part starts; absent at the end.
    pub next: Option<String>,
}

/// Where recorded decisions are read from. Contract: every decision of the window that was recorded
/// with what was asked is in some page (it may stand there more than once); a page holds at most a
/// thousand.
#[async_trait]
pub trait RecordedDecisions: Debug + Send + Sync + 'static {
    /// The decisions of a window; `cursor` is an earlier page's `next`.
    ///
    /// # Errors
    /// When they can't be read.
    async fn recorded(&self, window: Window, cursor: Option<&str>) -> Result<RecordedPage>;
}
