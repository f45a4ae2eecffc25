//! The keys in memory: an immutable snapshot.

use std::fmt;

use hashbrown::HashMap;
use jsonwebtoken::jwk::JwkSet;
use prov_core::store::Version;
use prov_core::{Error, Result, SecretBytes, SecretText, Timestamp, codes as core_codes};
use serde_json::json;

use super::pair::SigningPair;
use super::record::{KeyRecord, KeySetRecord};
use super::{KeyState, SigningKeyInfo};
use crate::codes;
use crate::token::{ACCESS_TOKEN_TYPE, Algorithm, PublicHalf, VerificationKey, base64url};

/// The keys at one moment.
#[derive(Debug, Default)]
pub(crate) struct KeyRing {
    version: u64,
    signer: Option<Signer>,
    verifiers: HashMap<String, Verifier>,
    infos: Vec<SigningKeyInfo>,
}

#[derive(Debug)]
struct Verifier {
    key: VerificationKey,
    ends: Option<Timestamp>,
    public: PublicHalf,
}

/// The active key with the header of every token it signs.
struct Signer {
    pair: SigningPair,
    header: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("id", &self.pair.id()).finish_non_exhaustive()
    }
}

impl KeyRing {
    /// The ring of these records, a new one with every version of the set.
    pub(super) fn new(
        version: Version,
        set: &KeySetRecord,
        records: Vec<KeyRecord>,
    ) -> Result<Self> {
        let mut ring = Self { version: version.number(), ..Self::default() };
        for record in records {
            let state = match &record.id {
                id if *id == set.active => KeyState::Active,
                id if *id == set.pending => KeyState::Pending,
                _ => KeyState::Retired,
            };
            if state == KeyState::Active {
                let private_key = record.private_key.as_ref();
                let signer = private_key.map(|key| Signer::of(record.algorithm, key));
                ring.signer = signer.transpose()?;
            }
            ring.add(record, state)?;
        }
        ring.infos.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| a.id.cmp(&b.id)));
        if ring.signer.is_none() {
            return Err(codes::SIGNING_KEY_MISSING.into());
        }
        Ok(ring)
    }

    fn add(&mut self, record: KeyRecord, state: KeyState) -> Result<()> {
        let key = VerificationKey::new(Some(record.id.clone()), &record.public).map_err(|e| {
            Error::new(core_codes::STORE_CORRUPT).context("reading a signing key").source(e)
        })?;
        let (ends, public) = (record.verifies_until, record.public);
        self.verifiers.insert(record.id.clone(), Verifier { key, ends, public });
        self.infos.push(SigningKeyInfo {
            id: record.id,
            algorithm: record.algorithm,
            state,
            created_at: record.created_at,
            activated_at: record.activated_at,
            verifies_until: record.verifies_until,
        });
        Ok(())
    }

    /// Rises with every transition.
    pub(crate) const fn version(&self) -> u64 {
        self.version
    }

    /// The public key of this id, and when it stops verifying.
    pub(crate) fn verification_key(
        &self,
        id: &str,
    ) -> Option<(&VerificationKey, Option<Timestamp>)> {
        self.verifiers.get(id).map(|verifier| (&verifier.key, verifier.ends))
    }

    /// Signs a payload, given in base64url, as a compact JWS.
    pub(crate) fn sign(&self, payload: &str) -> Result<SecretText> {
        let signer = self.signer.as_ref().ok_or(codes::SIGNING_KEY_MISSING)?;
        signer.sign(payload)
    }

    pub(super) const fn can_sign(&self) -> bool {
        self.signer.is_some()
    }

    /// The public keys that verify at `now`, as a JWK set.
    pub(super) fn jwks(&self, now: Timestamp) -> serde_json::Value {
        let live = self.infos.iter().filter(|info| is_live(info, now));
        let keys = live.filter_map(|info| {
            let mut jwk = self.verifiers.get(&info.id)?.public.jwk();
            jwk.common.key_id = Some(info.id.clone());
            Some(jwk)
        });
        // Strings only: this always serializes.
        serde_json::to_value(JwkSet { keys: keys.collect() })
            .unwrap_or_else(|_| json!({"keys": []}))
    }

    pub(super) fn infos(&self, now: Timestamp) -> Vec<SigningKeyInfo> {
        self.infos.iter().filter(|info| is_live(info, now)).cloned().collect()
    }
}

fn is_live(info: &SigningKeyInfo, now: Timestamp) -> bool {
    info.verifies_until.is_none_or(|end| end > now)
}

impl Signer {
    fn of(algorithm: Algorithm, private_key: &SecretBytes) -> Result<Self> {
        let pair = SigningPair::from_pkcs8(algorithm, private_key)?;
        let header = json!({ "alg": algorithm, "typ": ACCESS_TOKEN_TYPE, "kid": pair.id() });
        Ok(Self { header: base64url(header.to_string()), pair })
    }

    fn sign(&self, payload: &str) -> Result<SecretText> {
        let mut token = String::with_capacity(self.header.len() + payload.len() + 700);
        token.push_str(&self.header);
        token.push('.');
        token.push_str(payload);
        let signature = self.pair.sign(token.as_bytes())?;
        token.push('.');
        token.push_str(&base64url(&signature));
        Ok(SecretText::new(token))
    }
}
