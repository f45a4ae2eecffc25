//! Programs of others, and our own `prov`, as judges.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The tool, or `None` with a visible line; on a build server its absence is a failure.
pub(crate) fn tool(path: impl AsRef<Path>) -> Option<PathBuf> {
    let path = path.as_ref();
    if path.exists() {
        return Some(path.to_owned());
    }
    let on_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!on_ci, "`{}` is missing", path.display());
    println!("SKIPPED: `{}` is missing", path.display());
    None
}

/// The program `prov`, which is built beside the server: `cargo build -p prov-cli`.
pub(crate) fn prov() -> Option<PathBuf> {
    tool(Path::new(env!("CARGO_BIN_EXE_reference-server")).with_file_name("prov"))
}

/// Runs it: exit code, stdout and stderr.
pub(crate) fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// Runs it and gives what it printed; it must succeed.
#[track_caller]
pub(crate) fn printed(command: &mut Command) -> String {
    let (code, out, error) = run(command);
    assert_eq!(code, Some(0), "{out}{error}");
    out
}
