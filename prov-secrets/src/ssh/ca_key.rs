//! The keys of the certificate authority.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use prov_core::store::{Entity, Store, StoreExt};
use prov_core::{Clock, Error, Result, SecretBytes, Timestamp, codes, random};
use serde::{Deserialize, Serialize};
use ssh_key::public::{Ed25519PublicKey, KeyData};
use ssh_key::{Algorithm, HashAlg, PublicKey, Signature};

use super::certificate::CertificateType;

/// A CA's key as it is stored; the store is sealed at rest.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct CaKey {
    /// `user-1`: the kind and the generation, so that a later generation can stand beside it.
    id: String,
    #[serde(with = "exposed")]
    seed: SecretBytes,
    created_at: Timestamp,
}

/// Writes a secret into a record on purpose.
mod exposed {
    use prov_core::SecretBytes;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        secret: &SecretBytes,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        secret.expose().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<SecretBytes, D::Error> {
        Vec::deserialize(deserializer).map(SecretBytes::new)
    }
}

impl Entity for CaKey {
    const KIND: &'static str = "secrets.ssh_ca_key";

    fn id(&self) -> String {
        self.id.clone()
    }
}

/// A CA's public key, for `TrustedUserCAKeys` or `known_hosts`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CaPublicKey {
    /// What it certifies.
    pub certifies: CertificateType,
    /// One line as in an `id_….pub` file.
    pub public_key: String,
    /// `SHA256:…`.
    pub fingerprint: String,
}

/// A CA's key, ready to sign.
#[derive(Debug)]
pub(crate) struct CaSigner {
    pair: Ed25519KeyPair,
    public: PublicKey,
    certifies: CertificateType,
}

/// Whether opening found a key or had to make one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    Stored,
    Made,
}

impl CaSigner {
    /// The key in the store; made when there is none. Of several nodes that start at once, one makes it.
    pub(crate) async fn open(
        store: &dyn Store,
        clock: &dyn Clock,
        certifies: CertificateType,
    ) -> Result<(Self, Origin)> {
        let id = format!("{}-1", certifies.as_str());
        if let Some(stored) = store.load::<CaKey>(&id).await? {
            return Ok((Self::from_seed(&stored.seed, certifies)?, Origin::Stored));
        }
        let seed = SecretBytes::taken_from(&mut random::bytes::<32>()?);
        let key = CaKey { id: id.clone(), seed, created_at: clock.now() };
        match store.create(&key).await {
            Ok(_) => Ok((Self::from_seed(&key.seed, certifies)?, Origin::Made)),
            Err(error) if error.is(codes::CONFLICT) => {
                let stored = store.load::<CaKey>(&id).await?.ok_or(codes::STORE_CORRUPT)?;
                Ok((Self::from_seed(&stored.seed, certifies)?, Origin::Stored))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) fn from_seed(seed: &SecretBytes, certifies: CertificateType) -> Result<Self> {
        let damaged = || Error::new(codes::STORE_CORRUPT).context("the seed of an SSH CA key");
        let pair =
            Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|e| damaged().source(e))?;
        let public = Ed25519PublicKey::try_from(pair.public_key().as_ref())
            .map_err(|e| damaged().source(e))?;
        let comment = format!("prov {} CA", certifies.as_str());
        Ok(Self { pair, public: PublicKey::new(KeyData::Ed25519(public), comment), certifies })
    }

    pub(crate) fn public_key(&self) -> Result<CaPublicKey> {
        Ok(CaPublicKey {
            certifies: self.certifies,
            public_key: self.public.to_openssh().map_err(unwritable)?,
            fingerprint: self.public.fingerprint(HashAlg::Sha256).to_string(),
        })
    }

    /// The key as SSH writes it (RFC 4253, section 6.6).
    pub(crate) fn blob(&self) -> Result<Vec<u8>> {
        self.public.to_bytes().map_err(unwritable)
    }

    pub(crate) fn is(&self, data: &KeyData) -> bool {
        self.public.key_data() == data
    }
}

pub(super) fn unwritable(error: ssh_key::Error) -> Error {
    Error::new(codes::INTERNAL).context("writing an SSH key or certificate").source(error)
}

impl From<&CaSigner> for KeyData {
    fn from(signer: &CaSigner) -> Self {
        signer.public.key_data().clone()
    }
}

impl signature::Signer<Signature> for CaSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Signature, signature::Error> {
        let signed = self.pair.try_sign(message).map_err(|_| signature::Error::new())?;
        Signature::new(Algorithm::Ed25519, signed.as_ref()).map_err(|_| signature::Error::new())
    }
}
