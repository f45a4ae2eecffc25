//! The one text form of everything prov encrypts.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use base64::display::Base64Display;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prov_core::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::backend::{KeyName, KeyVersion};
use crate::encoding::from_base64;
use crate::failure::undecryptable;

/// What every message starts with; `v1` is the version of everything after it.
const PREFIX: &str = "prov:v1:";

/// A self-describing ciphertext: `prov:v1:<backend>:<key>:<version>:<base64url>`.
///
/// The last part, without padding, is the length of the wrapped data key (2 bytes, big-endian), the
/// wrapped data key, and the data as Cobblestone-256 (<https://c2sp.org/chunked-encryption>: salt,
/// commitment, AES-256-GCM chunks). Nothing in it is secret. There is one spelling: what does not
/// print as it was read is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ciphertext {
    /// Which backend; part of the AAD of the wrapped key.
    pub(crate) backend: Cow<'static, str>,
    /// Which key; bound by the backend and again by the data.
    pub(crate) key: KeyName,
    pub(crate) version: KeyVersion,
    /// Everything behind the last colon, decoded.
    pub(crate) payload: Vec<u8>,
}

impl Ciphertext {
    /// The backend that holds the key.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &KeyName {
        &self.key
    }

    /// The version of the key.
    #[must_use]
    pub const fn version(&self) -> KeyVersion {
        self.version
    }

    /// The wrapped data key, and the data.
    pub(crate) fn parts(&self) -> Option<(&[u8], &[u8])> {
        let (len, rest) = self.payload.split_first_chunk::<2>()?;
        rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
    }
}

/// The text form: ASCII, no white space, safe in a URL, a JSON string and a shell word.
impl fmt::Display for Ciphertext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backend, key, version, payload } = self;
        let payload = Base64Display::new(payload, &URL_SAFE_NO_PAD);
        write!(f, "{PREFIX}{backend}:{key}:{version}:{payload}")
    }
}

/// Every text that is no ciphertext is refused as one that does not decrypt.
impl FromStr for Ciphertext {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let rest = text.strip_prefix(PREFIX).ok_or_else(undecryptable)?;
        let (head, payload) = Head::split(rest).ok_or_else(undecryptable)?;
        let payload = from_base64(payload).ok_or_else(undecryptable)?;
        let read = Self {
            backend: Cow::Owned(head.backend),
            key: head.key,
            version: head.version,
            payload,
        };
        if read.parts().is_none() { Err(undecryptable()) } else { Ok(read) }
    }
}

impl Serialize for Ciphertext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ciphertext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(|_| de::Error::custom("not a ciphertext of the form `prov:v1:…`"))
    }
}

/// Which key: the readable part of a ciphertext.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) backend: String,
    pub(crate) key: KeyName,
    pub(crate) version: KeyVersion,
}

impl Head {
    /// Reads `<backend>:<key>:<version>:<rest>`.
    pub(crate) fn split(text: &str) -> Option<(Self, &str)> {
        let (backend, text) = text.split_once(':')?;
        let (key, text) = text.split_once(':')?;
        let (version, rest) = text.split_once(':')?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let named = (1..=32).contains(&backend.len()) && backend.chars().all(plain);
        let number: NonZeroU32 = version.parse().ok()?;
        // `parse` takes `+1` and `01` too.
        let canonical = number.to_string() == version;
        (named && canonical).then_some(())?;
        let version = KeyVersion::from_number(number.get())?;
        Some((Self { backend: backend.to_owned(), key: key.parse().ok()?, version }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "prov:v1:local:default:3:AAFaWg";

    #[test]
    fn what_is_read_is_printed_the_same() {
        let read: Ciphertext = GOOD.parse().unwrap();
        assert_eq!(read.to_string(), GOOD);
        assert_eq!((read.backend(), read.key().as_str()), ("local", "default"));
        assert_eq!(read.parts(), Some((&b"\x5a"[..], &b"\x5a"[..])));
        assert_eq!(serde_json::from_value::<Ciphertext>(GOOD.into()).unwrap(), read);
    }

    #[test]
    fn other_spellings_are_refused_as_undecryptable() {
        let texts = [
            "",
            "prov",
            "prov:v1:",
            "prov:v2:local:default:3:AAFaWg",
            "prov:v1:local:default:3",
            "prov:v1:local:default:03:AAFaWg",
            "prov:v1:local:default:+3:AAFaWg",
            "prov:v1:local:default:0:AAFaWg",
            "prov:v1:local:default:4294967296:AAFaWg",
            "prov:v1::default:3:AAFaWg",
            "prov:v1:Local:default:3:AAFaWg",
            "prov:v1:local:../x:3:AAFaWg",
            "prov:v1:local:default:3:AAFaWg==",
            "prov:v1:local:default:3:AAFaWh",
            "prov:v1:local:default:3:AAFaWg\n",
            " prov:v1:local:default:3:AAFaWg",
            "prov:v1:local:default:3:",
            "prov:v1:local:default:3:AA",
            "prov:v1:local:default:3:__9aWg",
        ];
        for text in texts {
            let error = text.parse::<Ciphertext>().unwrap_err();
            assert!(error.is(crate::codes::DECRYPTION_FAILED), "{text}");
        }
    }
}
