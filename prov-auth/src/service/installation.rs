//! The keys that one installation keeps for good.

use aws_lc_rs::hmac;
use prov_core::store::{Entity, Store, StoreExt};
use prov_core::{Error, Result, SecretBytes, codes, random};
use serde::{Deserialize, Serialize};

use crate::Username;
use crate::federation::OriginDigests;
use crate::refresh::RefreshKey;

/// Made at the first start and never changed: who could change it could take every username again.
#[derive(Serialize, Deserialize)]
struct InstallationSecret {
    /// 256 random bits, in hexadecimal; the store is sealed.
    key: String,
}

impl InstallationSecret {
    const ID: &'static str = "secret";
}

impl Entity for InstallationSecret {
    const KIND: &'static str = "auth.installation";

    fn id(&self) -> String {
        Self::ID.to_owned()
    }
}

/// Keys of separate purposes, derived from the one that is kept.
pub(super) struct InstallationKeys {
    usernames: hmac::Key,
    pub(super) refresh: RefreshKey,
    pub(super) api_tokens: hmac::Key,
    pub(super) origins: OriginDigests,
    pub(super) proof_nonces: SecretBytes,
}

impl InstallationKeys {
    /// The keys of the installation that keeps its records in this store.
    pub(super) async fn load_or_create(store: &dyn Store) -> Result<Self> {
        if let Some(kept) = store.load::<InstallationSecret>(InstallationSecret::ID).await? {
            return Self::derive(&kept.entity);
        }
        let fresh = InstallationSecret { key: hex::encode(random::bytes::<32>()?) };
        match store.create(&fresh).await {
            Ok(_) => Self::derive(&fresh),
            // Another node was first: its key is the one.
            Err(error) if error.is(codes::CONFLICT) => {
                let kept = store.load::<InstallationSecret>(InstallationSecret::ID).await?;
                Self::derive(&kept.ok_or(error)?.entity)
            }
            Err(error) => Err(error),
        }
    }

    fn derive(kept: &InstallationSecret) -> Result<Self> {
        let key = hex::decode(&kept.key).map(SecretBytes::new).map_err(|e| {
            Error::new(codes::STORE_CORRUPT).context("reading the installation's key").source(e)
        })?;
        let root = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        let usernames = hmac::sign(&root, b"prov-auth username index v1");
        let refresh = hmac::sign(&root, b"prov-auth refresh token v1");
        let api_tokens = hmac::sign(&root, b"prov-auth api token v1");
        let origins = hmac::sign(&root, b"prov-auth federation v1");
        let proof_nonces = hmac::sign(&root, b"prov-auth dpop nonces v1");
        Ok(Self {
            usernames: hmac::Key::new(hmac::HMAC_SHA256, usernames.as_ref()),
            refresh: RefreshKey::new(refresh.as_ref()),
            api_tokens: hmac::Key::new(hmac::HMAC_SHA256, api_tokens.as_ref()),
            origins: OriginDigests::new(origins.as_ref()),
            proof_nonces: SecretBytes::new(proof_nonces.as_ref().to_vec()),
        })
    }

    /// The id under which a username is held.
    pub(super) fn username_digest(&self, name: &Username) -> String {
        hex::encode(hmac::sign(&self.usernames, name.as_str().as_bytes()))
    }
}
