//! How signing keys are kept.

use std::time::Duration;

use prov_core::{Error, Result, SecretText, codes};

use crate::TokenOptions;
use crate::token::Algorithm;

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
    /// How long a key signs before the next takes over by itself; `None`: until somebody says so.
    pub rotate_every: Option<Duration>,
    /// What keys that are made here sign with. Another one than before applies from the next key on.
    pub algorithm: Algorithm,
    /// A private key as PEM (PKCS#8, or PKCS#1 for RSA) that becomes the active key when it is seen for
    /// the first time. Its algorithm is that of the key: RSA, P-256 or Ed25519.
    pub private_key: Option<SecretText>,
    /// The public key, as PEM (SPKI), that must belong to `private_key`: whoever gives both and mixed
    /// them up is told so, instead of signing what nobody can verify.
    pub public_key: Option<String>,
}

impl Default for SigningKeyOptions {
    /// RS256, a new key every 30 days, published 5 minutes ahead, kept for the longest life of any token
    /// and 5 minutes more, generated here.
    fn default() -> Self {
        Self {
            publication: Duration::from_mins(5),
            retention: TokenOptions::MAX_LIFETIME + Duration::from_mins(5),
            rotate_every: Some(Duration::from_hours(30 * 24)),
            algorithm: Algorithm::default(),
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

    /// With another time that a key signs, or none.
    #[must_use]
    pub fn with_rotation(mut self, every: Option<Duration>) -> Self {
        self.rotate_every = every;
        self
    }

    /// With keys for another algorithm.
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
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

    pub(super) fn check(&self) -> Result<()> {
        if self.rotate_every.is_some_and(|every| every < self.publication) {
            return Err(Error::new(codes::INVALID_REQUEST)
                .detail("the signing key options are not valid")
                .field("rotate_every", "a key signs at least as long as the next is published"));
        }
        Ok(())
    }
}
