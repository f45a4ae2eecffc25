//! Signing keys as they are remembered.

use std::time::Duration;

use prov_core::store::Entity;
use prov_core::{Error, Result, SecretBytes, Timestamp, codes};
use serde::{Deserialize, Serialize};

use super::pair::SigningPair;
use crate::token::{Algorithm, PublicHalf};

/// Which key is active and which is next: the one record that every transition replaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeySetRecord {
    pub(super) active: String,
    pub(super) pending: String,
    /// The last key that came from the configuration, so that it is adopted once only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) imported: Option<String>,
}

impl KeySetRecord {
    pub(super) const ID: &'static str = "current";
}

impl Entity for KeySetRecord {
    const KIND: &'static str = "auth.signing_key_set";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}

/// One key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KeyRecord {
    pub(super) id: String,
    pub(super) algorithm: Algorithm,
    #[serde(flatten)]
    pub(super) public: PublicHalf,
    /// PKCS#8; deleted when the key retires.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "exposed")]
    pub(super) private_key: Option<SecretBytes>,
    pub(super) created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) activated_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verifies_until: Option<Timestamp>,
}

impl KeyRecord {
    /// The record of a pair that was just made or imported.
    pub(super) fn of(pair: &SigningPair, created_at: Timestamp) -> Result<Self> {
        Ok(Self {
            id: pair.id().to_owned(),
            algorithm: pair.public().algorithm(),
            public: pair.public().clone(),
            private_key: Some(pair.pkcs8()?),
            created_at,
            activated_at: None,
            verifies_until: None,
        })
    }

    /// The same key, which signs no more and verifies for `retention` from now.
    pub(super) fn retired(self, now: Timestamp, retention: Duration) -> Result<Self> {
        let end = now.checked_add(retention).map_err(|e| {
            Error::new(codes::INTERNAL)
                .context("the end of a signing key is out of range")
                .source(e)
        })?;
        Ok(Self { private_key: None, verifies_until: Some(end), ..self })
    }
}

impl Entity for KeyRecord {
    const KIND: &'static str = "auth.signing_key";

    fn id(&self) -> String {
        self.id.clone()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        self.verifies_until
    }
}

/// A secret written out on purpose: the store is sealed at rest.
mod exposed {
    use prov_core::SecretBytes;
    use serde::{Deserializer, Serializer};

    use crate::token::stored_bytes as bytes;

    #[expect(clippy::ref_option, reason = "serde gives a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        secret: &Option<SecretBytes>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        match secret {
            Some(secret) => bytes::serialize(secret.expose(), s),
            None => s.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<Option<SecretBytes>, D::Error> {
        bytes::deserialize(d).map(|bytes| Some(SecretBytes::new(bytes)))
    }
}
