//! The tokens of `prov` in the keyring of the system: a real GNOME Keyring on a bus of its own, with
//! `secret-tool` of libsecret as the judge of what it holds.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::people::{ADMIN_PASSWORD, World};
use crate::terminal::Terminal;
use crate::tools::{printed, prov, run, tool};

/// A session bus with an unlocked keyring.
struct Keyring {
    bus: Child,
    daemon: Child,
    address: String,
    home: tempfile::TempDir,
}

impl Keyring {
    fn start() -> Option<Self> {
        let (bus, daemon) = (tool("/usr/bin/dbus-daemon")?, tool("/usr/bin/gnome-keyring-daemon")?);
        tool("/usr/bin/secret-tool")?;
        let home = tempfile::tempdir().unwrap();
        let config = home.path().join("bus.conf");
        std::fs::write(&config, bus_config(home.path())).unwrap();
        let mut bus = Command::new(bus)
            .args(["--nofork", "--nopidfile", "--print-address=1", "--config-file"])
            .arg(config)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        let mut daemon = Command::new(daemon)
            .args(["--foreground", "--unlock", "--components=secrets"])
            .env("DBUS_SESSION_BUS_ADDRESS", &address)
            .env("HOME", home.path())
            .env("XDG_RUNTIME_DIR", home.path())
            .env_remove("XDG_DATA_HOME")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        daemon.stdin.take().unwrap().write_all(b"the user's own password").unwrap();
        let keyring = Self { bus, daemon, address, home };
        keyring.wait();
        Some(keyring)
    }

    fn tool(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/secret-tool");
        command.env("DBUS_SESSION_BUS_ADDRESS", &self.address).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    /// Until it keeps a secret.
    fn wait(&self) {
        for _ in 0..100 {
            let mut store = self.tool(&["store", "--label=ready", "service", "ready"]);
            let mut child = store.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(b"ready").unwrap();
            if child.wait().unwrap().success() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("the keyring does not answer");
    }

    /// The session that it holds for this terminal.
    fn held(&self, terminal: &Terminal) -> Option<Value> {
        let account = format!("{} in {}", terminal.server, terminal.path("prov").display());
        let (code, out, _) =
            run(&mut self.tool(&["lookup", "service", "prov", "username", &account]));
        (code == Some(0)).then(|| serde_json::from_str(&out).unwrap())
    }
}

/// A session bus that starts nothing by itself: whoever asked before the keyring of the test is on the bus
/// would be answered by another, which is locked.
fn bus_config(home: &Path) -> String {
    format!(
        r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
             "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
        <busconfig>
          <type>session</type>
          <listen>unix:dir={}</listen>
          <auth>EXTERNAL</auth>
          <policy context="default">
            <allow send_destination="*" eavesdrop="true"/>
            <allow eavesdrop="true"/>
            <allow own="*"/>
          </policy>
        </busconfig>"#,
        home.display()
    )
}

impl Drop for Keyring {
    fn drop(&mut self) {
        for child in [&mut self.daemon, &mut self.bus] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn files(terminal: &Terminal) -> Vec<std::path::PathBuf> {
    let listed = std::fs::read_dir(terminal.path("prov/sessions"));
    let paths = listed.into_iter().flatten().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect()
}

#[test]
fn tokens_go_to_the_keyring_and_come_from_there() {
    let Some((program, keyring)) = prov().zip(Keyring::start()) else { return };
    let world = World::new();
    let terminal = |program: &Path| {
        let mut terminal = Terminal::new(program, &world.server.url);
        terminal.keyring = Some(keyring.address.clone());
        terminal
    };
    let (admin, other) = (terminal(&program), terminal(&program));
    let password = admin.file("password", ADMIN_PASSWORD);
    let login = ["login", "--user", "admin", "--password-file", &password];
    admin.fails(3, &["whoami"]);
    admin.ok(&login);
    assert_eq!(files(&admin), [] as [std::path::PathBuf; 0], "no token on the disk");
    let held = keyring.held(&admin).expect("the keyring holds the session");
    let refresh_token = held["refresh_token"].as_str().unwrap();
    assert_eq!(admin.json(&["whoami"])["name"], "admin");
    other.fails(3, &["whoami"]);

    // At rest the keyring is a file of its own, in which no token can be read.
    let at_rest = keyring.home.path().join(".local/share/keyrings/login.keyring");
    let bytes = std::fs::read(at_rest).unwrap();
    assert!(!bytes.windows(refresh_token.len()).any(|part| part == refresh_token.as_bytes()));

    admin.ok(&["logout"]);
    assert!(keyring.held(&admin).is_none(), "the keyring has forgotten");
    admin.fails(3, &["whoami"]);
    printed(&mut keyring.tool(&["lookup", "service", "ready"]));
}

#[test]
fn without_a_keyring_tokens_go_to_a_private_file_unless_that_is_forbidden() {
    let Some((program, keyring)) = prov().zip(Keyring::start()) else { return };
    let world = World::new();
    let mut admin = Terminal::new(&program, &world.server.url);
    let password = admin.file("password", ADMIN_PASSWORD);
    let login = ["login", "--user", "admin", "--password-file", &password];
    admin.keyring = Some("unix:path=/nonexistent/bus".to_owned());

    let strict = [&["--token-store", "keyring"], &login[..]].concat();
    let error = admin.fails(1, &strict);
    assert!(error.contains("--token-store file"), "{error}");
    assert!(files(&admin).is_empty(), "nothing is written where only the keyring may have it");

    admin.ok(&login);
    let kept = files(&admin);
    assert_eq!(kept.len(), 1, "{kept:?}");
    let name = kept[0].strip_prefix(admin.path("")).unwrap().to_str().unwrap();
    assert_eq!(admin.mode(name), 0o600);
    assert_eq!(admin.json(&["whoami"])["name"], "admin");

    // Once there is one, the tokens move there, and stand in one place only.
    admin.keyring = Some(keyring.address.clone());
    assert_eq!(admin.json(&["whoami"])["name"], "admin", "the file still counts");
    admin.ok(&login);
    assert!(files(&admin).is_empty() && keyring.held(&admin).is_some());

    // A command that is told to use the file looks nowhere else.
    admin.fails(3, &["--token-store", "file", "whoami"]);
}
