//! `CloudWatch` Logs, by a fake of the cloud that others wrote.

use std::process::{Command, Stdio};
use std::sync::Arc;

use prov_audit::sink::CloudwatchReceiver;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Peer, assert_reconciles, deliver, free_port, listening, record_evil, target};
use crate::bench_log::{Bench, peer};
use crate::sinks::record;

/// Asks a fake of the cloud, as its command line would.
async fn ask_cloud(port: u16, target: &str, body: &str) -> serde_json::Value {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let asked = format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=x/20260101/eu-central-1/logs/aws4_request, \
         SignedHeaders=host, Signature=x\r\n\
         content-type: application/x-amz-json-1.1\r\nx-amz-target: Logs_20140328.{target}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(asked.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).unwrap_or_default()
}

/// The fake, and where it listens.
pub(super) async fn cloud() -> Option<(Peer, u16)> {
    let program = peer("moto-5.2.5", "moto_server")?;
    let port = free_port();
    let mut command = Command::new(program);
    command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
    let server = Peer(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    listening(port).await;
    Some((server, port))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_stream_of_cloudwatch_has_everything() {
    let Some((_server, port)) = cloud().await else { return };
    let dir = tempfile::tempdir().unwrap();
    let names = "\"logGroupName\":\"prov\",\"logStreamName\":\"audit\"";
    ask_cloud(port, "CreateLogGroup", "{\"logGroupName\":\"prov\"}").await;
    ask_cloud(port, "CreateLogStream", &format!("{{{names}}}")).await;
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    record(&bench, &log, 300).await;
    record_evil(&bench, &log).await;
    let file = dir.path().join("credentials");
    std::fs::write(&file, "[default]\naws_access_key_id = x\naws_secret_access_key = y\n").unwrap();
    let url = target(&format!("http://127.0.0.1:{port}"));
    let clock = Arc::<prov_core::SystemClock>::clone(&bench.clock);
    let cloud = CloudwatchReceiver::new(url, "eu-central-1", ("prov", "audit"), file, clock);
    deliver(&log, cloud.unwrap()).await;
    let (mut lines, mut from) = (Vec::new(), String::new());
    loop {
        let body = format!("{{{names},\"startFromHead\":true{from}}}");
        let page = ask_cloud(port, "GetLogEvents", &body).await;
        let events = page["events"].as_array().unwrap();
        if events.is_empty() {
            break;
        }
        lines.extend(events.iter().map(|event| event["message"].as_str().unwrap().to_owned()));
        from = format!(",\"nextToken\":{}", page["nextForwardToken"]);
    }
    assert_eq!(lines.len(), 302);
    assert_reconciles(&log, lines.into_iter()).await;
}
