//! The algorithms that sign tokens.

use std::fmt;
use std::str::FromStr;

use prov_core::{Error, Result, codes};
use serde::{Deserialize, Serialize};

/// How tokens are signed (RFC 7518, section 3.1; RFC 8037, section 3.1).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 to 4096 bits: what every verifier knows.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256: short signatures, made fast.
    #[serde(rename = "ES256")]
    Es256,
    /// `EdDSA` on Ed25519: the shortest keys, and signatures that take no randomness.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    /// The algorithm of this registered name, case and all.
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name).ok_or_else(|| {
            Error::new(codes::INVALID_REQUEST).detail(format!(
                "tokens can't be signed with `{name}`: give `RS256`, `ES256` or `EdDSA`"
            ))
        })
    }
}
