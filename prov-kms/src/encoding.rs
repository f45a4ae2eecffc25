//! Byte encodings that can be read in one way only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Parts, each behind its length as four big-endian bytes: two different lists never give the same
/// bytes. The first part says what the bytes are for, so that no two uses meet either.
pub(crate) fn framed(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        // Parts are names, ids, versions and contexts of at most a few KiB.
        out.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// Base64url without padding (RFC 4648, section 5).
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of canonical base64url: no padding, no stray bits, no other characters.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Bytes as base64url in a record.
pub(crate) mod base64_field {
    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::to_base64(bytes))
    }

    pub(crate) fn deserialize<'de, D>(deserializer: D) -> Result<Vec<u8>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let text = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
        super::from_base64(&text).ok_or_else(|| de::Error::custom("not canonical base64url"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_boundary_changes_the_bytes() {
        assert_ne!(framed(&[b"ab", b"c"]), framed(&[b"a", b"bc"]));
        assert_ne!(framed(&[b"a", b""]), framed(&[b"a"]));
    }

    #[test]
    fn only_canonical_base64_is_read() {
        assert_eq!(from_base64("AQ"), Some(vec![1]));
        for other in ["AQ==", "AR", "A", "A Q", "+/+/", "AQ\n"] {
            assert_eq!(from_base64(other), None, "{other:?}");
        }
    }
}
