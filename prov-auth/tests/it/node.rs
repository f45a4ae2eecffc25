//! Programs in Node.js that nobody here wrote, from the peers that `cargo xtask peers` installs.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A program that has said that it is ready.
pub(crate) struct Program(Child);

/// The folder of the packages; `None`, visibly, when they are not installed.
fn packages(package: &str) -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/prov/peers"));
    let peers = std::env::var_os("PROV_PEERS").map(PathBuf::from).or_else(home);
    let folder = peers.unwrap_or_default().join("node");
    let runs = Command::new("node").arg("--version").output().is_ok_and(|o| o.status.success());
    if runs && folder.join("node_modules").join(package).is_dir() {
        return Some(folder);
    }
    let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!ci, "no `{package}` in {}: run `cargo xtask peers`", folder.display());
    println!("SKIPPED: no `{package}` in {}: run `cargo xtask peers`", folder.display());
    None
}

impl Program {
    /// Starts the script `<name>` of prov-auth with these arguments and the folder of the packages behind them, if
    /// what it imports is there; returns when it has said `ready`.
    pub(crate) fn start(name: &str, package: &str, arguments: &[&str]) -> Option<Self> {
        let folder = packages(package)?;
        let peers = Path::new("../prov-auth/tests/peers");
        let script = peers.join(name);
        let mut command = Command::new("node");
        command.arg(script).args(arguments).arg(folder).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let program = Self(child);
        let mut lines = stdout.lines().map_while(Result::ok);
        let ready = lines.by_ref().any(|line| line == "ready");
        assert!(ready, "`{name}` has ended without being ready");
        // Whoever talks on needs somebody who listens; this ends with the program.
        std::thread::spawn(move || lines.for_each(drop));
        Some(program)
    }
}

/// What a program prints that ends by itself; `None`, visibly, when what it imports is not there.
pub(crate) fn printed(name: &str, package: &str, arguments: &[&str]) -> Option<String> {
    let folder = packages(package)?;
    let script = Path::new("tests/peers").join(name);
    let output = Command::new("node").arg(script).args(arguments).arg(folder).output().unwrap();
    let (out, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {out}{error}");
    Some(out.into_owned())
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
