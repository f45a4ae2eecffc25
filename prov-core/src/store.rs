//! Durable records behind one port, and typed entities over it.

mod batch;
mod changes;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod entity;
mod key;
mod memory;
mod scan;

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
pub use batch::{Batch, Expect, Operation};
pub use changes::{Change, ChangeSender, Changes};
pub use entity::{Entity, EntityPage, StoreExt, Stored};
pub use key::{Key, Term};
pub use memory::MemoryStore;
pub use scan::{Page, Record, Scan, Version};

use crate::Result;

/// Durable, transactional records. Contract, executable as [`conformance`]:
///
/// * `commit` is atomic, durable before it returns, and linearizable; an [`Expect`] that does not
///   hold fails the whole batch with [`codes::CONFLICT`](crate::codes::CONFLICT) and changes nothing.
/// * A [`Version`] given to a key is never given to it again, even after deletion.
/// * An expired record is never returned and counts as absent for every [`Expect`].
/// * Values are opaque and come back byte for byte, also when empty or 1 MiB large.
/// * `scan` returns ids in ascending byte order; a page's cursor continues exactly after it.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// The record under this key.
    ///
    /// # Errors
    /// When the store can't be read; never because there is no such record.
    async fn get(&self, key: &Key) -> Result<Option<Record>>;

    /// Records of one kind by id prefix or index term, in ascending order of id.
    ///
    /// # Errors
    /// When the store can't be read.
    async fn scan(&self, scan: &Scan) -> Result<Page>;

    /// Applies all operations or none; returns the version that every record put by it now has.
    ///
    /// # Errors
    /// [`codes::CONFLICT`](crate::codes::CONFLICT) when an expectation does not hold;
    /// [`codes::STORAGE_FULL`](crate::codes::STORAGE_FULL) when there is no room.
    async fn commit(&self, batch: Batch) -> Result<Version>;

    /// Deletes up to `limit` expired records and returns how many went.
    ///
    /// # Errors
    /// When the store can't be written.
    async fn purge(&self, limit: NonZeroU32) -> Result<u32>;

    /// What changes from now on, by this node and by the others.
    fn changes(&self) -> Changes;

    /// Whether changes by other nodes reach this one at the moment, as far as the store knows. A store
    /// that no other node writes always hears of everything.
    fn hears_changes(&self) -> bool {
        true
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        (**self).get(key).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page> {
        (**self).scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version> {
        (**self).commit(batch).await
    }

    async fn purge(&self, limit: NonZeroU32) -> Result<u32> {
        (**self).purge(limit).await
    }

    fn changes(&self) -> Changes {
        (**self).changes()
    }

    fn hears_changes(&self) -> bool {
        (**self).hears_changes()
    }
}
