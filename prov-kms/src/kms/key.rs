use jiff::Timestamp;
use prov_core::store::Entity;
use serde::{Deserialize, Serialize};

use crate::backend::{KeyName, KeyVersion};

/// Whether a key may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyState {
    /// For everything.
    Enabled,
    /// For nothing, until it is enabled again; nothing is lost.
    Disabled,
}

/// What is known of a key; not the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeyInfo {
    /// Its name.
    pub name: KeyName,
    /// Whether it may be used.
    pub state: KeyState,
    /// The version that encrypts; older ones decrypt.
    pub version: KeyVersion,
    /// The backend that keeps it.
    pub backend: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last got a new version.
    pub rotated_at: Option<Timestamp>,
}

impl Entity for KeyInfo {
    const KIND: &'static str = "kms.key";

    fn id(&self) -> String {
        self.name.as_str().to_owned()
    }
}
