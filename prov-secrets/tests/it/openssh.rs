//! The tools of OpenSSH, as judges of what we make.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The tool, or `None` with a visible line; on a build server its absence is a failure.
pub(crate) fn tool(path: &str) -> Option<PathBuf> {
    let found = Path::new(path);
    if found.exists() {
        return Some(found.to_owned());
    }
    let on_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!on_ci, "`{path}` is missing");
    println!("SKIPPED: `{path}` is missing");
    None
}

pub(crate) fn keygen() -> Option<PathBuf> {
    tool("/usr/bin/ssh-keygen")
}

pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap()
}

/// Runs it and gives what it printed; it must succeed.
pub(crate) fn printed(command: &mut Command) -> String {
    let output = run(command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Makes a key pair and gives its public line.
pub(crate) fn pair(keygen: &Path, at: &Path, options: &[&str]) -> String {
    let mut command = Command::new(keygen);
    command.args(["-q", "-N", "", "-C", "test", "-f"]).arg(at).args(options);
    printed(&mut command);
    std::fs::read_to_string(at.with_extension("pub")).unwrap()
}
