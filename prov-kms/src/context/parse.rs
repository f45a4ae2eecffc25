//! The two spellings of a context.

use std::fmt;
use std::str::FromStr;

use prov_core::{Error, Result};
use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{EncryptionContext, invalid};

/// Reads `env=prod,service=api`. A value runs to the next comma and may contain `=`; what needs a
/// comma is written as a JSON object.
impl FromStr for EncryptionContext {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() {
            return Ok(Self::empty());
        }
        // Before anything is allocated for it.
        if text.len() > Self::MAX_BYTES + 2 * Self::MAX_PAIRS {
            return Err(invalid("at most 64 pairs and 8 KiB of names and values"));
        }
        let pairs = text
            .split(',')
            .map(|pair| pair.split_once('=').ok_or_else(|| invalid("each pair is `name=value`")));
        Self::new(pairs.collect::<Result<Vec<_>>>()?)
    }
}

/// A JSON object, the spelling that every context has.
impl Serialize for EncryptionContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.pairs.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for EncryptionContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

/// Takes a text or an object.
struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = EncryptionContext;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text such as `env=prod,service=api`, or an object of strings")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map_err(E::custom)
    }

    /// Pair by pair, so that a repeated name is seen and nothing beyond the limits is kept.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        while let Some(pair) = map.next_entry()? {
            if pairs.len() >= EncryptionContext::MAX_PAIRS {
                return Err(de::Error::custom("at most 64 pairs"));
            }
            pairs.push(pair);
        }
        EncryptionContext::new(pairs).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Result<EncryptionContext, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn both_spellings_in_any_order_are_one_context() {
        let text: EncryptionContext = "env=prod,service=api".parse().unwrap();
        for same in [r#"{"service":"api","env":"prod"}"#, r#""service=api,env=prod""#] {
            let other = object(same).unwrap();
            assert_eq!((text.digest(), &text), (other.digest(), &other), "{same}");
        }
        let written = serde_json::to_string(&text).unwrap();
        assert_eq!(object(&written).unwrap(), text);
        assert_eq!("".parse::<EncryptionContext>().unwrap(), EncryptionContext::empty());
    }

    #[test]
    fn what_differs_anywhere_has_another_digest() {
        let texts = [
            "", "a=", "a=b", "a=B", "a=b,c=", "a=b,c=d", "a=d,c=b", "ab=", "a=bc", "a=b=c", "a= b",
        ];
        let mut seen = std::collections::BTreeSet::new();
        for text in texts {
            let context: EncryptionContext = text.parse().unwrap();
            assert!(seen.insert(*context.digest()), "{text} is a context of its own");
        }
        let comma = object(r#"{"a":"b,c=d"}"#).unwrap();
        assert!(seen.insert(*comma.digest()), "a comma in a value is no separator");
    }

    #[test]
    fn malformed_contexts_are_refused() {
        let many = (0..65).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        let long = format!("a={}", "x".repeat(8192));
        let texts =
            ["a", "=b", "a=b,", ",", "a=b,a=b", " a=b", "a=b, c=d", "a=\0", "a=b\n", &many, &long];
        for text in texts {
            assert!(text.parse::<EncryptionContext>().is_err(), "{text:.40}");
        }
        for json in [
            r#"{"a":"b","a":"b"}"#,
            r#"{"":"b"}"#,
            r#"{"a":1}"#,
            r#"{"a":null}"#,
            r#"{"a":{"b":"c"}}"#,
            r#"["a=b"]"#,
            "1",
            "null",
            r#"{"a":"\u0000"}"#,
        ] {
            assert!(object(json).is_err(), "{json}");
        }
    }

    #[test]
    fn debug_shows_names_only() {
        let context: EncryptionContext = "patient=alice".parse().unwrap();
        assert_eq!(format!("{context:?}"), r#"{"patient"}"#);
    }
}
