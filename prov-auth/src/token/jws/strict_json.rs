//! JSON objects that mean one thing only.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// More members than any honest header or claim set has.
const MAX_MEMBERS: usize = 64;

/// Reads one JSON object in which no name stands twice, at any depth (RFC 7515, section 4; RFC 7519,
/// section 4). Two readers of a duplicate may see two different values.
pub(crate) fn from_object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, serde_json::Error> {
    // Derived structs accept an array of their fields as well; a header or claim set is an object.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err(serde_json::Error::custom("not an object"));
    }
    serde_json::from_slice::<Unambiguous>(json)?;
    serde_json::from_slice(json)
}

/// Any JSON value without duplicate names; keeps nothing of it.
struct Unambiguous;

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Unambiguous;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_str<E>(self, _: &str) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_unit<E>(self) -> Result<Unambiguous, E> {
        Ok(Unambiguous)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Unambiguous, A::Error> {
        while items.next_element::<Unambiguous>()?.is_some() {}
        Ok(Unambiguous)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Unambiguous, A::Error> {
        let mut seen: Vec<Cow<'de, str>> = Vec::with_capacity(16);
        while let Some(Name(name)) = members.next_key()? {
            if seen.contains(&name) {
                return Err(A::Error::custom("a name stands twice"));
            }
            if seen.len() == MAX_MEMBERS {
                return Err(A::Error::custom("too many members"));
            }
            seen.push(name);
            members.next_value::<Unambiguous>()?;
        }
        Ok(Unambiguous)
    }
}

/// The name of a member, borrowed unless it has escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn duplicates_arrays_and_trailing_text_are_refused() {
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"o":{"a":1,"a":2}}"#,
            r#"{"l":[{"a":1,"a":2}]}"#,
            r#"["RS256","at+jwt"]"#,
            r#""text""#,
            "{} {}",
            "",
            "{",
            "{\"a\":\"\u{0}\"}",
        ] {
            assert!(from_object::<Value>(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(from_object::<Value>(br#" {"a":[1,-1,1.5,true,null,"x",{"a":1}]}"#).is_ok());
    }

    #[test]
    fn deep_or_wide_objects_are_refused_cheaply() {
        let deep = r#"{"a":"#.repeat(4000);
        let wide =
            format!("{{{}}}", (0..65).map(|i| format!("\"{i}\":0")).collect::<Vec<_>>().join(","));
        assert!(from_object::<Value>(deep.as_bytes()).is_err());
        assert!(from_object::<Value>(wide.as_bytes()).is_err());
    }
}
