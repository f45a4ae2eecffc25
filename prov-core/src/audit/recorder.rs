//! The port that makes events durable.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use uuid::Uuid;

use super::Event;
use crate::{RequestFacts, Result};

/// Proof that an event is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The event's id.
    pub id: Uuid,
    /// Its place in its log, from 0.
    pub seq: u64,
}

impl Receipt {
    /// A receipt.
    #[must_use]
    pub const fn new(id: Uuid, seq: u64) -> Self {
        Self { id, seq }
    }
}

/// Takes events down. Contract: when `record` returns `Ok`, the event survives `kill -9` a
/// microsecond later; events recorded one after the other by one caller stand in that order; an
/// error means that what was to be recorded must not be acknowledged.
#[async_trait]
pub trait Recorder: Debug + Send + Sync + 'static {
    /// Makes the event durable.
    ///
    /// # Errors
    /// When it can't: the disk is full, the log is closed or damaged. The caller then refuses.
    async fn record(&self, event: Event) -> Result<Receipt>;
}

impl<R: Recorder + ?Sized> Recorder for Arc<R> {
    // As `async_trait` has it, without a second box around the first.
    fn record<'life0, 'async_trait>(
        &'life0 self,
        event: Event,
    ) -> Pin<Box<dyn Future<Output = Result<Receipt>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        (**self).record(event)
    }
}

/// Convenience over every [`Recorder`].
#[async_trait]
pub trait RecorderExt: Recorder {
    /// Records an event as part of a request and notes in its facts that it left one, so that the
    /// audit layer need not write another.
    ///
    /// # Errors
    /// As [`Recorder::record`].
    async fn record_in(&self, request: &RequestFacts, event: Event) -> Result<Receipt> {
        let receipt = self.record(event.in_request(request)).await?;
        request.mark_recorded();
        Ok(receipt)
    }
}

impl<R: Recorder + ?Sized> RecorderExt for R {}

/// Keeps events in memory, for tests: nothing survives the process.
#[derive(Debug, Clone, Default)]
pub struct MemoryRecorder(Arc<Mutex<Vec<Event>>>);

impl MemoryRecorder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was recorded so far, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.0.lock().clone()
    }
}

#[async_trait]
impl Recorder for MemoryRecorder {
    async fn record(&self, event: Event) -> Result<Receipt> {
        let mut events = self.0.lock();
        let receipt = Receipt::new(event.id, events.len() as u64);
        events.push(event);
        Ok(receipt)
    }
}
