//! The keys of a sealed store: wrapped in the store below, open in memory.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::hmac;
use bytes::Bytes;
use jiff::Timestamp;
use prov_core::store::{Batch, Entity, Expect, Store, StoreExt, Stored, Term};
use prov_core::{Clock, Error, Kind, Result, codes as core_codes};
use serde::{Deserialize, Serialize};

use crate::backend::{Aad, DataKey, KeyName, KeyVersion, KmsBackend, WrappedKey};
use crate::cobblestone::InputKey;
use crate::codes;
use crate::encoding::{base64_field, framed, to_base64};

/// The key of the backend that wraps store keys.
const KMS_KEY: &str = "store";

/// Open store keys.
pub(super) struct StoreKeys {
    /// Older keys, by number: they open what was sealed under them.
    sealing: BTreeMap<u32, InputKey>,
    /// The newest key and its number.
    active: (u32, InputKey),
    /// Hashes terms. It stays the same when a new sealing key is added: what is found by a term must be
    /// found under every sealing key.
    terms: hmac::Key,
}

impl StoreKeys {
    /// Unwraps the keys that are there. Where none is, makes the first ones: both in one batch, so
    /// that of two nodes that start at once, one makes them and the other takes them.
    pub(super) async fn load_or_create(
        store: &dyn Store,
        backend: &dyn KmsBackend,
        clock: &dyn Clock,
    ) -> Result<Self> {
        // Whoever writes to the store below could add a key of their own making: it would seal from
        // the next start on, and what they seal with it would open.
        if !backend.info().capabilities.authenticated {
            return Err(codes::STORE_BACKEND_UNFIT.into());
        }
        let mut records = store.load_all::<StoreKey>().await?;
        if records.is_empty() {
            let seal = StoreKey::wrap(Use::Seal, 1, backend, clock).await?;
            let terms = StoreKey::wrap(Use::Terms, 1, backend, clock).await?;
            let batch =
                Batch::new().with(seal.put(Expect::Absent)?).with(terms.put(Expect::Absent)?);
            match store.commit(batch).await {
                Err(error) if !error.is(core_codes::CONFLICT) => return Err(error),
                _ => records = store.load_all::<StoreKey>().await?,
            }
        }
        Self::unwrap_all(&records, backend).await
    }

    /// The key that seals, and its number.
    pub(super) const fn active(&self) -> (u32, &InputKey) {
        (self.active.0, &self.active.1)
    }

    /// The key of this number.
    pub(super) fn numbered(&self, number: u32) -> Option<&InputKey> {
        if number == self.active.0 { Some(&self.active.1) } else { self.sealing.get(&number) }
    }

    /// The term as it stands in the store below.
    pub(super) fn hide(&self, kind: &str, term: Term) -> Term {
        let name = term.name.as_bytes();
        let parts: [&[u8]; 4] = [b"prov-kms term v1", kind.as_bytes(), name, term.value.as_bytes()];
        let value = to_base64(hmac::sign(&self.terms, &framed(&parts)).as_ref());
        Term { name: term.name, value }
    }

    /// Opens every key, or fails: a store of which a part can't be read is not opened.
    async fn unwrap_all(records: &[Stored<StoreKey>], backend: &dyn KmsBackend) -> Result<Self> {
        let mut sealing = BTreeMap::new();
        let mut terms = None;
        for record in records {
            let key = record.unwrap(backend).await?;
            match record.used_for {
                Use::Seal => {
                    sealing.insert(record.number, InputKey::new(key.expose()));
                }
                Use::Terms => terms = Some(hmac::Key::new(hmac::HMAC_SHA256, key.expose())),
            }
        }
        let incomplete =
            || Error::new(core_codes::STORE_CORRUPT).context("a key of the sealed store is gone");
        // The newest seals; all open.
        let active = sealing.pop_last().ok_or_else(incomplete)?;
        Ok(Self { sealing, active, terms: terms.ok_or_else(incomplete)? })
    }
}

impl fmt::Debug for StoreKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreKeys").field("active", &self.active.0).finish_non_exhaustive()
    }
}

/// What a store key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Use {
    /// To seal values.
    Seal,
    /// To hash index terms.
    Terms,
}

/// One store key, wrapped by a backend.
#[derive(Debug, Serialize, Deserialize)]
struct StoreKey {
    /// What it is for; bound in its wrap.
    used_for: Use,
    /// Its number within its use, from 1; stands in every value sealed under it.
    number: u32,
    /// The backend that wrapped it.
    backend: String,
    /// Under which of the backend's keys.
    name: KeyName,
    version: KeyVersion,
    #[serde(with = "base64_field")]
    wrapped: Vec<u8>,
    created_at: Timestamp,
}

impl Entity for StoreKey {
    const KIND: &'static str = "kms.store_key";

    fn id(&self) -> String {
        format!("{}-{:010}", self.used_for.word(), self.number)
    }
}

impl Use {
    /// The word in ids and in what is bound.
    const fn word(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Terms => "terms",
        }
    }
}

impl StoreKey {
    /// A fresh key.
    async fn wrap(
        used_for: Use,
        number: u32,
        backend: &dyn KmsBackend,
        clock: &dyn Clock,
    ) -> Result<Self> {
        let name: KeyName = KMS_KEY.parse()?;
        backend.ensure_key(&name).await?;
        let aad = aad(used_for, number);
        let wrapped = backend.wrap_key(&name, &DataKey::generate()?, Aad(&aad)).await?;
        Ok(Self {
            used_for,
            number,
            backend: backend.info().name.to_owned(),
            name,
            version: wrapped.version,
            wrapped: wrapped.blob.to_vec(),
            created_at: clock.now(),
        })
    }

    /// Opens the key. What does not unwrap is told as locked, with the backend it was made under in the
    /// log; a backend that is away keeps its own error.
    async fn unwrap(&self, backend: &dyn KmsBackend) -> Result<DataKey> {
        let locked = |error: Error| {
            Error::new(codes::STORE_KEY_LOCKED)
                .context(format!("store key {} is of backend `{}`", self.id(), self.backend))
                .source(error)
        };
        let blob = Bytes::copy_from_slice(&self.wrapped);
        let wrapped = WrappedKey { name: self.name.clone(), version: self.version, blob };
        let aad = aad(self.used_for, self.number);
        match backend.unwrap_key(&wrapped, Aad(&aad)).await {
            // Away is not locked: it may come back.
            Err(error) if error.kind() == Kind::Unavailable => Err(error),
            other => other.map_err(locked),
        }
    }
}

/// What a store key is bound to: a wrapped key can't be presented as another one.
fn aad(used_for: Use, number: u32) -> Vec<u8> {
    framed(&[b"prov-kms store key v1", used_for.word().as_bytes(), &number.to_be_bytes()])
}
