use std::num::NonZeroUsize;
use std::time::Duration;

use prov_core::{Error, Result, codes};

use super::discovery::check_public_url;
use crate::{PasswordPolicy, ProofOptions, ThrottleOptions};

/// How long things last and what is asked of people.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthOptions {
    /// How long a refresh token is good, from when it was made.
    pub refresh_lifetime: Duration,
    /// How long a spent refresh token still gets the answer it got; 1 minute at most.
    pub refresh_grace: Duration,
    /// How long a session lasts however much it is used.
    pub session_lifetime: Duration,
    /// How many sessions one user may have; one more ends the one that was used least recently.
    pub sessions_per_user: NonZeroUsize,
    /// How long a sign-in may wait for its second factor.
    pub challenge_lifetime: Duration,
    /// How long a temporary password is good.
    pub temporary_password_lifetime: Duration,
    /// How long a bootstrap link is good.
    pub bootstrap_lifetime: Duration,
    /// What access tokens name as their client.
    pub client_id: String,
    /// How clients reach the service from outside, `https://prov.example.com`, for the documents that
    /// name its endpoints.
    pub public_url: Option<String>,
    /// The actions and parts of the API there are, so that a scope that covers none of them is refused;
    /// none: every scope is taken.
    pub permissions: Vec<(String, String)>,
    /// Which passwords people may choose.
    pub passwords: PasswordPolicy,
    /// How often somebody may try to sign in.
    pub throttle: ThrottleOptions,
    /// Whether tokens are bound to the keys of clients that prove to hold one (DPoP, RFC 9449), and how proofs
    /// are checked; `None`: such proofs are not looked at. Needs the public URL.
    pub proofs: Option<ProofOptions>,
    /// Whether tokens are bound to the certificates of clients that sign in with one on their connection (RFC
    /// 8705). A client that gets another certificate signs in again.
    pub bind_to_certificates: bool,
}

impl Default for AuthOptions {
    fn default() -> Self {
        const MANY: NonZeroUsize = NonZeroUsize::new(100).unwrap();
        Self {
            sessions_per_user: MANY,
            refresh_lifetime: Duration::from_hours(7 * 24),
            refresh_grace: Duration::from_secs(10),
            session_lifetime: Duration::from_hours(30 * 24),
            challenge_lifetime: Duration::from_mins(5),
            temporary_password_lifetime: Duration::from_hours(24),
            bootstrap_lifetime: Duration::from_hours(24),
            client_id: "prov".to_owned(),
            public_url: None,
            permissions: Vec::new(),
            passwords: PasswordPolicy::default(),
            throttle: ThrottleOptions::default(),
            proofs: None,
            bind_to_certificates: false,
        }
    }
}

impl AuthOptions {
    /// With another lifetime of refresh tokens.
    #[must_use]
    pub fn with_refresh_lifetime(mut self, lifetime: Duration) -> Self {
        self.refresh_lifetime = lifetime;
        self.session_lifetime = self.session_lifetime.max(lifetime);
        self
    }

    /// Reached from outside by this URL; a slash at its end is taken off.
    #[must_use]
    pub fn with_public_url(mut self, url: Option<&str>) -> Self {
        self.public_url = url.map(|url| url.trim_end_matches('/').to_owned());
        self
    }

    /// With these actions and parts of the API for scopes to cover.
    #[must_use]
    pub fn with_permissions(
        mut self,
        all: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Self {
        self.permissions = all.into_iter().map(|(a, r)| (a.into(), r.into())).collect();
        self
    }

    /// With room for another number of sessions per user.
    #[must_use]
    pub fn with_sessions_per_user(mut self, most: NonZeroUsize) -> Self {
        self.sessions_per_user = most;
        self
    }

    /// With another policy for passwords.
    #[must_use]
    pub fn with_passwords(mut self, policy: PasswordPolicy) -> Self {
        self.passwords = policy;
        self
    }

    /// With other budgets for signing in.
    #[must_use]
    pub fn with_throttle(mut self, throttle: ThrottleOptions) -> Self {
        self.throttle = throttle;
        self
    }

    /// Binding tokens to the keys of clients that prove to hold one.
    #[must_use]
    pub fn with_proofs(mut self, proofs: Option<ProofOptions>) -> Self {
        self.proofs = proofs;
        self
    }

    /// Binding tokens to the certificates of clients that have one, or not.
    #[must_use]
    pub fn with_certificate_binding(mut self, bound: bool) -> Self {
        self.bind_to_certificates = bound;
        self
    }

    pub(super) fn check(&self) -> Result<()> {
        let refuse = |field: &str, message: &str| {
            Err(Error::new(codes::INVALID_REQUEST)
                .detail("the authentication options are not valid")
                .field(field, message))
        };
        if self.refresh_lifetime < Duration::from_mins(1) {
            return refuse("refresh_token_ttl", "give at least 1 minute");
        }
        if self.refresh_grace > Duration::from_mins(1) {
            return refuse("refresh_grace", "give 1 minute at most");
        }
        if self.session_lifetime < self.refresh_lifetime {
            return refuse(
                "session_lifetime",
                "a session lasts at least as long as a refresh token",
            );
        }
        if self.client_id.is_empty() {
            return refuse("client_id", "name the client");
        }
        self.public_url.as_deref().map_or(Ok(()), check_public_url)
    }
}
