//! The stores from outside: their contract, what they do under faults, and other processes.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests panic with what was expected, also outside functions marked as tests"
)]

#[cfg(feature = "sqlite")]
mod choosing;
#[cfg(feature = "postgres")]
mod peer_postgres;
#[cfg(feature = "postgres")]
mod postgres_contract;
#[cfg(feature = "postgres")]
mod postgres_faults;
#[cfg(feature = "postgres")]
mod postgres_processes;
#[cfg(feature = "postgres")]
mod postgres_tls;
#[cfg(feature = "sqlite")]
mod sqlite_contract;
#[cfg(feature = "sqlite")]
mod sqlite_faults;
#[cfg(feature = "sqlite")]
mod sqlite_kill;
#[cfg(feature = "sqlite")]
mod sqlite_opening;

use std::process::Command;
use std::sync::Arc;

use prov_core::store::{Batch, Expect, Key, Store};
use prov_core::{Clock, ManualClock, SystemClock, codes};

fn system_clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock::new())
}

fn manual_clock() -> ManualClock {
    ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap())
}

/// This test binary again, as a process of its own that runs the ignored test `child`.
fn this_binary(child: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", child, "--ignored", "--nocapture", "--test-threads=1"]);
    command
}

/// `tasks` tasks on several threads add one to a counter `each` times, by compare-and-swap.
async fn count_together(stores: &[Arc<dyn Store>], tasks: usize, each: usize) {
    let key = Key::new("test.counter", "shared");
    stores[0].commit(Batch::new().put(key.clone(), "0", Expect::Any)).await.unwrap();
    let mut running = tokio::task::JoinSet::new();
    for task in 0..tasks {
        let (store, key) = (Arc::clone(&stores[task % stores.len()]), key.clone());
        running.spawn(async move {
            for _ in 0..each {
                add_one(&*store, &key).await;
            }
        });
    }
    running.join_all().await;
    for store in stores {
        let counted = store.get(&key).await.unwrap().unwrap().value;
        assert_eq!(counted, (tasks * each).to_string(), "no update is lost");
    }
}

async fn add_one(store: &dyn Store, key: &Key) {
    loop {
        let read = store.get(key).await.unwrap().unwrap();
        let count: usize = std::str::from_utf8(&read.value).unwrap().parse().unwrap();
        let next = (count + 1).to_string();
        let batch = Batch::new().put(key.clone(), next, Expect::Version(read.version));
        match store.commit(batch).await {
            Ok(version) => return assert!(version > read.version, "versions rise"),
            Err(error) => assert!(error.is(codes::CONFLICT), "{error:?}"),
        }
    }
}
