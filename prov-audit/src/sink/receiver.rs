use std::fmt::Debug;

use async_trait::async_trait;
use prov_core::Result;
use prov_core::audit::RetentionClass;

use crate::format::{Format, Writer};
use crate::log::ExportedLeaf;

/// Events of one log on their way out: a run without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// The name of the log.
    pub origin: String,
    /// Its class.
    pub class: RetentionClass,
    /// The events, at least one, in order.
    pub leaves: Vec<ExportedLeaf>,
}

impl Batch {
    /// These events of this log.
    #[must_use]
    pub fn new(origin: String, class: RetentionClass, leaves: Vec<ExportedLeaf>) -> Self {
        Self { origin, class, leaves }
    }

    /// The number of the first event.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.leaves.first().map_or(0, |leaf| leaf.seq)
    }

    /// The number behind the last event.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.leaves.last().map_or(0, |leaf| leaf.seq + 1)
    }

    /// All of them in a format, whole.
    #[must_use]
    pub fn text(&self, format: Format) -> String {
        let mut writer = self.writer(format);
        writer.write(&self.leaves) + &writer.end()
    }

    /// Each of them in a format, alone.
    pub fn records(&self, format: Format) -> impl Iterator<Item = String> {
        let writer = self.writer(format);
        self.leaves.iter().map(move |leaf| writer.record(leaf))
    }

    fn writer(&self, format: Format) -> Writer {
        Writer::new(format, self.origin.clone(), self.class)
    }
}

/// Whoever takes events: the other end of a sink.
#[async_trait]
pub trait Receiver: Debug + Send + 'static {
    /// What kind of receiver, for people.
    fn kind(&self) -> &'static str;

    /// Delivers a batch. `Ok` means that the receiver has confirmed all of it, as far as its protocol
    /// can; after an error the same events come again. The call may be dropped before it ends: the
    /// next one must start afresh.
    ///
    /// # Errors
    /// When the receiver is away, too slow, refuses, or answers what can't be understood. The detail
    /// is shown to administrators: no secrets.
    async fn deliver(&mut self, batch: &Batch) -> Result<()>;
}

#[async_trait]
impl Receiver for Box<dyn Receiver> {
    fn kind(&self) -> &'static str {
        (**self).kind()
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<()> {
        (**self).deliver(batch).await
    }
}
