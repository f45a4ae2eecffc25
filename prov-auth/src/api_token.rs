//! API tokens: long-lived credentials for programs, each good for less than its owner.

mod directory;
mod record;
mod text;

use std::time::Duration;

pub use directory::ApiTokens;
use prov_core::{Error, Result, Scope, SecretText, Timestamp, codes};
pub(crate) use record::{ApiTokenRecord, ApiTokenUse, PreviousValue};
use serde::Serialize;
pub(crate) use text::{generate, is_well_formed};

prov_core::typed_id!(
    /// Names one API token, through all its values.
    ApiTokenId, "pat"
);

/// What is known of an API token; its value is shown once and kept by nobody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ApiToken {
    /// Names it.
    pub id: ApiTokenId,
    /// What its owner calls it.
    pub name: String,
    /// What it is good for at most.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it got its present value.
    pub rotated_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

/// An API token and its value, which is shown this once.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssuedApiToken {
    /// What is known of it.
    pub token: ApiToken,
    /// `prov_` and 49 letters and digits.
    pub value: SecretText,
}

/// What a new API token is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewApiToken {
    /// What its owner calls it, 1 to 128 characters.
    pub name: String,
    /// What it is to be good for: 1 to 64 scopes.
    pub scopes: Vec<Scope>,
    /// How long it is good, 1 minute to 366 days.
    pub lifetime: Duration,
}

impl NewApiToken {
    /// The longest life.
    pub const LONGEST: Duration = Duration::from_hours(366 * 24);
    const SHORTEST: Duration = Duration::from_mins(1);
    const MOST_SCOPES: usize = 64;

    /// A token of this name, for these scopes, that ends after `lifetime`.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        scopes: impl IntoIterator<Item = Scope>,
        lifetime: Duration,
    ) -> Self {
        Self { name: name.into(), scopes: scopes.into_iter().collect(), lifetime }
    }

    /// Refuses what can't be; `known` are the actions and resources there are, none: any.
    pub(crate) fn check(&self, known: &[(String, String)]) -> Result<()> {
        let refuse = |field: &str, message: String| {
            Err(Error::new(codes::INVALID_REQUEST).field(field, message))
        };
        let length = self.name.chars().count();
        if !(1..=128).contains(&length) || self.name.chars().any(char::is_control) {
            return refuse("name", "1 to 128 characters, none of them control characters".into());
        }
        if self.scopes.is_empty() || self.scopes.len() > Self::MOST_SCOPES {
            return refuse("scopes", "name 1 to 64 scopes, such as `read:users`".into());
        }
        let covers = |scope: &Scope| known.iter().any(|(action, part)| scope.allows(action, part));
        if !known.is_empty()
            && let Some(scope) = self.scopes.iter().find(|scope| !covers(scope))
        {
            return refuse("scopes", format!("`{scope}` covers nothing that there is"));
        }
        if !(Self::SHORTEST..=Self::LONGEST).contains(&self.lifetime) {
            return refuse("expires_in", "give 1 minute to 366 days".into());
        }
        Ok(())
    }
}
