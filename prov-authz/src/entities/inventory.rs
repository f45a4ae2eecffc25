//! The inventory as a service: remembered, recorded, and the same on every node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::lock::Mutex;
use prov_core::audit::{Action, Event, Outcome, Recorder, RecorderExt};
use prov_core::store::{Batch, Entity, Expect, Store, Version};
use prov_core::{Clock, Error, Health, HealthCheck, Result, SecurityContext, codes as core_codes};

use super::record::{EntityRecord, InventoryChange, InventoryHead};
use super::{Change, Drafts, EntitiesSnapshot, Origin, StoredEntity};
use crate::{CedarEngine, EntityRef, ResourceEntity, codes};

/// No single change is about more entities.
const LARGEST_CHANGE: usize = 5_000;
/// Changes about more entities than this are not listed: other nodes read everything again.
const LONGEST_LIST: usize = 1_000;
/// So many are named in one event, whose size is limited.
const NAMED_AT_ONCE: usize = 50;
/// How often a race with other nodes is run again before the caller is told.
const MOST_RACES: usize = 32;
/// How long a node may be behind before it reads everything again.
const REMEMBERED: Duration = Duration::from_hours(1);

/// What is known of resources and groups: entered here, remembered in the store, put in force in the
/// engine before the call returns, and taken over by every other node that shares the store
/// (`follow`, feature `watch`). Entities of the policy directory stand before those entered here.
///
/// Every change is one `authz.entity.set` or `authz.entity.delete` event (one for each 50 entities),
/// durable before the call returns.
#[derive(Debug)]
pub struct Inventory {
    engine: Arc<CedarEngine>,
    store: Arc<dyn Store>,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    /// Held over a change and over catching up, so that the engine sees epochs in their order.
    pub(super) mirrored: Mutex<Mirrored>,
    pub(super) stale: AtomicBool,
}

/// The state of the store that the engine mirrors.
#[derive(Debug, Default)]
pub(super) struct Mirrored {
    pub(super) epoch: u64,
    pub(super) head: Option<Version>,
}

