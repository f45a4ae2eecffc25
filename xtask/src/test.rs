//! Everything CI checks, cheapest first.

use crate::steps::{self, Outcome, cargo_tool, deny};
use crate::{arrows, node, peers, python};

/// The whole check.
pub(crate) fn run() -> Outcome {
    steps::run("cargo", &["fmt", "--all", "--check"])?;
    arrows::check()?;
    peers::install()?;
    python::install()?;
    node::install()?;
    cargo_tool("nextest", "cargo-nextest")?;
    let whole = ["--workspace", "--all-features", "--locked"];
    let clippy = [&["clippy"], &whole[..], &["--all-targets", "--", "-D", "warnings"]].concat();
    steps::run("cargo", &clippy)?;
    steps::run("cargo", &[&["nextest", "run", "--no-fail-fast"], &whole[..]].concat())?;
    steps::run("cargo", &[&["test", "--doc", "--quiet"], &whole[..]].concat())?;
    steps::run("cargo", &[&["doc", "--no-deps", "--quiet"], &whole[..]].concat())?;
    deny()
}
