//! Worked examples of prov. The programs are in `src/bin`; what they show is here, so that tests run
//! it as well.
//!
//! * [`secure_axum_app`]: an existing axum application gets sign-in, second factors, policies, rate
//!   limits and an audit log in at most 20 lines of its own.
//! * [`request_flow`]: what happens to one request, in nine steps.

#![expect(clippy::clone_on_ref_ptr, reason = "examples read better with short clones")]

pub mod request_flow;
pub mod secure_axum_app;

/// An error of an example: whatever went wrong goes to the terminal.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
