//! Signing keys: several at once, each published before it signs and until its last token has ended.

mod founding;
mod info;
mod options;
mod pair;
mod record;
mod ring;
mod rotation;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use async_trait::async_trait;
pub use info::{KeyState, RotatedKeys, Rotation, SigningKeyInfo};
pub use options::SigningKeyOptions;
use pair::SigningPair;
use prov_core::store::{Entity, Key, Store, StoreExt, Stored, Version};
use prov_core::{Clock, Error, Health, HealthCheck, Result, codes as core_codes};
use record::{KeyRecord, KeySetRecord};
pub(crate) use ring::KeyRing;

use crate::codes;
use crate::snapshot::{self, Freshness, Snapshot};
use crate::token::Algorithm;

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
/// They move on by age: see [`SigningKeys::rotate_if_due`]. Nodes agree through the store: of any number
/// that rotate at the same moment, one does.
///
/// Private keys lie in the [`Store`], which is to be sealed at rest. Reading them from the request path
/// never waits: they are kept in memory and follow the store by [`SigningKeys::follow`].
#[derive(Debug)]
pub struct SigningKeys {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    options: SigningKeyOptions,
    ring: ArcSwap<KeyRing>,
    freshness: Freshness,
}

impl SigningKeys {
    /// Opens the keys in `store`; makes the first active and pending one when there are none.
    ///
    /// # Errors
    /// When the store can't be read or written, or an option can't be right;
    /// [`codes::SIGNING_KEY_REFUSED`] when a given private
    /// key can't be used, or was used here before and has been retired; and when a given public key
    /// is none, or not that of the given private key. Then nothing has been written.
    pub async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        options: SigningKeyOptions,
    ) -> Result<Self> {
        options.check()?;
        let imported = options.private_key.as_ref().map(SigningPair::from_pem).transpose()?;
        if let Some(public) = &options.public_key {
            pair::require_match(imported.as_ref(), public)?;
        }
        let ring = ArcSwap::from_pointee(KeyRing::default());
        // Keys that may have changed unheard are used on: verifiers elsewhere know them as well.
        let freshness = Freshness::new(Arc::clone(&clock), Duration::MAX);
        let keys = Self { store, clock, options, ring, freshness };
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

    /// How long verifiers may keep the JWKS (`Cache-Control: max-age`): half as long as a key is
    /// published before it signs, so that also one that read it from a node which heard late of the
    /// key knows it in time.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        self.options.publication / 2
    }

    /// What the keys that verify now are for.
    #[must_use]
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let mut all: Vec<Algorithm> = Vec::new();
        for key in self.keys() {
            if !all.contains(&key.algorithm) {
                all.push(key.algorithm);
            }
        }
        all
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

    fn freshness(&self) -> &Freshness {
        &self.freshness
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
        } else if !self.freshness.is_in_step() {
            Health::degraded("the signing keys can't be read again; those known are in use")
        } else {
            Health::up()
        }
    }
}
