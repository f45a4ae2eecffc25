//! Signing keys: several at once, each published before it signs and until its last token has ended.

mod info;
mod options;
mod pair;
mod record;
mod ring;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use async_trait::async_trait;
pub use info::{KeyState, RotatedKeys, Rotation, SigningKeyInfo};
pub use options::SigningKeyOptions;
use pair::RsaPair;
use prov_core::store::{Batch, Entity, Expect, Key, Store, StoreExt, Stored, Version};
use prov_core::{Clock, Error, Health, HealthCheck, Result, codes as core_codes};
use record::{KeyRecord, KeySetRecord};
pub(crate) use ring::KeyRing;

use crate::codes;
use crate::snapshot::{self, Snapshot};

/// How often a lost race is run again before the caller is told.
const MAX_RACES: usize = 8;

/// The keys that access tokens are signed with.
///
/// States (one record names the active and the pending key, so that no two nodes can disagree):
/// * **pending**: published in the JWKS, does not sign yet. There is always one.
/// * **active**: signs. There is exactly one.
/// * **retired**: signs no more, its private half is deleted, and it verifies until the last token it
///   can have signed has ended.
///
/// Private keys lie in the [`Store`], which is to be sealed at rest. Reading them from the request path
/// never waits: they are kept in memory and follow the store by [`SigningKeys::follow`].
#[derive(Debug)]
pub struct SigningKeys {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    options: SigningKeyOptions,
    ring: ArcSwap<KeyRing>,
    stale: AtomicBool,
}

impl SigningKeys {
    /// Opens the keys in `store`; makes the first active and pending one when there are none.
    ///
    /// # Errors
    /// When the store can't be read or written; [`codes::SIGNING_KEY_REFUSED`] when a given private
    /// key can't be used, or was used here before and has been retired; and when a given public key
    /// is none, or not that of the given private key. Then nothing has been written.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        options: SigningKeyOptions,
    ) -> Result<Self> {
        let imported = options.private_key.as_ref().map(RsaPair::from_pem).transpose()?;
        if let Some(public) = &options.public_key {
            pair::require_match(imported.as_ref(), public)?;
        }
        let ring = ArcSwap::from_pointee(KeyRing::default());
        let keys = Self { store, clock, options, ring, stale: AtomicBool::new(false) };
        keys.establish(imported.as_ref()).await?;
        keys.reload().await?;
        Ok(keys)
    }

    /// The public keys as a JWK set (RFC 7517), for `/.well-known/jwks.json`: pending, active and
    /// retired ones, until their last token has ended.
    #[must_use]
    pub fn jwks(&self) -> serde_json::Value {
        self.ring.load().jwks(self.clock.now())
    }

    /// What is known of each key, the newest first.
    #[must_use]
    pub fn keys(&self) -> Vec<SigningKeyInfo> {
        self.ring.load().infos(self.clock.now())
    }

    /// How long verifiers may keep the JWKS (`Cache-Control: max-age`): no longer than a key is
    /// published before it signs.
    #[must_use]
    pub const fn publication(&self) -> Duration {
        self.options.publication
    }

    /// Makes the pending key active, retires the active one and publishes a new pending one, at once on
    /// this node and durably. The caller records the event.
    ///
    /// # Errors
    /// [`codes::SIGNING_KEY_UNPUBLISHED`] when [`Rotation::Published`] is asked for too early, with the
    /// time to wait; [`core_codes::CONFLICT`] when another rotation was faster: it is not done twice.
    pub async fn rotate(&self, rotation: Rotation) -> Result<RotatedKeys> {
        let (set, active, pending) = self.current().await?;
        let now = self.clock.now();
        if rotation == Rotation::Published {
            self.require_published(&pending)?;
        }
        let next = KeyRecord::of(&RsaPair::generate_aside().await?, now)?;
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

    /// Reads the keys again whenever the store says that they changed, also by another node, until
    /// `shutdown` is ready or the store is gone. Runs on a tokio runtime with its timer.
    pub async fn follow(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        snapshot::follow(&*self, &*self.store, shutdown).await;
    }

    /// How long a retired key goes on verifying.
    pub(crate) const fn retention(&self) -> Duration {
        self.options.retention
    }

    /// The keys at this moment.
    pub(crate) fn ring(&self) -> Guard<Arc<KeyRing>> {
        self.ring.load()
    }

    fn require_published(&self, pending: &KeyRecord) -> Result<()> {
        let age = self.clock.now().duration_since(pending.created_at);
        // A negative age (the clock went back) counts as none.
        let age = Duration::try_from(age).unwrap_or(Duration::ZERO);
        match self.options.publication.checked_sub(age) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(rest) => Err(Error::new(codes::SIGNING_KEY_UNPUBLISHED).retry_after(rest)),
        }
    }

    async fn current(
        &self,
    ) -> Result<(Stored<KeySetRecord>, Stored<KeyRecord>, Stored<KeyRecord>)> {
        let missing = || Error::new(codes::SIGNING_KEY_MISSING);
        let set = self.store.load::<KeySetRecord>(KeySetRecord::ID).await?;
        let set = set.ok_or_else(missing)?;
        let active = self.store.load(&set.active).await?.ok_or_else(missing)?;
        let pending = self.store.load(&set.pending).await?.ok_or_else(missing)?;
        Ok((set, active, pending))
    }

    /// Sees to it that there are an active and a pending key, and that an imported one was adopted.
    async fn establish(&self, imported: Option<&RsaPair>) -> Result<()> {
        for _ in 0..MAX_RACES {
            let done = match self.store.load::<KeySetRecord>(KeySetRecord::ID).await? {
                None => self.found(imported).await,
                Some(set) => match imported {
                    Some(pair) if set.imported.as_deref() != Some(pair.id()) => {
                        self.adopt(set, pair).await
                    }
                    _ => return Ok(()),
                },
            };
            match done {
                Err(error) if error.is(core_codes::CONFLICT) => {}
                other => return other,
            }
        }
        Err(Error::new(core_codes::CONFLICT).context("lost every race for the first signing key"))
    }

    /// Writes the first keys.
    async fn found(&self, imported: Option<&RsaPair>) -> Result<()> {
        let now = self.clock.now();
        let active = match imported {
            Some(pair) => KeyRecord::of(pair, now)?,
            None => KeyRecord::of(&RsaPair::generate_aside().await?, now)?,
        };
        let active = KeyRecord { activated_at: Some(now), ..active };
        let pending = KeyRecord::of(&RsaPair::generate_aside().await?, now)?;
        let set = KeySetRecord {
            active: active.id.clone(),
            pending: pending.id.clone(),
            imported: imported.map(|pair| pair.id().to_owned()),
        };
        let batch = Batch::new()
            .with(active.put(Expect::Absent)?)
            .with(pending.put(Expect::Absent)?)
            .with(set.put(Expect::Absent)?);
        self.store.commit(batch).await.map(drop)
    }

    /// Makes an imported key, which the operator has named in the configuration, the active one.
    async fn adopt(&self, set: Stored<KeySetRecord>, pair: &RsaPair) -> Result<()> {
        if self.store.load::<KeyRecord>(pair.id()).await?.is_some() {
            return Err(Error::new(codes::SIGNING_KEY_REFUSED)
                .detail("this private key was used before and has been retired; give a new one"));
        }
        let now = self.clock.now();
        let (_, active, _) = self.current().await?;
        let imported = KeyRecord { activated_at: Some(now), ..KeyRecord::of(pair, now)? };
        let names = KeySetRecord {
            active: imported.id.clone(),
            pending: set.entity.pending,
            imported: Some(imported.id.clone()),
        };
        let retired = active.entity.retired(now, self.options.retention)?;
        let batch = Batch::new()
            .with(retired.put(Expect::Version(active.version))?)
            .with(imported.put(Expect::Absent)?)
            .with(names.put(Expect::Version(set.version))?);
        self.store.commit(batch).await.map(drop)
    }

    async fn set_version(&self) -> Result<Option<Version>> {
        let set = self.store.load::<KeySetRecord>(KeySetRecord::ID).await?;
        Ok(set.map(|set| set.version))
    }
}

