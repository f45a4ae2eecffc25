//! Canaries: what is personal or secret is put in through every way into the log, and looked for in
//! every file that comes of it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use memchr::memmem;
use prov_audit::format::{Format, Writer};
use prov_audit::sink::{FileReceiver, SinkOptions};
use prov_audit::{AuditLayer, Log, NewHold, Query, codes};
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder, RetentionClass};
use prov_core::store::{MemoryStore, Scan, Store};
use prov_core::{
    Clock, ManualClock, PrincipalKind, RequestFacts, RequestId, SecurityContext, random,
};
use prov_http::EdgeLayer;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};

use crate::bench_log::{Bench, ORIGIN, files_below};

/// How many people there are, and how many events each has.
const PEOPLE: u32 = 12;
const EVENTS: u32 = 60;

/// The formats that a sink writes as lines.
const LINES: [Format; 5] = [Format::Jsonl, Format::Ecs, Format::Ocsf, Format::Cef, Format::Syslog];

/// Writes what is no sink's to write: an export.
async fn export(log: &Log, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for format in [Format::Csv, Format::Json, Format::Splunk, Format::Cloudwatch] {
        let mut leaves = log.leaves(RetentionClass::Standard, 0).await.unwrap();
        let mut writer = Writer::new(format, ORIGIN.to_owned(), RetentionClass::Standard);
        let mut text = String::new();
        loop {
            let some = leaves.next().await.unwrap();
            if some.is_empty() {
                break;
            }
            text.push_str(&writer.write(&some));
        }
        std::fs::write(folder.join(format.to_string()), text).unwrap();
    }
}

/// What every canary of this run contains: random, so that nothing else does.
struct Mark {
    text: String,
    /// The first half of every address.
    network: [u16; 4],
}

impl Mark {
    fn new() -> Self {
        let bytes: [u8; 12] = random::bytes().unwrap();
        let word = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]) | 0x1000;
        Self {
            text: format!("cnry{}", hex::encode(&bytes[..6])),
            network: [0x2001, word(6), word(8), word(10)],
        }
    }

    /// A name: its mark among what escaping must not lose.
    fn name(&self, person: u32) -> String {
        let around =
            ["plain", "with space", "quo\"te", "back\\slash", "ümläut", "{brace}", "=eq|pipe"];
        let around = around[person as usize % around.len()];
        format!("{around} {} {person}", self.text)
    }

    fn address(&self, person: u32) -> IpAddr {
        let [a, b, c, d] = self.network;
        IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 1, u16::try_from(person).unwrap() + 1))
    }

    /// Everything that gives a canary away, however it is written.
    fn spellings(&self, keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let [a, b, c, d] = self.network;
        let network = format!("{a:x}:{b:x}:{c:x}:{d:x}");
        let mut all = Vec::new();
        for text in [self.text.as_bytes(), network.as_bytes()] {
            all.extend(spellings(text));
        }
        all.push(self.network.iter().flat_map(|word| word.to_be_bytes()).collect());
        all.extend(keys.iter().flat_map(|key| spellings(key)));
        all
    }
}

/// Bytes as they are, in hexadecimal, in base64 at each of its three offsets, escaped as JSON and as in
/// an address, and as UTF-16.
fn spellings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let each = |one: &dyn Fn(&u8) -> String| bytes.iter().map(one).collect::<String>().into_bytes();
    let mut all = vec![
        bytes.to_vec(),
        each(&|b| format!("{b:02x}")),
        each(&|b| format!("{b:02X}")),
        each(&|b| format!("\\u{b:04x}")),
        each(&|b| format!("%{b:02X}")),
        bytes.iter().flat_map(|b| [*b, 0]).collect(),
    ];
    for offset in 0..3 {
        let padded = [&vec![0; offset][..], bytes].concat();
        let whole = &padded[..padded.len() / 3 * 3];
        // Characters that depend on what stands before are left out.
        let from = usize::from(offset > 0) * 4;
        for text in [STANDARD.encode(whole), URL_SAFE_NO_PAD.encode(whole)] {
            all.push(text.as_bytes()[from..].to_vec());
        }
    }
    all
}

/// The files below, with what of a canary stands in them.
fn scan(dir: &Path, spellings: &[Vec<u8>]) -> (usize, Vec<String>) {
    let (mut count, mut found) = (0, Vec::new());
    for file in files_below(dir) {
        let bytes = std::fs::read(&file).unwrap();
        count += 1;
        for spelling in spellings.iter().filter(|spelling| memmem::find(&bytes, spelling).is_some())
        {
            found.push(format!("{} in {}", spelling.escape_ascii(), file.display()));
        }
    }
    (count, found)
}

