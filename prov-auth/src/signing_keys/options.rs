//! How signing keys are kept.

use std::time::Duration;

use prov_core::SecretText;

use crate::TokenOptions;

/// How signing keys are kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SigningKeyOptions {
    /// How long a new key stands in the JWKS before it signs: at least as long as verifiers cache
    /// the JWKS.
    pub publication: Duration,
    /// How long a retired key goes on verifying: at least the life of a token, the leeway, and the time
    /// other nodes take to hear of a rotation.
    pub retention: Duration,
    /// A private RSA key as PEM (PKCS#8 or PKCS#1) that becomes the active key when it is seen for the
    /// first time.
    pub private_key: Option<SecretText>,
    /// The public key, as PEM (SPKI), that must belong to `private_key`: whoever gives both and mixed
    /// them up is told so, instead of signing what nobody can verify.
    pub public_key: Option<String>,
}

impl Default for SigningKeyOptions {
    /// Published 5 minutes ahead, kept for the longest life of any token and 5 minutes more, generated
    /// here.
    fn default() -> Self {
        Self {
            publication: Duration::from_mins(5),
            retention: TokenOptions::MAX_LIFETIME + Duration::from_mins(5),
            private_key: None,
            public_key: None,
        }
    }
}

impl SigningKeyOptions {
    /// With another time of publication.
    #[must_use]
    pub fn with_publication(mut self, publication: Duration) -> Self {
        self.publication = publication;
        self
    }

    /// With another time of retention.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// With a private key of one's own.
    #[must_use]
    pub fn with_private_key(mut self, pem: SecretText) -> Self {
        self.private_key = Some(pem);
        self
    }

    /// With the public key that the private key of one's own must have.
    #[must_use]
    pub fn with_public_key(mut self, pem: impl Into<String>) -> Self {
        self.public_key = Some(pem.into());
        self
    }
}
