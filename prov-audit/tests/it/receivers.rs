//! Receivers of each kind: real ones where there are any, and ones that answer nonsense.

mod cloudwatch;
mod nats;
mod s3;

use std::collections::BTreeSet;
use std::net::TcpListener as StdListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prov_audit::format::Format;
use prov_audit::reconcile::{Copied, Reconciler};
use prov_audit::sink::{
    ElasticsearchReceiver, FileReceiver, HttpReceiver, Receiver, RelpReceiver, SinkState,
    SplunkReceiver, SyslogReceiver, Target, TargetOptions,
};
use prov_audit::{ExportedLeaf, Log};
use prov_core::audit::{Action, Recorder, RetentionClass};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::bench_log::{Bench, ORIGIN, peer, skip};
use crate::sinks::{Running, options, record, until};

fn target(url: &str) -> Target {
    Target::new(url, &TargetOptions::default()).unwrap()
}

pub(crate) fn free_port() -> u16 {
    StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program that ends with the test.
pub(crate) struct Peer(pub(crate) Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) async fn listening(port: u16) {
    until("somebody listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
}

/// What a receiver wrote holds against the log: nothing is missing, changed or added.
async fn assert_reconciles(log: &Log, lines: impl Iterator<Item = String>) {
    let mut reconciler = Reconciler::new(format!("{ORIGIN}/standard"));
    for line in lines {
        reconciler.copied(&line);
    }
    let mut reader = log.leaves(RetentionClass::Standard, 0).await.unwrap();
    loop {
        let leaves: Vec<ExportedLeaf> = reader.next().await.unwrap();
        if leaves.is_empty() {
            break;
        }
        for leaf in &leaves {
            reconciler.logged(leaf);
        }
    }
    let result = reconciler.finish();
    assert!(result.fits, "{result:?}");
}

/// Events with texts that break formats.
async fn record_evil(bench: &Bench, log: &Log) {
    let evil = "<13>1 \"]\\|=\r\n\u{0}\u{202e}\u{1b}[2J\u{e9}\u{1f600} 5 ";
    let event = bench.event(Action::KMS_ENCRYPT, evil, "alice").on(evil, evil).with("evil", evil);
    log.record(event).await.unwrap();
    let event = bench.event(Action::KMS_ENCRYPT, "user_1", "a").with("text", "x".repeat(60_000));
    log.record(event).await.unwrap();
}

/// Delivers everything, and gives what it took to be confirmed.
async fn deliver(log: &Arc<Log>, receiver: impl Receiver) {
    let sink = log.add_sink(options("copy"), receiver).await.unwrap();
    let running = Running::of([sink]);
    until("all of it", || {
        let status = log.sinks().remove(0);
        assert!(status.state != SinkState::Failing || status.failures < 40, "{status:?}");
        status.behind == 0
    })
    .await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_turn_into_the_next_and_hold_against_the_log() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    record(&bench, &log, 400).await;
    record_evil(&bench, &log).await;
    let folder = bench.dir.path().join("copy");
    std::fs::create_dir(&folder).unwrap();
    // What a power cut leaves behind.
    std::fs::write(folder.join("audit-00000003.log"), "{\"torn\":").unwrap();
    let files = || FileReceiver::new(&folder, Format::Jsonl).unwrap().rotate_at(64 << 10);
    let sink = log.add_sink(options("copy").batch_events(50), files()).await.unwrap();
    let running = Running::of([sink]);
    until("all of it", || log.sinks()[0].behind == 0).await;
    // Somebody's own rotation: the file is made anew.
    let numbers = || {
        let mut names: Vec<_> =
            std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        names
    };
    let newest = numbers().pop().unwrap();
    std::fs::rename(&newest, newest.with_extension("moved")).unwrap();
    record(&bench, &log, 10).await;
    until("the rest", || log.sinks()[0].behind == 0).await;
    running.stop().await;
    assert!(numbers().len() > 3, "{:?}", numbers());
    let lines = numbers().into_iter().flat_map(|file| {
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    assert_reconciles(&log, lines).await;
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(mode(&newest), 0o600, "events say who did what");
    assert!(FileReceiver::new(&folder, Format::Csv).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_newest_files_are_kept_when_that_is_wanted() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    record(&bench, &log, 900).await;
    let folder = bench.dir.path().join("copy");
    let files = FileReceiver::new(&folder, Format::Jsonl).unwrap().rotate_at(32 << 10).keep(2);
    let sink = log.add_sink(options("copy").batch_events(40), files).await.unwrap();
    let running = Running::of([sink]);
    until("all of it", || log.sinks()[0].behind == 0).await;
    running.stop().await;
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
}

/// What a fake receiver was sent: head and body of each request.
pub(crate) type Requests = Arc<Mutex<Vec<(String, String)>>>;

/// Answers each request with what `answer` says, raw; on a fresh connection each time, unless it says
/// otherwise.
pub(crate) async fn fake_http(
    answer: impl Fn(usize) -> Vec<u8> + Send + Sync + 'static,
) -> (JoinSet<()>, u16, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (requests, mut tasks) = (Requests::default(), JoinSet::new());
    let seen = Arc::clone(&requests);
    tasks.spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let mut chunk = vec![0; 65536];
            loop {
                let read = stream.read(&mut chunk).await.unwrap_or(0);
                bytes.extend(&chunk[..read]);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let Some((head, body)) = text.split_once("\r\n\r\n") else {
                    if read == 0 {
                        break;
                    }
                    continue;
                };
                let length = head.to_lowercase();
                let length = length.split("content-length: ").nth(1).unwrap_or("0");
                let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
                if body.len() >= length || read == 0 {
                    let number = seen.lock().len();
                    seen.lock().push((head.to_owned(), body.to_owned()));
                    let _ = stream.write_all(&answer(number)).await;
                    break;
                }
            }
        }
    });
    (tasks, port, requests)
}

const FINE: &[u8] = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_posted_with_its_token_and_confirmed_by_the_status() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    record(&bench, &log, 120).await;
    record_evil(&bench, &log).await;
    let (_tasks, port, requests) = fake_http(|_| FINE.to_vec()).await;
    let token = bench.dir.path().join("token");
    std::fs::write(&token, "s3cret-token\n").unwrap();
    let http = HttpReceiver::new(target(&format!("http://127.0.0.1:{port}/in?a=1")), Format::Jsonl)
        .bearer(&token)
        .header("x-tenant", "blue")
        .unwrap();
    deliver(&log, http).await;
    let requests = requests.lock().clone();
    for (head, _) in &requests {
        let head = head.to_lowercase();
        assert!(head.starts_with("post /in?a=1 http/1.1"), "{head}");
        assert!(head.contains("authorization: bearer s3cret-token"), "{head}");
        assert!(head.contains("content-type: application/jsonl"), "{head}");
        assert!(head.contains("x-tenant: blue") && head.contains("host: 127.0.0.1"), "{head}");
    }
    let lines = requests.iter().flat_map(|(_, body)| body.lines().map(str::to_owned));
    assert_reconciles(&log, lines.collect::<Vec<_>>().into_iter()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_receiver_answers_nothing_is_lost_and_the_trouble_is_named() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    record(&bench, &log, 3).await;
    let answers: [(&[u8], &str); 7] = [
        (b"HTTP/1.1 500 No\r\ncontent-length: 7\r\nconnection: close\r\n\r\n\x1b[2Jbad", "answered 500: [2Jbad"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", "answered 302"),
        (b"\x00\xff\xfe nonsense\r\n\r\n", "answered what is no HTTP"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "answered what is no HTTP"),
        (b"", "broke"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\nx", "its answer is too long, or broke off"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nx", "its answer is too long, or broke off"),
    ];
    let wrong = answers.len();
    let (_tasks, port, requests) = fake_http(move |number| match answers.get(number) {
        Some((answer, _)) => answer.to_vec(),
        None => FINE.to_vec(),
    })
    .await;
    let http = HttpReceiver::new(target(&format!("http://127.0.0.1:{port}/")), Format::Jsonl);
    let slow = options("copy").rest(Duration::from_millis(120), Duration::from_millis(120));
    let running = Running::of([log.add_sink(slow, http).await.unwrap()]);
    let mut said = BTreeSet::new();
    until("all of it", || {
        said.extend(log.sinks()[0].last_error.clone());
        log.sinks()[0].behind == 0
    })
    .await;
    running.stop().await;
    for (_, expected) in answers {
        assert!(said.iter().any(|said| said.contains(expected)), "`{expected}` in {said:?}");
    }
    assert_eq!(requests.lock().len(), wrong + 1, "each was tried again, and then it was confirmed");
    assert_eq!(log.sinks()[0].delivered, 3);
}

#[tokio::test]
async fn nothing_goes_to_other_machines_in_the_clear_by_mistake() {
    let no = TargetOptions::default();
    for url in ["http://siem.example/", "tcp://192.0.2.7:514", "tcp://[2001:db8::1]", "gopher://x"]
    {
        assert!(Target::new(url, &no).is_err(), "{url}");
    }
    for url in
        ["http://127.0.0.1:9/", "tcp://[::1]:514", "http://localhost", "https://siem.example/"]
    {
        assert!(Target::new(url, &no).is_ok(), "{url}");
    }
    let secret = Target::new("https://user:pass@siem.example/", &no).unwrap_err();
    assert!(!format!("{secret:?}").contains("user:pass"), "{secret:?}");
    let allowed = TargetOptions::default().insecure(true);
    assert!(Target::new("http://siem.example/", &allowed).is_ok());
}

/// A certificate for this machine and the authority that signed it, as files.
fn certificates(dir: &Path) {
    let authority = rcgen::KeyPair::generate().unwrap();
    let mut about = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    about.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    about.distinguished_name.push(rcgen::DnType::CommonName, "tests");
    let root = about.self_signed(&authority).unwrap();
    let issuer = rcgen::Issuer::new(about, authority);
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let cert = own.signed_by(&key, &issuer).unwrap();
    std::fs::write(dir.join("ca.pem"), root.pem()).unwrap();
    std::fs::write(dir.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(dir.join("key.pem"), key.serialize_pem()).unwrap();
}

/// rsyslog, which writes every message as it came into `got`.
fn rsyslog(dir: &Path, input: &str) -> Option<Peer> {
    let program = Path::new("/usr/sbin/rsyslogd");
    if !program.exists() {
        skip("rsyslogd is not installed (cargo xtask peers)");
        return None;
    }
    let text = format!(
        "global(workDirectory=\"{dir}\" maxMessageSize=\"128k\" \
           parser.escapeControlCharactersOnReceive=\"off\" \
           defaultNetstreamDriverCAFile=\"{dir}/ca.pem\" \
           defaultNetstreamDriverCertFile=\"{dir}/cert.pem\" \
           defaultNetstreamDriverKeyFile=\"{dir}/key.pem\")\n{input}\n\
         template(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
         action(type=\"omfile\" file=\"{dir}/got\" template=\"raw\")\n",
        dir = dir.display()
    );
    let config = dir.join("rsyslog.conf");
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(program);
    command.args(["-n", "-f", config.to_str().unwrap(), "-i"]).arg(dir.join("pid"));
    command.stdout(Stdio::null()).stderr(std::fs::File::create(dir.join("stderr")).unwrap());
    Some(Peer(command.spawn().unwrap()))
}

async fn rsyslog_takes_everything(
    input: &str,
    port: u16,
    receiver: impl FnOnce(&Path) -> Box<dyn Receiver>,
) {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let Some(_peer) = rsyslog(dir.path(), input) else { return };
    listening(port).await;
    let log = Arc::new(bench.open().await);
    record(&bench, &log, 300).await;
    record_evil(&bench, &log).await;
    deliver(&log, receiver(dir.path())).await;
    let got = || std::fs::read_to_string(dir.path().join("got")).unwrap_or_default();
    until("it is written", || got().lines().filter(|l| Copied::find(l).is_some()).count() >= 302)
        .await;
    let lines: Vec<String> = got().lines().map(str::to_owned).collect();
    assert_reconciles(&log, lines.into_iter().filter(|line| Copied::find(line).is_some())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rsyslog_takes_everything_over_tcp() {
    let port = free_port();
    let input = format!(
        "module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")"
    );
    rsyslog_takes_everything(&input, port, |_| {
        Box::new(SyslogReceiver::new(target(&format!("tcp://127.0.0.1:{port}"))))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rsyslog_confirms_everything_by_relp() {
    if !Path::new("/usr/lib/x86_64-linux-gnu/rsyslog/imrelp.so").exists() {
        return skip("rsyslog-relp is not installed (cargo xtask peers)");
    }
    let port = free_port();
    let input = format!(
        "module(load=\"imrelp\")\n\
         input(type=\"imrelp\" address=\"127.0.0.1\" port=\"{port}\" maxDataSize=\"128k\")"
    );
    rsyslog_takes_everything(&input, port, |_| {
        Box::new(RelpReceiver::new(target(&format!("relp://127.0.0.1:{port}"))))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rsyslog_takes_everything_over_tls_and_a_stranger_gets_nothing() {
    if !Path::new("/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so").exists() {
        return skip("rsyslog-gnutls is not installed (cargo xtask peers)");
    }
    let port = free_port();
    let input = format!(
        "module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" \
         streamDriver.authMode=\"anon\")\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")"
    );
    let url = format!("tls://localhost:{port}");
    let of_the_system = target(&url);
    rsyslog_takes_everything(&input, port, |dir| {
        let options = TargetOptions::default().ca(Some(dir.join("ca.pem")));
        Box::new(SyslogReceiver::new(Target::new(&url, &options).unwrap()))
    })
    .await;
    // The same receiver, signed by nobody whom this system knows.
    let dir = tempfile::tempdir().unwrap();
    certificates(dir.path());
    let Some(_peer) = rsyslog(dir.path(), &input) else { return };
    listening(port).await;
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    record(&bench, &log, 3).await;
    let sink = log.add_sink(options("copy"), SyslogReceiver::new(of_the_system)).await.unwrap();
    let running = Running::of([sink]);
    until("a refusal", || log.sinks()[0].failures > 1).await;
    let said = log.sinks()[0].last_error.clone().unwrap();
    assert!(said.contains("TLS with localhost") && said.contains("UnknownIssuer"), "{said}");
    running.stop().await;
}

/// The engine of tenzir, which speaks many protocols, with this pipeline; what it prints goes to `got`.
fn tenzir(dir: &Path, pipeline: &str) -> Option<Peer> {
    let program = peer("tenzir-6.20.0", "tenzir")?;
    let mut command = Command::new(program);
    command.arg(pipeline).env("XDG_CACHE_HOME", dir).env("XDG_STATE_HOME", dir);
    command.stdin(Stdio::null()).stdout(std::fs::File::create(dir.join("got")).unwrap());
    command.stderr(std::fs::File::create(dir.join("stderr")).unwrap());
    Some(Peer(command.spawn().unwrap()))
}

async fn tenzir_takes_everything(
    pipeline: &str,
    port: u16,
    receiver: impl FnOnce(&Path) -> Box<dyn Receiver>,
) {
    let bench = Bench::new();
    let dir = tempfile::tempdir().unwrap();
    let Some(_peer) = tenzir(dir.path(), pipeline) else { return };
    listening(port).await;
    let log = Arc::new(bench.open().await);
    record(&bench, &log, 300).await;
    record_evil(&bench, &log).await;
    std::fs::write(dir.path().join("token"), "11111111-2222-3333-4444-555555555555\n").unwrap();
    // Of several documents the one for bulks speaks as of one.
    let sink = options("copy").batch_events(if pipeline.contains("opensearch") { 1 } else { 100 });
    let running = Running::of([log.add_sink(sink, receiver(dir.path())).await.unwrap()]);
    until("all of it", || log.sinks()[0].behind == 0).await;
    running.stop().await;
    let got = || std::fs::read_to_string(dir.path().join("got")).unwrap_or_default();
    until("it is written", || got().lines().count() >= 302).await;
    // It writes times anew; each record keeps its place and its leaf's hash all the same.
    let copied = got().lines().map(|line| Copied::find(line).unwrap()).collect::<Vec<_>>();
    let copied: BTreeSet<_> = copied.into_iter().map(|copied| (copied.seq, copied.hash)).collect();
    let mut reader = log.leaves(RetentionClass::Standard, 0).await.unwrap();
    let mut expected = BTreeSet::new();
    loop {
        let leaves = reader.next().await.unwrap();
        if leaves.is_empty() {
            break;
        }
        expected.extend(leaves.into_iter().map(|leaf| (leaf.seq, hex::encode(leaf.hash))));
    }
    assert_eq!(copied, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_of_splunk_takes_everything() {
    let port = free_port();
    let token = "11111111-2222-3333-4444-555555555555";
    let pipeline =
        format!("accept_splunk \"127.0.0.1:{port}\", hec_token=\"{token}\"\nwrite_ndjson");
    tenzir_takes_everything(&pipeline, port, |dir| {
        let url = target(&format!("http://127.0.0.1:{port}"));
        Box::new(SplunkReceiver::new(url, dir.join("token")).unwrap())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_of_splunk_took_but_did_not_index_comes_again() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    record(&bench, &log, 2).await;
    let answer = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n";
        format!("{head}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    };
    let success = "{\"text\":\"Success\",\"code\":0,\"ackId\":7}";
    let (_tasks, port, requests) = fake_http(move |number| match number {
        0 | 5 => answer(success),
        // Not indexed for as long as it is asked, until it gives up and sends it again.
        1..=3 => answer("{\"acks\":{\"7\":false}}"),
        4 => answer("{\"acks\":[]}"),
        _ => answer("{\"acks\":{\"7\":true}}"),
    })
    .await;
    let token = bench.dir.path().join("token");
    std::fs::write(&token, "t").unwrap();
    let url = target(&format!("http://127.0.0.1:{port}"));
    deliver(&log, SplunkReceiver::new(url, token).unwrap()).await;
    let paths: Vec<_> = requests
        .lock()
        .iter()
        .map(|(head, _)| head.split(' ').nth(1).unwrap().rsplit('/').next().unwrap().to_owned())
        .collect();
    assert_eq!(paths, ["event", "ack", "ack", "ack", "ack", "event", "ack"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_reach_an_index_by_bulk() {
    let port = free_port();
    let pipeline = format!("accept_opensearch \"127.0.0.1:{port}\"\nwrite_ndjson");
    tenzir_takes_everything(&pipeline, port, |_| {
        let url = target(&format!("http://127.0.0.1:{port}"));
        Box::new(ElasticsearchReceiver::new(url, "prov-audit").unwrap())
    })
    .await;
}
