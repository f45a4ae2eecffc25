//! A symmetric key in a file: encryption without a server.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use prov_core::{Error, Health, Result};

use crate::backend::{
    Aad, BackendInfo, Capabilities, DataKey, KeyName, KeyVersion, KmsBackend, WrappedKey,
};
use crate::cobblestone::{self, InputKey};
use crate::codes;
use crate::encoding::framed;
use crate::failure::undecryptable;
use crate::key_file::{KeyFile, KeyFileKind, about};

/// One key in a file of mode 0600, as a backend. It has one version and takes every key name (the
/// name is bound to what it wraps); [`key_name`](Self::key_name) names the file itself, so that an
/// encrypted file says which key file opens it.
#[derive(Debug)]
pub struct FileKey {
    input: InputKey,
    name: KeyName,
}

impl FileKey {
    /// Makes a fresh key and its file; never overwrites one.
    ///
    /// # Errors
    /// [`codes::KEY_FILE_EXISTS`]; [`codes::FILE_FAILED`] when it can't be written.
    pub fn create(path: &Path) -> Result<Self> {
        KeyFile::create(KeyFileKind::File, path).and_then(|file| Self::of(&file))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`codes::KEY_FILE_UNREADABLE`] (also when there is none), [`codes::KEY_FILE_EXPOSED`],
    /// [`codes::KEY_FILE_DAMAGED`].
    pub fn load(path: &Path) -> Result<Self> {
        let missing = || about(Error::new(codes::KEY_FILE_UNREADABLE).source("no such file"), path);
        KeyFile::read(KeyFileKind::File, path)?.ok_or_else(missing).and_then(|file| Self::of(&file))
    }

    /// The name of this key: `file-` and its id.
    #[must_use]
    pub const fn key_name(&self) -> &KeyName {
        &self.name
    }

    fn of(file: &KeyFile) -> Result<Self> {
        let name = format!("file-{}", file.id).parse()?;
        Ok(Self { input: InputKey::new(file.key.expose()), name })
    }
}

#[async_trait]
impl KmsBackend for FileKey {
    fn info(&self) -> BackendInfo {
        BackendInfo::new("file", Capabilities::full().without_rotation())
    }

    async fn ensure_key(&self, _: &KeyName) -> Result<KeyVersion> {
        Ok(KeyVersion::FIRST)
    }

    async fn wrap_key(&self, name: &KeyName, key: &DataKey, aad: Aad<'_>) -> Result<WrappedKey> {
        let mut blob = Vec::new();
        cobblestone::seal(&self.input, &wrap_context(name, aad), key.expose(), &mut blob)?;
        let (name, version) = (name.clone(), KeyVersion::FIRST);
        Ok(WrappedKey { name, version, blob: Bytes::from(blob) })
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, aad: Aad<'_>) -> Result<DataKey> {
        if wrapped.version != KeyVersion::FIRST {
            return Err(undecryptable());
        }
        let context = wrap_context(&wrapped.name, aad);
        let key = cobblestone::open(&self.input, &context, &wrapped.blob)?;
        DataKey::from_slice(&key).ok_or_else(undecryptable)
    }

    async fn rotate(&self, _: &KeyName) -> Result<KeyVersion> {
        Err(codes::ROTATION_UNSUPPORTED.into())
    }

    async fn health(&self) -> Result<Health> {
        Ok(Health::up())
    }
}

fn wrap_context(name: &KeyName, aad: Aad<'_>) -> Vec<u8> {
    framed(&[b"prov-kms file key wrap v1", name.as_str().as_bytes(), aad.0])
}
