//! Messages in memory, under data keys that are reused within limits.

use std::borrow::Cow;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use prov_core::{Result, SecretBytes, codes as core_codes};

use super::Envelope;
use super::binding::Purpose;
use super::cached_key::{OpeningKey, SealingKey};
use crate::backend::{Aad, DataKey, KeyName, KeyVersion, KmsBackend, WrappedKey};
use crate::ciphertext::Ciphertext;
use crate::cobblestone::{self, InputKey};
use crate::context::EncryptionContext;
use crate::encoding::framed;
use crate::failure::{refused_by_library, undecryptable};

impl Envelope {
    /// Encrypts `plaintext` under the named key, bound to `context`.
    ///
    /// # Errors
    /// [`codes::KEY_UNKNOWN`](crate::codes::KEY_UNKNOWN); `core.too_large` above
    /// [`MAX_MESSAGE`](Self::MAX_MESSAGE); the backend's own when it has to be asked and can't.
    pub async fn encrypt(
        &self,
        key: &KeyName,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Ciphertext> {
        self.encrypt_since(key, KeyVersion::FIRST, plaintext, context).await
    }

    /// Encrypts, but not under a data key that was wrapped before `version` of the named key.
    ///
    /// # Errors
    /// As [`encrypt`](Self::encrypt).
    pub async fn encrypt_since(
        &self,
        key: &KeyName,
        version: KeyVersion,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Ciphertext> {
        if plaintext.len() > Self::MAX_MESSAGE {
            return Err(core_codes::TOO_LARGE.into());
        }
        let sealing = self.sealing_key(key, version, plaintext.len(), context).await?;
        let sealed_len = cobblestone::sealed_len(plaintext.len());
        let mut payload = Vec::with_capacity(sealing.prefix.len() + sealed_len);
        payload.extend_from_slice(&sealing.prefix);
        cobblestone::seal(&sealing.input, &sealing.data_context, plaintext, &mut payload)?;
        let backend = Cow::Borrowed(self.backend().info().name);
        Ok(Ciphertext { backend, key: key.clone(), version: sealing.version, payload })
    }

    /// Decrypts what was encrypted with an equal context.
    ///
    /// # Errors
    /// [`codes::DECRYPTION_FAILED`](crate::codes::DECRYPTION_FAILED) whatever is wrong with it; the
    /// backend's own when it has to be asked and can't.
    pub async fn decrypt(
        &self,
        ciphertext: &Ciphertext,
        context: &EncryptionContext,
    ) -> Result<SecretBytes> {
        let (wrapped, body) = ciphertext.parts().ok_or_else(undecryptable)?;
        let opening = self.opening_key(ciphertext, wrapped, context).await?;
        let mut plain = cobblestone::open(&opening.input, &opening.data_context, body)?;
        Ok(SecretBytes::new(std::mem::take(&mut *plain)))
    }

    /// The backend of this name.
    pub(super) fn backend_named(&self, name: &str) -> Result<&Arc<dyn KmsBackend>> {
        self.backends().find(|b| b.info().name == name).ok_or_else(undecryptable)
    }

    /// A data key that may encrypt one more message: from the cache, or a fresh one.
    async fn sealing_key(
        &self,
        key: &KeyName,
        since: KeyVersion,
        len: usize,
        context: &EncryptionContext,
    ) -> Result<Arc<SealingKey>> {
        let cache_key = (key.clone(), *context.digest());
        let now = self.clock.monotonic();
        let cached = self.sealing.find(&cache_key, now);
        let usable =
            |cached: &Arc<SealingKey>| cached.version >= since && cached.take(len, &self.limits);
        if let Some(cached) = cached.filter(usable) {
            return Ok(cached);
        }
        let backend = self.backend();
        let data_key = DataKey::generate()?;
        let aad = Purpose::Message.wrap_aad(backend.info().name, context);
        let wrapped = backend.wrap_key(key, &data_key, Aad(&aad)).await?;
        let len_prefix = u16::try_from(wrapped.blob.len())
            .map_err(|_| refused_by_library("a wrapped key is longer than 64 KiB"))?;
        let prefix = [&len_prefix.to_be_bytes()[..], &wrapped.blob].concat();
        let data_context = Purpose::Message.data_context(key, context);
        let input = InputKey::new(data_key.expose());
        let fresh = Arc::new(SealingKey::new(input, data_context, wrapped.version, prefix));
        fresh.take(len, &self.limits);
        self.sealing.keep(cache_key, Arc::clone(&fresh), now);
        Ok(fresh)
    }

    /// The data key that a ciphertext carries: from the cache, or unwrapped.
    async fn opening_key(
        &self,
        ciphertext: &Ciphertext,
        wrapped: &[u8],
        context: &EncryptionContext,
    ) -> Result<Arc<OpeningKey>> {
        let Ciphertext { backend, key, version, .. } = ciphertext;
        let backend = self.backend_named(backend)?;
        let cache_key = opening_cache_key(ciphertext, wrapped, context);
        let now = self.clock.monotonic();
        if let Some(cached) = self.opening.find(&cache_key, now) {
            return Ok(cached);
        }
        let blob = Bytes::copy_from_slice(wrapped);
        let wrapped = WrappedKey { name: key.clone(), version: *version, blob };
        let aad = Purpose::Message.wrap_aad(backend.info().name, context);
        let data_key = backend.unwrap_key(&wrapped, Aad(&aad)).await?;
        let opening = Arc::new(OpeningKey {
            input: InputKey::new(data_key.expose()),
            data_context: Purpose::Message.data_context(key, context),
            name: key.clone(),
        });
        self.opening.keep(cache_key, Arc::clone(&opening), now);
        Ok(opening)
    }
}

/// A hash of everything that unwrapping would authenticate: a cached key is found only by what
/// would have unwrapped it.
/// Two ciphertexts that differ in backend, key, version, wrapped key or context never share an entry.
fn opening_cache_key(
    ciphertext: &Ciphertext,
    wrapped: &[u8],
    context: &EncryptionContext,
) -> [u8; 32] {
    let Ciphertext { backend, key, version, .. } = ciphertext;
    let parts: [&[u8]; 6] = [
        b"prov-kms opening key v1",
        backend.as_bytes(),
        key.as_str().as_bytes(),
        &version.number().to_be_bytes(),
        wrapped,
        context.digest(),
    ];
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &framed(&parts)).as_ref());
    out
}
