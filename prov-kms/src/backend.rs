//! The trait at the centre: whoever keeps key-encryption keys.

mod data_key;
mod info;
mod name;

use std::fmt::Debug;

use async_trait::async_trait;
pub use data_key::{DataKey, WrappedKey};
pub use info::{BackendInfo, Capabilities};
pub use name::{KeyName, KeyVersion};
use prov_core::{Health, Result};

/// What a wrapped key is bound to: unwrapping with any other bytes fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a name for one thing")]
pub struct Aad<'a>(pub &'a [u8]);

/// Wraps and unwraps 32-byte data keys under named keys; bulk encryption is a local
/// [`Envelope`](crate::Envelope), so no backend has a size limit and every ciphertext has one
/// format. Contract, executable as `prov_kms::conformance`:
///
/// * What was wrapped unwraps under the same name, version and `aad`, and under no other; that two
///   wraps of one key are different bytes is part of it.
/// * A wrong key, a wrong `aad`, a wrong version and damage are one and the same error,
///   [`codes::DECRYPTION_FAILED`](crate::codes::DECRYPTION_FAILED). That the backend can't be asked
///   is another: it keeps its own code.
/// * Keys wrapped before a [`rotate`](Self::rotate) still unwrap after it.
/// * What a backend can't do, its [`Capabilities`] say.
#[async_trait]
pub trait KmsBackend: Debug + Send + Sync + 'static {
    /// Its name and what it can do.
    fn info(&self) -> BackendInfo;

    /// Makes sure that there is a key of this name and returns its newest version; never makes a
    /// second one. A method of its own, so that a misspelt name can't make a key.
    ///
    /// # Errors
    /// When the backend can't be asked.
    async fn ensure_key(&self, name: &KeyName) -> Result<KeyVersion>;

    /// Wraps a data key under the newest version of the named key.
    ///
    /// # Errors
    /// [`codes::KEY_UNKNOWN`](crate::codes::KEY_UNKNOWN) when there is no such key.
    async fn wrap_key(&self, name: &KeyName, key: &DataKey, aad: Aad<'_>) -> Result<WrappedKey>;

    /// Unwraps a data key.
    ///
    /// # Errors
    /// [`codes::DECRYPTION_FAILED`](crate::codes::DECRYPTION_FAILED) whatever is wrong with it;
    /// other codes when the backend can't be asked.
    async fn unwrap_key(&self, wrapped: &WrappedKey, aad: Aad<'_>) -> Result<DataKey>;

    /// Gives the named key a new version, which wraps from now on.
    ///
    /// # Errors
    /// [`codes::ROTATION_UNSUPPORTED`](crate::codes::ROTATION_UNSUPPORTED) where
    /// [`Capabilities::rotation`] is false; [`codes::KEY_UNKNOWN`](crate::codes::KEY_UNKNOWN).
    async fn rotate(&self, name: &KeyName) -> Result<KeyVersion>;

    /// Whether it can work now.
    ///
    /// # Errors
    /// When that can't be found out.
    async fn health(&self) -> Result<Health>;
}
