//! The port through which the authentication layer asks who sent a request.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Error, Identity, RequestFacts};

/// What a request presents as proof of who sent it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Presented<'a> {
    /// The value of the `Authorization` header, if there was exactly one.
    pub authorization: Option<&'a str>,
    /// The value of the `workload-identity-token` header, if there was exactly one: who acts for whoever
    /// `authorization` names.
    pub workload_token: Option<&'a str>,
    /// The client's certificates as DER, the leaf first, if it has proved in the handshake that the leaf is
    /// its own. Whether they lead anywhere is for the authenticator to find out.
    pub certificates: Option<&'a [Bytes]>,
    /// The request.
    pub request: &'a RequestFacts,
}

impl<'a> Presented<'a> {
    /// A request that presents nothing.
    #[must_use]
    pub fn new(request: &'a RequestFacts) -> Self {
        Self { authorization: None, workload_token: None, certificates: None, request }
    }

    /// With this `Authorization` header.
    #[must_use]
    pub fn with_authorization(mut self, value: Option<&'a str>) -> Self {
        self.authorization = value;
        self
    }

    /// With this document of whoever acts.
    #[must_use]
    pub fn with_workload_token(mut self, value: Option<&'a str>) -> Self {
        self.workload_token = value;
        self
    }

    /// With these certificates of the client.
    #[must_use]
    pub fn with_certificates(mut self, chain: Option<&'a [Bytes]>) -> Self {
        self.certificates = chain;
        self
    }
}

/// What became of an attempt to authenticate.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a fourth answer would be a new contract")]
#[must_use = "an unread attempt protects nothing"]
pub enum Attempt {
    /// The request presents nothing of this scheme; another authenticator may know more.
    NotRequested,
    /// The credential holds.
    Authenticated(Arc<Identity>),
    /// The credential is of this scheme and does not hold; no other authenticator is asked.
    Refused(Error),
}

/// One way to prove who sent a request. Contract: pure computation over memory, never waits, never
/// panics on any input, and never answers [`Attempt::Authenticated`] for lack of information.
///
/// It says what a credential is bound to ([`Authentication::confirmation`](crate::Authentication)); whether
/// the request proves the possession of that, its caller finds out before anybody is let in.
pub trait Authenticator: Debug + Send + Sync + 'static {
    /// The scheme for `WWW-Authenticate` (RFC 9110, section 11.6.1), such as `Bearer`.
    fn scheme(&self) -> &'static str;

    /// Examines what is presented.
    fn authenticate(&self, presented: &Presented<'_>) -> Attempt;
}
