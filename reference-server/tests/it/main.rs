//! End to end: the real program as a child process, spoken to over HTTP as any client would.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "tests fail by panicking, and say on stdout what they skip"
)]

mod archived;
mod audit_sinks;
mod audited;
mod bad_input;
mod bodies;
mod bound_tokens;
mod browser;
mod canaries;
mod cli;
mod client;
mod coverage;
mod crash;
mod devices;
mod document;
mod federation;
#[path = "../../../prov-auth/tests/it/holder.rs"]
#[expect(dead_code, reason = "the tests of the crate do more with it")]
mod holder;
mod idempotency;
mod keyring;
mod lifecycle;
mod limits;
mod main_job;
#[path = "../../../prov-auth/tests/it/node.rs"]
mod node;
mod notices;
mod openssh;
mod page;
mod passkeys;
#[path = "../../../prov-store/tests/it/peer_postgres.rs"]
#[expect(dead_code, reason = "the tests of the store do more with it")]
mod peer_postgres;
mod people;
mod policies;
#[path = "../../../prov-auth/tests/it/python.rs"]
mod python;
mod raw_http;
mod secrets_in_logs;
mod server;
mod terminal;
mod tools;
mod transcripts;
mod two_nodes;
mod witnesses;
mod workloads;
