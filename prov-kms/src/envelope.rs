//! Bulk encryption under data keys that a backend wraps.

mod binding;
mod cache;
mod cached_key;
mod files;
mod message;
mod stream;

use std::sync::Arc;

pub use cache::CacheLimits;
use cache::KeyCache;
use cached_key::{OpeningKey, SealingKey};
use prov_core::Clock;
pub use stream::StreamHeader;

use crate::backend::{KeyName, KmsBackend};

/// Encrypts and decrypts data of any kind under keys of a [`KmsBackend`].
///
/// * Each data key is bound to key name and context by the backend's AAD, and each ciphertext once
///   more by the derivation of its single-use key: **the context is bound twice**.
/// * Every ciphertext **commits** to its key and context; none opens under two.
/// * Data keys are reused for one key and context within [`CacheLimits`], so that the backend is not
///   asked for each message. Each message still has a single-use key, derived from the data key.
///
/// It knows no key states and leaves no audit events: that is [`Kms`](crate::Kms), which is built on
/// it.
#[derive(Debug)]
pub struct Envelope {
    active: Arc<dyn KmsBackend>,
    others: Vec<Arc<dyn KmsBackend>>,
    clock: Arc<dyn Clock>,
    limits: CacheLimits,
    sealing: KeyCache<(KeyName, [u8; 32]), SealingKey>,
    opening: KeyCache<[u8; 32], OpeningKey>,
}

impl Envelope {
    /// The longest message in memory: 1 GiB. What is longer is a
    /// [stream](Self::encrypt_stream).
    pub const MAX_MESSAGE: usize = 1 << 30;

    /// Encrypts and decrypts by this backend.
    #[must_use]
    pub fn new(backend: Arc<dyn KmsBackend>, clock: Arc<dyn Clock>) -> Self {
        let limits = CacheLimits::default();
        Self {
            active: backend,
            others: Vec::new(),
            clock,
            limits,
            sealing: KeyCache::new(&limits),
            opening: KeyCache::new(&limits),
        }
    }

    /// With these limits to the reuse of data keys.
    #[must_use]
    pub fn with_cache(self, limits: CacheLimits) -> Self {
        let (sealing, opening) = (KeyCache::new(&limits), KeyCache::new(&limits));
        Self { limits, sealing, opening, ..self }
    }

    /// Also decrypts by this backend, as after a move from it to another.
    #[must_use]
    pub fn also_decrypting(mut self, backend: Arc<dyn KmsBackend>) -> Self {
        self.others.push(backend);
        self
    }

    /// The backend that encrypts.
    #[must_use]
    pub fn backend(&self) -> &Arc<dyn KmsBackend> {
        &self.active
    }

    /// All backends, the one that encrypts first.
    pub fn backends(&self) -> impl Iterator<Item = &Arc<dyn KmsBackend>> {
        std::iter::once(&self.active).chain(&self.others)
    }

    /// Forgets the data keys of a key: for when it was disabled or rotated.
    pub fn forget(&self, key: &KeyName) {
        self.sealing.retain(|(name, _), _| name != key);
        self.opening.retain(|_, opening| opening.name != *key);
    }

    /// How many data keys are held in memory.
    #[must_use]
    pub fn cached_keys(&self) -> usize {
        self.sealing.len() + self.opening.len()
    }
}
