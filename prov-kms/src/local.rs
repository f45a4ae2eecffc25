//! Named keys in the record store, under a root key in a file.

mod backend;
mod entity;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

pub(crate) use entity::{LocalKey, LocalKeyVersion};
use parking_lot::RwLock;
use prov_core::store::{Batch, Entity, Expect, Store, StoreExt, Version};
use prov_core::{Clock, Error, Result, codes as core_codes};

use crate::backend::{DataKey, KeyName, KeyVersion};
use crate::cobblestone::InputKey;
use crate::codes;
use crate::encoding::framed;
use crate::root_key::RootKey;

/// A keyring of its own, for one machine or a cluster on one database: each version of each key is
/// a record of the store, sealed under the root key with its name and version bound to it. A record
/// that is moved to another name or version does not open.
///
/// It stands on the raw store, below a [`SealedStore`](crate::SealedStore), whose key it wraps.
#[derive(Debug)]
pub struct LocalKeyring {
    store: Arc<dyn Store>,
    root: RootKey,
    clock: Arc<dyn Clock>,
    /// Opened versions. A version never changes, so these never age.
    opened: RwLock<HashMap<(KeyName, KeyVersion), Arc<InputKey>>>,
}

impl LocalKeyring {
    /// Opens the keyring of this store; at the very first start, makes the root key file.
    ///
    /// # Errors
    /// As [`RootKey::load_or_create`]: a missing, wrong or damaged root key is told apart, and
    /// nothing is made in its place.
    pub async fn open(
        store: Arc<dyn Store>,
        root_key_path: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let root = RootKey::load_or_create(root_key_path, &store).await?;
        Ok(Self { store, root, clock, opened: RwLock::default() })
    }

    /// The id of its root key.
    #[must_use]
    pub fn root_key_id(&self) -> &str {
        self.root.id()
    }

    /// A version of a key, opened; `None` when there is no such version.
    async fn version(&self, name: &KeyName, version: KeyVersion) -> Result<Option<Arc<InputKey>>> {
        let wanted = (name.clone(), version);
        if let Some(key) = self.opened.read().get(&wanted) {
            return Ok(Some(Arc::clone(key)));
        }
        let record = self.store.load::<LocalKeyVersion>(&entity::version_id(name, version)).await?;
        let Some(record) = record else { return Ok(None) };
        let corrupt = || corrupt(name, version);
        let material = self.root.open(&version_context(name, version), &record.sealed);
        let material =
            DataKey::from_slice(&material.map_err(|_| corrupt())?).ok_or_else(corrupt)?;
        let key = Arc::new(InputKey::new(material.expose()));
        self.opened.write().insert(wanted, Arc::clone(&key));
        Ok(Some(key))
    }

    /// Writes a fresh version of a key together with the key's own record.
    async fn add_version(&self, key: LocalKey, read: Option<Version>) -> Result<KeyVersion> {
        let material = DataKey::generate()?;
        let LocalKey { name, current, .. } = &key;
        let version = LocalKeyVersion {
            name: name.clone(),
            version: *current,
            root_key_id: self.root.id().to_owned(),
            sealed: self.root.seal(&version_context(name, *current), material.expose())?,
            created_at: self.clock.now(),
        };
        let expect = read.map_or(Expect::Absent, Expect::Version);
        let batch = Batch::new().with(key.put(expect)?).with(version.put(Expect::Absent)?);
        self.store.commit(batch).await?;
        Ok(*current)
    }

    async fn key(&self, name: &KeyName) -> Result<Option<prov_core::store::Stored<LocalKey>>> {
        self.store.load::<LocalKey>(name.as_str()).await
    }
}

/// What a sealed version is bound to.
fn version_context(name: &KeyName, version: KeyVersion) -> Vec<u8> {
    let number = version.number().to_be_bytes();
    framed(&[b"prov-kms local key v1", name.as_str().as_bytes(), &number])
}

fn unknown(name: &KeyName) -> Error {
    Error::new(codes::KEY_UNKNOWN).detail(format!("there is no key `{name}`"))
}

/// A version that must be there and open, and is not or does not.
fn corrupt(name: &KeyName, version: KeyVersion) -> Error {
    Error::new(core_codes::STORE_CORRUPT)
        .context(format!("version {version} of key `{name}` is gone or does not open"))
}
