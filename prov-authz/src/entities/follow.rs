//! Catching up with what other nodes entered.

use std::collections::BTreeSet;

use prov_core::store::{Entity, Scan, StoreExt, Stored};
use prov_core::{Error, Result, codes};

use super::inventory::{Inventory, Mirrored};
use super::record::{EntityRecord, InventoryChange, InventoryHead};
use super::{Change, Drafts, Origin, Uid};
use crate::EntityRef;

/// How often reading is begun again because something was entered meanwhile.
const MOST_ATTEMPTS: usize = 32;

impl Inventory {
    /// Takes over what the store holds beyond what is mirrored.
    pub(super) async fn catch_up(&self, mirrored: &mut Mirrored) -> Result<()> {
        for _ in 0..MOST_ATTEMPTS {
            let head = self.head().await?;
            let (epoch, version) = match &head {
                Some(head) => (head.epoch, Some(head.version)),
                None => (0, None),
            };
            if version == mirrored.head {
                return Ok(());
            }
            let changes = match self.changed_since(mirrored.epoch, epoch).await? {
                Some(about) => self.read(about).await?,
                None => self.read_all().await?,
            };
            // What was read may be newer than the head: only a head that stayed proves that it is not.
            if self.head().await?.map(|head| head.version) == version {
                self.put_in_force(changes, epoch)?;
                *mirrored = Mirrored { epoch, head: version };
                return Ok(());
            }
        }
        Err(Error::new(codes::CONFLICT).context("the inventory changes faster than it can be read"))
    }

    async fn head(&self) -> Result<Option<Stored<InventoryHead>>> {
        self.store().load::<InventoryHead>(InventoryHead::ID).await
    }

    /// What the changes after `known` up to `wanted` were about; `None` when that can't be told.
    async fn changed_since(&self, known: u64, wanted: u64) -> Result<Option<BTreeSet<EntityRef>>> {
        /// Beyond this, reading everything is quicker.
        const MOST: u64 = 500;
        if known == 0 || wanted.checked_sub(known).is_none_or(|behind| behind > MOST) {
            return Ok(None);
        }
        let scan = Scan::kind(InventoryChange::KIND).after(Some(InventoryChange::id_of(known)));
        let mut expected = known;
        let mut about = BTreeSet::new();
        for change in self.store().list::<InventoryChange>(&scan).await?.items {
            if change.epoch > wanted {
                break;
            }
            expected += 1;
            match change.entity.about {
                Some(some) if change.entity.epoch == expected => about.extend(some),
                _ => return Ok(None),
            }
        }
        Ok((expected == wanted).then_some(about))
    }

    async fn read(&self, about: BTreeSet<EntityRef>) -> Result<Vec<Change>> {
        let mut drafts = Drafts::default();
        let mut changes = Vec::with_capacity(about.len());
        for entity in about {
            let record = self.store().load::<EntityRecord>(&EntityRecord::id_of(&entity)).await?;
            changes.push(match record {
                Some(record) => remembered(&mut drafts, record.entity),
                None => Change::Remove(drafts.uid(&entity.kind, &entity.id), Origin::Store),
            });
        }
        Ok(changes)
    }

    /// Everything that is remembered, in place of everything that was.
    async fn read_all(&self) -> Result<Vec<Change>> {
        let mut drafts = Drafts::default();
        let records = self.store().load_all::<EntityRecord>().await?;
        let puts: Vec<_> =
            records.into_iter().map(|record| remembered(&mut drafts, record.entity)).collect();
        let kept: BTreeSet<&Uid> = puts.iter().map(Change::uid).collect();
        let known = self.snapshot();
        let gone = known.entered().filter(|uid| !kept.contains(uid)).cloned();
        let mut changes: Vec<_> = gone.map(|uid| Change::Remove(uid, Origin::Store)).collect();
        changes.extend(puts);
        Ok(changes)
    }
}

/// A record was held against the schema when it was entered, and is again when it is decided about.
fn remembered(drafts: &mut Drafts, record: EntityRecord) -> Change {
    let resource = record.resource();
    let parents: Vec<_> =
        resource.parents.iter().map(|p| (p.kind.to_string(), p.id.to_string())).collect();
    Change::Put(drafts.fact(&resource, &parents, Origin::Store))
}

#[cfg(feature = "watch")]
mod running {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use futures_util::future::select;
    use prov_core::store::{Change, Entity};

    use super::super::inventory::Inventory;
    use super::InventoryHead;

    /// How long to wait before the store is asked again after it failed.
    const PAUSE: Duration = Duration::from_millis(500);

    impl Inventory {
        /// Takes over what other nodes enter, until `shutdown` or until the store is gone.
        pub async fn follow(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
            let work = async {
                // Listening starts before the first reading, so that nothing falls between the two.
                let mut changes = self.store().changes();
                self.take_over().await;
                while let Some(change) = changes.next().await {
                    match change {
                        Change::Changed(key) if key.kind != InventoryHead::KIND => {}
                        Change::Changed(_) | Change::Missed => self.take_over().await,
                    }
                }
            };
            select(pin!(work), pin!(shutdown)).await;
        }

        async fn take_over(&self) {
            loop {
                let mut mirrored = self.mirrored.lock().await;
                let Err(error) = self.catch_up(&mut mirrored).await else {
                    self.stale.store(false, Ordering::Relaxed);
                    return;
                };
                drop(mirrored);
                self.stale.store(true, Ordering::Relaxed);
                tracing::warn!(?error, "the inventory can't be brought in step with the store");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
