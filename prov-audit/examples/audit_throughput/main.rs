//! Events per second, durable before acknowledged, at 1, 64, 512 and 4096 in flight, beside what the disk can
//! sync, what SQLite with four indexes commits and what OpenBao's file audit device writes, in the same
//! run. Run with `--release`; an argument names the directory to measure in, a second one says how many
//! shall be in flight, and leaves out what they are compared with. `PROV_BAO` names the program `bao`.

mod bare;
mod openbao;

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use openbao::OpenBao;
use prov_audit::{Log, LogOptions};
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder};
use prov_core::store::MemoryStore;
use prov_core::{Clock, PrincipalKind, RequestFacts, RequestId, SystemClock};

const TIME: Duration = Duration::from_secs(4);

/// Syncs of 4 KiB into a file whose blocks were written before, one after the other.
fn syncs(dir: &Path) -> std::io::Result<Vec<Duration>> {
    let file = File::create(dir.join("syncs"))?;
    file.write_all_at(&vec![0; 8 << 20], 0)?;
    file.sync_all()?;
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < TIME {
        let at = (times.len() as u64 * 4096) % (8 << 20);
        let one = Instant::now();
        file.write_all_at(&[1; 4096], at)?;
        file.sync_data()?;
        times.push(one.elapsed());
    }
    Ok(times)
}

/// Events in SQLite, so many in one durable commit, with the indexes that an audit table has.
fn sqlite(dir: &Path, together: usize) -> rusqlite::Result<Vec<Duration>> {
    let mut db = rusqlite::Connection::open(dir.join(format!("events-{together}.sqlite")))?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch(
        "CREATE TABLE event (seq INTEGER PRIMARY KEY, time INTEGER, action TEXT, actor TEXT,
             resource TEXT, body TEXT);
         CREATE INDEX a ON event (time); CREATE INDEX b ON event (action);
         CREATE INDEX c ON event (actor); CREATE INDEX d ON event (resource);",
    )?;
    let (start, mut times, body, mut seq) = (Instant::now(), Vec::new(), "x".repeat(400), 0_i64);
    while start.elapsed() < TIME {
        let one = Instant::now();
        let all = db.transaction()?;
        for _ in 0..together {
            seq += 1;
            let (actor, resource) = (format!("user_{}", seq % 1000), format!("key_{}", seq % 50));
            all.prepare_cached("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute((
                seq,
                seq * 7,
                "kms.encrypt",
                actor,
                resource,
                &body,
            ))?;
        }
        all.commit()?;
        times.extend(std::iter::repeat_n(one.elapsed(), together));
    }
    Ok(times)
}

fn event(clock: &SystemClock, task: usize) -> prov_core::Result<Event> {
    let request = RequestFacts::new(RequestId::generate(clock)?, clock.now())
        .from_client("203.0.113.9".parse().ok())
        .for_target("POST", "/api/v1/kms/encrypt")
        .by_agent(Some("curl/8.5.0"));
    let actor = Actor::account(PrincipalKind::User, format!("user_{task}"), "alice@example.org");
    Ok(Event::new(clock, Action::KMS_ENCRYPT, Outcome::Success)
        .by(actor)
        .in_request(&request)
        .on("key", "key_01J9Z8")
        .with("bytes", 1024))
}

async fn measure(log: &Arc<Log>, clock: SystemClock, flying: usize) -> Vec<Duration> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..flying {
        let (log, stop) = (Arc::clone(log), Arc::clone(&stop));
        tasks.spawn(async move {
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let one = Instant::now();
                let Ok(event) = event(&clock, task) else { return times };
                if log.record(event).await.is_err() {
                    return times;
                }
                times.push(one.elapsed());
            }
            times
        });
    }
    tokio::time::sleep(TIME).await;
    stop.store(true, Ordering::Relaxed);
    tasks.join_all().await.into_iter().flatten().collect()
}

#[expect(clippy::print_stdout, reason = "this prints a table")]
fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 1000).copied().unwrap_or_default();
    let rate = times.len() as u64 / TIME.as_secs();
    println!("{what:<26} {rate:>9}/s  p50 {:>9.1?}  p99 {:>9.1?}", at(500), at(990));
}

/// What it is compared with.
#[expect(clippy::print_stdout, reason = "this prints a table")]
fn compare(dir: &Path) -> Result<(), Box<dyn Error>> {
    print("fdatasync alone", syncs(dir)?);
    for together in [1, 64, 512] {
        print(&format!("SQLite, {together} in a commit"), sqlite(dir, together)?);
    }
    let Some(program) = std::env::var_os("PROV_BAO") else {
        println!("OpenBao: skipped, PROV_BAO names no `bao`");
        return Ok(());
    };
    let server = OpenBao::start(Path::new(&program), dir)?;
    print("OpenBao, no device, 64", server.measure(64, TIME));
    server.audit()?;
    let before = server.lines()?;
    print("OpenBao, file device, 64", server.measure(64, TIME));
    println!("  lines it wrote a second: {}", (server.lines()? - before) as u64 / TIME.as_secs());
    Ok(())
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this prints a table")]
async fn main() -> Result<(), Box<dyn Error>> {
    let root = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let only = std::env::args().nth(2).map(|flying| flying.parse()).transpose()?;
    let dir = tempfile::tempdir_in(root)?;
    let clock = SystemClock::new();
    let shared: Arc<dyn Clock> = Arc::new(clock);
    let store = Arc::new(MemoryStore::new(Arc::clone(&shared)));
    let options = LogOptions::new(dir.path(), "example.org/audit", store, shared)
        .index_patience(Duration::from_mins(10));
    if only.is_none() {
        compare(dir.path())?;
    }
    let rounds = only.map_or_else(|| vec![1, 64, 512, 4096], |only: usize| vec![only]);
    for flying in &rounds {
        print(&format!("{flying} in flight, bare"), bare::measure(dir.path(), *flying, TIME)?);
    }
    let log = Arc::new(Log::open(options).await?);
    for flying in rounds {
        print(&format!("{flying} in flight"), measure(&log, clock, flying).await);
        // What the index put off does not disturb the next round.
        let since = Instant::now();
        log.stats(None).await?;
        println!("  everything of it is indexed after another {:.1?}", since.elapsed());
    }
    log.close().await?;
    Ok(())
}
