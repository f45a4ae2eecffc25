//! How many durable commits per second SQLite makes for 1, 64 and 512 concurrent callers, beside what
//! the disk can sync in the same folder: `cargo run --release --example commit_throughput [folder]`.
#![expect(clippy::print_stdout, reason = "its table is what it is for")]

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use prov_core::SystemClock;
use prov_core::store::{Batch, Expect, Key, Operation, Store, Term};
use prov_store::{Database, SqliteStore};
use tokio::task::JoinSet;

const MEASURED: Duration = Duration::from_secs(3);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let base = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = base.join(format!("prov-commit-throughput-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    println!("{:>24} {:>10} {:>8} {:>9}", "", "per second", "ratio", "per sync");
    let store = Arc::new(SqliteStore::open(folder.join("a.db"), Arc::new(SystemClock::new()))?);
    for callers in [1_u32, 64, 512] {
        // Disks change their mind: the limit is measured before and after.
        let before = lone_syncs(&folder)?;
        let transactions = store.transactions();
        let commits = commits(&store, callers).await;
        let syncs = f64::midpoint(before, lone_syncs(&folder)?);
        let group = commits.0 / rate(store.transactions() - transactions, commits.1);
        println!("{:>24} {syncs:>10.0} {:>8.2}", "lone write + fdatasync", 1.0);
        let name = format!("commits, {callers} callers");
        println!("{name:>24} {:>10.0} {:>8.2} {group:>9.1}", commits.0, commits.0 / syncs);
    }
    println!("{:>24} {:>10.0}", "point reads, 1 caller", reads(&store).await?);
    store.close().await;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people to read")]
fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

/// A page appended and synced, again and again: what one caller could reach at best.
fn lone_syncs(folder: &Path) -> Outcome<f64> {
    let mut file = File::create(folder.join("lone"))?;
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < MEASURED / 3 {
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(rate(count, started.elapsed()))
}

/// Records of 600 bytes with one term, each caller waiting for its own: rate, and how long it took.
async fn commits(store: &Arc<SqliteStore>, callers: u32) -> (f64, Duration) {
    let count = Arc::new(AtomicU64::new(0));
    let (started, mut running) = (Instant::now(), JoinSet::new());
    for caller in 0..callers {
        let (store, count) = (Arc::clone(store), Arc::clone(&count));
        running.spawn(async move {
            let mut n = 0_u64;
            while started.elapsed() < MEASURED {
                let put = Operation::Put {
                    key: Key::new("bench.record", format!("{callers:04}-{caller:04}-{n:012}")),
                    value: vec![7; 600].into(),
                    expires_at: None,
                    terms: vec![Term::new("owner", caller.to_string())],
                    expect: Expect::Absent,
                };
                if store.commit(Batch::new().with(put)).await.is_ok() {
                    count.fetch_add(1, Ordering::Relaxed);
                }
                n += 1;
            }
        });
    }
    running.join_all().await;
    let elapsed = started.elapsed();
    (rate(count.load(Ordering::Relaxed), elapsed), elapsed)
}

async fn reads(store: &SqliteStore) -> Outcome<f64> {
    let (started, mut count) = (Instant::now(), 0_u64);
    while started.elapsed() < MEASURED {
        let id = format!("0064-{:04}-{:012}", count % 64, count / 64 % 50);
        store.get(&Key::new("bench.record", id)).await?.ok_or("a record is missing")?;
        count += 1;
    }
    Ok(rate(count, started.elapsed()))
}
