//! Servers as processes of their own, and what the kernel knows about them.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt;
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{ChildStdout, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;

/// The characters of a one-time token.
const TOKEN: usize = 43;

/// A server that was started here, and ends with this value.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
    pid: Pid,
    output: Lines<BufReader<ChildStdout>>,
    /// When it was started.
    pub started: Instant,
    /// Where it listens: `127.0.0.1:12345`.
    pub address: String,
}

impl Child {
    /// Starts a program and waits until it says `… is at http://…`.
    ///
    /// # Errors
    /// When it can't be started, or ends without saying so.
    pub async fn start(
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<Self, Failure> {
        let started = Instant::now();
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let id = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = id.ok_or("the server ended at once")?;
        let stdout = process.stdout.take().ok_or("the server has no output")?;
        let mut output = BufReader::new(stdout).lines();
        while let Some(line) = output.next_line().await? {
            if let Some((_, address)) = line.split_once(" is at http://") {
                let address = address.trim().to_owned();
                return Ok(Self { process, pid, output, started, address });
            }
        }
        Err(format!("`{}` ended without listening", program.display()).into())
    }

    /// The one-time token that a server without users prints.
    ///
    /// # Errors
    /// When it prints none.
    pub async fn token(&mut self) -> Result<String, Failure> {
        while let Some(line) = self.output.next_line().await? {
            let word = line.trim();
            if word.len() == TOKEN && !word.contains(' ') {
                return Ok(word.to_owned());
            }
        }
        Err("the server printed no token".into())
    }

    /// Tells it to stop and waits.
    ///
    /// # Errors
    /// When it does not end in order.
    pub async fn stop(mut self) -> Result<(), Failure> {
        kill_process(self.pid, Signal::TERM)?;
        let status = self.process.wait().await?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the server ended with {status}").into())
        }
    }

    /// Resident memory in MiB.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn resident_mib(&self) -> Result<f64, Failure> {
        let status = std::fs::read_to_string(self.file("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")).ok_or("no VmRSS")?;
        Ok(kib.trim().parse::<f64>()? / 1024.0)
    }

    /// CPU time so far, all threads, to the tick (10 ms as a rule).
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn cpu_time(&self) -> Result<Duration, Failure> {
        let stat = std::fs::read_to_string(self.file("stat"))?;
        // The name, in brackets, may hold anything; `utime` and `stime` are 12th and 13th behind it.
        let (_, fields) = stat.rsplit_once(") ").ok_or("no name in stat")?;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<_, _>>()?;
        Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
    }

    fn file(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid.as_raw_nonzero())
    }
}

/// Serves one document under one path on a port of the kernel's choice, until it is ended. This is
/// what the reference server is compared with.
///
/// # Errors
/// When it can't listen.
pub async fn serve_bare(path: &str, document: String) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout();
    writeln!(out, "bare axum is at http://{}", listener.local_addr()?)?;
    out.flush()?;
    let answer = move || {
        let body = document.clone();
        async move { ([(http::header::CONTENT_TYPE, "application/json")], body) }
    };
    let app = Router::new().route(path, get(answer));
    let listener = listener.tap_io(|stream| {
        // As the reference server does.
        let _ = stream.set_nodelay(true);
    });
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        terminate.recv().await;
    };
    Ok(axum::serve(listener, app).with_graceful_shutdown(stop).await?)
}
