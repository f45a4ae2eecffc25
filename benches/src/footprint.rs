//! What the reference server needs: time to be ready, memory, CPU and time for a request.
//!
//! Over real TCP on loopback, with keep-alive connections, beside a bare axum server in the same run.
//! The client is this process; what it needs is not counted, but it takes processor time from both.

mod client;
mod process;
mod report;
mod run;

pub use client::{Client, Load};
pub use process::{Child, serve_bare};
pub use report::{Budget, Report, Served};
pub use run::{Plan, run};
