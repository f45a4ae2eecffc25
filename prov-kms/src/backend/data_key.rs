use std::fmt;

use bytes::Bytes;
use prov_core::{Result, random};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{KeyName, KeyVersion};

/// A 256-bit key that encrypts data. Debug gives `[redacted]`; wiped on drop.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// A fresh one.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn generate() -> Result<Self> {
        let mut key = Zeroizing::new([0; 32]);
        random::fill(key.as_mut())?;
        Ok(Self(key))
    }

    /// The key of these bytes; `None` unless there are 32.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        (bytes.len() == key.len()).then(|| {
            key.copy_from_slice(bytes);
            Self(key)
        })
    }

    /// The bytes. Each call is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl PartialEq for DataKey {
    /// In constant time.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_ref()).into()
    }
}

impl Eq for DataKey {}

/// A data key under a named key: not secret, useless without the backend and the right AAD.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "backends of third parties make them")]
pub struct WrappedKey {
    /// Under which key.
    pub name: KeyName,
    /// Under which version of it.
    pub version: KeyVersion,
    /// The backend's own bytes, at most 64 KiB.
    pub blob: Bytes,
}
