//! Team names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, codes};

/// The name of a team: 1 to 64 characters of `a-z`, `0-9` and `-`, starting with a letter.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TeamName(Arc<str>);

impl TeamName {
    /// The five teams of the shipped policies.
    pub const SHIPPED: [&'static str; 5] =
        ["platform-admin", "sre", "developers", "audit", "security"];

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TeamName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let well_formed = text.len() <= 64
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if well_formed {
            Ok(Self(text.into()))
        } else {
            Err(Error::new(codes::INVALID_REQUEST).detail(
                "a team name has 1 to 64 characters of `a-z`, `0-9` and `-` and starts with a letter",
            ))
        }
    }
}

impl TryFrom<String> for TeamName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<TeamName> for String {
    fn from(name: TeamName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl fmt::Display for TeamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TeamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_names_are_valid_and_odd_ones_are_not() {
        for name in TeamName::SHIPPED {
            assert!(name.parse::<TeamName>().is_ok());
        }
        for name in ["", "SRE", "a/b", "-a", "1a", "sre\0", "équipe"] {
            assert!(name.parse::<TeamName>().is_err(), "{name} must be refused");
        }
    }
}
