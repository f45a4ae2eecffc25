//! Programs in Python that nobody here wrote, from the peers that `cargo xtask peers` installs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A script that answers each line with a line.
pub(crate) struct Script {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

/// The interpreter that has the packages; `None`, visibly, when it is not installed.
fn interpreter(module: &str) -> Option<PathBuf> {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/prov/peers"));
    let peers = std::env::var_os("PROV_PEERS").map(PathBuf::from).or_else(home);
    let python = peers.unwrap_or_default().join("python/bin/python");
    let imports = Command::new(&python).args(["-c", &format!("import {module}")]).output();
    if imports.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(!ci, "no `{module}` for {}: run `cargo xtask peers`", python.display());
    println!("SKIPPED: no `{module}` for {}: run `cargo xtask peers`", python.display());
    None
}

impl Script {
    /// Starts the script `<name>` of prov-auth with these arguments, if what it imports is there.
    pub(crate) fn start(name: &str, module: &str, arguments: &[&str]) -> Option<Self> {
        let peers = Path::new("../prov-auth/tests/peers");
        let script = peers.join(name);
        let mut command = Command::new(interpreter(module)?);
        command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Some(Self { stdin: child.stdin.take(), stdout, child })
    }

    /// What it says next.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Sends lines and reads as many answers.
    pub(crate) fn ask(&mut self, lines: &[String]) -> Vec<String> {
        let mut stdin = self.stdin.take().unwrap();
        let answers = std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                for line in lines {
                    writeln!(stdin, "{line}").unwrap();
                }
                stdin
            });
            let answers: Vec<_> = lines.iter().map(|_| self.line()).collect();
            self.stdin = Some(writing.join().unwrap());
            answers
        });
        assert_eq!(answers.len(), lines.len());
        answers
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}
