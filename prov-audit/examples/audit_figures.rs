//! What a large log costs: opening it after a crash, questions, rebuilding the index, erasing a person
//! with a tenth of all events, archiving. Run with `--release`; arguments: how many events (ten million
//! unless said; about 1.2 kB of disk for each), and the directory to measure in.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use prov_audit::{Log, LogOptions, Query, Retention, verify_archive};
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder, RetentionClass};
use prov_core::store::{MemoryStore, Store};
use prov_core::{
    Clock, ManualClock, PrincipalKind, RequestFacts, RequestId, Result, SecurityContext,
};

const STANDARD: RetentionClass = RetentionClass::Standard;

/// Everyday actions; the last is rare.
const ACTIONS: [Action; 5] = [
    Action::KMS_ENCRYPT,
    Action::KMS_DECRYPT,
    Action::AUTH_LOGIN,
    Action::AUTH_TOKEN_REFRESH,
    Action::API_REQUEST,
];

const AGENTS: [&str; 4] = [
    "curl/8.5.0",
    "prov/0.1.0",
    "python-requests/2.31.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
];

/// Event number `n`: of a thousand people, of whom the first has every tenth event; one in a hundred
/// thousand is by somebody rare.
fn event(clock: &ManualClock, n: u64) -> Result<Event> {
    let person = if n.is_multiple_of(10) { 0 } else { n * 7919 % 1000 };
    let person = if n % 100_000 == 77_777 { 1000 } else { person };
    let address = format!("10.{}.{}.{}", person % 200, person * 31 % 250, person * 17 % 250);
    let agent = usize::try_from(person % 4).ok().and_then(|at| AGENTS.get(at)).copied();
    let request = RequestFacts::new(RequestId::generate(clock)?, clock.now())
        .from_client(address.parse().ok())
        .for_target("POST", "/api/v1/kms/encrypt")
        .by_agent(agent);
    let action = usize::try_from(n % 5).ok().and_then(|at| ACTIONS.get(at)).cloned();
    let name = format!("person-{person}@example.org");
    Ok(Event::new(clock, action.unwrap_or(Action::API_REQUEST), Outcome::Success)
        .by(Actor::account(PrincipalKind::User, format!("user_{person:04}"), name))
        .in_request(&request)
        .on("key", format!("key_{}", n % 50))
        .with("bytes", n % 4096))
}

async fn fill(log: &Arc<Log>, clock: &ManualClock, events: u64) -> Result<()> {
    const TOGETHER: u64 = 4096;
    let mut n = 0;
    while n < events {
        clock.advance(Duration::from_millis(20 * TOGETHER));
        let some = (n..events.min(n + TOGETHER)).map(async |n| log.record(event(clock, n)?).await);
        for recorded in futures_util::future::join_all(some).await {
            recorded?;
        }
        n += TOGETHER;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this prints a table")]
fn print(what: &str, value: impl std::fmt::Display) {
    println!("{what:<46} {value}");
}

/// The median and the longest of eleven times.
async fn asked(log: &Log, query: &Query) -> Result<String> {
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..11 {
        let start = Instant::now();
        found = log.query(query).await?.items.len();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |place: usize| times.get(place).copied().unwrap_or_default();
    Ok(format!("{:.1?}, at most {:.1?} ({found} found)", at(5), at(10)))
}

/// How much lies in a folder.
fn bytes_below(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let each = entries.flatten().map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    each.sum()
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn each(bytes: u64, events: u64) -> String {
    format!("{:.1} B for each event", bytes as f64 / events.max(1) as f64)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.retain(|file| file.extension().is_some_and(|extension| extension == "zst"));
    found.sort();
    found
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn rate(count: u64, start: Instant) -> String {
    format!("{:.0}/s", count as f64 / start.elapsed().as_secs_f64())
}

/// Where is measured.
struct Place {
    dir: tempfile::TempDir,
    clock: ManualClock,
    options: LogOptions,
    archive: PathBuf,
    events: u64,
}

impl Place {
    fn new(events: u64, root: &str) -> std::result::Result<Self, Box<dyn std::error::Error>> {
        const DAY: Duration = Duration::from_hours(24);
        let dir = tempfile::tempdir_in(root)?;
        let clock = ManualClock::at("2026-01-01T00:00:00Z".parse()?);
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&shared)));
        let archive = dir.path().join("archive");
        let options = LogOptions::new(dir.path().join("log"), "example.org/audit", store, shared)
            .index_patience(DAY)
            .retention(Retention::new(DAY, DAY))
            .archive(&archive);
        Ok(Self { dir, clock, options, archive, events })
    }

    async fn open(&self) -> Result<Arc<Log>> {
        Log::open(self.options.clone()).await.map(Arc::new)
    }

    /// What a log that is full costs.
    async fn ask(&self, log: &Log) -> Result<()> {
        let person = "person-1000@example.org";
        print("one rare person's events", asked(log, &Query::new().user(person)).await?);
        let address = std::net::IpAddr::from([10, 0, 0, 0]);
        print("one address", asked(log, &Query::new().ip(address)).await?);
        print("a word of a text", asked(log, &Query::new().text("1000")).await?);
        for part in ["standard/segments", "standard/tile", "index"] {
            let bytes = bytes_below(&self.dir.path().join("log").join(part));
            print(&format!("on the disk: {part}"), each(bytes, self.events));
        }
        let context = SecurityContext::system("privacy", &self.clock)?;
        let start = Instant::now();
        log.erase_subject(&context, PrincipalKind::User, "user_0000").await?;
        let what = format!("a person with {} events erased", self.events / 10);
        print(&what, format!("{:.1?}", start.elapsed()));
        Ok(())
    }

    async fn archive(&self, log: &Log) -> Result<()> {
        self.clock.advance(Duration::from_hours(24 * 30));
        let start = Instant::now();
        let count = log.prune().await?.first().map_or(0, |pruned| pruned.to);
        print("archived and pruned", rate(count, start));
        let (mut bytes, key, start) = (0, log.verifier_key(STANDARD).clone(), Instant::now());
        for file in files(&self.archive.join("standard")) {
            bytes += verify_archive(&file, &key, None)?.bytes;
        }
        print("archive verified", rate(count, start));
        print("in the archive, with proofs", each(bytes, count));
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let events = arguments.next().unwrap_or_else(|| "10000000".to_owned()).parse()?;
    let place = Place::new(events, &arguments.next().unwrap_or_else(|| ".".to_owned()))?;
    let newest = Query::new().limit(NonZeroU32::MIN);
    let log = place.open().await?;
    let start = Instant::now();
    fill(&log, &place.clock, events).await?;
    print("recorded, 4,096 together", rate(events, start));
    log.query(&newest).await?;
    log.close().await?;
    drop(log);
    let start = Instant::now();
    let log = place.open().await?;
    print("opened again", format!("{:.1?}", start.elapsed()));
    let start = Instant::now();
    log.rebuild_index().await?;
    log.query(&newest).await?;
    print("index rebuilt", rate(events, start));
    place.ask(&log).await?;
    place.archive(&log).await?;
    log.close().await?;
    Ok(())
}
