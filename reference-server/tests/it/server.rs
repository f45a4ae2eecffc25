//! The program under test as a child process, ended when dropped.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use crate::client::Client;

/// How long anything may take that is no failure. Generous: other tests run beside this one.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// A port that nothing listens at.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A folder that a server keeps its data in; several runs may follow each other in it.
#[derive(Debug, Clone)]
pub(crate) struct Home(Arc<tempfile::TempDir>);

impl Home {
    pub(crate) fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// What the server keeps.
    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// What all runs in this home have written to stderr.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.path().join("stderr")).unwrap_or_default()
    }

    /// The program, in an environment in which nothing but its arguments counts.
    pub(crate) fn program(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut stderr = std::fs::File::options();
        let stderr = stderr.create(true).append(true).open(self.path().join("stderr")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_reference-server"));
        command.env_clear().current_dir(self.path()).arg("--data-dir").arg(self.data());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        command
    }

    /// A server with no limit that other tests would run into, on a free port.
    pub(crate) fn start(&self) -> Server {
        self.start_with(&["--set", "server.rate_limit=100000/min"])
    }

    pub(crate) fn start_with(&self, arguments: &[&str]) -> Server {
        let mut all = vec!["--listen", "127.0.0.1:0"];
        all.extend(arguments);
        let started = Server::spawn(self, &all);
        started.unwrap_or_else(|status| panic!("{status}: {}", self.log()))
    }

    /// A server at a port that its own pages know it by.
    pub(crate) fn start_at(&self, port: u16) -> Server {
        self.start_at_with(port, &[])
    }

    pub(crate) fn start_at_with(&self, port: u16, arguments: &[&str]) -> Server {
        let listen = format!("127.0.0.1:{port}");
        let mut all = vec!["--listen", &listen, "--set", "server.rate_limit=100000/min"];
        all.extend(arguments);
        Server::spawn(self, &all).unwrap_or_else(|status| panic!("{status}: {}", self.log()))
    }

    /// A start that must fail: its exit code, and what it said.
    pub(crate) fn refused(&self, arguments: &[&str]) -> (i32, String) {
        let before = self.log().len();
        match Server::spawn(self, arguments) {
            Ok(server) => panic!("it started: {:?}", server.greeting),
            Err(status) => (status.code().unwrap(), self.log()[before..].to_owned()),
        }
    }
}

/// One run.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) home: Home,
    /// Everything it has said on stdout until it was ready.
    pub(crate) greeting: Vec<String>,
    /// What it says on stdout after that.
    rest: Receiver<String>,
    /// Where it is: `http://127.0.0.1:41234`.
    pub(crate) url: String,
}

impl Server {
    fn spawn(home: &Home, arguments: &[&str]) -> Result<Self, ExitStatus> {
        let mut child = home.program(arguments).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (say, rest) = channel();
        // Ends with the pipe, and the pipe with the child.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if say.send(line).is_err() {
                    break;
                }
            }
        });
        let mut greeting = Vec::new();
        let url = loop {
            match rest.recv_timeout(PATIENCE) {
                Ok(line) => {
                    let url = line.strip_prefix("prov is at ").map(str::to_owned);
                    greeting.push(line);
                    if let Some(url) = url {
                        break url;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return Err(child.wait().unwrap()),
                Err(RecvTimeoutError::Timeout) => {
                    child.kill().unwrap();
                    panic!("neither ready nor refused: {}", home.log());
                }
            }
        };
        Ok(Self { child, home: home.clone(), greeting, rest, url })
    }

    pub(crate) fn address(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// A client that is nobody yet.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url)
    }

    /// The one-time token of the invitation on stdout.
    pub(crate) fn invitation(&mut self) -> String {
        loop {
            let line = self.rest.recv_timeout(PATIENCE).expect("an invitation");
            let token = line.trim().to_owned();
            self.greeting.push(line);
            if token.len() >= 32 && !token.contains(' ') {
                return token;
            }
        }
    }

    /// Everything on stdout; only after its end.
    pub(crate) fn all_of_stdout(&self) -> String {
        let rest = self.rest.iter().collect::<Vec<_>>();
        [&self.greeting[..], &rest].concat().join("\n")
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Stops it in order.
    pub(crate) fn stop(&mut self) {
        self.signal("-TERM");
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.home.log());
    }

    /// Whether it still answers.
    pub(crate) fn assert_alive(&mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None, "it ended: {}", self.home.log());
        self.client().get("/readyz").expect(200);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
