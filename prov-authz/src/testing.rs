//! Tests for those who write policies: run without a server, measured by coverage and by mutation.
//!
//! ```
//! use prov_authz::testing::{PolicyTests, Suite};
//! use prov_authz::{CedarOptions, PolicyFiles};
//!
//! let tests = PolicyTests::new(&PolicyFiles::shipped(), CedarOptions::default(), Suite::shipped())?;
//! let report = tests.run();
//! assert_eq!(report.failed(), 0);
//! # Ok::<(), Vec<prov_authz::Finding>>(())
//! ```
//!
//! A [`Suite`] is read from files of two forms. One is the JSON of Cedar's own `cedar run-tests`, so
//! that tests can be carried from there and back. The other, TOML, reads as a table:
//!
//! ```toml
//! clock = "2026-03-02T12:00:00Z"          # the frozen clock
//! address = "10.0.0.1"                    # and where requests come from
//!
//! [principals]
//! sam = { teams = ["sre"] }
//!
//! [resources]
//! web = { type = "Server", attributes = { hostname = "web-1", workspace = "shop", environment = "production" } }
//!
//! [[tests]]
//! name = "sre deploys with a second factor and an approval"
//! principal = "sam"
//! action = "deploy"
//! resource = "web"
//! mfa = true
//! approval = "CHG-4711"
//! expect = "allow"
//! by = ["prod-sre"]                       # optional: exactly these policies determine it
//! ```
//!
//! `principal`, `action` and `resource` take a list as well: every combination is a test. Of one row
//! `at` replaces the clock and `address` the address.

mod cedar_json;
mod coverage;
mod junit;
mod matrix;
mod mutants;
mod mutation;
mod outcomes;
mod parties;
mod run;
mod suite;

pub use coverage::{ClauseCoverage, Coverage, PolicyCoverage};
pub use junit::junit;
pub use mutation::{Mutation, Survivor};
#[cfg(feature = "prove")]
pub(crate) use run::applies;
pub use run::{PolicyTests, TestReport, TestResult};
pub use suite::Suite;
#[cfg(feature = "prove")]
pub(crate) use suite::read_text;
