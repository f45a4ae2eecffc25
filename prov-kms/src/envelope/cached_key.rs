//! What is kept of a data key.

use std::sync::atomic::{AtomicU64, Ordering};

use super::CacheLimits;
use crate::backend::{KeyName, KeyVersion};
use crate::cobblestone::InputKey;

/// A data key that encrypts messages for one key name and context.
#[derive(Debug)]
pub(super) struct SealingKey {
    /// The data key.
    pub(super) input: InputKey,
    pub(super) data_context: [u8; 32],
    /// The version of the named key it is wrapped under.
    pub(super) version: KeyVersion,
    /// How every payload starts: the wrapped key behind its length.
    pub(super) prefix: Vec<u8>,
    /// Messages so far.
    uses: AtomicU64,
    /// Plaintext bytes so far.
    bytes: AtomicU64,
}

impl SealingKey {
    /// A data key that has encrypted nothing yet.
    pub(super) fn new(
        input: InputKey,
        data_context: [u8; 32],
        version: KeyVersion,
        prefix: Vec<u8>,
    ) -> Self {
        let (uses, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { input, data_context, version, prefix, uses, bytes }
    }

    /// Counts one more message of `len` bytes; false when a limit is reached.
    pub(super) fn take(&self, len: usize, limits: &CacheLimits) -> bool {
        let len = len as u64;
        let uses = self.uses.fetch_add(1, Ordering::Relaxed);
        let bytes = self.bytes.fetch_add(len, Ordering::Relaxed);
        uses < limits.max_uses && bytes.saturating_add(len) <= limits.max_bytes
    }
}

/// A data key that decrypts the messages that carry it.
#[derive(Debug)]
pub(super) struct OpeningKey {
    pub(super) input: InputKey,
    pub(super) data_context: [u8; 32],
    /// Under which named key, so that it can be forgotten with it.
    pub(super) name: KeyName,
}
