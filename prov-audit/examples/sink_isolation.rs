//! What receivers that are dead, stalled and slow do to whoever records: the same work in turns over a
//! log without sinks and over one with these three. Run with `--release`; an argument names the
//! directory to measure in.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use prov_audit::sink::{Batch, Receiver, Sink, SinkOptions};
use prov_audit::{Log, LogOptions};
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder};
use prov_core::store::MemoryStore;
use prov_core::{Clock, Error, PrincipalKind, Result, SystemClock, codes};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// One turn.
const TURN: Duration = Duration::from_millis(1500);

/// Turns of each.
const TURNS: u32 = 12;

/// How many record at once.
const FLYING: usize = 64;

#[derive(Debug, Clone, Copy)]
enum Manner {
    Dead,
    Stalled,
    Slow,
}

#[derive(Debug)]
struct Unwell(Manner);

#[async_trait]
impl Receiver for Unwell {
    fn kind(&self) -> &'static str {
        "unwell"
    }

    async fn deliver(&mut self, _batch: &Batch) -> Result<()> {
        match self.0 {
            Manner::Dead => return Err(Error::new(codes::UNAVAILABLE).detail("it is away")),
            Manner::Stalled => std::future::pending().await,
            Manner::Slow => tokio::time::sleep(Duration::from_secs(10)).await,
        }
        Ok(())
    }
}

async fn open(dir: &Path) -> Result<Arc<Log>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
    Log::open(LogOptions::new(dir, "example.org/audit", store, clock)).await.map(Arc::new)
}

/// How long each event of one turn took.
async fn turn(log: &Arc<Log>) -> Vec<Duration> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for task in 0..FLYING {
        let (log, stop) = (Arc::clone(log), Arc::clone(&stop));
        tasks.spawn(async move {
            let (clock, id, mut times) = (SystemClock::new(), format!("user_{task}"), Vec::new());
            while !stop.load(Ordering::Relaxed) {
                let actor = Actor::account(PrincipalKind::User, &id, "alice@example.org");
                let event = Event::new(&clock, Action::KMS_ENCRYPT, Outcome::Success).by(actor);
                let one = Instant::now();
                if log.record(event.on("key", "key_01J9Z8")).await.is_err() {
                    break;
                }
                times.push(one.elapsed());
            }
            times
        });
    }
    tokio::time::sleep(TURN).await;
    stop.store(true, Ordering::Relaxed);
    tasks.join_all().await.into_iter().flatten().collect()
}

fn part(times: &mut [Duration], thousandths: usize) -> Duration {
    times.sort_unstable();
    times.get(times.len() * thousandths / 1000).copied().unwrap_or_default()
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "this prints a table")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let root = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let dir = tempfile::tempdir_in(root)?;
    let bare = open(&dir.path().join("without")).await?;
    let burdened = open(&dir.path().join("with")).await?;
    let (stop, mut running) = (watch::Sender::new(false), JoinSet::new());
    for manner in [Manner::Dead, Manner::Stalled, Manner::Slow] {
        let name = format!("{manner:?}").to_lowercase();
        let sink: Arc<Sink> = burdened.add_sink(SinkOptions::new(name), Unwell(manner)).await?;
        let mut stopped = stop.subscribe();
        running.spawn(sink.run(Box::pin(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        })));
    }
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..TURNS / 2 {
        // Each goes first as often as the other.
        without.extend(turn(&bare).await);
        with.extend(turn(&burdened).await);
        with.extend(turn(&burdened).await);
        without.extend(turn(&bare).await);
    }
    stop.send_replace(true);
    running.join_all().await;
    println!("{FLYING} in flight, {TURNS} turns of {TURN:?} each");
    println!(
        "events: {} without, {} with: {:.3}",
        without.len(),
        with.len(),
        ratio(&without, &with)
    );
    for (name, thousandths) in [("p50", 500), ("p99", 990), ("p99.9", 999)] {
        let (without, with) = (part(&mut without, thousandths), part(&mut with, thousandths));
        let change = with.as_secs_f64() / without.as_secs_f64() - 1.0;
        println!("{name}: {without:.1?} without, {with:.1?} with: {:+.1} %", change * 100.0);
    }
    bare.close().await?;
    burdened.close().await?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn ratio(without: &[Duration], with: &[Duration]) -> f64 {
    with.len() as f64 / without.len() as f64
}
