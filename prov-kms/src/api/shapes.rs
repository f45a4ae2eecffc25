//! What is sent and answered.

use std::collections::BTreeMap;

use jiff::Timestamp;
use prov_core::{HealthState, SecretBytes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::base64_text;
use crate::backend::{BackendInfo, Capabilities, KeyName};
use crate::ciphertext::Ciphertext;
use crate::context::EncryptionContext;
use crate::kms::{DataKeySpec, GeneratedKey, KeyInfo, KeyState};

/// An encryption context: a text such as `env=prod,service=api`, or an object of strings. Both mean
/// the same, order does not matter. At most 64 pairs and 8 KiB.
#[derive(Debug, ToSchema)]
#[schema(as = EncryptionContext)]
#[serde(untagged)]
#[non_exhaustive]
pub enum ContextShape {
    /// `env=prod,service=api`
    Text(String),
    /// `{"env": "prod", "service": "api"}`
    Pairs(BTreeMap<String, String>),
}

/// What to encrypt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EncryptRequest {
    /// The data, as base64; at most 512 KiB of bytes.
    #[serde(deserialize_with = "base64_text::deserialize")]
    #[schema(value_type = String, format = Byte)]
    pub plaintext: SecretBytes,
    /// What the ciphertext is bound to; without it, to the key only.
    #[serde(default)]
    #[schema(value_type = ContextShape)]
    pub context: EncryptionContext,
    /// The key; `default` when it is left out.
    #[schema(value_type = Option<String>)]
    pub key_id: Option<KeyName>,
}

/// What to decrypt.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DecryptRequest {
    /// `prov:v1:…`
    pub ciphertext: String,
    /// The context it was encrypted with.
    #[serde(default)]
    #[schema(value_type = ContextShape)]
    pub context: EncryptionContext,
}

/// What to bring up to date.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RewrapRequest {
    /// `prov:v1:…`
    pub ciphertext: String,
    /// The context it was encrypted with, and will be.
    #[serde(default)]
    #[schema(value_type = ContextShape)]
    pub context: EncryptionContext,
}

/// The length of a data key.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[expect(clippy::exhaustive_enums, reason = "the two of the API")]
pub enum KeySpec {
    /// 32 bytes.
    #[default]
    #[serde(rename = "AES_256")]
    Aes256,
    /// 16 bytes.
    #[serde(rename = "AES_128")]
    Aes128,
}

impl From<KeySpec> for DataKeySpec {
    fn from(spec: KeySpec) -> Self {
        match spec {
            KeySpec::Aes256 => Self::Aes256,
            KeySpec::Aes128 => Self::Aes128,
        }
    }
}

/// Which data key to generate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GenerateKeyRequest {
    /// Its length; 32 bytes when it is left out.
    #[serde(default)]
    pub key_spec: KeySpec,
    /// What its ciphertext is bound to.
    #[serde(default)]
    #[schema(value_type = ContextShape)]
    pub context: EncryptionContext,
    /// The key that encrypts it; `default` when it is left out.
    #[schema(value_type = Option<String>)]
    pub key_id: Option<KeyName>,
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CreateKeyRequest {
    /// Its name: 1 to 64 of `a-z`, `0-9`, `.`, `_`, `-`.
    #[schema(value_type = String)]
    pub key_id: KeyName,
}

/// A ciphertext and the key it is under.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct CiphertextShape {
    /// Self-describing ASCII.
    #[schema(example = "prov:v1:local:default:1:AGh…")]
    pub ciphertext: String,
    /// The key.
    pub key_id: String,
    /// Its version.
    pub key_version: u32,
    /// The backend that keeps it.
    pub backend: String,
}

impl From<Ciphertext> for CiphertextShape {
    fn from(ciphertext: Ciphertext) -> Self {
        Self {
            ciphertext: ciphertext.to_string(),
            key_id: ciphertext.key().to_string(),
            key_version: ciphertext.version().number(),
            backend: ciphertext.backend().to_owned(),
        }
    }
}

/// What was decrypted.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct PlaintextShape {
    /// The data, as base64.
    #[serde(serialize_with = "base64_text::serialize")]
    #[schema(value_type = String, format = Byte)]
    pub plaintext: SecretBytes,
}

/// A data key, in the clear and encrypted.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct GeneratedKeyShape {
    /// The key, as base64.
    #[serde(serialize_with = "base64_text::serialize")]
    #[schema(value_type = String, format = Byte)]
    pub plaintext: SecretBytes,
    /// The key, encrypted.
    pub ciphertext: String,
    /// Under which key.
    pub key_id: String,
}

impl From<GeneratedKey> for GeneratedKeyShape {
    fn from(generated: GeneratedKey) -> Self {
        let GeneratedKey { plaintext, ciphertext } = generated;
        let key_id = ciphertext.key().to_string();
        Self { plaintext, ciphertext: ciphertext.to_string(), key_id }
    }
}

/// What is known of a key.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct KeyShape {
    /// Its name.
    pub key_id: String,
    /// Whether it may be used.
    #[schema(value_type = String, example = "enabled")]
    pub state: KeyState,
    /// The version that encrypts.
    pub key_version: u32,
    /// The backend that keeps it.
    pub backend: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it last got a new version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub rotated_at: Option<Timestamp>,
}

impl From<KeyInfo> for KeyShape {
    fn from(key: KeyInfo) -> Self {
        let KeyInfo { name, state, version, backend, created_at, rotated_at } = key;
        let (key_id, key_version) = (name.to_string(), version.number());
        Self { key_id, state, key_version, backend, created_at, rotated_at }
    }
}

/// A backend and what it can do.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct BackendShape {
    /// Its name in ciphertexts.
    pub name: String,
    /// Whether it encrypts; the others only decrypt.
    pub active: bool,
    /// What it can do, of `rotation`, `decryption` and `authentication` (only a holder of the key
    /// can make a ciphertext that decrypts).
    pub capabilities: Vec<&'static str>,
}

impl BackendShape {
    pub(super) fn new(info: BackendInfo, active: bool) -> Self {
        let Capabilities { rotation, unwrap, authenticated } = info.capabilities;
        let all =
            [("rotation", rotation), ("decryption", unwrap), ("authentication", authenticated)];
        let capabilities = all.into_iter().filter(|(_, can)| *can).map(|(word, _)| word).collect();
        Self { name: info.name.to_owned(), active, capabilities }
    }
}

/// The state of the service.
#[derive(Debug, Serialize, ToSchema)]
#[non_exhaustive]
pub struct StatusShape {
    /// `up`, `degraded` or `down`.
    #[schema(value_type = String, example = "up")]
    pub state: HealthState,
    /// Why not up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The backend that encrypts.
    pub backend: String,
    /// The key that is used when none is named.
    pub default_key_id: String,
    /// Data keys in memory.
    pub cached_data_keys: usize,
}
