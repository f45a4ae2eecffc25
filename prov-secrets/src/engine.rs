//! The trait at the centre: one source of short-lived credentials.

mod info;
mod request;
mod wish;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
pub use info::{Effect, EngineInfo, Expiry, Renewal};
use prov_core::{Result, Timestamp};
pub use request::{Handle, IssueRequest, Issued};
pub use wish::{Plan, PlanInput, Wish};

/// A source of short-lived credentials. It talks to one outside system and keeps no state about
/// credentials: that is what [`Leases`](crate::Leases) do. Contract, executable as
/// `prov_secrets::conformance` (feature `conformance`):
///
/// * [`plan`](Self::plan) has no effect outside: it decides what may be issued and refuses the rest.
///   Its [`Plan::facts`] are stored before anything happens, so they never hold a secret.
/// * Everything [`issue`](Self::issue) creates carries [`Handle::name`] (or the lease id) in its name
///   or tags, so that it can be found again by the handle alone, whatever came back.
/// * `issue` leaves a usable credential or nothing.
/// * [`revoke`](Self::revoke) is idempotent, and is no error when there is nothing to revoke.
/// * Nothing outlives its lease where the outside system can enforce that ([`Expiry::Native`]).
///
/// Callers bound every call in time. A call that was cut off may still take effect: `Leases` revoke
/// such a credential again after it has had time to appear.
#[async_trait]
pub trait SecretEngine: Debug + Send + Sync + 'static {
    /// What this engine is and what it can do. The same on every call.
    fn info(&self) -> EngineInfo;

    /// Decides what will be issued for a wish, before anything is.
    ///
    /// # Errors
    /// When the role does not exist or does not allow the wish.
    async fn plan(&self, wish: &Wish) -> Result<Plan>;

    /// Creates the credential.
    ///
    /// # Errors
    /// When it could not be created; then there is none.
    async fn issue(&self, request: &IssueRequest) -> Result<Issued>;

    /// Prolongs the credential to `ttl` from now and returns its new end.
    ///
    /// # Errors
    /// [`LEASE_NOT_RENEWABLE`](crate::codes::LEASE_NOT_RENEWABLE) when it has a fixed end.
    async fn renew(&self, handle: &Handle, ttl: Duration) -> Result<Timestamp>;

    /// Ends the credential, if it is there.
    ///
    /// # Errors
    /// When that could not be done; it is tried again.
    async fn revoke(&self, handle: &Handle) -> Result<()>;
}

#[async_trait]
impl<E: SecretEngine + ?Sized> SecretEngine for Arc<E> {
    fn info(&self) -> EngineInfo {
        (**self).info()
    }

    async fn plan(&self, wish: &Wish) -> Result<Plan> {
        (**self).plan(wish).await
    }

    async fn issue(&self, request: &IssueRequest) -> Result<Issued> {
        (**self).issue(request).await
    }

    async fn renew(&self, handle: &Handle, ttl: Duration) -> Result<Timestamp> {
        (**self).renew(handle, ttl).await
    }

    async fn revoke(&self, handle: &Handle) -> Result<()> {
        (**self).revoke(handle).await
    }
}