/// Events by people, by strangers, and of requests that nobody else recorded.
async fn plant(log: &Arc<Log>, clock: &Arc<ManualClock>, mark: &Mark) {
    for number in 0..PEOPLE * EVENTS {
        let (person, agent) = (number % PEOPLE, format!("{} {number}/1.0", mark.text));
        let facts = RequestFacts::new(RequestId::generate(&**clock).unwrap(), clock.now())
            .from_client(Some(mark.address(person)))
            .for_target("POST", "/api/v1/things")
            .by_agent(Some(&agent));
        let event = Event::new(&**clock, Action::KMS_ENCRYPT, Outcome::Success).in_request(&facts);
        let kind = [PrincipalKind::User, PrincipalKind::Workload][person as usize % 2];
        let actor = match number % 10 {
            9 => Actor::unauthenticated(Some(&mark.name(person))),
            _ => Actor::account(kind, format!("id_{person}"), mark.name(person)),
        };
        log.record(event.by(actor)).await.unwrap();
    }
    let recorder: Arc<dyn Recorder> = Arc::<Log>::clone(log);
    let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(clock);
    let inner = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(
            Response::builder().status(403).body(Full::<Bytes>::from("no")).unwrap(),
        )
    });
    let audited = AuditLayer::new(recorder, Arc::clone(&shared)).layer(inner);
    let edge = EdgeLayer::new(shared).layer(audited);
    let text = &mark.text;
    for number in 0..20 {
        let request = Request::builder()
            .method("POST")
            .uri(format!("/nowhere?token={text}{number}&name={text}"))
            .header("authorization", format!("Bearer {text}"))
            .header("cookie", format!("session={text}"))
            .header("user-agent", format!("agent {text}"))
            .header("x-forwarded-for", mark.address(number).to_string())
            .header("referer", format!("https://example.org/?q={text}"))
            .header("traceparent", format!("00-{text}-00"))
            .body(())
            .unwrap();
        edge.clone().oneshot(request).await.unwrap();
    }
}

/// Has a sink for each format write into a folder of its own, until it is told to stop.
async fn deliver(log: &Arc<Log>, folder: &Path) -> (watch::Sender<bool>, JoinSet<()>) {
    let ((stop, stopped), mut sinks) = (watch::channel(false), JoinSet::new());
    for format in LINES {
        let receiver = FileReceiver::new(folder.join(format.to_string()), format).unwrap();
        let sink = log.add_sink(SinkOptions::new(format!("to-{format}")), receiver).await.unwrap();
        let mut stopped = stopped.clone();
        sinks.spawn(async move {
            sink.run(async move { drop(stopped.wait_for(|stop| *stop).await) }).await;
        });
    }
    (stop, sinks)
}

