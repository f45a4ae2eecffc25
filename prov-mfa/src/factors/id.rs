//! Names of factors of whatever kind.

use std::fmt;
use std::str::FromStr;

use prov_core::{Error, FactorMethod};

use super::{PasskeyId, TotpId};
use crate::codes;

/// Names one second factor of a user.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FactorId {
    /// An authenticator app.
    Totp(TotpId),
    /// A passkey or security key.
    Passkey(PasskeyId),
}

impl FactorId {
    /// Which kind of factor it names.
    #[must_use]
    pub const fn method(&self) -> FactorMethod {
        match self {
            Self::Totp(_) => FactorMethod::Totp,
            Self::Passkey(_) => FactorMethod::Webauthn,
        }
    }
}

impl From<TotpId> for FactorId {
    fn from(id: TotpId) -> Self {
        Self::Totp(id)
    }
}

impl From<PasskeyId> for FactorId {
    fn from(id: PasskeyId) -> Self {
        Self::Passkey(id)
    }
}

impl fmt::Display for FactorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Totp(id) => id.fmt(f),
            Self::Passkey(id) => id.fmt(f),
        }
    }
}

/// A text that is no id names nothing.
impl FromStr for FactorId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if let Ok(id) = text.parse() {
            return Ok(Self::Totp(id));
        }
        text.parse().map(Self::Passkey).map_err(|_: Error| codes::FACTOR_UNKNOWN.into())
    }
}
