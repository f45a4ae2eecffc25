//! `prov`: the command line of the prov security platform.
//!
//! `prov <area> <verb>`. Output for people by default, `--output json|yaml` for programs; errors go
//! to stderr. Exit codes: 0 ok, 1 failed, 2 usage, 3 not signed in, 4 denied, 5 needs MFA,
//! 6 unreachable.
#![expect(clippy::print_stderr, reason = "a command line talks to its terminal")]

mod cli;
mod client;
mod commands;
mod failure;
mod output;
mod private_file;
mod profile;
mod prompt;
mod session_file;
mod session_keyring;
mod sessions;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match commands::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            failure.exit_code()
        }
    }
}
