//! Events that are old enough go to a bucket, of a fake of the cloud that others wrote.
//!
//! Retention is in days, so that nothing that a server records while a test runs is ever old enough. The
//! folder of this one was begun two years ago: by the library, with a clock that says so.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use prov_audit::{Log, LogOptions};
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder, RetentionClass};
use prov_core::{Clock, ManualClock, PrincipalKind, SystemClock};
use prov_kms::SealedStore;
use serde_json::Value;
use ureq::http::Method;

use crate::client::{Answer, Client};
use crate::people::World;
use crate::server::{Home, free_port};
use crate::terminal::Terminal;
use crate::tools::{prov, tool};

const EVENTS: usize = 3000;

/// Waits for something, not for ever.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let clock = SystemClock::new();
    let began = clock.monotonic();
    while !is_so() {
        let waited = clock.monotonic().saturating_sub(began);
        assert!(waited < Duration::from_mins(1), "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The fake, ended with the test.
struct Cloud(Child, Client);

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Cloud {
    fn start() -> Option<(Self, u16)> {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
        let cache = cache.unwrap_or_else(|| home.join(".cache"));
        let program = tool(cache.join("prov-peers/moto-5.2.5/bin/moto_server"))?;
        let port = free_port();
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let cloud = Self(child, Client::new(&format!("http://127.0.0.1:{port}")));
        until("it listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some((cloud, port))
    }

    fn ask(&self, method: &Method, path: &str) -> Answer {
        let signed = "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, \
                      SignedHeaders=host, Signature=x";
        self.1.try_send(method, path, None, &[("authorization", signed)]).unwrap()
    }

    /// The names of all objects of this log, below what the server was told.
    fn listed(&self) -> Vec<String> {
        let path = "/evidence?list-type=2&prefix=deployment/node-1/standard/";
        let listed = self.ask(&Method::GET, path).text();
        let names = listed.split("<Key>deployment/node-1/").skip(1);
        names.map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
    }
}

/// A folder that a server left two years ago, with what was recorded then: every leaf.
async fn left_two_years_ago(home: &Home) -> Vec<Vec<u8>> {
    let then = SystemClock::new().now().checked_sub(Duration::from_hours(2 * 365 * 24)).unwrap();
    let clock = ManualClock::at(then);
    let (data, shared): (_, Arc<dyn Clock>) = (home.data(), Arc::new(clock.clone()));
    std::fs::create_dir_all(&data).unwrap();
    let url = format!("sqlite:{}", data.join("prov.db").display());
    let store = prov_store::connect(&url, Arc::clone(&shared)).await.unwrap();
    let key = data.join("root.key");
    let sealed =
        SealedStore::embedded(Arc::clone(&store), &key, Arc::clone(&shared)).await.unwrap();
    let options = LogOptions::new(data.join("audit"), "control-center/audit/local", sealed, shared);
    let log = Log::open(options.segment_bytes(64 << 10)).await.unwrap();
    let log = Arc::new(log);
    let mut recording = tokio::task::JoinSet::new();
    for at in 0..EVENTS {
        let actor = Actor::account(PrincipalKind::User, "user_1", "alice");
        let event = Event::new(&clock, Action::KMS_ENCRYPT, Outcome::Success).by(actor);
        let (log, event) = (Arc::clone(&log), event.on("key", format!("key_{at}")));
        recording.spawn(async move { log.record(event).await });
    }
    for recorded in recording.join_all().await {
        recorded.unwrap();
    }
    let mut reader = log.leaves(RetentionClass::Standard, 0).await.unwrap();
    let mut leaves = Vec::new();
    while leaves.len() < EVENTS {
        leaves.extend(reader.next().await.unwrap().into_iter().map(|leaf| leaf.leaf));
    }
    log.close().await.unwrap();
    store.close().await;
    leaves
}

#[test]
fn what_a_server_prunes_lies_in_its_bucket_and_is_read_from_there() {
    let Some((cloud, port)) = Cloud::start() else { return };
    assert_eq!(cloud.ask(&Method::PUT, "/evidence").status, 200);
    let home = Home::new();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let leaves = runtime.block_on(left_two_years_ago(&home));
    let credentials = home.path().join("credentials");
    let text = "[default]\naws_access_key_id = x\naws_secret_access_key = y\n";
    std::fs::write(&credentials, text).unwrap();
    let bucket = |name: &str| {
        format!(
            "audit.bucket={{ url = \"http://127.0.0.1:{port}\", region = \"us-east-1\", bucket = \
             \"{name}\", prefix = \"deployment/node-1\", credentials_file = \"{}\" }}",
            credentials.display()
        )
    };
    let start = |bucket: &str| home.start_with(&["--set", bucket, "--set", "audit.ml_dsa_44=true"]);
    let oldest = home.data().join("audit/standard/segments/00000000000000000000.seg");

    // To a bucket that is not there nothing goes, and nothing is lost.
    let mut server = start(&bucket("nowhere"));
    until("it was tried", || home.log().contains("could not be pruned"));
    server.stop();
    assert!(oldest.exists() && cloud.listed().is_empty());

    let mut world = World::over(start(&bucket("evidence")));
    let pruned = || {
        let path = "/api/v1/audit/events?action=audit.retention.prune";
        world.admin.get(path).expect(200)["items"][0]["context"].clone()
    };
    until("it is pruned", || pruned()["to_seq"].as_u64() > Some(2000) && !oldest.exists());
    assert_eq!((&pruned()["archived"], &pruned()["from_seq"]), (&true.into(), &0.into()));
    let to = usize::try_from(pruned()["to_seq"].as_u64().unwrap()).unwrap();
    let first: Value = serde_json::from_slice(&leaves[0]).unwrap();
    let gone = format!("/api/v1/audit/events/{}", first["id"].as_str().unwrap());
    assert_eq!(world.admin.get(&gone).status, 404);
    let report = world.admin.get("/api/v1/audit/verify").expect(200);
    assert_eq!((&report["intact"], &report["pruned"]), (&true.into(), &to.into()), "{report}");
    let second = world.admin.get("/api/v1/audit/checkpoint").expect(200)["ml_dsa_44_key"].clone();

    // Everything that went is there, event by event, byte for byte, each file with its proof.
    let terminal = prov().map(|program| Terminal::new(&program, "http://127.0.0.1:9"));
    let read = fetched(&cloud, &home, terminal.as_ref());
    assert!(to <= EVENTS && read == leaves[..to], "{} of {to}", read.len());

    world.server.stop();
    if let Some(terminal) = terminal {
        assert_both_signatures(&terminal, &home, &second, to);
    }
}

/// Fetches every file of the archive as anybody could, checks its proof, and gives the leaves.
fn fetched(cloud: &Cloud, home: &Home, terminal: Option<&Terminal>) -> Vec<Vec<u8>> {
    let (folder, key) = (home.path().join("fetched"), home.data().join("audit/standard/log.vkey"));
    let mut read: Vec<Vec<u8>> = Vec::new();
    for name in cloud.listed().iter().filter(|name| name.ends_with(".jsonl.zst")) {
        let file = folder.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        for name in [name.clone(), name.replace(".jsonl.zst", ".proof.json")] {
            let object = cloud.ask(&Method::GET, &format!("/evidence/deployment/node-1/{name}"));
            assert_eq!(object.status, 200, "{name}");
            std::fs::write(folder.join(&name), object.body).unwrap();
        }
        let lines = zstd::decode_all(std::fs::File::open(&file).unwrap()).unwrap();
        let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let begins = read.len();
        read.extend(lines.map(<[u8]>::to_vec));
        if let Some(terminal) = terminal {
            let (file, key) = (file.to_str().unwrap(), key.to_str().unwrap());
            let second = home.data().join("audit/standard/log-ml-dsa-44.vkey");
            let checked = ["audit", "verify", "--archive", file, "--key", key, "--ml-dsa-key"];
            let proved = terminal.json(&[&checked[..], &[second.to_str().unwrap()]].concat());
            terminal.fails(1, &[&checked[..], &[key]].concat());
            assert_eq!((&proved["from"], &proved["to"]), (&begins.into(), &read.len().into()));
        }
    }
    read
}

/// What is left is verified offline, and whoever wants both signatures is told when one is gone.
fn assert_both_signatures(terminal: &Terminal, home: &Home, second: &Value, pruned: usize) {
    let dir = home.data().join("audit/standard");
    let key = dir.join("log.vkey").to_str().unwrap().to_owned();
    let second_key = dir.join("log-ml-dsa-44.vkey");
    let kept = std::fs::read_to_string(&second_key).unwrap();
    assert_eq!(kept.trim(), second.as_str().unwrap());
    let second_key = second_key.to_str().unwrap().to_owned();
    let verify = ["audit", "verify", "--dir", dir.to_str().unwrap(), "--key", &key];
    let both = [&verify[..], &["--ml-dsa-key", &second_key]].concat();
    assert_eq!(terminal.json(&both)["pruned"], pruned);
    let note = std::fs::read_to_string(dir.join("checkpoint")).unwrap();
    let first: Vec<&str> = note.lines().take(5).collect();
    std::fs::write(dir.join("checkpoint"), first.join("\n") + "\n").unwrap();
    terminal.ok(&verify);
    let said = terminal.fails(1, &both);
    assert!(said.contains("lacks the word"), "{said}");
}
