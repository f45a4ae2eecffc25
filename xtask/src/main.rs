//! Tasks of the workspace: `cargo xtask <task>`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a task talks to its terminal")]

mod arrows;
mod evidence;
mod node;
mod peers;
mod python;
mod steps;
mod test;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <task>

  test     everything CI checks: peers installed, fmt, clippy, arrows, licences, docs, every test
  peers    install the real servers, tools and libraries the tests talk to: Debian packages (needs
           root), Python and Node.js packages in ~/.cache/prov/peers (PROV_PEERS)
  evidence write docs/asvs.md and docs/complaints.md anew from the lists in xtask/src/evidence
  deps     check that no crate names a sibling it must not know
  deny     check licences, sources and duplicate versions by deny.toml
";

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let outcome = match task.as_str() {
        "test" => test::run(),
        "peers" => peers::install().and_then(|()| python::install()).and_then(|()| node::install()),
        "evidence" => evidence::write(),
        "deps" => arrows::check(),
        "deny" => steps::deny(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask {task}: {message}");
            ExitCode::FAILURE
        }
    }
}