/// The keys under which people are sealed, as they lie in the store.
async fn keys_in(store: &dyn Store) -> Vec<Vec<u8>> {
    let found = store.scan(&Scan::kind("audit.subject")).await.unwrap().records;
    let values = found.into_iter().map(|found| {
        let value: serde_json::Value = serde_json::from_slice(&found.value).unwrap();
        STANDARD.decode(value["key"].as_str().unwrap()).unwrap()
    });
    values.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_personal_or_secret_nothing_is_found_in_any_file_and_erasure_is_final() {
    let (bench, mark) = (Bench::new(), Mark::new());
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(&clock)));
    let root = bench.dir.path();
    let mut options = bench.options().archive(root.join("archive"));
    (options.dir, options.clock) = (root.join("log"), Arc::<ManualClock>::clone(&clock) as _);
    options.store = Arc::clone(&store);
    let log = Arc::new(Log::open(options).await.unwrap());
    let (stop, sinks) = deliver(&log, &root.join("out")).await;
    plant(&log, &clock, &mark).await;
    let admin = SecurityContext::system("privacy", &*clock).unwrap();
    let hold = NewHold::new(format!("case {}", mark.text)).user("id_0");
    let hold = log.place_hold(&admin, hold).await.unwrap();

    // All of it can be read and asked for by those who may.
    let asked = |person: u32| Query::new().user(mark.name(person));
    assert!(!log.query(&asked(1)).await.unwrap().items.is_empty());
    assert!(!log.query(&Query::new().ip(mark.address(2))).await.unwrap().items.is_empty());
    let keys = keys_in(&*store).await;
    assert!(keys.len() > PEOPLE as usize && keys.iter().all(|key| key.len() == 32));
    let spellings = mark.spellings(&keys);
    assert_eq!(scan(root, &spellings).1, Vec::<String>::new(), "while it is written");

    // Whoever a hold keeps stays; everybody else goes, for good.
    let kind = |person: u32| [PrincipalKind::User, PrincipalKind::Workload][person as usize % 2];
    let refused = log.erase_subject(&admin, kind(0), "id_0").await.unwrap_err();
    assert!(refused.is(codes::HELD), "{refused:?}");
    assert!(!log.query(&asked(0)).await.unwrap().items.is_empty(), "who is held can be read");
    log.release_hold(&admin, &hold.id).await.unwrap();
    for person in 0..PEOPLE {
        assert!(log.erase_subject(&admin, kind(person), &format!("id_{person}")).await.unwrap());
        let found = log.query(&Query::new().user(format!("id_{person}"))).await.unwrap().items;
        let told = |action: &str| !action.starts_with("audit.");
        assert!(found.iter().filter(|event| told(&event.action)).all(|event| event.erased));
        assert!(found.iter().all(|event| event.actor.name.is_none()));
    }
    let left = keys_in(&*store).await;
    assert!(left.len() == 1, "only the day's key of strangers is left");

    // Everything is delivered, archived, pruned, and read anew.
    let size = log.size(RetentionClass::Standard);
    while log.sinks().iter().any(|sink| sink.behind > 0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    export(&log, &root.join("exported")).await;
    clock.advance(Duration::from_hours(24 * 400));
    log.prune().await.unwrap();
    log.rebuild_index().await.unwrap();
    assert!(log.query(&asked(3)).await.unwrap().items.is_empty());
    stop.send_replace(true);
    sinks.join_all().await;
    log.close().await.unwrap();
    drop(log);
    let (files, found) = scan(root, &spellings);
    assert_eq!(found, Vec::<String>::new(), "in {files} files of {size} events");
    for part in
        ["log/standard", "log/index", "log/sinks", "archive/standard", "out/cef", "exported"]
    {
        assert!(!files_below(&root.join(part)).is_empty(), "{part} was looked at");
    }
}

#[test]
fn a_canary_is_found_however_it_is_written() {
    let mark = Mark::new();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    let text = format!("some {}!", mark.text);
    let written = [
        text.clone().into_bytes(),
        STANDARD.encode(&text).into_bytes(),
        STANDARD.encode(format!("x{text}")).into_bytes(),
        URL_SAFE_NO_PAD.encode(format!("xy{text}")).into_bytes(),
        hex::encode(&text).into_bytes(),
        hex::encode_upper(&text).into_bytes(),
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        mark.address(7).to_string().into_bytes(),
        serde_json::to_vec(&mark.name(2)).unwrap(),
    ];
    for bytes in written {
        std::fs::write(&file, &bytes).unwrap();
        let found = scan(dir.path(), &mark.spellings(&[]));
        assert!(!found.1.is_empty(), "{}", bytes.escape_ascii());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_before_an_erasure_is_put_right_when_it_is_opened() {
    let (bench, mark) = (Bench::new(), Mark::new());
    let log = bench.open().await;
    let facts = RequestFacts::new(RequestId::generate(&*bench.clock).unwrap(), bench.clock.now())
        .from_client(Some(mark.address(1)));
    let event = Event::new(&*bench.clock, Action::KMS_ENCRYPT, Outcome::Success)
        .in_request(&facts)
        .by(Actor::account(PrincipalKind::User, "id_1", mark.name(1)));
    log.record(event).await.unwrap();
    let by_address = Query::new().ip(mark.address(1));
    assert_eq!(log.query(&by_address).await.unwrap().items.len(), 1);
    log.close().await.unwrap();
    drop(log);
    let index = bench.dir.path().join("index");
    let saved: Vec<_> =
        files_below(&index).into_iter().map(|f| (f.clone(), std::fs::read(f).unwrap())).collect();
    let log = bench.open().await;
    let admin = SecurityContext::system("privacy", &*bench.clock).unwrap();
    log.erase_subject(&admin, PrincipalKind::User, "id_1").await.unwrap();
    assert!(log.query(&by_address).await.unwrap().items.is_empty());
    log.close().await.unwrap();
    drop(log);
    // As if the machine had stopped between the destruction of the key and the index.
    std::fs::remove_dir_all(&index).unwrap();
    std::fs::create_dir(&index).unwrap();
    for (file, bytes) in saved {
        std::fs::write(file, bytes).unwrap();
    }
    let log = bench.open().await;
    let found = log.query(&by_address).await.unwrap().items;
    assert!(found.is_empty(), "the address tells nothing of who was erased: {found:?}");
}
