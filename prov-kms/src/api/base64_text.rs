use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::SecretBytes;
use serde::{Deserialize, Deserializer, Serializer, de};
use zeroize::Zeroizing;

/// Reads canonical standard base64 (RFC 4648, section 4, with padding) and nothing else. What was
/// wrong is not quoted: it is a piece of a secret.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SecretBytes, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    STANDARD
        .decode(text.as_bytes())
        .map(SecretBytes::new)
        .map_err(|_| de::Error::custom("not canonical base64 with padding"))
}

/// Writes a secret on purpose: it is what was asked for.
pub(super) fn serialize<S: Serializer>(
    bytes: &SecretBytes,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&Zeroizing::new(STANDARD.encode(bytes.expose())))
}
