//! What tokens are issued and verified with.

use std::time::Duration;

use prov_core::{Error, Result, codes};

/// What tokens are issued with, and what is demanded of one that is presented.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenOptions {
    /// Who issues (`iss`); compared exactly.
    pub issuer: String,
    /// For whom (`aud`): tokens name all of these; a token that names any one of them is accepted.
    pub audience: Vec<String>,
    /// How long an access token lives.
    pub lifetime: Duration,
    /// How far the clocks of issuer and verifier may differ; at most [`TokenOptions::MAX_LEEWAY`].
    pub leeway: Duration,
    /// How many verified tokens are remembered, about 0.7 kB each; 0 remembers none.
    pub cache_entries: usize,
}

/// What the audience of enrolments has behind the issuer.
const ENROLMENT: &str = "#enrolment";

impl TokenOptions {
    /// The longest life of a token; revocations are remembered longer than that.
    pub const MAX_LIFETIME: Duration = Duration::from_hours(24);
    /// The largest leeway.
    pub const MAX_LEEWAY: Duration = Duration::from_secs(30);

    /// Tokens of 15 minutes by `issuer` for `audience`, with 5 seconds of leeway and room for 8,192
    /// verified tokens.
    #[must_use]
    pub fn new(
        issuer: impl Into<String>,
        audience: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into_iter().map(Into::into).collect(),
            lifetime: Duration::from_mins(15),
            leeway: Duration::from_secs(5),
            cache_entries: 8_192,
        }
    }

    /// With another lifetime, 1 second to 24 hours.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// With another leeway.
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// With room for another number of verified tokens; 0 remembers none.
    #[must_use]
    pub fn with_cache_entries(mut self, entries: usize) -> Self {
        self.cache_entries = entries;
        self
    }

    /// For whom tokens are that are good for nothing but enrolling a second factor: for nobody else who
    /// verifies tokens, however little they look at.
    pub(super) fn enrolment_audience(&self) -> String {
        format!("{}{ENROLMENT}", self.issuer)
    }

    /// Whether this names [`Self::enrolment_audience`].
    pub(super) fn is_enrolment_audience(&self, name: &str) -> bool {
        name.strip_suffix(ENROLMENT).is_some_and(|issuer| issuer == self.issuer)
    }

    /// Refuses what can't be right.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |field: &str, message: &str| {
            Err(Error::new(codes::INVALID_REQUEST)
                .detail("the token options are not valid")
                .field(field, message))
        };
        if self.issuer.is_empty() {
            return refuse("issuer", "name the issuer");
        }
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return refuse("audience", "name at least one audience, none of them empty");
        }
        if self.lifetime < Duration::from_secs(1) || self.lifetime > Self::MAX_LIFETIME {
            return refuse("access_token_ttl", "give 1 second to 24 hours");
        }
        if self.audience.iter().any(|name| self.is_enrolment_audience(name)) {
            return refuse("audience", "this one is for enrolments alone");
        }
        if self.leeway > Self::MAX_LEEWAY {
            return refuse("leeway", "give 30 seconds at most");
        }
        Ok(())
    }
}
