//! The port between signing in and the second factor.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{Amr, RequestFacts, Result, SecretText, UserId};

/// A kind of second factor, as clients name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FactorMethod {
    /// A time-based one-time password (RFC 6238).
    Totp,
    /// A passkey or security key.
    Webauthn,
    /// One of the printed codes.
    BackupCode,
}

/// What the person gave as second factor.
#[derive(Debug)]
#[non_exhaustive]
pub struct FactorResponse {
    /// Which factor it claims to be.
    pub method: FactorMethod,
    /// The code.
    pub code: SecretText,
}

impl FactorResponse {
    /// A code for this factor.
    #[must_use]
    pub fn new(method: FactorMethod, code: SecretText) -> Self {
        Self { method, code }
    }
}

/// A second factor that held.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct VerifiedFactor {
    /// Which.
    pub method: FactorMethod,
    /// What the token says about it.
    pub amr: Vec<Amr>,
}

impl VerifiedFactor {
    /// A factor that held.
    #[must_use]
    pub fn new(method: FactorMethod, amr: impl IntoIterator<Item = Amr>) -> Self {
        Self { method, amr: amr.into_iter().collect() }
    }
}

/// Second factors of users. Contract: a response that verified once never verifies again, on any
/// node; attempts are limited per user and factor; every verification leaves an audit event that is
/// durable before the answer.
#[async_trait]
pub trait SecondFactor: Debug + Send + Sync + 'static {
    /// The factors this user can answer with; empty when none is enrolled.
    ///
    /// # Errors
    /// When the store can't be read: signing in must then fail, not skip the factor.
    async fn methods(&self, user: &UserId) -> Result<Vec<FactorMethod>>;

    /// Checks and consumes a response.
    ///
    /// # Errors
    /// Wrong, replayed or too many responses; or the store can't be reached.
    async fn verify(
        &self,
        user: &UserId,
        response: &FactorResponse,
        request: &RequestFacts,
    ) -> Result<VerifiedFactor>;
}
