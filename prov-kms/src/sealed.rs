//! A record store of which nothing can be read or exchanged without the key.

mod keys;
mod record;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use keys::StoreKeys;
use prov_core::store::{Batch, Changes, Key, Operation, Page, Record, Scan, Store, Term, Version};
use prov_core::{Clock, Result};

use crate::LocalKeyring;
use crate::backend::KmsBackend;

/// Seals every value before it reaches the store below.
///
/// * A value is AES-256-GCM under a single-use key, derived (HKDF-SHA512, Cobblestone-256) from the
///   store key and a random 192-bit salt, with **kind and id bound in**: a row that is changed,
///   swapped or moved fails to open with [`STORE_CORRUPT`](prov_core::codes::STORE_CORRUPT). So does
///   one whose end was moved by more than a second. Under one store key, 2⁵⁵ writes are safe; there
///   is no nonce to run out of.
/// * The value of an index term is replaced by HMAC-SHA-256 under a key of its own, with kind and
///   term name bound in: equal values are found, but can't be read or compared across names.
/// * Store keys are data keys, wrapped by the [`KmsBackend`], in records of kind `kms.store_key` of
///   the store below. Each sealed value says under which, so that a new one can be added.
///
/// What stays visible below: kinds, ids, ends, sizes, term names, and when what was written. A whole
/// row put back as it was earlier opens: the store below is trusted to be no older than it says.
#[derive(Debug)]
pub struct SealedStore<S> {
    inner: S,
    keys: Arc<StoreKeys>,
}

impl<S: Store> SealedStore<S> {
    /// Opens the store's keys with this backend; at the very first start, makes them.
    ///
    /// # Errors
    /// [`codes::STORE_KEY_LOCKED`](crate::codes::STORE_KEY_LOCKED) when the keys were made under
    /// another backend or key: nothing is made in their place.
    /// [`codes::STORE_BACKEND_UNFIT`](crate::codes::STORE_BACKEND_UNFIT) for a backend that does not
    /// [authenticate](crate::Capabilities::authenticated), such as age.
    pub async fn open(inner: S, backend: &dyn KmsBackend, clock: &dyn Clock) -> Result<Self> {
        let keys = Arc::new(StoreKeys::load_or_create(&inner, backend, clock).await?);
        Ok(Self { inner, keys })
    }

    /// Opens a store whose keys a [`LocalKeyring`] keeps, in the store itself and under the root key
    /// of this file; at the very first start, makes all of them. For an application that needs no
    /// other keys.
    ///
    /// # Errors
    /// As [`LocalKeyring::open`] and [`open`](Self::open).
    pub async fn embedded(
        inner: S,
        root_key_path: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>>
    where
        S: Clone,
    {
        let below: Arc<dyn Store> = Arc::new(inner.clone());
        let keyring = LocalKeyring::open(below, root_key_path, Arc::clone(&clock)).await?;
        Self::open(inner, &keyring, &*clock).await.map(Arc::new)
    }

    /// The store below.
    #[must_use]
    pub const fn inner(&self) -> &S {
        &self.inner
    }

    fn seal_operation(&self, operation: Operation) -> Result<Operation> {
        Ok(match operation {
            Operation::Put { key, value, expires_at, terms, expect } => {
                let value = record::seal(&self.keys, &key, &value, expires_at)?;
                let hide = |term| self.keys.hide(&key.kind, term);
                let terms = terms.into_iter().map(hide).collect();
                Operation::Put { key, value, expires_at, terms, expect }
            }
            without_value @ (Operation::Delete { .. } | Operation::Check { .. }) => without_value,
        })
    }
}

/// Every method, also those the trait may get with a default: a value must not pass unsealed.
#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Store> Store for SealedStore<S> {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        let record = self.inner.get(key).await?;
        record.map(|record| record::open(&self.keys, &key.kind, record)).transpose()
    }

    async fn scan(&self, scan: &Scan) -> Result<Page> {
        let mut hidden = scan.clone();
        hidden.term = scan.term.clone().map(|term: Term| self.keys.hide(&scan.kind, term));
        let Page { records, next } = self.inner.scan(&hidden).await?;
        let open = |record| record::open(&self.keys, &scan.kind, record);
        Ok(Page { records: records.into_iter().map(open).collect::<Result<_>>()?, next })
    }

    async fn commit(&self, batch: Batch) -> Result<Version> {
        let mut sealed = Batch::new();
        for operation in batch.into_operations() {
            sealed = sealed.with(self.seal_operation(operation)?);
        }
        self.inner.commit(sealed).await
    }

    async fn purge(&self, limit: NonZeroU32) -> Result<u32> {
        self.inner.purge(limit).await
    }

    fn changes(&self) -> Changes {
        self.inner.changes()
    }

    fn hears_changes(&self) -> bool {
        self.inner.hears_changes()
    }
}
