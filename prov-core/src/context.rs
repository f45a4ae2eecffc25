//! The security context: who asks, how they proved it, from where.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Clock, Principal, PrincipalKind, RequestFacts, RequestId, Result, Scope, SessionId};

/// Authentication method references (RFC 8176, section 2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Amr {
    /// A password.
    Pwd,
    /// A one-time password.
    Otp,
    /// A key in hardware, such as a security key.
    Hwk,
    /// A key in software, such as a synced passkey.
    Swk,
    /// A user-presence test by the authenticator.
    User,
    /// More than one factor.
    Mfa,
}

impl Amr {
    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pwd => "pwd",
            Self::Otp => "otp",
            Self::Hwk => "hwk",
            Self::Swk => "swk",
            Self::User => "user",
            Self::Mfa => "mfa",
        }
    }
}

/// By what kind of credential the request was authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AuthenticationMethod {
    /// A JWT access token (RFC 9068).
    AccessToken,
    /// An API token.
    ApiToken,
    /// A token of a trusted issuer.
    FederatedToken,
    /// A workload's SPIFFE verifiable identity document.
    WorkloadSvid,
    /// A break-glass token.
    BreakGlass,
    /// A session cookie of the console.
    ConsoleSession,
    /// prov itself.
    System,
}

/// What a credential is bound to (`cnf`, RFC 7800, section 3.1): it is of use to nobody who does not prove
/// the possession of each of these with the request.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Confirmation {
    /// The thumbprint of a key that signs a proof for each request (`jkt`, RFC 9449, section 6).
    #[serde(rename = "jkt", default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The thumbprint of the client's certificate (`x5t#S256`, RFC 8705, section 3.1).
    #[serde(rename = "x5t#S256", default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

impl Confirmation {
    /// Bound to the key and the certificate with these thumbprints; `None`: to nothing.
    #[must_use]
    pub fn of(key: Option<String>, certificate: Option<String>) -> Option<Self> {
        (key.is_some() || certificate.is_some()).then_some(Self { key, certificate })
    }
}

/// How and when the principal proved who it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Authentication {
    /// The kind of credential.
    pub method: AuthenticationMethod,
    /// The factors that were used (RFC 8176).
    pub amr: Vec<Amr>,
    /// When the person last proved who they are, not when the token was made (OIDC `auth_time`).
    pub authenticated_at: Timestamp,
    /// The session, if there is one.
    pub session: Option<SessionId>,
    /// The id of the token, if it has one (`jti`).
    pub token_id: Option<String>,
    /// When the credential ends.
    pub expires_at: Option<Timestamp>,
    /// How many revocations the issuer knew of when it made the credential. A counter instead of a
    /// time, so that "everything made before this revocation" holds whatever the clocks do.
    #[serde(default)]
    pub generation: u64,
    /// Who acts for the principal, when somebody does (`act`, RFC 8693, section 4.1). Whatever is
    /// done needs the permission of both, so nobody gains anything by acting for somebody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Box<Principal>>,
    /// Good for nothing but enrolling a second factor, which its principal must have and has not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub enrolment_only: bool,
    /// What the credential may be used for at most; `None`: for whatever its principal may do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<Scope>>,
    /// What the credential is bound to, if anything; the layer that authenticates sees to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<Box<Confirmation>>,
}

impl Authentication {
    /// An authentication by `method` at this moment, without factors, session or end.
    #[must_use]
    pub fn new(method: AuthenticationMethod, authenticated_at: Timestamp) -> Self {
        Self {
            method,
            amr: Vec::new(),
            authenticated_at,
            session: None,
            token_id: None,
            expires_at: None,
            generation: 0,
            actor: None,
            enrolment_only: false,
            scopes: None,
            confirmation: None,
        }
    }

    /// By these factors.
    #[must_use]
    pub fn with_amr(mut self, amr: impl IntoIterator<Item = Amr>) -> Self {
        self.amr = amr.into_iter().collect();
        self
    }

    /// In this session.
    #[must_use]
    pub fn in_session(mut self, session: SessionId) -> Self {
        self.session = Some(session);
        self
    }

