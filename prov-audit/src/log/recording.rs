//! Taking events down.

use std::pin::Pin;

use prov_core::audit::{Event, Receipt, Recorder, RetentionClass};
use prov_core::{PrincipalKind, Result};
use uuid::Uuid;

use super::Log;
use crate::leaf::Leaf;
use crate::people::PersonalData;

impl Recorder for Log {
    // As `async_trait` has it; what can be done at once is done before anything is put in a box.
    fn record<'life0, 'async_trait>(
        &'life0 self,
        event: Event,
    ) -> Pin<Box<dyn Future<Output = Result<Receipt>> + Send + 'async_trait>>
    where
        'life0: 'async_trait,
        Self: 'async_trait,
    {
        match self.bytes_at_once(&event) {
            Ok(Some(bytes)) => Box::pin(self.append(event.id, event.retention_class(), bytes)),
            Ok(None) => Box::pin(self.record_by_the_store(event)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

/// An event whose personal part is being sealed, for which the store has to be asked. Whoever stops
/// waiting leaves it in the log all the same: a client that goes away must not take the event of its
/// request with it.
struct Begun<'a> {
    log: &'a Log,
    event: Option<Event>,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(event) = self.event.take()
            && let Err(error) = self.log.record_and_leave(event)
        {
            tracing::error!(?error, "an event nobody waited for could not be recorded");
        }
    }
}

impl Log {
    /// The leaf of an event; `None` when the store must be asked for the key that seals it.
    fn bytes_at_once(&self, event: &Event) -> Result<Option<Vec<u8>>> {
        // What prov does by itself, such as revoking, must go on whatever is away.
        if event.actor.kind != PrincipalKind::System {
            self.sinks.admit(event.retention_class(), || self.options.clock.now())?;
        }
        let personal = PersonalData::of(event);
        if !self.vault.seals(&event.actor, &personal) {
            return Leaf::of(event, None).to_bytes().map(Some);
        }
        match self.vault.seal_at_once(&event.actor, event.time, &personal)? {
            Some(sealed) => Leaf::of(event, Some(&sealed)).to_bytes().map(Some),
            None => Ok(None),
        }
    }

    async fn append(&self, id: Uuid, class: RetentionClass, leaf: Vec<u8>) -> Result<Receipt> {
        let seq = self.journals.of(class).append(leaf).await?;
        Ok(Receipt::new(id, seq))
    }

    async fn record_by_the_store(&self, event: Event) -> Result<Receipt> {
        let mut begun = Begun { log: self, event: Some(event) };
        let sealed = match &begun.event {
            Some(event) => {
                self.vault.seal(&event.actor, event.time, &PersonalData::of(event)).await
            }
            None => Ok(None),
        };
        // From here on the journal sees to it that what was begun is finished.
        let event = begun.event.take().ok_or(prov_core::codes::INTERNAL)?;
        let leaf = Leaf::of(&event, sealed?.as_deref()).to_bytes()?;
        self.append(event.id, event.retention_class(), leaf).await
    }

    /// Records without asking anybody for anything: where the key of the subject is not at hand, the
    /// personal part is left out, and the event says so.
    fn record_and_leave(&self, event: Event) -> Result<()> {
        let class = event.retention_class();
        let personal = PersonalData::of(&event);
        let sealed = self.vault.seal_at_hand(&event.actor, event.time, &personal)?;
        let left_out = sealed.is_none() && self.vault.seals(&event.actor, &personal);
        let event = if left_out { event.with("personal_part", "left out") } else { event };
        let leaf = Leaf::of(&event, sealed.as_deref()).to_bytes()?;
        self.journals.of(class).append_and_leave(leaf)
    }
}
