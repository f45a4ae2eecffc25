//! Secret bytes inside a stored entity, as base 64. The store is sealed at rest; this is the one
//! place where secrets of this crate are written out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::SecretBytes;
use serde::{Deserialize, Deserializer, Serializer, de};

pub(crate) fn serialize<S: Serializer>(
    secret: &SecretBytes,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(secret.expose()))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SecretBytes, D::Error> {
    let text = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
    STANDARD.decode(text.as_bytes()).map(SecretBytes::new).map_err(de::Error::custom)
}