    /// By the token of this id, which ends then.
    #[must_use]
    pub fn by_token(mut self, token_id: impl Into<String>, expires_at: Timestamp) -> Self {
        self.token_id = Some(token_id.into());
        self.expires_at = Some(expires_at);
        self
    }

    /// Made in this generation of revocations.
    #[must_use]
    pub fn in_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// With this actor acting for the principal.
    #[must_use]
    pub fn acted_by(mut self, actor: Principal) -> Self {
        self.actor = Some(Box::new(actor));
        self
    }

    /// Good for nothing but enrolling a second factor.
    #[must_use]
    pub fn for_enrolment_only(mut self) -> Self {
        self.enrolment_only = true;
        self
    }

    /// Good for nothing beyond these scopes.
    #[must_use]
    pub fn limited_to(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.scopes = Some(scopes.into_iter().collect());
        self
    }

    /// Of use only to who proves the possession of this.
    #[must_use]
    pub fn bound_to(mut self, confirmation: Option<Confirmation>) -> Self {
        self.confirmation = confirmation.map(Box::new);
        self
    }

    /// Whether the credential may be used for this action on this resource. Whether its principal may do
    /// it is another question.
    #[must_use]
    pub fn covers(&self, action: &str, resource: &str) -> bool {
        self.scopes
            .as_ref()
            .is_none_or(|scopes| scopes.iter().any(|scope| scope.allows(action, resource)))
    }

    /// Whether a second factor was used.
    #[must_use]
    pub fn is_multi_factor(&self) -> bool {
        self.amr.contains(&Amr::Mfa)
    }
}

/// Who was authenticated, and how. What an [`Authenticator`](crate::Authenticator) finds out and
/// may cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "these two are all there is to know")]
pub struct Identity {
    /// Who.
    pub principal: Principal,
    /// How and when.
    pub authentication: Authentication,
}

/// Who asks, how they proved it, and from where: two pointers, cheap to clone, in the request's
/// extensions.
///
/// Only the authentication layer makes one for a request; background work takes
/// [`SecurityContext::system`]. A layer that finds none refuses.
#[derive(Clone)]
pub struct SecurityContext {
    identity: Arc<Identity>,
    request: Arc<RequestFacts>,
}

impl SecurityContext {
    /// For the authentication layer: joins what was proved with what was asked.
    #[must_use]
    pub fn new(identity: Arc<Identity>, request: Arc<RequestFacts>) -> Self {
        Self { identity, request }
    }

    /// prov itself, acting as `name` (`lease-reaper`).
    ///
    /// # Errors
    /// When the operating system gives no randomness for the request id.
    pub fn system(name: &str, clock: &dyn Clock) -> Result<Self> {
        let now = clock.now();
        Ok(Self {
            identity: Arc::new(Identity {
                principal: Principal::new(PrincipalKind::System, format!("system:{name}"), name),
                authentication: Authentication::new(AuthenticationMethod::System, now),
            }),
            request: Arc::new(RequestFacts::new(RequestId::generate(clock)?, now)),
        })
    }

    /// Who asks.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.identity.principal
    }

    /// Who acts for whoever asks, when somebody does; see [`Authentication::actor`].
    #[must_use]
    pub fn actor(&self) -> Option<&Principal> {
        self.identity.authentication.actor.as_deref()
    }

    /// How and when they proved it.
    #[must_use]
    pub fn authentication(&self) -> &Authentication {
        &self.identity.authentication
    }

    /// What they asked for and from where.
    #[must_use]
    pub fn request(&self) -> &Arc<RequestFacts> {
        &self.request
    }

    /// Whether a second factor was used.
    #[must_use]
    pub fn is_multi_factor(&self) -> bool {
        self.identity.authentication.is_multi_factor()
    }
}

impl fmt::Debug for SecurityContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecurityContext")
            .field("principal", &self.identity.principal.id)
            .field("method", &self.identity.authentication.method)
            .field("request", &self.request.id)
            .finish()
    }
}
