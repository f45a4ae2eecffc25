//! Identities for the prov security platform: who is asking, how they proved it, and until when that
//! holds.
//!
//! * **Accounts**: users with Argon2id passwords, five roles, teams; sign-in that a stranger can
//!   neither guess nor lock: [`AuthService`].
//! * **Access tokens** (RFC 9068, signed with RS256, ES256 or `EdDSA`): [`TokenIssuer`], [`TokenVerifier`]; keys that are published
//!   before they sign and kept until their last token has ended: [`SigningKeys`]; revocation that
//!   holds at once, whatever the clocks do: [`Revocations`].
//! * **API tokens** for programs: good for their scopes and never for more than their owner:
//!   [`ApiTokens`].
//! * **Identity providers** (OpenID Connect): signing in with them, and taking their tokens:
//!   [`NewIssuer`], [`AuthService::federated_start`].
//! * **Programs** by SPIFFE documents, by themselves or acting for a person: [`Workloads`].
//! * **Layers** for any tower service: [`AuthnLayer`] asks who sent a request, [`RateLimitLayer`]
//!   limits how often an address may ask.
//!
//! ```
//! # use std::{convert::Infallible, sync::Arc};
//! # use bytes::Bytes;
//! # use http::{Request, Response, StatusCode};
//! # use prov_core::{Clock, SecurityContext, SystemClock, store::{MemoryStore, Store}};
//! # use tower::{Layer, ServiceExt, service_fn};
//! use prov_auth::{AuthnLayer, Revocations, SigningKeys, TokenOptions, TokenVerifier};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> prov_core::Result<()> {
//! let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
//! let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
//! let keys = SigningKeys::open(store.clone(), clock.clone(), Default::default()).await?;
//! let revocations = Revocations::open(store, clock.clone()).await?;
//! let options = TokenOptions::new("https://prov.example.com", ["orchestrator"]);
//! let tokens = TokenVerifier::new(Arc::new(keys), revocations, clock.clone(), &options)?;
//!
//! let hello = service_fn(async |request: Request<Bytes>| {
//!     let context = request.extensions().get::<SecurityContext>();
//!     let name = context.map_or("nobody", |context| &context.principal().name).to_owned();
//!     Ok::<_, Infallible>(Response::new(Bytes::from(name)))
//! });
//! let protected = AuthnLayer::new(vec![Arc::new(tokens)], clock).layer(hello);
//! # let response = protected.oneshot(Request::new(Bytes::new())).await.unwrap();
//! # assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```

#[cfg(feature = "axum")]
pub mod api;
mod api_token;
mod authn;
pub mod codes;
mod device;
mod federation;
mod fetch;
mod login;
mod notice;
mod password;
mod possession;
mod rate_limit;
mod refresh;
mod revocation;
mod service;
mod session;
mod signing_keys;
mod snapshot;
mod stats;
mod team;
mod token;
mod user;
mod workload;

pub use api_token::{ApiToken, ApiTokenId, ApiTokens, IssuedApiToken, NewApiToken};
pub use authn::{Authn, AuthnFuture, AuthnLayer};
pub use device::{Device, DeviceId};
pub use federation::{AcceptedSubjects, AcceptedTokens, GroupRule, Issuer, NewIssuer};
pub use fetch::Fetch;
#[cfg(feature = "https")]
pub use fetch::{HttpsClient, HttpsOptions};
pub use login::{LoginOutcome, StepUp, ThrottleOptions};
#[cfg(feature = "https")]
pub use notice::Webhook;
pub use password::{
    BreachedPasswords, PasswordHash, PasswordHasher, PasswordParameters, PasswordPolicy,
    PoolOptions, PoolUse, Verdict,
};
pub use possession::{ProofOptions, ProofVerifier};
pub use rate_limit::{RateLimit, RateLimitFuture, RateLimitLayer, RateLimitReporter, RateLimited};
pub use revocation::{RevocationCounts, Revocations};
pub use service::{
    ActiveToken, AuthOptions, AuthParts, AuthService, Discovery, FederatedAnswer, FederatedOutcome,
    FederatedRedirect, FederatedStart, Introspection, Me, TeamPage, UserPage,
};
pub use session::{Session, TokenSet};
pub use signing_keys::{
    KeyState, RotatedKeys, Rotation, SigningKeyInfo, SigningKeyOptions, SigningKeys,
};
pub use stats::AuthStats;
pub use team::Team;
pub use token::{
    AccessClaims, Algorithm, IssuedToken, TokenId, TokenIssuer, TokenOptions, TokenVerifier,
    VerificationKey, VerificationKeys,
};
pub use user::{CreatedUser, NewUser, User, UserChanges, Username};
#[cfg(feature = "workload-api")]
pub use workload::WorkloadApi;
pub use workload::{
    BundleFiles, SpiffeId, TrustBundle, TrustBundles, TrustDomain, WorkloadRule, WorkloadRules,
    Workloads,
};
