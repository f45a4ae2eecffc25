//! Recognising devices, and telling users of new ones.

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, Scan, StoreExt, Stored};
use prov_core::{
    Error, News, RequestFacts, Result, SecretText, SecurityContext, UserId, codes as core_codes,
};

use super::AuthService;
use super::events::account;
use super::own_account::own_id;
use super::user_changes::RACES;
use crate::device::{DeviceRecord, fresh};
use crate::refresh::later;
use crate::{Device, DeviceId, User};

/// Devices of one user that are remembered; one more pushes out the one that was used least recently.
const MOST: usize = 50;
/// People who are recognised on one browser when somebody new signs in on it.
const MOST_PEOPLE: NonZeroU32 = NonZeroU32::new(16).unwrap();
/// A device that is not used for so long is new again.
const KEPT_FOR: Duration = Duration::from_hours(365 * 24);

impl AuthService {
    /// The device the request presents, if it is one of this user's.
    pub(super) async fn device_of(
        &self,
        user: &UserId,
        request: &RequestFacts,
    ) -> Result<Option<Stored<DeviceRecord>>> {
        let Some(presented) = &request.device else { return Ok(None) };
        self.store().load::<DeviceRecord>(&DeviceRecord::digest_of(presented, user)).await
    }

    /// Remembers the device that a user has just signed in on. A new one is recorded and told to the
    /// user; what it is to present from now on is returned.
    pub(super) async fn recognise_device(
        &self,
        user: &User,
        request: &RequestFacts,
    ) -> Result<Option<SecretText>> {
        let now = self.clock().now();
        if let Some(Stored { mut entity, version }) = self.device_of(&user.id, request).await? {
            entity.device.last_used_at = now;
            entity.device.ip = request.client;
            entity.expires_at = later(now, KEPT_FOR);
            if let Some(presented) = &request.device {
                entity.browser = DeviceRecord::browser_of(presented);
            }
            return match self.store().replace(version, &entity).await {
                // Somebody else has noted the same, or the user has just forgotten it.
                Err(error) if error.is(core_codes::CONFLICT) => Ok(None),
                other => other.map(|_| None),
            };
        }
        let presents = fresh()?;
        let record = DeviceRecord {
            digest: DeviceRecord::digest_of(&presents, &user.id),
            browser: DeviceRecord::browser_of(&presents),
            user: user.id.clone(),
            device: Device {
                id: DeviceId::generate(self.clock())?,
                name: request.user_agent.clone(),
                ip: request.client,
                created_at: now,
                last_used_at: now,
            },
            expires_at: later(now, KEPT_FOR),
        };
        self.make_room_for_a_device(&user.id).await?;
        // Whoever keeps no cookie is new every time: there are only so many notices of one kind.
        let news = News::new_device(record.device.name.clone(), record.device.ip);
        let (notice, batch) = self.notices.write(&user.id, news).await?;
        let batch = batch.with(record.put(Expect::Absent)?);
        self.commit_with_others(batch, request, &presents).await?;
        self.notices.bell.notify_one();
        self.counters.new_devices.fetch_add(1, Ordering::Relaxed);
        let event = self
            .event(Action::AUTH_DEVICE_NEW)
            .by(account(user))
            .on("user", user.id.as_str())
            .with("device", record.device.id.as_str())
            .with("notice", notice.as_str());
        self.record(request, event).await?;
        Ok(Some(presents))
    }

    /// Commits, and has everybody else who is known by what the browser presents recognised by what it is to
    /// present from now on: one browser, several people. Whoever forgets it or is gone at this moment stays so.
    async fn commit_with_others(
        &self,
        own: Batch,
        request: &RequestFacts,
        presents: &SecretText,
    ) -> Result<()> {
        for _ in 0..RACES {
            let mut batch = own.clone();
            for Stored { entity, version } in self.people_known_by(request).await? {
                batch = batch
                    .delete(DeviceRecord::key(entity.digest.as_str()), Expect::Version(version))
                    .with(entity.presenting(presents).put(Expect::Absent)?);
            }
            match self.store().commit(batch).await {
                Err(error) if error.is(core_codes::CONFLICT) => {}
                other => return other.map(drop),
            }
        }
        Err(Error::new(core_codes::CONFLICT).context(format!("{RACES} lost races for a browser")))
    }

    async fn people_known_by(&self, request: &RequestFacts) -> Result<Vec<Stored<DeviceRecord>>> {
        let Some(presented) = &request.device else { return Ok(Vec::new()) };
        let term = DeviceRecord::browser_term(presented);
        let scan = Scan::kind(DeviceRecord::KIND).with_term(term).limit(MOST_PEOPLE);
        Ok(self.store().list::<DeviceRecord>(&scan).await?.items)
    }

    async fn make_room_for_a_device(&self, user: &UserId) -> Result<()> {
        let mut devices = self.devices_of(user).await?;
        let too_many = (devices.len() + 1).saturating_sub(MOST);
        devices.sort_by_key(|record| record.device.last_used_at);
        for record in devices.iter().take(too_many) {
            self.store().remove::<DeviceRecord>(&record.digest).await?;
        }
        Ok(())
    }

    /// The devices the caller has signed in on, oldest first.
    ///
    /// # Errors
    /// When the caller is no user, or the store can't be read.
    pub async fn devices(&self, context: &SecurityContext) -> Result<Vec<Device>> {
        let user = own_id(context)?;
        let mut all: Vec<Device> =
            self.devices_of(&user).await?.into_iter().map(|record| record.device).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(all)
    }

    /// Recognises one of the caller's devices no more: the next sign-in on it is news. Sessions on it go
    /// on; see [`end_session`](Self::end_session).
    ///
    /// # Errors
    /// [`core_codes::NOT_FOUND`] for a device that is not known or somebody else's.
    pub async fn forget_device(&self, context: &SecurityContext, id: &DeviceId) -> Result<()> {
        let result = self.forget_own(context, id).await;
        let event =
            self.event(Action::AUTH_DEVICE_FORGET).in_context(context).on("device", id.as_str());
        self.conclude(context.request(), event, result).await
    }

    async fn forget_own(&self, context: &SecurityContext, id: &DeviceId) -> Result<()> {
        let user = own_id(context)?;
        let all = self.devices_of(&user).await?;
        let found = all
            .iter()
            .find(|record| record.device.id == *id)
            .ok_or_else(|| Error::new(core_codes::NOT_FOUND).detail("you have no such device"))?;
        self.store().remove::<DeviceRecord>(&found.digest).await
    }

    /// Recognises none of a user's devices any more; returns how many there were.
    pub(super) async fn forget_devices_of(&self, user: &UserId) -> Result<u64> {
        self.remove_all::<DeviceRecord>(DeviceRecord::user_term(user)).await
    }

    /// Every device of a user.
    pub(super) async fn devices_of(&self, user: &UserId) -> Result<Vec<DeviceRecord>> {
        self.all_with(DeviceRecord::user_term(user)).await
    }
}