#[async_trait]
impl Snapshot for SigningKeys {
    async fn reload(&self) -> Result<()> {
        for _ in 0..MAX_RACES {
            let set = self.store.load::<KeySetRecord>(KeySetRecord::ID).await?;
            let set = set.ok_or_else(|| Error::new(codes::SIGNING_KEY_MISSING))?;
            let records = self.store.load_all::<KeyRecord>().await?;
            // A rotation between the two reads would give a mixture.
            if self.set_version().await? == Some(set.version) {
                let records = records.into_iter().map(|stored| stored.entity).collect();
                let ring = KeyRing::new(set.version, &set.entity, records)?;
                self.ring.store(Arc::new(ring));
                return Ok(());
            }
        }
        Err(Error::new(core_codes::CONFLICT).context("the signing keys never stood still"))
    }

    async fn changed(&self, key: &Key) -> Result<()> {
        // Every transition writes the set; the key records alone mean nothing new.
        if key.kind == KeySetRecord::KIND { self.reload().await } else { Ok(()) }
    }

    fn note(&self, in_step: bool) {
        self.stale.store(!in_step, Ordering::Relaxed);
    }
}

#[async_trait]
impl HealthCheck for SigningKeys {
    fn component(&self) -> &'static str {
        "signing_key"
    }

    async fn health(&self) -> Health {
        if !self.ring.load().can_sign() {
            Health::down("there is no active signing key")
        } else if self.stale.load(Ordering::Relaxed) {
            Health::degraded("the signing keys can't be read again; those known are in use")
        } else {
            Health::up()
        }
    }
}
