//! Hearing what other nodes did to the subjects whose keys are at hand.

use std::collections::HashSet;
use std::sync::Arc;

use prov_core::Result;
use prov_core::store::{Change, Entity, StoreExt};

use super::{Known, Vault};
use crate::people::subject::{Erasure, Subject};

impl Vault {
    /// Takes in a change of the store, and answers the pseudonyms of those that are erased by it.
    ///
    /// Keys that may be destroyed are put away before an error is returned: what can't be asked
    /// for is not read either.
    pub(crate) async fn hear(&self, change: &Change) -> Result<Vec<String>> {
        match change {
            Change::Missed => self.read_again().await,
            Change::Changed(key) if key.kind == Erasure::KIND => {
                self.forget(&key.id);
                Ok(vec![key.id.clone()])
            }
            Change::Changed(key) if key.kind == Subject::KIND => {
                self.refresh(&key.id).await.map(|()| Vec::new())
            }
            Change::Changed(_) => Ok(Vec::new()),
        }
    }

    /// A key that is still the subject's stays at hand: the index, which asks no store, needs it.
    async fn refresh(&self, id: &str) -> Result<()> {
        let Some(held) = self.cache.read().by_id.get(id).cloned() else { return Ok(()) };
        match self.store.load::<Subject>(id).await {
            Ok(Some(stored)) if stored.pid == held.pid => self.remember(&stored.entity).map(drop),
            other => {
                self.put_away(&[held], other.is_err());
                other.map(drop)
            }
        }
    }

    async fn read_again(&self) -> Result<Vec<String>> {
        // Taken before the store is read: what is created meanwhile is not among them.
        let held: Vec<Arc<Known>> = self.cache.read().by_pid.values().cloned().collect();
        match self.living_and_erased().await {
            Ok((living, erased)) => {
                let dead: Vec<_> =
                    held.into_iter().filter(|known| !living.contains(&known.pid)).collect();
                self.put_away(&dead, false);
                for pid in &erased {
                    self.forget(pid);
                }
                Ok(erased)
            }
            Err(error) => {
                self.put_away(&held, true);
                Err(error)
            }
        }
    }

    /// The pseudonyms of those that were erased.
    #[cfg(feature = "sqlite-index")]
    pub(crate) async fn erased(&self) -> Result<Vec<String>> {
        let erased = self.store.load_all::<Erasure>().await?;
        Ok(erased.into_iter().map(|stored| stored.entity.pid).collect())
    }

    /// The pseudonyms of every subject that has a key, and of every one that had.
    async fn living_and_erased(&self) -> Result<(HashSet<String>, Vec<String>)> {
        let living = self.store.load_all::<Subject>().await?;
        let erased = self.store.load_all::<Erasure>().await?;
        Ok((
            living.into_iter().map(|stored| stored.entity.pid).collect(),
            erased.into_iter().map(|stored| stored.entity.pid).collect(),
        ))
    }

    /// Keeps these at hand no longer; for now, when it is not known that they are destroyed.
    fn put_away(&self, some: &[Arc<Known>], for_now: bool) {
        let mut cache = self.cache.write();
        for known in some {
            cache.put_away(&known.pid);
            if for_now {
                cache.away.insert(known.pid.clone());
            }
        }
    }
}
