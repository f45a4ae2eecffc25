use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::audit::Event;
use prov_core::{Error, Result, SecretBytes, codes as core_codes};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

/// The sealed part of a leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// The pseudonym of the subject.
    pub(crate) pid: String,
    /// Nonce, ciphertext and tag, base64url.
    pub(crate) ct: String,
}

/// What is personal about an event.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PersonalData {
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub(crate) ip: Option<IpAddr>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<String>,
}

impl PersonalData {
    /// Takes it out of an event.
    pub(crate) fn of(event: &Event) -> Self {
        Self {
            name: event.actor.name.as_ref().map(|name| name.expose().clone()),
            ip: event.ip.as_ref().map(|ip| ip.expose().to_canonical()),
            user_agent: event.user_agent.as_ref().map(|agent| agent.expose().clone()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Debug for PersonalData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

/// The key of one subject, ready for use.
pub(super) struct SubjectKey(RandomizedNonceKey);

impl SubjectKey {
    pub(super) fn new(key: &SecretBytes) -> Result<Self> {
        RandomizedNonceKey::new(&AES_256_GCM, key.expose()).map(Self).map_err(|e| {
            Error::new(core_codes::STORE_CORRUPT).context("reading a subject's key").source(e)
        })
    }

    pub(super) fn seal(&self, origin: &str, event: Uuid, data: &PersonalData) -> Result<String> {
        let failed = |doing: &'static str| Error::new(core_codes::INTERNAL).context(doing);
        let mut text =
            serde_json::to_vec(data).map_err(|e| failed("serializing personal data").source(e))?;
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(associated(origin, event)), &mut text)
            .map_err(|e| failed("sealing personal data").source(e))?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut text);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// `None` when the text was not sealed with this key for this event of this log.
    pub(super) fn open(&self, origin: &str, event: Uuid, sealed: &str) -> Option<PersonalData> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_first_chunk::<12>()?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let clear = self
            .0
            .open_in_place(nonce, Aad::from(associated(origin, event)), text.as_mut_slice())
            .ok()?;
        serde_json::from_slice(clear).ok()
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey")
    }
}

/// Binds a ciphertext to its log and its event: it opens nowhere else.
fn associated(origin: &str, event: Uuid) -> Vec<u8> {
    let mut bytes = origin.as_bytes().to_vec();
    bytes.push(0);
    bytes.extend(event.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_part_opens_for_its_log_and_event_only() {
        let key = SubjectKey::new(&SecretBytes::new(vec![3; 32])).unwrap();
        let other = SubjectKey::new(&SecretBytes::new(vec![4; 32])).unwrap();
        let data = PersonalData { name: Some("alice".to_owned()), ..PersonalData::default() };
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = key.seal("a", one, &data).unwrap();
        assert_eq!(key.open("a", one, &sealed), Some(data));
        assert_eq!(key.open("a", two, &sealed), None);
        assert_eq!(key.open("b", one, &sealed), None);
        assert_eq!(other.open("a", one, &sealed), None);
        assert_eq!(key.open("a", one, "AAAA"), None);
    }
}
