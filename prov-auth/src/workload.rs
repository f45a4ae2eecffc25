//! Programs that prove who they are by a SPIFFE verifiable identity document (SVID).
//!
//! * **JWT-SVID** in the `Authorization` header, **X509-SVID** as the client certificate of the connection.
//! * What is trusted are bundles, one for each trust domain: from files in the form of SPIFFE that are read
//!   again when they change, or told by an agent over the Workload API (feature `workload-api`); a domain
//!   without one is not known.
//! * Who a program is here, rules say: an id or a path below which all ids are meant, with roles and teams.
//!   Whom no rule knows does not get in.
//! * A program that acts for a person presents both: the person's token as always, and its own document as
//!   certificate or in the header `workload-identity-token`. Whatever it does needs the permission of both.

#[cfg(feature = "workload-api")]
mod agent;
mod authenticator;
mod bundle;
mod files;
mod id;
mod jwt_svid;
mod rules;
#[cfg(feature = "x509-svid")]
mod x509_svid;

#[cfg(feature = "workload-api")]
pub use agent::WorkloadApi;
pub use authenticator::Workloads;
pub use bundle::{TrustBundle, TrustBundles};
pub use files::BundleFiles;
pub use id::{SpiffeId, TrustDomain};
pub use rules::{WorkloadRule, WorkloadRules};
