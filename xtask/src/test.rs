//! Everything CI checks, cheapest first.

use crate::steps::{self, Outcome, cargo_tool, deny};
use crate::{arrows, node, peers, python};

/// The crates that others embed.
const LIBRARIES: [&str; 9] = [
    "prov-core",
    "prov-http",
    "prov-store",
    "prov-auth",
    "prov-authz",
    "prov-mfa",
    "prov-kms",
    "prov-secrets",
    "prov-audit",
];

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
    alone()?;
    steps::run("cargo", &[&["nextest", "run", "--no-fail-fast"], &whole[..]].concat())?;
    steps::run("cargo", &[&["test", "--doc", "--quiet"], &whole[..]].concat())?;
    steps::run("cargo", &[&["doc", "--no-deps", "--quiet"], &whole[..]].concat())?;
    deny()
}

/// The library crates as those get them who ask for no feature, and for less than there is by default:
/// the whole workspace is never built that way.
fn alone() -> Outcome {
    let libraries = LIBRARIES.iter().flat_map(|library| ["--package", library]);
    let libraries: Vec<_> = libraries.collect();
    for features in [&[][..], &["--no-default-features"]] {
        let clippy = [&["clippy", "--lib", "--locked"], features, &libraries].concat();
        steps::run("cargo", &[&clippy[..], &["--", "-D", "warnings"]].concat())?;
    }
    Ok(())
}
