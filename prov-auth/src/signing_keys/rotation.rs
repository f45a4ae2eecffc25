//! From pending to active to retired.

use std::time::Duration;

use prov_core::store::{Batch, Entity, Expect, Stored};
use prov_core::{Error, Result, Timestamp, codes as core_codes};

use super::record::{KeyRecord, KeySetRecord};
use super::{KeyState, RotatedKeys, Rotation, SigningKeys};
use crate::codes;
use crate::snapshot::Snapshot as _;

impl SigningKeys {
    /// Makes the pending key active, retires the active one and publishes a new pending one, at once on
    /// this node and durably. The caller records the event.
    ///
    /// # Errors
    /// [`codes::SIGNING_KEY_UNPUBLISHED`] when [`Rotation::Published`] is asked for too early, with the
    /// time to wait; [`core_codes::CONFLICT`] when another rotation was faster: it is not done twice.
    pub async fn rotate(&self, rotation: Rotation) -> Result<RotatedKeys> {
        let (set, active, pending) = self.current().await?;
        let rest = self.unpublished_for(pending.created_at);
        if rotation == Rotation::Published && !rest.is_zero() {
            return Err(Error::new(codes::SIGNING_KEY_UNPUBLISHED).retry_after(rest));
        }
        self.replace(set, active, pending).await
    }

    /// Rotates if it is time: the active key has signed for as long as the options say, and the pending
    /// one has been published long enough. A key that the configuration brought stays, whoever gave it
    /// gives the next. The caller records the event.
    ///
    /// # Errors
    /// When the store can't be read or written. It is none that another node was faster.
    pub async fn rotate_if_due(&self) -> Result<Option<RotatedKeys>> {
        if !self.seems_due() {
            return Ok(None);
        }
        let (set, active, pending) = self.current().await?;
        let imported = set.imported.as_ref() == Some(&active.id);
        let signs_since = active.activated_at.unwrap_or(active.created_at);
        if imported
            || !self.is_old_enough(signs_since)
            || !self.unpublished_for(pending.created_at).is_zero()
        {
            return Ok(None);
        }
        match self.replace(set, active, pending).await {
            Err(error) if error.is(core_codes::CONFLICT) => Ok(None),
            rotated => rotated.map(Some),
        }
    }

    /// Whether it is time to rotate, as far as memory knows: asks no store.
    fn seems_due(&self) -> bool {
        let keys = self.keys();
        let of = |state| keys.iter().find(move |key| key.state == state);
        let active = of(KeyState::Active).map(|key| key.activated_at.unwrap_or(key.created_at));
        let pending = of(KeyState::Pending).map(|key| key.created_at);
        active.is_some_and(|since| self.is_old_enough(since))
            && pending.is_some_and(|since| self.unpublished_for(since).is_zero())
    }

    fn is_old_enough(&self, signs_since: Timestamp) -> bool {
        self.options.rotate_every.is_some_and(|every| self.age(signs_since) >= every)
    }

    /// How much longer a key must be published before it may sign.
    fn unpublished_for(&self, published: Timestamp) -> Duration {
        self.options.publication.saturating_sub(self.age(published))
    }

    /// A negative age (the clock went back) counts as none.
    fn age(&self, since: Timestamp) -> Duration {
        Duration::try_from(self.clock.now().duration_since(since)).unwrap_or_default()
    }

    async fn replace(
        &self,
        set: Stored<KeySetRecord>,
        active: Stored<KeyRecord>,
        pending: Stored<KeyRecord>,
    ) -> Result<RotatedKeys> {
        let now = self.clock.now();
        let next = KeyRecord::of(&self.generated().await?, now)?;
        let rotated = RotatedKeys {
            active: pending.id.clone(),
            retired: active.id.clone(),
            pending: next.id.clone(),
        };
        let retired = active.entity.retired(now, self.options.retention)?;
        let activated = KeyRecord { activated_at: Some(now), ..pending.entity };
        let names = KeySetRecord {
            active: rotated.active.clone(),
            pending: rotated.pending.clone(),
            imported: set.entity.imported,
        };
        let batch = Batch::new()
            .with(retired.put(Expect::Version(active.version))?)
            .with(activated.put(Expect::Version(pending.version))?)
            .with(next.put(Expect::Absent)?)
            .with(names.put(Expect::Version(set.version))?);
        self.store.commit(batch).await?;
        self.reload().await?;
        Ok(rotated)
    }
}