impl Inventory {
    /// Reads what is remembered and puts it in force in `engine`.
    ///
    /// # Errors
    /// When the store can't be read, or what it holds makes a circle with the entities of the policy
    /// directory.
    pub async fn open(
        engine: Arc<CedarEngine>,
        store: Arc<dyn Store>,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>> {
        let (mirrored, stale) = (Mutex::default(), AtomicBool::new(false));
        let inventory = Self { engine, store, recorder, clock, mirrored, stale };
        inventory.catch_up(&mut *inventory.mirrored.lock().await).await?;
        Ok(Arc::new(inventory))
    }

    /// What is known now.
    #[must_use]
    pub fn snapshot(&self) -> Arc<EntitiesSnapshot> {
        self.engine.entities()
    }

    /// One entity.
    ///
    /// # Errors
    /// [`codes::ENTITY_UNKNOWN`].
    pub fn entity(&self, entity: &EntityRef) -> Result<StoredEntity> {
        let known = self.snapshot().find(&entity.kind, &entity.id).cloned();
        known.ok_or_else(|| codes::ENTITY_UNKNOWN.into())
    }

    /// Enters entities or changes them, up to 5,000, all or none; returns the epoch from which on
    /// they are in force. An entity is given whole: what it had before and is not given again, goes.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] naming each field (`entities[3].attributes.environment`), and
    /// the circle when one would be in itself; [`codes::ENTITY_IN_DIRECTORY`];
    /// [`core_codes::CONFLICT`] when other nodes were faster 32 times; when nothing can be stored or
    /// recorded.
    pub async fn put(&self, caller: &SecurityContext, entities: &[ResourceEntity]) -> Result<u64> {
        let result = self.try_put(entities).await;
        let names: Vec<_> = entities.iter().map(|entity| &entity.entity).collect();
        self.conclude(caller, Action::AUTHZ_ENTITY_SET, &names, result).await
    }

    /// Takes an entity out. What is in it stays in it by name, and is no longer in what it was in.
    /// Returns the epoch from which on it is gone.
    ///
    /// # Errors
    /// [`codes::ENTITY_UNKNOWN`]; [`codes::ENTITY_IN_DIRECTORY`]; otherwise as [`put`](Self::put).
    pub async fn remove(&self, caller: &SecurityContext, entity: &EntityRef) -> Result<u64> {
        let result = self.try_remove(entity).await;
        self.conclude(caller, Action::AUTHZ_ENTITY_DELETE, &[entity], result).await
    }

    async fn try_put(&self, entities: &[ResourceEntity]) -> Result<u64> {
        if !(1..=LARGEST_CHANGE).contains(&entities.len()) {
            let message = format!("from 1 to {LARGEST_CHANGE} at once");
            return Err(Error::new(core_codes::INVALID_REQUEST).field("entities", message));
        }
        self.change(|known, facts| {
            let mut drafts = Drafts::default();
            let mut changes = Vec::with_capacity(entities.len());
            for (at, entity) in entities.iter().enumerate() {
                let fact = drafts
                    .checked(facts, entity, Origin::Store)
                    .and_then(|fact| not_of_directory(known, &entity.entity).map(|()| fact))
                    .map_err(|error| if entities.len() == 1 { error } else { placed(error, at) })?;
                changes.push(Change::Put(fact));
            }
            Ok(changes)
        })
        .await
    }

    async fn try_remove(&self, entity: &EntityRef) -> Result<u64> {
        self.change(|known, _| {
            if known.find(&entity.kind, &entity.id).is_none() {
                return Err(codes::ENTITY_UNKNOWN.into());
            }
            not_of_directory(known, entity)?;
            let uid = Drafts::default().uid(&entity.kind, &entity.id);
            Ok(vec![Change::Remove(uid, Origin::Store)])
        })
        .await
    }

    /// Works out changes from what is known, makes them durable, and puts them in force; again
    /// whenever another node was faster.
    async fn change(
        &self,
        work_out: impl Fn(&EntitiesSnapshot, &crate::load::SchemaFacts) -> Result<Vec<Change>> + Sync,
    ) -> Result<u64> {
        let mut mirrored = self.mirrored.lock().await;
        for _ in 0..MOST_RACES {
            let epoch = mirrored.epoch + 1;
            let changes = self.engine.with_entities(|facts, known| {
                let changes = work_out(known, facts)?;
                // Tried before it is durable: a circle is found here.
                known.with(changes.iter().cloned(), epoch)?;
                Ok(changes)
            })?;
            match self.store.commit(self.batch(&mirrored, epoch, &changes)?).await {
                Ok(version) => {
                    *mirrored = Mirrored { epoch, head: Some(version) };
                    self.put_in_force(changes, epoch)?;
                    return Ok(epoch);
                }
                Err(error) if error.is(core_codes::CONFLICT) => {
                    self.catch_up(&mut mirrored).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(core_codes::CONFLICT).context("32 lost races for the inventory"))
    }

    fn batch(&self, mirrored: &Mirrored, epoch: u64, changes: &[Change]) -> Result<Batch> {
        let until = self.clock.now().checked_add(REMEMBERED).map_err(|e| {
            Error::new(core_codes::INTERNAL).context("the time is out of range").source(e)
        })?;
        let about = changes.iter().map(|change| change.uid().reference()).collect::<Vec<_>>();
        let about = Some(about).filter(|about| about.len() <= LONGEST_LIST);
        let expect = mirrored.head.map_or(Expect::Absent, Expect::Version);
        let batch = Batch::new()
            .with(InventoryHead { epoch }.put(expect)?)
            .with(InventoryChange { epoch, about, until }.put(Expect::Any)?);
        changes.iter().try_fold(batch, |batch, change| {
            Ok(match change {
                Change::Put(fact) => batch.with(EntityRecord::of(fact).put(Expect::Any)?),
                Change::Remove(uid, _) => {
                    let id = EntityRecord::id_of(&uid.reference());
                    batch.delete(EntityRecord::key(id), Expect::Any)
                }
            })
        })
    }

    pub(super) fn put_in_force(&self, changes: Vec<Change>, epoch: u64) -> Result<()> {
        let done = self.engine.change_entities(|_, known| Ok((known.with(changes, epoch)?, ())));
        self.stale.store(done.is_err(), Ordering::Relaxed);
        done
    }

    pub(super) const fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    async fn conclude(
        &self,
        caller: &SecurityContext,
        action: Action,
        entities: &[&EntityRef],
        result: Result<u64>,
    ) -> Result<u64> {
        let outcome = if result.is_ok() { Outcome::Success } else { Outcome::Failure };
        for some in entities.chunks(NAMED_AT_ONCE) {
            let mut event = Event::new(&*self.clock, action.clone(), outcome).in_context(caller);
            event = match some {
                [one] => event.on(one.kind.as_ref(), shown(&one.id)),
                many => {
                    let names = many.iter().map(|e| format!("{}::{}", e.kind, shown(&e.id)));
                    event.on("inventory", "many").with("entities", names.collect::<Vec<_>>())
                }
            };
            event = match &result {
                Ok(epoch) => event.with("epoch", *epoch),
                Err(error) => event.with("code", error.code().name()),
            };
            self.recorder.record_in(caller.request(), event).await?;
        }
        result
    }
}

/// An id as the log keeps it: what is too long for an id is too long for the log.
fn shown(id: &str) -> String {
    id.chars().take(512).collect()
}

fn not_of_directory(known: &EntitiesSnapshot, entity: &EntityRef) -> Result<()> {
    match known.find(&entity.kind, &entity.id).map(StoredEntity::origin) {
        Some(Origin::Directory) => Err(codes::ENTITY_IN_DIRECTORY.into()),
        _ => Ok(()),
    }
}

/// The error with its fields under the item they belong to.
fn placed(error: Error, at: usize) -> Error {
    if error.fields().is_empty() {
        return error;
    }
    let moved = Error::new(error.code());
    let fields = error.fields().to_vec();
    fields.into_iter().fold(moved.source(error), |moved, field| {
        moved.field(format!("entities[{at}].{}", field.field), field.message)
    })
}

/// Up; degraded while what other nodes enter can't be read.
#[async_trait]
impl HealthCheck for Inventory {
    fn component(&self) -> &'static str {
        "inventory"
    }

    async fn health(&self) -> Health {
        if self.stale.load(Ordering::Relaxed) {
            Health::degraded("changes of the inventory can't be read; what was known is in force")
        } else {
            Health::up()
        }
    }
}
