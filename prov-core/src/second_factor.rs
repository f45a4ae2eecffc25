//! The ports between signing in and second factors: signing in asks for a factor, and a passkey that
//! stands for both steps asks for a session.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Amr, Error, NoticeBoard, RequestFacts, Result, Role, SecretText, SecurityContext, SessionId,
    TeamName, Timestamp, UserId, codes,
};

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
    /// The code; of a passkey, the assertion as the JSON that browsers make of it.
    pub code: SecretText,
}

impl FactorResponse {
    /// A code for this factor.
    #[must_use]
    pub fn new(method: FactorMethod, code: SecretText) -> Self {
        Self { method, code }
    }
}

/// As requests spell it: a code, or the assertion of a passkey.
impl FactorResponse {
    /// The response of this factor, of which a request brought a code or an assertion.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] naming the one that is missing or too many.
    pub fn of(
        method: FactorMethod,
        code: Option<SecretText>,
        assertion: Option<&serde_json::Value>,
    ) -> Result<Self> {
        let refuse = |field, message| Err(Error::new(codes::INVALID_REQUEST).field(field, message));
        match (method, code, assertion) {
            (FactorMethod::Webauthn, None, Some(assertion)) => {
                Ok(Self::new(method, assertion.to_string().into()))
            }
            (FactorMethod::Webauthn, ..) => {
                refuse("assertion", "a passkey is proved by an assertion, and by no code")
            }
            (_, Some(code), None) => Ok(Self::new(method, code)),
            _ => refuse("code", "this factor is proved by a code, and by no assertion"),
        }
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

/// Whether somebody without a second factor must get one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a fourth answer would be a new contract")]
pub enum Enrolment {
    /// They need not.
    NotAsked,
    /// They must, until then; it is time to say so.
    DueBy(Timestamp),
    /// They must, and until they have one their session is good for nothing else.
    Overdue,
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

    /// Whether a user with these roles and teams, who has no second factor, must get one. Asked when
    /// they sign in, which is from when their grace counts.
    ///
    /// # Errors
    /// When the store can't be read or written: signing in must then fail.
    async fn enrolment(
        &self,
        _user: &UserId,
        _roles: &[Role],
        _teams: &[TeamName],
    ) -> Result<Enrolment> {
        Ok(Enrolment::NotAsked)
    }

    /// What the client needs to be told before it can answer with a passkey: the request options, as
    /// browsers read them. Names the one ceremony that the response will belong to. `None` where the
    /// user has no passkey, or passkeys can't be checked here.
    ///
    /// # Errors
    /// When the store can't be written.
    async fn passkey_options(
        &self,
        _user: &UserId,
        _request: &RequestFacts,
    ) -> Result<Option<serde_json::Value>> {
        Ok(None)
    }

    /// Where changes of a user's factors are to be pinned from now on; said once, by whoever asks for the
    /// factors. Whoever keeps no factors of its own need not listen.
    fn tell_on(&self, _board: Arc<dyn NoticeBoard>) {}

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

/// A session that was opened, as its client is told of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SignedIn {
    /// The access token.
    pub access_token: SecretText,
    /// For how long it is good.
    pub expires_in: Duration,
    /// Good for one exchange.
    pub refresh_token: SecretText,
    /// The session.
    pub session: SessionId,
    /// What the client is to present from now on to be recognised as this device.
    pub device: Option<SecretText>,
    /// The scheme to present the access token with: `Bearer`, or `DPoP` for one that is bound to a key.
    pub token_type: &'static str,
}

impl SignedIn {
    /// A session with its tokens.
    #[must_use]
    pub fn new(
        access_token: SecretText,
        expires_in: Duration,
        refresh_token: SecretText,
        session: SessionId,
    ) -> Self {
        Self {
            access_token,
            expires_in,
            refresh_token,
            session,
            device: None,
            token_type: "Bearer",
        }
    }

    /// With tokens that are presented with this scheme.
    #[must_use]
    pub fn of_type(mut self, token_type: &'static str) -> Self {
        self.token_type = token_type;
        self
    }

    /// On a device that is to present this from now on.
    #[must_use]
    pub fn on_device(mut self, device: Option<SecretText>) -> Self {
        self.device = device;
        self
    }
}

/// Opens sessions for users who proved themselves without a password. Contract: a user who may not sign
/// in (locked, gone, or with a password that must be changed first) gets none, whatever was proved; every
/// call leaves an audit event that is durable before the answer.
#[async_trait]
pub trait SignIn: Debug + Send + Sync + 'static {
    /// Opens a session for this user, who was proved by `factor` just now.
    ///
    /// # Errors
    /// When the user may not sign in, or the store can't be reached.
    async fn sign_in(
        &self,
        user: &UserId,
        factor: &VerifiedFactor,
        request: &RequestFacts,
    ) -> Result<SignedIn>;

    /// Ends whatever this user is signed in with, on every node: what proved them holds no more.
    ///
    /// # Errors
    /// When the store can't be written.
    async fn sign_out(&self, context: &SecurityContext, user: &UserId) -> Result<()>;
}
