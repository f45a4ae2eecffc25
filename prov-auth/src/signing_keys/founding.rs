//! The first keys, and those that the configuration brings.

use prov_core::store::{Batch, Entity, Expect, StoreExt, Stored};
use prov_core::{Error, Result, codes as core_codes};

use super::pair::SigningPair;
use super::record::{KeyRecord, KeySetRecord};
use super::{MAX_RACES, SigningKeys};
use crate::codes;

impl SigningKeys {
    /// A fresh pair for the algorithm of the configuration.
    pub(super) async fn generated(&self) -> Result<SigningPair> {
        SigningPair::generate_aside(self.options.algorithm).await
    }

    /// Sees to it that there are an active and a pending key, and that an imported one was adopted.
    pub(super) async fn establish(&self, imported: Option<&SigningPair>) -> Result<()> {
        for _ in 0..MAX_RACES {
            let done = match self.store.load::<KeySetRecord>(KeySetRecord::ID).await? {
                None => self.found(imported).await,
                Some(set) => match imported {
                    Some(pair) if set.imported.as_deref() != Some(pair.id()) => {
                        self.adopt(set, pair).await
                    }
                    _ => self.keep_algorithm(set).await,
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
    async fn found(&self, imported: Option<&SigningPair>) -> Result<()> {
        let now = self.clock.now();
        let active = match imported {
            Some(pair) => KeyRecord::of(pair, now)?,
            None => KeyRecord::of(&self.generated().await?, now)?,
        };
        let active = KeyRecord { activated_at: Some(now), ..active };
        let pending = KeyRecord::of(&self.generated().await?, now)?;
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
    async fn adopt(&self, set: Stored<KeySetRecord>, pair: &SigningPair) -> Result<()> {
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

    /// Sees to it that the next key is for the algorithm of the configuration: the pending one, which
    /// has signed nothing, gives way to one that is. The active key stays until its turn is over.
    async fn keep_algorithm(&self, set: Stored<KeySetRecord>) -> Result<()> {
        let (_, _, pending) = self.current().await?;
        if pending.algorithm == self.options.algorithm {
            return Ok(());
        }
        let next = KeyRecord::of(&self.generated().await?, self.clock.now())?;
        let names = KeySetRecord { pending: next.id.clone(), ..set.entity };
        let batch = Batch::new()
            .delete(KeyRecord::key(&pending.id), Expect::Version(pending.version))
            .with(next.put(Expect::Absent)?)
            .with(names.put(Expect::Version(set.version))?);
        self.store.commit(batch).await.map(drop)
    }
}
