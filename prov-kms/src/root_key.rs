//! The key at the root of the local keyring, and the proof in the store that it is the right one.

use std::fmt;
use std::path::Path;

use prov_core::store::{Entity, Scan, Store, StoreExt};
use prov_core::{Error, Result, codes as core_codes};
use serde::{Deserialize, Serialize};

use crate::cobblestone::{self, InputKey};
use crate::codes;
use crate::encoding::{base64_field, framed};
use crate::key_file::{KeyFile, KeyFileKind, about};
use crate::local::LocalKey;

/// Opens the local keyring. Lives in a file of mode 0600 and, wiped on drop, in memory; never in the
/// store.
pub struct RootKey {
    /// What seals the versions of the keyring's keys.
    input: InputKey,
    id: String,
}

impl RootKey {
    /// Reads the root key and checks it against what the store holds. Where neither a key file nor
    /// sealed data exists yet, makes a fresh key.
    ///
    /// Nothing is ever made anew in place of a key that data was sealed under.
    ///
    /// # Errors
    /// * [`codes::ROOT_KEY_MISSING`]: the store holds sealed data, the file is not there.
    /// * [`codes::ROOT_KEY_MISMATCH`]: the file holds another root key than the data needs.
    /// * [`codes::KEY_FILE_DAMAGED`], [`codes::KEY_FILE_EXPOSED`], [`codes::KEY_FILE_UNREADABLE`].
    /// * [`STORE_CORRUPT`](core_codes::STORE_CORRUPT): there are keys, but no check value.
    pub async fn load_or_create(path: &Path, store: &dyn Store) -> Result<Self> {
        let check = store.load::<RootKeyCheck>(RootKeyCheck::ID).await?;
        let file = match KeyFile::read(KeyFileKind::Root, path)? {
            Some(file) => file,
            None => Self::create_if_unused(path, store, check.as_deref()).await?,
        };
        let root = Self { input: InputKey::new(file.key.expose()), id: file.id };
        match check {
            Some(check) => root.verify(&check).map_err(|e| about(e, path))?,
            None => root.leave_check(store).await.map_err(|e| about(e, path))?,
        }
        Ok(root)
    }

    /// The id of the key: derived from it, not secret.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals a key of the keyring.
    pub(crate) fn seal(&self, context: &[u8], key: &[u8]) -> Result<Vec<u8>> {
        let mut sealed = Vec::new();
        cobblestone::seal(&self.input, context, key, &mut sealed)?;
        Ok(sealed)
    }

    /// Opens what [`seal`](Self::seal) made.
    pub(crate) fn open(
        &self,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<zeroize::Zeroizing<Vec<u8>>> {
        cobblestone::open(&self.input, context, sealed)
    }

    /// Whether the store's check value still opens; for health.
    pub(crate) async fn is_right_for(&self, store: &dyn Store) -> Result<bool> {
        let check = store.load::<RootKeyCheck>(RootKeyCheck::ID).await?;
        Ok(check.is_some_and(|check| self.verify(&check).is_ok()))
    }

    /// Makes the key file, but only where nothing was ever sealed; a file that another process makes in
    /// the same moment counts.
    async fn create_if_unused(
        path: &Path,
        store: &dyn Store,
        check: Option<&RootKeyCheck>,
    ) -> Result<KeyFile> {
        let missing = |id: &str| {
            about(
                Error::new(codes::ROOT_KEY_MISSING).detail(format!(
                    "the root key file is missing, and the stored data was sealed under root key \
                     `{id}`; restore the file from its backup, nothing can be opened without it"
                )),
                path,
            )
        };
        if let Some(check) = check {
            return Err(missing(&check.key_id));
        }
        if has_keys(store).await? {
            return Err(missing("unknown"));
        }
        match KeyFile::create(KeyFileKind::Root, path) {
            // Another process was faster: its key counts.
            Err(error) if error.is(codes::KEY_FILE_EXISTS) => {
                KeyFile::read(KeyFileKind::Root, path)?.ok_or(error)
            }
            made => made,
        }
    }

    /// Opens the check value: an intact key that is another one is told by its id.
    fn verify(&self, check: &RootKeyCheck) -> Result<()> {
        self.open(&check_context(&self.id), &check.sealed).map(drop).map_err(|_| {
            Error::new(codes::ROOT_KEY_MISMATCH).detail(format!(
                "the root key file holds key `{}`, but the stored data was sealed under `{}`; \
                 restore the right file",
                self.id, check.key_id
            ))
        })
    }

    /// The first use of a root key with this store.
    async fn leave_check(&self, store: &dyn Store) -> Result<()> {
        if has_keys(store).await? {
            return Err(Error::new(core_codes::STORE_CORRUPT)
                .context("the keyring has keys, but the check value of its root key is gone"));
        }
        let sealed = self.seal(&check_context(&self.id), b"the right root key")?;
        match store.create(&RootKeyCheck { key_id: self.id.clone(), sealed }).await {
            Err(error) if error.is(core_codes::CONFLICT) => {
                let check = store.load::<RootKeyCheck>(RootKeyCheck::ID).await?.ok_or(error)?;
                self.verify(&check)
            }
            other => other.map(drop),
        }
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Something that only the right root key opens.
#[derive(Debug, Serialize, Deserialize)]
struct RootKeyCheck {
    /// The id of the root key, to name it when it is missing.
    key_id: String,
    /// A constant, sealed under it.
    #[serde(with = "base64_field")]
    sealed: Vec<u8>,
}

impl RootKeyCheck {
    const ID: &'static str = "current";
}

impl Entity for RootKeyCheck {
    const KIND: &'static str = "kms.root_key_check";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}

/// What the check value is bound to.
fn check_context(key_id: &str) -> Vec<u8> {
    framed(&[b"prov-kms root key check v1", key_id.as_bytes()])
}

/// Whether the keyring has any key, whose loss a new root key would make final.
async fn has_keys(store: &dyn Store) -> Result<bool> {
    let any = Scan::kind(LocalKey::KIND).limit(std::num::NonZeroU32::MIN);
    Ok(!store.scan(&any).await?.records.is_empty())
}
