//! Typed records.

use std::ops::Deref;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Batch, Expect, Key, Operation, Record, Scan, Store, Term, Version};
use crate::{Error, Result, codes};

/// A thing that is remembered as one record, as JSON.
///
/// Secrets inside are exposed on purpose by their owner's serializer: the store is sealed at rest.
pub trait Entity: Serialize + DeserializeOwned + Send + Sync + Sized + 'static {
    /// The kind, `crate.snake_case`.
    const KIND: &'static str;

    /// The id within the kind; never personal data.
    fn id(&self) -> String;

    /// What it can be found by; earlier terms go when it is written again.
    fn terms(&self) -> Vec<Term> {
        Vec::new()
    }

    /// When it ends.
    fn expires_at(&self) -> Option<Timestamp> {
        None
    }

    /// The key of the entity of this id.
    fn key(id: impl Into<String>) -> Key {
        Key::new(Self::KIND, id)
    }

    /// The operation that writes it.
    ///
    /// # Errors
    /// When it can't be serialized.
    fn put(&self, expect: Expect) -> Result<Operation> {
        let value = serde_json::to_vec(self).map_err(|e| {
            Error::new(codes::INTERNAL).context(format!("serializing a {}", Self::KIND)).source(e)
        })?;
        Ok(Operation::Put {
            key: Self::key(self.id()),
            value: Bytes::from(value),
            expires_at: self.expires_at(),
            terms: self.terms(),
            expect,
        })
    }
}

/// An entity and the state it was read in; writing it back succeeds only in that state.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "these two are all there is")]
pub struct Stored<E> {
    /// What was read.
    pub entity: E,
    /// In which state.
    pub version: Version,
}

impl<E> Deref for Stored<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.entity
    }
}

impl<E: Entity> Stored<E> {
    /// The entity in a record.
    ///
    /// # Errors
    /// [`codes::STORE_CORRUPT`] when the record is no such entity.
    pub fn read(record: &Record) -> Result<Self> {
        let entity = serde_json::from_slice(&record.value).map_err(|e| {
            Error::new(codes::STORE_CORRUPT)
                .context(format!("reading {} `{}`", E::KIND, record.id))
                .source(e)
        })?;
        Ok(Self { entity, version: record.version })
    }
}

/// A page of entities.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EntityPage<E> {
    /// The entities, ids ascending.
    pub items: Vec<Stored<E>>,
    /// Where the next page starts, for [`Scan::after`].
    pub next: Option<String>,
}

/// Typed reading and writing over every [`Store`].
#[async_trait]
pub trait StoreExt: Store {
    /// The entity of this id.
    ///
    /// # Errors
    /// When the store can't be read, or the record is damaged.
    async fn load<E: Entity>(&self, id: &str) -> Result<Option<Stored<E>>> {
        self.get(&E::key(id)).await?.map(|record| Stored::read(&record)).transpose()
    }

    /// A page of entities.
    ///
    /// # Errors
    /// As [`StoreExt::load`].
    async fn list<E: Entity>(&self, scan: &Scan) -> Result<EntityPage<E>> {
        let page = self.scan(scan).await?;
        let items = page.records.iter().map(Stored::read).collect::<Result<_>>()?;
        Ok(EntityPage { items, next: page.next })
    }

    /// The first entity that carries this term.
    ///
    /// # Errors
    /// As [`StoreExt::load`].
    async fn find<E: Entity>(&self, term: Term) -> Result<Option<Stored<E>>> {
        let scan = Scan::kind(E::KIND).with_term(term).limit(std::num::NonZeroU32::MIN);
        Ok(self.list(&scan).await?.items.pop())
    }

    /// Every entity of a kind, page by page: for snapshots in memory, not for requests.
    ///
    /// # Errors
    /// As [`StoreExt::load`].
    async fn load_all<E: Entity>(&self) -> Result<Vec<Stored<E>>> {
        self.list_all(Scan::kind(E::KIND)).await
    }

    /// Every entity that a scan finds, page by page: where nobody can make them too many.
    ///
    /// # Errors
    /// As [`StoreExt::load`].
    async fn list_all<E: Entity>(&self, mut scan: Scan) -> Result<Vec<Stored<E>>> {
        let mut all = Vec::new();
        loop {
            let page = self.list(&scan).await?;
            all.extend(page.items);
            let Some(next) = page.next else { return Ok(all) };
            scan = scan.after(Some(next));
        }
    }

    /// Writes an entity that must not exist yet.
    ///
    /// # Errors
    /// [`codes::CONFLICT`] when it exists.
    async fn create<E: Entity>(&self, entity: &E) -> Result<Version> {
        self.commit(Batch::new().with(entity.put(Expect::Absent)?)).await
    }

    /// Writes an entity over the state it was read in.
    ///
    /// # Errors
    /// [`codes::CONFLICT`] when it has changed since.
    async fn replace<E: Entity>(&self, read: Version, entity: &E) -> Result<Version> {
        self.commit(Batch::new().with(entity.put(Expect::Version(read))?)).await
    }

    /// Deletes an entity in whatever state it is.
    ///
    /// # Errors
    /// When the store can't be written.
    async fn remove<E: Entity>(&self, id: &str) -> Result<()> {
        self.commit(Batch::new().delete(E::key(id), Expect::Any)).await.map(drop)
    }

    /// Reads, changes and writes an entity, again whenever somebody else was faster (at most 32
    /// times). `None` when there is none. `change` may refuse with an error, which is passed on.
    ///
    /// # Errors
    /// What `change` refuses with; [`codes::CONFLICT`] after 32 lost races.
    async fn update<E: Entity + Clone>(
        &self,
        id: &str,
        change: &(dyn for<'e> Fn(&'e mut E) -> Result<()> + Sync),
    ) -> Result<Option<Stored<E>>> {
        for _ in 0..32 {
            let Some(mut stored) = self.load::<E>(id).await? else { return Ok(None) };
            change(&mut stored.entity)?;
            match self.replace(stored.version, &stored.entity).await {
                Ok(version) => return Ok(Some(Stored { version, ..stored })),
                Err(error) if error.is(codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(codes::CONFLICT).context(format!("32 lost races for a {}", E::KIND)))
    }
}

impl<S: Store + ?Sized> StoreExt for S {}
