use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::audit::Event;
use prov_core::{Error, Result, SecretBytes, codes as core_codes};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The sealed part of a leaf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sealed {
    /// The pseudonym of the subject.
    pub(crate) pid: String,
    /// Ciphertext and tag, base64url.
    pub(crate) ct: String,
}

/// What is personal about an event.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PersonalData<'a> {
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Cow<'a, str>>,
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub(crate) ip: Option<IpAddr>,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<Cow<'a, str>>,
}

impl<'a> PersonalData<'a> {
    /// What an event has of it.
    pub(crate) fn of(event: &'a Event) -> Self {
        Self {
            name: event.actor.name.as_ref().map(|name| name.expose().into()),
            ip: event.ip.as_ref().map(|ip| ip.expose().to_canonical()),
            user_agent: event.user_agent.as_ref().map(|agent| agent.expose().into()),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The same, without the event.
    pub(super) fn to_owned(&self) -> PersonalData<'static> {
        let owned = |text: &Cow<'_, str>| Cow::Owned(text.clone().into_owned());
        PersonalData {
            name: self.name.as_ref().map(owned),
            ip: self.ip,
            user_agent: self.user_agent.as_ref().map(owned),
        }
    }
}

impl fmt::Debug for PersonalData<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

/// The key of one subject, ready for use: AES-256-GCM-SIV (RFC 8452) with one nonce.
///
/// What is the same about a person in two events is the same text in both, which archives keep once;
/// whoever reads the log without the key learns no more than that, and the pseudonym beside it says
/// already that both are of one person. The cipher is made for nonces that repeat: for 2³² events of one
/// person the bound of RFC 8452, section 6, is far away.
pub(super) struct SubjectKey(LessSafeKey);

/// The one nonce.
const NONCE: [u8; 12] = [0; 12];

impl SubjectKey {
    pub(super) fn new(key: &SecretBytes) -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM_SIV, key.expose()).map_err(|e| {
            Error::new(core_codes::STORE_CORRUPT).context("reading a subject's key").source(e)
        })?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Seals for one log: it opens in no other.
    pub(super) fn seal(&self, origin: &str, data: &PersonalData<'_>) -> Result<String> {
        let failed = |doing: &'static str| Error::new(core_codes::INTERNAL).context(doing);
        let mut text =
            serde_json::to_vec(data).map_err(|e| failed("serializing personal data").source(e))?;
        let (nonce, log) = (Nonce::assume_unique_for_key(NONCE), Aad::from(origin.as_bytes()));
        self.0
            .seal_in_place_append_tag(nonce, log, &mut text)
            .map_err(|e| failed("sealing personal data").source(e))?;
        Ok(URL_SAFE_NO_PAD.encode(text))
    }

    /// `None` when the text was not sealed with this key for this log.
    pub(super) fn open(&self, origin: &str, sealed: &str) -> Option<PersonalData<'static>> {
        let mut text = Zeroizing::new(URL_SAFE_NO_PAD.decode(sealed).ok()?);
        let (nonce, log) = (Nonce::assume_unique_for_key(NONCE), Aad::from(origin.as_bytes()));
        let clear = self.0.open_in_place(nonce, log, text.as_mut_slice()).ok()?;
        serde_json::from_slice(clear).ok()
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SubjectKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_part_opens_with_its_key_and_for_its_log_only() {
        let key = SubjectKey::new(&SecretBytes::new(vec![3; 32])).unwrap();
        let other = SubjectKey::new(&SecretBytes::new(vec![4; 32])).unwrap();
        let data = PersonalData { name: Some("alice".into()), ..PersonalData::default() };
        let sealed = key.seal("a", &data).unwrap();
        assert_eq!(key.open("a", &sealed), Some(data.clone()));
        assert_eq!(key.open("b", &sealed), None);
        assert_eq!(other.open("a", &sealed), None);
        for nonsense in ["", "AAAA", "not base64"] {
            assert_eq!(key.open("a", nonsense), None);
        }
        for at in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'Q' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(key.open("a", &changed), None, "letter {at}");
        }
        assert_eq!(key.seal("a", &data).unwrap(), sealed, "the same is the same text");
        assert_ne!(other.seal("a", &data).unwrap(), sealed);
    }
}
