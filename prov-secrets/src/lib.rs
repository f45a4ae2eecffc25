//! Short-lived credentials, each under a lease that ends it.
//!
//! * [`SecretEngine`]: a source of credentials, one trait with an executable contract (feature
//!   `conformance`).
//! * [`Leases`]: hands out credentials and ends every one of them, also after `kill -9` at any moment:
//!   the intent is durable before a credential exists, the active lease before it is handed out, and a
//!   revocation is tried until it succeeds.
//! * [`ssh`] (default feature): an SSH certificate authority with roles, a ledger and revocation lists.
//! * `api` (feature `axum`): the routes.
//!
//! ```
//! # #[cfg(feature = "ssh")]
//! # async fn example(
//! #     store: std::sync::Arc<dyn prov_core::store::Store>,
//! #     recorder: std::sync::Arc<dyn prov_core::audit::Recorder>,
//! #     caller: prov_core::SecurityContext,
//! # ) -> prov_core::Result<()> {
//! use std::sync::Arc;
//! use prov_core::SystemClock;
//! use prov_secrets::Leases;
//! use prov_secrets::ssh::{Ssh, SshAuthority, SshPairRequest};
//!
//! let clock = Arc::new(SystemClock::new());
//! let authority = SshAuthority::open(store.clone(), clock.clone(), recorder.clone()).await?;
//! let leases =
//!     Leases::builder(store, clock.clone(), recorder).engine(authority.clone()).open().await?;
//! let ssh = Ssh::new(authority, leases.clone(), clock)?;
//!
//! let pair = ssh.generate_pair(&caller, SshPairRequest::by_role("default")).await?;
//! assert!(pair.private_key.expose().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
//! ssh.revoke(&caller, &pair.certificate.lease_id).await?;
//! assert_eq!(ssh.krl().await?.revoked, 1);
//! # Ok(())
//! # }
//! # #[cfg(feature = "ssh")]
//! # {
//! # use std::sync::Arc;
//! # use prov_core::{Authentication, AuthenticationMethod, Clock, Identity, Principal, PrincipalKind};
//! # use prov_core::{RequestFacts, RequestId, Role, SecurityContext, SystemClock};
//! # let clock = Arc::new(SystemClock::new());
//! # let store = Arc::new(prov_core::store::MemoryStore::new(clock.clone()));
//! # let recorder = Arc::new(prov_core::audit::MemoryRecorder::new());
//! # let principal = Principal::new(PrincipalKind::User, "user_1", "alice").with_roles([Role::Developer]);
//! # let authentication = Authentication::new(AuthenticationMethod::AccessToken, clock.now());
//! # let request = RequestFacts::new(RequestId::generate(&clock).unwrap(), clock.now());
//! # let identity = Arc::new(Identity { principal, authentication });
//! # let caller = SecurityContext::new(identity, Arc::new(request));
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
//! # runtime.block_on(example(store, recorder, caller)).unwrap();
//! # }
//! ```
//!
//! [`Leases::run`] ends what is due; the embedding server runs it as long as it lives:
//! `leases.run(shutdown).await`.

#[cfg(feature = "axum")]
pub mod api;
pub mod codes;
#[cfg(feature = "conformance")]
pub mod conformance;
mod engine;
mod lease;
mod leases;
#[cfg(feature = "ssh")]
pub mod ssh;

pub use engine::{
    Effect, EngineInfo, Expiry, Handle, IssueRequest, Issued, Plan, PlanInput, Renewal,
    SecretEngine, Wish,
};
pub use lease::{EndReason, Lease, LeaseId, LeaseState};
pub use leases::{
    EngineStats, Grant, LONGEST_TTL, LeaseFilter, LeaseOptions, LeasePage, LeaseStats, Leases,
    LeasesBuilder, Order, Revocation, RevocationReport, SHORTEST_TTL,
};
