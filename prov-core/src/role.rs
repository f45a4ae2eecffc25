//! The five roles and what each includes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, codes};

/// A role in prov itself. Roles inherit: who holds one may do what the roles it includes may do.
///
/// ```text
/// Admin ── Operator ── Developer ── Viewer
///   └───── Auditor ───────────────── Viewer
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(clippy::exhaustive_enums, reason = "the five roles are the contract of the mission")]
pub enum Role {
    /// Runs prov: users, keys, policies.
    Admin,
    /// Runs the fleet: secrets, certificates, leases.
    Operator,
    /// Uses keys and short-lived credentials for their own work.
    Developer,
    /// Reads the audit trail and the state of everything; changes nothing.
    Auditor,
    /// Reads what is not sensitive.
    Viewer,
}

impl Role {
    /// All five, the most powerful first.
    pub const ALL: [Self; 5] =
        [Self::Admin, Self::Operator, Self::Developer, Self::Auditor, Self::Viewer];

    /// The roles directly below this one.
    #[must_use]
    pub const fn inherits(self) -> &'static [Self] {
        match self {
            Self::Admin => &[Self::Operator, Self::Auditor],
            Self::Operator => &[Self::Developer],
            Self::Developer | Self::Auditor => &[Self::Viewer],
            Self::Viewer => &[],
        }
    }

    /// Whether holding `self` means holding `other`.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self == other || self.inherits().iter().any(|role| role.includes(other))
    }

    /// The name as it stands in tokens, policies and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Operator => "operator",
            Self::Developer => "developer",
            Self::Auditor => "auditor",
            Self::Viewer => "viewer",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            Error::new(codes::INVALID_REQUEST)
                .detail("a role is one of `admin`, `operator`, `developer`, `auditor`, `viewer`")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inheritance_is_exactly_the_documented_tree() {
        let included =
            |role: Role| Role::ALL.into_iter().filter(move |r| role.includes(*r)).count();
        assert_eq!(Role::ALL.map(included), [5, 3, 2, 2, 1]);
        assert!(!Role::Operator.includes(Role::Auditor));
        assert!(!Role::Auditor.includes(Role::Developer));
    }
}
