use async_trait::async_trait;
use bytes::Bytes;
use prov_core::{Health, Result, codes as core_codes};

use super::{LocalKey, LocalKeyring, corrupt, unknown};
use crate::backend::{
    Aad, BackendInfo, Capabilities, DataKey, KeyName, KeyVersion, KmsBackend, WrappedKey,
};
use crate::cobblestone;
use crate::encoding::framed;
use crate::failure::{refused_by_library, undecryptable};

/// How a data key is wrapped: as a Cobblestone-256 message of 104 bytes under the version's key, with
/// key name, version and AAD as its context. Wrapping commits to the key and has no nonce to run out of:
/// the bound is 2⁵⁵ wraps for each version.
#[async_trait]
impl KmsBackend for LocalKeyring {
    fn info(&self) -> BackendInfo {
        BackendInfo::new("local", Capabilities::full())
    }

    async fn ensure_key(&self, name: &KeyName) -> Result<KeyVersion> {
        if let Some(key) = self.key(name).await? {
            return Ok(key.current);
        }
        let (current, created_at) = (KeyVersion::FIRST, self.clock.now());
        match self.add_version(LocalKey { name: name.clone(), current, created_at }, None).await {
            // Somebody else was faster: theirs counts.
            Err(error) if error.is(core_codes::CONFLICT) => {
                Ok(self.key(name).await?.ok_or(error)?.current)
            }
            made => made,
        }
    }

    async fn wrap_key(&self, name: &KeyName, key: &DataKey, aad: Aad<'_>) -> Result<WrappedKey> {
        let current = self.key(name).await?.ok_or_else(|| unknown(name))?.current;
        let wrapping = self.version(name, current).await?.ok_or_else(|| corrupt(name, current))?;
        let mut blob = Vec::new();
        cobblestone::seal(&wrapping, &wrap_context(name, current, aad), key.expose(), &mut blob)?;
        Ok(WrappedKey { name: name.clone(), version: current, blob: Bytes::from(blob) })
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, aad: Aad<'_>) -> Result<DataKey> {
        let WrappedKey { name, version, blob } = wrapped;
        let wrapping = self.version(name, *version).await?.ok_or_else(undecryptable)?;
        let key = cobblestone::open(&wrapping, &wrap_context(name, *version, aad), blob)?;
        DataKey::from_slice(&key).ok_or_else(undecryptable)
    }

    async fn rotate(&self, name: &KeyName) -> Result<KeyVersion> {
        let key = self.key(name).await?.ok_or_else(|| unknown(name))?;
        let current = key
            .current
            .next()
            .ok_or_else(|| refused_by_library("a key has no version after the last"))?;
        self.add_version(LocalKey { current, ..key.entity }, Some(key.version)).await
    }

    async fn health(&self) -> Result<Health> {
        Ok(if self.root.is_right_for(&self.store).await? {
            Health::up()
        } else {
            Health::down("the root key no longer fits the store")
        })
    }
}

/// What a wrapped key is bound to.
fn wrap_context(name: &KeyName, version: KeyVersion, aad: Aad<'_>) -> Vec<u8> {
    let number = version.number().to_be_bytes();
    framed(&[b"prov-kms local wrap v1", name.as_str().as_bytes(), &number, aad.0])
}
