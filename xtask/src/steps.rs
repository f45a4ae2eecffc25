//! Running programs, and the tools that come from the package registry.

use std::io;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Instant;

/// What a step ends with: nothing, or what went wrong.
pub(crate) type Outcome = Result<(), String>;

/// Whether a missing peer is a failure.
#[expect(clippy::disallowed_methods, reason = "a task has no configuration but its environment")]
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true")
}

/// Runs a program and waits; its output goes to the terminal.
pub(crate) fn run(program: &str, args: &[&str]) -> Outcome {
    timed(program, args, |command| Ok((command.status()?, ()))).map(drop)
}

/// As [`run`]; gives what was printed.
pub(crate) fn printed(program: &str, args: &[&str]) -> Result<String, String> {
    timed(program, args, |command| {
        let output = command.stderr(Stdio::inherit()).output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        print!("{printed}");
        Ok((output.status, printed))
    })
}

fn timed<T>(
    program: &str,
    args: &[&str],
    run: impl FnOnce(&mut Command) -> io::Result<(ExitStatus, T)>,
) -> Result<T, String> {
    let started = Instant::now();
    println!("── {program} {}", args.join(" "));
    let (status, made) = run(Command::new(program).args(args))
        .map_err(|e| format!("`{program}` does not start: {e}"))?;
    let first = args.first().unwrap_or(&"");
    println!("── {program} {first}: {status} after {:.1?}", started.elapsed());
    if status.success() { Ok(made) } else { Err(format!("`{program} {}` failed", args.join(" "))) }
}

/// A program that runs beside the steps.
pub(crate) struct Beside {
    what: String,
    running: std::thread::JoinHandle<io::Result<Output>>,
}

/// Starts a program that is in nobody's way: it gets the time that is left over, and a tenth where none is.
pub(crate) fn beside(program: &str, args: &[&str], environment: (&str, &str)) -> Beside {
    let what = format!("{program} {}", args.join(" "));
    println!("── beside: {what}");
    let mut command = Command::new("nice");
    command.args(["-n", "10", program]).args(args).env(environment.0, environment.1);
    Beside { what, running: std::thread::spawn(move || command.output()) }
}

impl Beside {
    /// Waits for it, and shows what it has said.
    pub(crate) fn finish(self) -> Outcome {
        let Self { what, running } = self;
        let ended = running.join().map_err(|_| format!("`{what}` was not waited for"))?;
        let ended = ended.map_err(|e| format!("`{what}` does not start: {e}"))?;
        print!(
            "{}{}",
            String::from_utf8_lossy(&ended.stdout),
            String::from_utf8_lossy(&ended.stderr)
        );
        println!("── beside: {what}: {}", ended.status);
        if ended.status.success() { Ok(()) } else { Err(format!("`{what}` failed")) }
    }
}

/// Whether a program answers to these arguments.
pub(crate) fn answers(program: &str, args: &[&str]) -> bool {
    Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
}

/// Installs a cargo subcommand unless it is there.
pub(crate) fn cargo_tool(subcommand: &str, package: &str) -> Outcome {
    if answers("cargo", &[subcommand, "--version"]) {
        return Ok(());
    }
    run("cargo", &["install", "--locked", package])
}

/// Licences, sources, duplicate versions.
pub(crate) fn deny() -> Outcome {
    cargo_tool("deny", "cargo-deny")?;
    run("cargo", &["deny", "--all-features", "check", "bans", "licenses", "sources"])
}
