//! What a credential may be used for at most.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result, codes};

/// An action on a resource, as `read:users`; either may be `*` for any.
///
/// Scopes narrow: whoever presents a credential with scopes may do what its owner may do **and** one of
/// its scopes allows. They are held against the route table, where the resource is a part of the API
/// (`users`, `kms-keys`), or against what an embedding application calls its own resources
/// (`deploy:Server/web-1`).
///
/// ```
/// let scope: prov_core::Scope = "read:users".parse().unwrap();
/// assert!(scope.allows("read", "users") && !scope.allows("delete", "users"));
/// assert!("*:audit".parse::<prov_core::Scope>().unwrap().allows("list", "audit"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Scope {
    action: String,
    resource: String,
}

impl Scope {
    /// The longest text of a scope, in bytes.
    pub const LONGEST: usize = 128;

    /// Whether it covers this action on this resource.
    #[must_use]
    pub fn allows(&self, action: &str, resource: &str) -> bool {
        let covers = |pattern: &str, name: &str| pattern == "*" || pattern == name;
        covers(&self.action, action) && covers(&self.resource, resource)
    }
}

impl FromStr for Scope {
    type Err = Error;

    /// Reads `action:resource`. There are no other patterns than a name and `*` alone.
    fn from_str(text: &str) -> Result<Self> {
        let name = |part: &str| {
            part == "*"
                || (part.starts_with(|c: char| c.is_ascii_alphabetic())
                    && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c)))
        };
        match text.split_once(':') {
            Some((action, resource))
                if text.len() <= Self::LONGEST && name(action) && name(resource) =>
            {
                Ok(Self { action: action.to_owned(), resource: resource.to_owned() })
            }
            _ => Err(Error::new(codes::INVALID_REQUEST).detail(
                "a scope is an action and a resource, such as `read:users`; either may be `*`",
            )),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.action, self.resource)
    }
}

impl TryFrom<String> for Scope {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Scope> for String {
    fn from(scope: Scope) -> Self {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_covers_what_it_names_and_a_star_anything() {
        for (scope, action, resource, covers) in [
            ("read:users", "read", "users", true),
            ("read:users", "read", "user", false),
            ("read:users", "list", "users", false),
            ("*:users", "delete", "users", true),
            ("read:*", "read", "audit", true),
            ("*:*", "admin", "signing-keys", true),
            ("deploy:Server/web-1", "deploy", "Server/web-1", true),
            ("deploy:Server/web-1", "deploy", "Server/web-10", false),
        ] {
            let scope: Scope = scope.parse().unwrap();
            assert_eq!(scope.allows(action, resource), covers, "{scope} {action} {resource}");
            assert_eq!(scope.to_string().parse::<Scope>().unwrap(), scope);
        }
    }

    #[test]
    fn texts_that_are_no_scope_are_refused() {
        let long = format!("read:{}", "x".repeat(200));
        for text in [
            "",
            "read",
            ":",
            "read:",
            ":users",
            "re*:users",
            "read:us*",
            "read users:x",
            "read:a:b",
            "1:x",
            &long,
        ] {
            assert!(text.parse::<Scope>().is_err(), "{text}");
        }
    }
}
