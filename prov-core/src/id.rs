//! Typed identifiers: a prefix that tells what it names, then a ULID (26 characters of Crockford
//! base 32, sorted by time of creation), as in `user_01JQ8Z…`.

use std::sync::Arc;

use crate::{Clock, Error, Result, codes, random};

/// Makes the text of a fresh identifier. Public for [`typed_id!`](crate::typed_id).
///
/// # Errors
/// When the operating system gives no randomness.
#[doc(hidden)]
pub fn fresh(prefix: &str, clock: &dyn Clock) -> Result<Arc<str>> {
    let millis = u64::try_from(clock.now().as_millisecond()).unwrap_or(0);
    let random = u128::from_be_bytes(random::for_id()?);
    let mut ulid = [0; ulid::ULID_LEN];
    let ulid = ulid::Ulid::from_parts(millis, random).array_to_str(&mut ulid);
    Ok([prefix, ulid].join("_").into())
}

/// Whether a text is an id as prov makes them: lower-case letters, an underscore and a ULID. What a caller writes
/// where an id belongs, and is none, may be somebody's name (`john_smith`), and is not recorded.
///
/// ```
/// use prov_core::id::is_id;
///
/// assert!(is_id("user_01ARZ3NDEKTSV4RRFFQ69G5FAV"));
/// assert!(!is_id("john_smith"));
/// ```
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.split_once('_').is_some_and(|(prefix, rest)| {
        (1..=16).contains(&prefix.len())
            && prefix.bytes().all(|byte| byte.is_ascii_lowercase())
            && is_ulid(rest)
    })
}

/// Whether it is a ULID in its one spelling.
fn is_ulid(text: &str) -> bool {
    let mut canonical = [0; ulid::ULID_LEN];
    ulid::Ulid::from_string(text).is_ok_and(|id| id.array_to_str(&mut canonical) == text)
}

/// Checks the text of an identifier. Public for [`typed_id!`](crate::typed_id).
///
/// # Errors
/// [`codes::INVALID_REQUEST`] when the prefix or the ULID is not canonical.
#[doc(hidden)]
pub fn check(prefix: &str, text: &str) -> Result<Arc<str>> {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .filter(|rest| is_ulid(rest))
        .map(|_| text.into())
        .ok_or_else(|| {
            Error::new(codes::INVALID_REQUEST)
                .detail(format!("an id of this kind looks like `{prefix}_` and 26 characters"))
        })
}

/// Declares an identifier type with its prefix.
///
/// ```
/// prov_core::typed_id!(
///     /// Names one lease.
///     LeaseId, "lease"
/// );
/// let clock = prov_core::SystemClock::new();
/// let id = LeaseId::generate(&clock).unwrap();
/// assert_eq!(id.as_str().parse::<LeaseId>().unwrap(), id);
/// assert!("user_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse::<LeaseId>().is_err());
/// ```
#[macro_export]
macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(::std::sync::Arc<str>);

        impl $name {
            /// What every id of this kind starts with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh id, unique and sorted after those made before it.
            ///
            /// # Errors
            /// When the operating system gives no randomness.
            pub fn generate(clock: &dyn $crate::Clock) -> $crate::Result<Self> {
                $crate::id::fresh($prefix, clock).map(Self)
            }

            /// The whole text, prefix included.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl ::std::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> $crate::Result<Self> {
                $crate::id::check($prefix, text).map(Self)
            }
        }

        impl $crate::id::serde_support::IdText for $name {
            fn text(&self) -> &str {
                &self.0
            }
        }

        impl $crate::id::serde_support::Serialize for $name {
            fn serialize<S: $crate::id::serde_support::Serializer>(
                &self,
                serializer: S,
            ) -> ::std::result::Result<S::Ok, S::Error> {
                $crate::id::serde_support::serialize(self, serializer)
            }
        }

        impl<'de> $crate::id::serde_support::Deserialize<'de> for $name {
            fn deserialize<D: $crate::id::serde_support::Deserializer<'de>>(
                deserializer: D,
            ) -> ::std::result::Result<Self, D::Error> {
                $crate::id::serde_support::deserialize(deserializer)
            }
        }
    };
}

/// What [`typed_id!`](crate::typed_id) needs of serde, so that its users need not name serde.
#[doc(hidden)]
pub mod serde_support {
    use std::fmt;
    use std::str::FromStr;

    use serde::de;
    pub use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// An id as text.
    pub trait IdText {
        /// The whole text.
        fn text(&self) -> &str;
    }

    /// Writes an id as a string.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: IdText, S: Serializer>(id: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(id.text())
    }

    /// Reads an id from a string and checks it.
    ///
    /// # Errors
    /// When the text is no id of this kind.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: fmt::Display,
        D: Deserializer<'de>,
    {
        let text = <std::borrow::Cow<'de, str> as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

typed_id!(
    /// Names one person's or service's account, for ever: never reused, never renamed.
    UserId, "user"
);
typed_id!(
    /// Names one signed-in session.
    SessionId, "sess"
);
typed_id!(
    /// Names one request; returned to the caller as `x-request-id` and in every problem document.
    RequestId, "req"
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    #[test]
    fn a_name_is_no_id() {
        let made = UserId::generate(&SystemClock::new()).unwrap();
        for id in
            ["user_01M818C9P4TME7GS2YF210MV9Z", "tok_01M818C9P4TME7GS2YF210MV9Z", made.as_str()]
        {
            assert!(is_id(id), "{id}");
        }
        for name in [
            "alice",
            "alice@example.org",
            "john_smith",
            "svc_backup",
            "_01M818C9P4TME7GS2YF210MV9Z",
            "User_01M818C9P4TME7GS2YF210MV9Z",
            "user_01m818c9p4tme7gs2yf210mv9z",
            "user_ALICEALICEALICEALICEALICEA",
            "a_b_01M818C9P4TME7GS2YF210MV9Z",
            "user_",
            "",
        ] {
            assert!(!is_id(name), "{name}");
        }
    }

    #[test]
    fn an_id_survives_text_and_json_and_no_other_prefix_does() {
        let id = UserId::generate(&SystemClock::new()).unwrap();
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(serde_json::from_str::<UserId>(&json).unwrap(), id);
        assert!(serde_json::from_str::<SessionId>(&json).is_err());
    }

    #[test]
    fn texts_that_are_not_canonical_are_refused() {
        for text in ["", "user_", "user", "user_../../etc", "user_01arz3ndektsv4rrffq69g5fav"] {
            assert!(text.parse::<UserId>().is_err(), "{text} must be refused");
        }
    }
}
