//! A PostgreSQL server for one test: its own cluster in a folder of its own, stopped by its pid.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

/// A running server, or a stopped one whose data are still there.
#[derive(Debug)]
pub(crate) struct PeerPostgres {
    bin: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    user: Option<(u32, u32)>,
    process: Option<Child>,
}

impl PeerPostgres {
    /// Starts a server that listens on 127.0.0.1 and on a socket in its folder, with these extra
    /// settings. `None`, said visibly, when PostgreSQL is not installed; a failure where `CI=true`.
    #[expect(clippy::print_stdout, reason = "a skipped test says so")]
    pub(crate) fn start(settings: &[&str]) -> Option<Self> {
        let Some(bin) = bin_folder() else {
            let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
            assert!(!is_ci, "PostgreSQL must be installed here");
            println!("SKIPPED: PostgreSQL is not installed (PROV_POSTGRES_BIN names its folder)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
        let user = unprivileged_user();
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid)).unwrap();
        }
        let mut peer = Self { bin, folder, port: free_port(), user, process: None };
        let data = peer.data().into_os_string();
        let made = peer
            .command("initdb")
            .args(["--no-sync", "-A", "trust", "-U", "prov", "-E", "UTF8", "--locale=C", "-D"])
            .arg(data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let mut config = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\n\
             max_connections = 60\nshared_buffers = 16MB\n",
            peer.port,
            peer.folder.path().display()
        );
        for setting in settings {
            config.push_str(setting);
            config.push('\n');
        }
        fs::write(peer.data().join("postgresql.auto.conf"), config).unwrap();
        peer.run();
        Some(peer)
    }

    /// Its URL, over TCP.
    pub(crate) fn url(&self) -> String {
        format!("postgres://prov:hunter2@127.0.0.1:{}/postgres", self.port)
    }

    /// Its URL, by its socket.
    pub(crate) fn socket_url(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://prov@/postgres?host={folder}&port={}", self.port)
    }

    /// The folder of its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Puts a file into its data that it alone can read.
    pub(crate) fn place(&self, name: &str, content: &str) {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.data().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((uid, gid)) = self.user {
            std::os::unix::fs::chown(&path, Some(uid), Some(gid)).unwrap();
        }
    }

    /// Runs SQL as the owner of the cluster.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let output = Command::new(self.bin.join("psql"))
            .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.url()])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Starts the server on the data that are there, and waits until it answers.
    pub(crate) fn run(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let data = self.data().into_os_string();
        let mut command = self.command("postgres");
        command.arg("-D").arg(data).stdout(log.try_clone().unwrap()).stderr(log);
        self.process = Some(command.spawn().unwrap());
        let started = Instant::now();
        while !self.answers() {
            assert!(started.elapsed() < Duration::from_mins(1), "PostgreSQL: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server at once, ending every session.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let pid = process.id().to_string();
        // SIGINT is PostgreSQL's fast shutdown.
        let _ = Command::new("kill").args(["-INT", &pid]).status();
        for _ in 0..1000 {
            if process.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = process.kill();
        let _ = process.wait();
    }

    fn answers(&self) -> bool {
        Command::new(self.bin.join("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
            .status()
            .is_ok_and(|status| status.success())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn command(&self, program: &str) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(self.bin.join(program));
        command.stdin(Stdio::null()).current_dir(self.folder.path()).env("LC_ALL", "C");
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }
}

impl Drop for PeerPostgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn bin_folder() -> Option<PathBuf> {
    let has_server = |folder: &Path| folder.join("initdb").exists() && folder.join("psql").exists();
    if let Some(named) = std::env::var_os("PROV_POSTGRES_BIN") {
        return Some(PathBuf::from(named)).filter(|folder| has_server(folder));
    }
    let mut found: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| entry.ok().map(|entry| entry.path().join("bin")))
        .filter(|folder| has_server(folder))
        .collect();
    found.sort();
    found.pop()
}

/// PostgreSQL refuses to run as root: then it runs as the user `postgres`.
fn unprivileged_user() -> Option<(u32, u32)> {
    let number = |args: &[&str]| -> io::Result<Option<u32>> {
        let output = Command::new("id").args(args).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
    };
    if number(&["-u"]).unwrap() != Some(0) {
        return None;
    }
    let user =
        |flag| number(&[flag, "postgres"]).unwrap().expect("a user `postgres`, as Debian has");
    Some((user("-u"), user("-g")))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
