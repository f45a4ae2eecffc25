use async_trait::async_trait;
use aws_lc_rs::hmac;
use bytes::Bytes;
use prov_core::{Health, Result};
use zeroize::Zeroizing;

use super::AgeKeys;
use super::file::{AgeFileFormat, decrypt_age_stream, encrypt_age_stream};
use crate::backend::{
    Aad, BackendInfo, Capabilities, DataKey, KeyName, KeyVersion, KmsBackend, WrappedKey,
};
use crate::codes;
use crate::encoding::framed;
use crate::failure::undecryptable;

/// Data keys wrapped to age X25519 recipients; each wrapped key is an age file of 64 bytes that
/// `age -d` reads.
///
/// age has no AAD, so it is bound inside: the payload is the data key and HMAC-SHA256 under it of
/// key name, version and AAD, each behind its length. Nobody without the private key sees either.
///
/// Two limits of the format, said as [`Capabilities`]: there are no key versions (exchange the key
/// files and rewrap instead), and whoever knows the public key can wrap a key of their own making,
/// so that **a ciphertext is confidential, but proves nothing about its author**.
#[derive(Debug)]
pub struct AgeBackend {
    keys: AgeKeys,
}

impl AgeBackend {
    /// Wraps to and unwraps with these keys.
    #[must_use]
    pub const fn new(keys: AgeKeys) -> Self {
        Self { keys }
    }
}

#[async_trait]
impl KmsBackend for AgeBackend {
    fn info(&self) -> BackendInfo {
        let capabilities = Capabilities::full().without_rotation().without_authentication();
        let capabilities =
            if self.keys.can_decrypt() { capabilities } else { capabilities.without_unwrap() };
        BackendInfo::new("age", capabilities)
    }

    async fn ensure_key(&self, _: &KeyName) -> Result<KeyVersion> {
        Ok(KeyVersion::FIRST)
    }

    async fn wrap_key(&self, name: &KeyName, key: &DataKey, aad: Aad<'_>) -> Result<WrappedKey> {
        let mut payload = Zeroizing::new(Vec::with_capacity(64));
        payload.extend_from_slice(key.expose());
        payload.extend_from_slice(hmac::sign(&mac_key(key), &bound_to(name, aad)).as_ref());
        let mut blob = Vec::new();
        encrypt_age_stream(&self.keys, AgeFileFormat::Binary, &payload[..], &mut blob)?;
        let (name, version) = (name.clone(), KeyVersion::FIRST);
        Ok(WrappedKey { name, version, blob: Bytes::from(blob) })
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, aad: Aad<'_>) -> Result<DataKey> {
        if wrapped.version != KeyVersion::FIRST {
            return Err(undecryptable());
        }
        // Room for the payload, so that it is never moved about in memory.
        let mut payload = Zeroizing::new(Vec::with_capacity(64 * 1024));
        decrypt_age_stream(&self.keys, &wrapped.blob[..], &mut *payload)?;
        let (key, tag) = payload.split_at_checked(32).ok_or_else(undecryptable)?;
        let key = DataKey::from_slice(key).ok_or_else(undecryptable)?;
        hmac::verify(&mac_key(&key), &bound_to(&wrapped.name, aad), tag)
            .map_err(|_| undecryptable())?;
        Ok(key)
    }

    async fn rotate(&self, _: &KeyName) -> Result<KeyVersion> {
        Err(codes::ROTATION_UNSUPPORTED.into())
    }

    async fn health(&self) -> Result<Health> {
        Ok(if self.keys.can_decrypt() {
            Health::up()
        } else {
            Health::degraded("no age private key: encrypts, can't decrypt")
        })
    }
}

/// HMAC under the data key itself: it commits to the key, and tells nothing to whoever lacks it.
fn mac_key(key: &DataKey) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, key.expose())
}

/// What a wrapped key is bound to; the version is a constant, and bound for the day it is not.
fn bound_to(name: &KeyName, aad: Aad<'_>) -> Vec<u8> {
    let version = KeyVersion::FIRST.number().to_be_bytes();
    framed(&[b"prov-kms age wrap v1", name.as_str().as_bytes(), &version, aad.0])
}
