//! The trait at the centre of this crate.

use std::fmt::Debug;

use prov_core::{Error, Result, codes};

use crate::{AccessRequest, Decision, DecisionIds, Revision};

/// Decides. Contract: pure computation over policies in memory, never waits, never panics. Unknown
/// action, missing or unknown attribute, an error inside any policy, no policy set: all deny.
pub trait PolicyEngine: Debug + Send + Sync + 'static {
    /// Whether the policies in force allow the request, and which of them say so.
    #[must_use = "an unread decision protects nothing"]
    fn decide(&self, request: &AccessRequest<'_>) -> Decision;

    /// Whether the request is one the policies can speak of. What fails here,
    /// [`decide`](Self::decide) denies; this says which field is to blame.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] naming each field that is missing, unknown or of the wrong type.
    fn check(&self, request: &AccessRequest<'_>) -> Result<()>;

    /// The policy set in force.
    fn revision(&self) -> Revision;

    /// Decides a request that nobody made, to know what would change an answer. As
    /// [`decide`](Self::decide), and should leave no trace in statistics.
    fn suppose(&self, request: &AccessRequest<'_>) -> Decision {
        self.decide(request)
    }
}

/// What decides while there is no policy set: denies everything.
#[derive(Debug)]
pub struct DenyAll(DecisionIds);

impl DenyAll {
    /// An engine that denies everything.
    ///
    /// # Errors
    /// When the operating system gives no randomness for decision ids.
    pub fn new() -> Result<Self> {
        DecisionIds::new().map(Self)
    }
}

impl PolicyEngine for DenyAll {
    fn decide(&self, request: &AccessRequest<'_>) -> Decision {
        let id = self.0.next(request.circumstances.time);
        Decision::deny(Vec::new(), id, self.revision())
            .with_errors(vec!["there is no policy set".to_owned()])
    }

    fn check(&self, _: &AccessRequest<'_>) -> Result<()> {
        Err(Error::new(codes::INVALID_REQUEST).detail("there is no policy set"))
    }

    fn revision(&self) -> Revision {
        Revision::new("none")
    }
}
