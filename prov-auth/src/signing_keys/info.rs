//! What is told about signing keys.

use prov_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::token::Algorithm;

/// Where a key is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "a fourth state would be a new life cycle")]
pub enum KeyState {
    /// Published, does not sign yet.
    Pending,
    /// Signs.
    Active,
    /// Only verifies.
    Retired,
}

/// When a rotation may happen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rotation {
    /// Only when the pending key has been published long enough for every verifier to know it.
    #[default]
    Published,
    /// At once. Verifiers that cached the JWKS before the pending key was in it refuse new tokens
    /// until they read it again.
    AtOnce,
}

/// What a rotation did, by key ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RotatedKeys {
    /// The key that signs now.
    pub active: String,
    /// The key that signed before.
    pub retired: String,
    /// The key that will sign next.
    pub pending: String,
}

/// What is public about one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SigningKeyInfo {
    /// Its id (`kid`): the thumbprint of RFC 7638.
    pub id: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// Where it is in its life.
    pub state: KeyState,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// Until when it verifies, once retired.
    pub verifies_until: Option<Timestamp>,
}
