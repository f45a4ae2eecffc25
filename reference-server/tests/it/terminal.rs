//! Somebody's terminal, with `prov`.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::people::{ADMIN_PASSWORD, World};
use crate::tools::{prov, run};

/// Somebody's terminal: their settings and sessions, and the server they work with.
pub(crate) struct Terminal {
    pub(crate) program: PathBuf,
    pub(crate) server: String,
    home: tempfile::TempDir,
    /// Where the tokens go: by default not into the keyring of who runs the tests.
    pub(crate) keyring: Option<String>,
}

impl Terminal {
    pub(crate) fn new(program: &Path, server: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self { program: program.to_owned(), server: server.to_owned(), home, keyring: None }
    }

    /// At this terminal somebody has signed in.
    pub(crate) fn of(program: &Path, world: &World, name: &str, password: &str) -> Self {
        let terminal = Self::new(program, &world.server.url);
        let file = terminal.file("password", password);
        terminal.ok(&["login", "--user", name, "--password-file", &file]);
        terminal
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A file with this text, by its name.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.path(name), text).unwrap();
        name.to_owned()
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        std::fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o777
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.env_clear().env("PATH", path).env("HOME", self.home.path());
        command.env("PROV_SERVER", &self.server).env("PROV_CONFIG_DIR", self.path("prov"));
        match &self.keyring {
            Some(bus) => command.env("DBUS_SESSION_BUS_ADDRESS", bus),
            None => command.env("PROV_TOKEN_STORE", "file"),
        };
        command.current_dir(self.home.path()).stdin(Stdio::null()).args(arguments);
        command
    }

    /// What a command printed that must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let (code, out, error) = run(&mut self.command(arguments));
        assert_eq!(code, Some(0), "prov {arguments:?}: {out}{error}");
        out
    }

    /// The same for programs.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let out = self.ok(&[&["--output", "json"], arguments].concat());
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("prov {arguments:?}: {e}: {out}"))
    }

    /// What a command said that must fail with this code.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let (found, out, error) = run(&mut self.command(arguments));
        assert_eq!(found, Some(code), "prov {arguments:?}: {out}{error}");
        assert!(!error.contains("panicked"), "{error}");
        error
    }

    /// What a command printed that reads stdin.
    #[track_caller]
    pub(crate) fn fed(&self, stdin: &[u8], arguments: &[&str]) -> Vec<u8> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "prov {arguments:?}: {error}");
        output.stdout
    }
}

/// A world whose administrator sits at a terminal.
pub(crate) fn administrator() -> Option<(World, Terminal)> {
    let program = prov()?;
    let world = World::new();
    let admin = Terminal::of(&program, &world, "admin", ADMIN_PASSWORD);
    Some((world, admin))
}
