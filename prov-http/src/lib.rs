//! HTTP manners that every prov crate shares, for any tower service.
//!
//! * [`EdgeLayer`]: the outermost layer. Gives each request its [`RequestFacts`](prov_core::RequestFacts)
//!   (id, client address behind trusted proxies), answers what is in no [`RouteTable`] with 404, and
//!   sees to it that every error leaves as `application/problem+json` with the request id.
//! * [`refuse`]: how a layer refuses; the reason travels in the response's extensions as [`Refusal`],
//!   so that the audit layer outside can record it. [`step_up_challenge`] goes with refusals that a second
//!   factor would mend.
//! * [`RouteTable`]: which action on which resource each route is, for an auditor to read.
//! * feature `idempotency`: `IdempotencyLayer` answers a repeated request with the kept answer.
//! * feature `axum`: strict body and path extractors, the security context as an extractor, and
//!   errors as responses.

#[cfg(feature = "axum")]
pub mod axum;
pub mod codes;
mod device;
mod edge;
#[cfg(feature = "idempotency")]
mod idempotency;
mod problem_response;
mod proxies;
mod route;
mod step_up;

pub use device::{DEVICE_COOKIE, device_cookie};
pub use edge::{Edge, EdgeFuture, EdgeLayer, PeerAddr, PeerCertificates, socket_address};
#[cfg(feature = "idempotency")]
pub use idempotency::{IdempotencyFuture, IdempotencyLayer, IdempotencyOptions, Idempotent};
pub use problem_response::{KeepBody, Refusal, facts, refuse};
pub use proxies::TrustedProxies;
pub use route::{Access, Lookup, MatchedRoute, Repeat, Replayed, Route, RouteTable};
pub use step_up::{ACR_MFA, step_up_challenge};
