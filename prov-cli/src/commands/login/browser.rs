//! Signing in by a browser on this machine (RFC 8252): it comes back to a port that is open only meanwhile.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use ureq::http::Method;
use zeroize::Zeroizing;

use crate::client::segment;
use crate::commands::Session;
use crate::failure::{Failure, Outcome};

/// How long somebody may take in the browser.
const PATIENCE: Duration = Duration::from_mins(10);

/// Shows where to go, waits for the browser to come back, and fetches the tokens.
pub(super) fn sign_in(session: &Session, issuer: &str) -> Outcome<Value> {
    let listener =
        TcpListener::bind("127.0.0.1:0").map_err(|e| Failure::of("no port is free", e))?;
    let address = listener.local_addr().map_err(|e| Failure::of("no port is free", e))?;
    let random = prov_core::random::bytes::<32>().map_err(|e| Failure::of("no randomness", e))?;
    let verifier = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(random));
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
    let start = session.client.url(&format!(
        "/api/v1/auth/oidc/{}/start?return_to=http://{address}/&code_challenge={challenge}",
        segment(issuer)
    ));
    Session::ask(&format!("open this in a browser on this machine:\n\n  {start}\n"));
    let code = wait_for_code(&listener)?;
    let body = json!({ "code": code.as_str(), "code_verifier": verifier.as_str() });
    session.client.anonymous(&Method::POST, "/api/v1/auth/oidc/exchange", Some(&body))
}

/// What the browser brings; whatever else asks meanwhile is told that there is nothing.
fn wait_for_code(listener: &TcpListener) -> Outcome<Zeroizing<String>> {
    let started = Instant::now();
    listener.set_nonblocking(true).map_err(|e| Failure::of("waiting for the browser", e))?;
    while started.elapsed() < PATIENCE {
        match listener.accept() {
            Ok((stream, _)) => {
                if let Some(code) = code_of(stream) {
                    return Ok(code);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(error) => return Err(Failure::of("waiting for the browser", error)),
        }
    }
    Err(Failure::Failed("nobody came back from the browser: run the command again".to_owned()))
}

fn code_of(mut stream: TcpStream) -> Option<Zeroizing<String>> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let mut line = Zeroizing::new(String::new());
    let reader = stream.try_clone().ok()?;
    BufReader::new(std::io::Read::take(reader, 8 * 1024)).read_line(&mut line).ok()?;
    let code = read_code(&line);
    let (status, text) = match code {
        Some(_) => ("200 OK", "You are signed in. This page can be closed."),
        None => ("404 Not Found", "There is nothing here."),
    };
    // The browser may have gone; what it brought is here.
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\
         cache-control: no-store\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    code
}

/// The code in the first line of a request.
fn read_code(line: &str) -> Option<Zeroizing<String>> {
    let path = line.strip_prefix("GET ")?.split(' ').next()?;
    let code = path.strip_prefix("/?code=")?;
    let is_code = code.len() == 43
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    is_code.then(|| Zeroizing::new(code.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_code_is_taken_from_whoever_asks() {
        let code = "x".repeat(43);
        assert_eq!(*read_code(&format!("GET /?code={code} HTTP/1.1")).unwrap(), code);
        for line in [
            "GET / HTTP/1.1",
            "GET /favicon.ico HTTP/1.1",
            "POST /?code=x HTTP/1.1",
            "GET /?code=x&y HTTP/1.1",
            "",
        ] {
            assert!(read_code(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_browser_is_answered_and_others_do_not_disturb() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let code = "y".repeat(43);
        let waiting = std::thread::spawn(move || wait_for_code(&listener).unwrap());
        for path in ["/favicon.ico", &format!("/?code={code}")] {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            let mut answer = String::new();
            BufReader::new(stream).read_line(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        }
        assert_eq!(*waiting.join().unwrap(), code);
    }
}
