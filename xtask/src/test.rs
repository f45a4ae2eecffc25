//! Everything CI checks, cheapest first.

use crate::steps::{self, Outcome, cargo_tool, deny};
use crate::{arrows, evidence, node, peers, python};

/// The whole check.
pub(crate) fn run() -> Outcome {
    steps::run("cargo", &["fmt", "--all", "--check"])?;
    arrows::check()?;
    evidence::check()?;
    peers::install()?;
    python::install()?;
    node::install()?;
    cargo_tool("nextest", "cargo-nextest")?;
    let whole = ["--workspace", "--all-features", "--locked"];
    let clippy = [&["clippy"], &whole[..], &["--all-targets", "--", "-D", "warnings"]].concat();
    steps::run("cargo", &clippy)?;
    alone()?;
    tests(&whole)?;
    doc_tests(&whole)?;
    steps::run("cargo", &[&["doc", "--no-deps", "--quiet"], &whole[..]].concat())?;
    deny()
}

/// The library crates as those get them who ask for no feature, and for less than there is by default:
/// the whole workspace is never built that way.
fn alone() -> Outcome {
    let libraries: Vec<_> = arrows::libraries().flat_map(|name| ["--package", name]).collect();
    for features in [&[][..], &["--no-default-features"]] {
        let clippy = [&["clippy", "--lib", "--locked"], features, &libraries].concat();
        steps::run("cargo", &[&clippy[..], &["--", "-D", "warnings"]].concat())?;
    }
    Ok(())
}

/// Every example of the documentation. They are picked by their names out of all tests: `cargo test --doc` would
/// build most dependencies a second time, without the features that only tests ask for.
fn doc_tests(whole: &[&str]) -> Outcome {
    let printed = steps::printed("cargo", &[&["test"], whole, &["--", " (line "]].concat())?;
    let examples =
        printed.lines().filter(|line| line.starts_with("test ") && line.ends_with(" ok"));
    match examples.count() {
        0 => Err("no example of the documentation was run: have they other names now?".to_owned()),
        count => {
            println!("── {count} examples of the documentation are right");
            Ok(())
        }
    }
}

/// The mutator against the token parser.
const FUZZING: &str = "test(/^token_fuzz::/)";

/// Every test; where `PROV_FUZZ_SECONDS` says how long, the token parser is tried for as long beside the others.
#[expect(clippy::disallowed_methods, reason = "a task has no configuration but its environment")]
fn tests(whole: &[&str]) -> Outcome {
    let all = [&["nextest", "run", "--no-fail-fast"], whole].concat();
    let Ok(seconds) = std::env::var("PROV_FUZZ_SECONDS") else { return steps::run("cargo", &all) };
    // Built first, so that neither waits for the other's lock.
    steps::run("cargo", &[&["nextest", "run", "--no-run"], whole].concat())?;
    let fuzzing = ["nextest", "run", "--success-output", "final", "-E", FUZZING];
    let setting = ("PROV_FUZZ_SECONDS", seconds.as_str());
    let fuzzing = steps::beside("cargo", &[&fuzzing[..], whole].concat(), setting);
    let others = format!("not {FUZZING}");
    let tested = steps::run("cargo", &[&all[..], &["-E", &others]].concat());
    tested.and(fuzzing.finish())
}
