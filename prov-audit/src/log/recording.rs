//! Taking events down.

use async_trait::async_trait;
use prov_core::audit::{Event, Receipt, Recorder};
use prov_core::{PrincipalKind, Result};

use super::Log;
use crate::leaf::Leaf;
use crate::people::PersonalData;

#[async_trait]
impl Recorder for Log {
    async fn record(&self, event: Event) -> Result<Receipt> {
        let (id, class) = (event.id, event.retention_class());
        // What prov does by itself, such as revoking, must go on whatever is away.
        if event.actor.kind != PrincipalKind::System {
            self.sinks.admit(class, || self.options.clock.now())?;
        }
        let personal = PersonalData::of(&event);
        let (actor, time) = (event.actor.clone(), event.time);
        let mut begun = Begun { log: self, event: Some(event) };
        let sealed = self.vault.seal(&actor, time, &personal).await;
        // From here on the journal sees to it that what was begun is finished.
        let event = begun.event.take();
        let leaf = event.map(|event| Leaf::new(event, None));
        let (sealed, mut leaf) = (sealed?, leaf.ok_or(prov_core::codes::INTERNAL)?);
        leaf.subject = sealed;
        let seq = self.journals.of(class).append(leaf.to_bytes()?).await?;
        Ok(Receipt::new(id, seq))
    }
}

/// An event whose personal part is being sealed, for which the store may have to be asked. Whoever
/// stops waiting leaves it in the log all the same: a client that goes away must not take the event
/// of its request with it.
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
    /// Records without asking anybody for anything: where the key of the subject is not at hand, the
    /// personal part is left out, and the event says so.
    fn record_and_leave(&self, event: Event) -> Result<()> {
        let class = event.retention_class();
        let personal = PersonalData::of(&event);
        let sealed = self.vault.seal_at_hand(&event.actor, event.time, &personal)?;
        let left_out = sealed.is_none() && self.vault.seals(&event.actor, &personal);
        let event = if left_out { event.with("personal_part", "left out") } else { event };
        self.journals.of(class).append_and_leave(Leaf::new(event, sealed).to_bytes()?)
    }
}
