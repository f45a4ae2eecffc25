//! Using keys.

use prov_core::audit::{Action, Outcome};
use prov_core::{Error, Result, SecretBytes, SecurityContext, codes as core_codes};

use super::{KeyInfo, Kms, context_names};
use crate::backend::{DataKey, KeyName};
use crate::ciphertext::Ciphertext;
use crate::codes;
use crate::context::EncryptionContext;
use crate::failure::undecryptable;

/// What kind of data key to generate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "the two of the API")]
pub enum DataKeySpec {
    /// 32 bytes.
    #[default]
    Aes256,
    /// 16 bytes.
    Aes128,
}

/// A data key for the caller's own encryption, and the same encrypted, to keep beside the data.
#[derive(Debug)]
#[non_exhaustive]
pub struct GeneratedKey {
    /// The key.
    pub plaintext: SecretBytes,
    /// The key, encrypted.
    pub ciphertext: Ciphertext,
}

impl Kms {
    /// Encrypts under the newest version of a key, bound to `context`.
    ///
    /// # Errors
    /// [`codes::KEY_UNKNOWN`]; [`codes::KEY_DISABLED`]; `core.too_large` above
    /// [`MAX_PLAINTEXT`](Self::MAX_PLAINTEXT).
    pub async fn encrypt(
        &self,
        caller: &SecurityContext,
        key: &KeyName,
        plaintext: &SecretBytes,
        context: &EncryptionContext,
    ) -> Result<Ciphertext> {
        let encrypted = self.seal(key, plaintext, context).await;
        self.record_use(caller, Action::KMS_ENCRYPT, key, context, encrypted).await
    }

    /// Decrypts what was encrypted with an equal context.
    ///
    /// # Errors
    /// [`codes::KEY_DISABLED`]; for all else that does not decrypt, an unknown key included,
    /// [`codes::DECRYPTION_FAILED`].
    pub async fn decrypt(
        &self,
        caller: &SecurityContext,
        ciphertext: &Ciphertext,
        context: &EncryptionContext,
    ) -> Result<SecretBytes> {
        let decrypted = self.open_sealed(ciphertext, context).await.map(|(_, plain)| plain);
        let key = ciphertext.key();
        self.record_use(caller, Action::KMS_DECRYPT, key, context, decrypted).await
    }

    /// A fresh data key, in the clear and encrypted under a key.
    ///
    /// # Errors
    /// As [`encrypt`](Self::encrypt).
    pub async fn generate_key(
        &self,
        caller: &SecurityContext,
        key: &KeyName,
        spec: DataKeySpec,
        context: &EncryptionContext,
    ) -> Result<GeneratedKey> {
        let generated = self.generate(key, spec, context).await;
        self.record_use(caller, Action::KMS_DATA_KEY_GENERATE, key, context, generated).await
    }

    /// The same plaintext under the newest version of its key; what is there already comes back
    /// unchanged, once it has been found to decrypt.
    ///
    /// # Errors
    /// As [`decrypt`](Self::decrypt) and [`encrypt`](Self::encrypt).
    pub async fn rewrap(
        &self,
        caller: &SecurityContext,
        ciphertext: &Ciphertext,
        context: &EncryptionContext,
    ) -> Result<Ciphertext> {
        let rewrapped = self.seal_again(ciphertext, context).await;
        let key = ciphertext.key();
        self.record_use(caller, Action::KMS_REWRAP, key, context, rewrapped).await
    }

    async fn seal(
        &self,
        key: &KeyName,
        plaintext: &SecretBytes,
        context: &EncryptionContext,
    ) -> Result<Ciphertext> {
        if plaintext.expose().len() > Self::MAX_PLAINTEXT {
            return Err(Error::new(core_codes::TOO_LARGE)
                .detail("at most 512 KiB; for more, encrypt a file under a generated key"));
        }
        let version = self.usable_key(key).await?.version;
        self.envelope.encrypt_since(key, version, plaintext.expose(), context).await
    }

    /// The plaintext, and the key it was under. That there is no such key is not told: the name in a
    /// ciphertext is the sender's word.
    async fn open_sealed(
        &self,
        ciphertext: &Ciphertext,
        context: &EncryptionContext,
    ) -> Result<(KeyInfo, SecretBytes)> {
        let key = self
            .usable_key(ciphertext.key())
            .await
            .map_err(|error| if error.is(codes::KEY_UNKNOWN) { undecryptable() } else { error })?;
        Ok((key, self.envelope.decrypt(ciphertext, context).await?))
    }

    async fn generate(
        &self,
        key: &KeyName,
        spec: DataKeySpec,
        context: &EncryptionContext,
    ) -> Result<GeneratedKey> {
        let bytes = DataKey::generate()?;
        let len = match spec {
            DataKeySpec::Aes256 => 32,
            DataKeySpec::Aes128 => 16,
        };
        let plaintext = SecretBytes::new(bytes.expose().iter().take(len).copied().collect());
        let ciphertext = self.seal(key, &plaintext, context).await?;
        Ok(GeneratedKey { plaintext, ciphertext })
    }

    async fn seal_again(
        &self,
        ciphertext: &Ciphertext,
        context: &EncryptionContext,
    ) -> Result<Ciphertext> {
        let (key, plaintext) = self.open_sealed(ciphertext, context).await?;
        let current = ciphertext.version() >= key.version
            && ciphertext.backend() == self.envelope.backend().info().name;
        if current {
            return Ok(ciphertext.clone());
        }
        self.seal(&key.name, &plaintext, context).await
    }

    /// Records a use with the names of its context.
    async fn record_use<T>(
        &self,
        caller: &SecurityContext,
        action: Action,
        key: &KeyName,
        context: &EncryptionContext,
        result: Result<T>,
    ) -> Result<T> {
        let event =
            self.event(action, Outcome::Success, key).with("context_names", context_names(context));
        self.record(caller, event, result).await
    }
}
