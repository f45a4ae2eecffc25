use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use prov_core::{Error, Result, codes};
use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// The name a user signs in with: 1 to 64 characters of `a-z`, `0-9`, `.`, `_`, `-`, `+` and `@`,
/// starting with a letter or digit.
///
/// It is canonical: what is typed goes through NFKC and case folding first, so that `Alice`, `ALICE`
/// and `ａｌｉｃｅ` are one user with one budget of attempts. Other alphabets are for the display name:
/// a Cyrillic `а` beside a Latin one would let one user look like another, and names also become
/// principals of SSH certificates.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Username(Arc<str>);

impl Username {
    /// The canonical name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // Longer than any name in any form; not normalised to find out.
        let canonical: String = if text.len() <= 1024 {
            text.nfkc().map(|c| c.to_ascii_lowercase()).collect()
        } else {
            String::new()
        };
        let well_formed = canonical.len() <= 64
            && canonical.starts_with(|c: char| c.is_ascii_alphanumeric())
            && canonical.chars().all(|c| c.is_ascii_alphanumeric() || "._-+@".contains(c));
        if well_formed {
            Ok(Self(canonical.into()))
        } else {
            Err(Error::new(codes::INVALID_REQUEST).field(
                "username",
                "a username has 1 to 64 characters of `a-z`, `0-9`, `.`, `_`, `-`, `+`, `@` and starts with a letter or digit",
            ))
        }
    }
}

impl TryFrom<String> for Username {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Username> for String {
    fn from(name: Username) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name is personal: it does not get into logs by way of `{:?}`.
impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[personal]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_typing_a_name_is_one_name() {
        for text in ["alice", "Alice", "ALICE", "ａｌｉｃｅ", "ⓐlice"] {
            assert_eq!(text.parse::<Username>().unwrap().as_str(), "alice", "{text}");
        }
        // The Kelvin sign is a compatible form of K.
        assert_eq!("\u{212a}im".parse::<Username>().unwrap().as_str(), "kim");
        assert_eq!("Alice@Example.org".parse::<Username>().unwrap().as_str(), "alice@example.org");
    }

    #[test]
    fn names_that_could_be_taken_for_others_are_refused() {
        let long = "x".repeat(65);
        let endless = "x".repeat(1 << 20);
        for text in [
            "",
            " alice",
            "alice ",
            "аlice",
            "al\0ice",
            "al/ice",
            "../alice",
            "-alice",
            ".alice",
            "al\u{200b}ice",
            "straße",
            &long,
            &endless,
        ] {
            assert!(text.parse::<Username>().is_err(), "{text:?} must be refused");
        }
    }
}
