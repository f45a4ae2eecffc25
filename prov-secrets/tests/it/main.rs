//! Integration tests: everything a user of this crate can see.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests fail by panicking, and say on stdout what they skip"
)]

#[cfg(feature = "axum")]
mod api;
#[cfg(feature = "conformance")]
mod contract;
mod crash;
mod directory_engine;
mod journal_store;
mod krl;
mod leases;
mod openssh;
mod signing;
mod sshd;
mod world;
