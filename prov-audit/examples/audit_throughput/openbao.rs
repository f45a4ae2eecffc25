//! What OpenBao answers with its file audit device and without, for comparison: it logs each request and
//! each answer, and syncs nothing.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Who may do everything on a server that lives as long as this program.
const TOKEN: &str = "root-of-a-bench";

/// A development server: it keeps what it has in memory.
#[derive(Debug)]
pub(crate) struct OpenBao {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl OpenBao {
    /// Starts this program; its audit device, once enabled, writes below `dir`.
    pub(crate) fn start(program: &Path, dir: &Path) -> Result<Self, Box<dyn Error>> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let config = dir.join("openbao.hcl");
        let log = dir.join("openbao-audit.log");
        // Devices are enabled by the configuration, and read again on a signal; this one starts without.
        std::fs::write(&config, "disable_mlock = true\nunsafe_allow_api_audit_creation = true\n")?;
        let process = Command::new(program)
            .args(["server", "-dev", "-dev-no-store-token", "-log-level=error"])
            .arg(format!("-config={}", config.display()))
            .arg(format!("-dev-root-token-id={TOKEN}"))
            .arg(format!("-dev-listen-address={address}"))
            .env("HOME", dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self { process, address, log };
        for _ in 0..100 {
            if server.ask("GET", "sys/health", "").is_ok_and(|status| status == 200) {
                return Ok(server);
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err("OpenBao did not start".into())
    }

    /// Has it log every request and answer to a file.
    pub(crate) fn audit(&self) -> Result<(), Box<dyn Error>> {
        let path = self.log.display();
        let device = format!(r#"{{"type":"file","options":{{"file_path":"{path}"}}}}"#);
        match self.ask("PUT", "sys/audit/file", &device)? {
            200 | 204 => Ok(()),
            status => Err(format!("OpenBao refuses the audit device: {status}").into()),
        }
    }

    /// How long each of the questions took that so many connections asked one after the other: what
    /// its token may do.
    pub(crate) fn measure(&self, connections: usize, time: Duration) -> Vec<Duration> {
        let until = Instant::now() + time;
        let ask = || {
            let (mut times, mut connection) = (Vec::new(), Connection::open(self.address).ok());
            while let Some(open) = &mut connection
                && Instant::now() < until
            {
                let one = Instant::now();
                match open.ask("GET", "auth/token/lookup-self", "") {
                    Ok(200) => times.push(one.elapsed()),
                    _ => connection = None,
                }
            }
            times
        };
        thread::scope(|all| {
            let asking: Vec<_> = (0..connections).map(|_| all.spawn(ask)).collect();
            asking.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
        })
    }

    /// How many lines its device has written.
    pub(crate) fn lines(&self) -> Result<usize, Box<dyn Error>> {
        Ok(BufReader::new(std::fs::File::open(&self.log)?).lines().count())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<u16> {
        Connection::open(self.address)?.ask(method, path, body)
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

struct Connection(BufReader<TcpStream>);

impl Connection {
    fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The status of the answer.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> std::io::Result<u16> {
        let length = body.len();
        let request = format!(
            "{method} /v1/{path} HTTP/1.1\r\nhost: openbao\r\nx-vault-token: {TOKEN}\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        self.0.get_mut().write_all(request.as_bytes())?;
        let (mut line, mut status, mut length) = (String::new(), None, 0);
        loop {
            line.clear();
            if self.0.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if status.is_none() {
                status = line.split(' ').nth(1).and_then(|status| status.parse().ok());
            } else if let Some(told) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = told.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        std::io::copy(&mut (&mut self.0).take(length), &mut std::io::sink())?;
        status.ok_or_else(|| std::io::ErrorKind::InvalidData.into())
    }
}
