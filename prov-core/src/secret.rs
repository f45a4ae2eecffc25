//! Values that redact themselves and are wiped when dropped.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// What stands wherever a secret would have been printed.
const REDACTED: &str = "[redacted]";

macro_rules! redacted {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(REDACTED)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(REDACTED)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(REDACTED)
            }
        }

        impl PartialEq for $name {
            /// In time that depends on the lengths only.
            fn eq(&self, other: &Self) -> bool {
                let (a, b): (&[u8], &[u8]) = (self.0.as_ref(), other.0.as_ref());
                a.ct_eq(b).into()
            }
        }

        impl Eq for $name {}
    };
}

/// A secret text: a password, a code, a token. Debug, Display and Serialize give `[redacted]`;
/// the memory is wiped on drop.
#[derive(Clone, Default)]
pub struct SecretText(Zeroizing<String>);

redacted!(SecretText);

impl SecretText {
    /// Takes the text over.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Each call is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// Secret bytes: a key, a seed. Debug, Display and Serialize give `[redacted]`; the memory is wiped
/// on drop.
#[derive(Clone, Default)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

redacted!(SecretBytes);

impl SecretBytes {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Copies the bytes and wipes the original.
    #[must_use]
    pub fn taken_from(bytes: &mut [u8]) -> Self {
        let taken = Self::new(bytes.to_vec());
        bytes.zeroize();
        taken
    }

    /// The bytes themselves. Each call is a place to look at in review.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_of_printing_shows_a_secret() {
        let text = SecretText::new("hunter2");
        let bytes = SecretBytes::new(b"hunter2".to_vec());
        let printed = format!("{text} {text:?} {bytes} {bytes:?}")
            + &serde_json::to_string(&(&text, &bytes)).unwrap();
        assert!(!printed.contains("hunter2"));
        assert_eq!(printed.matches(REDACTED).count(), 6);
    }

    #[test]
    fn taking_bytes_wipes_the_original() {
        let mut original = [7_u8; 8];
        let taken = SecretBytes::taken_from(&mut original);
        assert_eq!((original, taken.expose()), ([0; 8], &[7_u8; 8][..]));
    }
}
