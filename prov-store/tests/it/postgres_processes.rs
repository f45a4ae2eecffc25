use std::process::Stdio;
use std::time::Duration;

use prov_core::store::{Batch, Change, Expect, Key, Store};
use prov_store::{Database, PostgresStore};
use tokio::time::timeout;

use crate::peer_postgres::PeerPostgres;
use crate::{system_clock, this_binary};

const KIND: &str = "test.processes";

#[tokio::test]
async fn changes_cross_from_store_to_store_in_order() {
    let Some(peer) = PeerPostgres::start(&["fsync = off"]) else { return };
    let a = PostgresStore::open(&peer.url(), system_clock()).await.unwrap();
    let b = PostgresStore::open(&peer.url(), system_clock()).await.unwrap();
    let (mut heard_a, mut heard_b) = (a.changes(), b.changes());
    let key = |n: usize| Key::new(KIND, format!("{n} \0 ☃"));
    for n in 0..50 {
        a.commit(Batch::new().put(key(n), "x", Expect::Absent)).await.unwrap();
    }
    a.commit(Batch::new().delete(key(0), Expect::Any)).await.unwrap();
    for n in (0..50).chain([0]) {
        for heard in [&mut heard_a, &mut heard_b] {
            let told = timeout(Duration::from_secs(1), heard.next()).await;
            assert_eq!(told.expect("within a second"), Some(Change::Changed(key(n))));
        }
    }
    let long = Key::new(KIND, "x".repeat(2000) + &"\"".repeat(400) + &"\u{1}".repeat(1000));
    let told = a.commit(Batch::new().put(long, "x", Expect::Any)).await;
    if told.is_ok() {
        let heard = timeout(Duration::from_secs(1), heard_b.next()).await.unwrap();
        assert_eq!(heard, Some(Change::Missed), "a name too long to tell is a loss");
    }
    for heard in [&mut heard_b] {
        assert!(timeout(Duration::from_millis(100), heard.next()).await.is_err(), "told once");
    }
}

/// A second process commits; this one hears of it within a second of the confirmation.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_cross_from_process_to_process() {
    let Some(peer) = PeerPostgres::start(&[]) else { return };
    let store = PostgresStore::open(&peer.url(), system_clock()).await.unwrap();
    let mut changes = store.changes();
    let child = this_binary("postgres_processes::commits_one_record")
        .env("PROV_STORE_CHILD", peer.url())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = timeout(Duration::from_secs(30), changes.next()).await.unwrap();
    assert_eq!(told, Some(Change::Changed(Key::new(KIND, "from the child"))));
    let read = store.get(&Key::new(KIND, "from the child")).await.unwrap();
    assert_eq!(read.unwrap().value, "hello", "what is told can be read");
    let told = timeout(Duration::from_secs(30), changes.next()).await.unwrap();
    assert_eq!(told, Some(Change::Changed(Key::new(KIND, "timed"))));
    let heard_at = since_epoch();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    let confirmed_at: u128 = said
        .lines()
        .find_map(|line| line.split_once("confirmed at ")?.1.trim().parse().ok())
        .unwrap_or_else(|| panic!("{said}"));
    assert!(heard_at < confirmed_at + 1000, "{} ms", heard_at.saturating_sub(confirmed_at));
}

#[tokio::test]
#[ignore = "runs as the second process of another test"]
async fn commits_one_record() {
    let url = std::env::var_os("PROV_STORE_CHILD").expect("started by another test");
    let store = PostgresStore::open(url.to_str().unwrap(), system_clock()).await.unwrap();
    let put = |id: &str| Batch::new().put(Key::new(KIND, id), "hello", Expect::Absent);
    store.commit(put("from the child")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    store.commit(put("timed")).await.unwrap();
    println!("\nconfirmed at {}", since_epoch());
    store.close().await;
}

/// Milliseconds since 1970, which two processes of one machine agree on.
fn since_epoch() -> u128 {
    let now = prov_core::Clock::now(&prov_core::SystemClock::new());
    u128::try_from(now.as_millisecond()).unwrap()
}
