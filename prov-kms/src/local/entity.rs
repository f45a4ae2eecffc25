use jiff::Timestamp;
use prov_core::store::Entity;
use serde::{Deserialize, Serialize};

use crate::backend::{KeyName, KeyVersion};
use crate::encoding::base64_field;

/// A named key: which of its versions wraps now.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LocalKey {
    pub(crate) name: KeyName,
    /// The version that wraps.
    pub(crate) current: KeyVersion,
    pub(crate) created_at: Timestamp,
}

impl Entity for LocalKey {
    const KIND: &'static str = "kms.local_key";

    fn id(&self) -> String {
        self.name.as_str().to_owned()
    }
}

/// One version of a key, sealed under the root key of this id. Never changes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LocalKeyVersion {
    pub(crate) name: KeyName,
    pub(crate) version: KeyVersion,
    /// Under which root key it is sealed, so that a change of root key can go version by version.
    pub(crate) root_key_id: String,
    /// The key itself as a Cobblestone-256 message, bound to name and version.
    #[serde(with = "base64_field")]
    pub(crate) sealed: Vec<u8>,
    pub(crate) created_at: Timestamp,
}

impl Entity for LocalKeyVersion {
    const KIND: &'static str = "kms.local_key_version";

    fn id(&self) -> String {
        version_id(&self.name, self.version)
    }
}

/// The id of a version: sorted by number within its key.
pub(crate) fn version_id(name: &KeyName, version: KeyVersion) -> String {
    format!("{name}/{:010}", version.number())
}
