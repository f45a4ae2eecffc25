//! `kill -9` at chosen points and at random: nothing is left outside without a lease, and nothing was
//! handed out without one.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prov_core::SystemClock;
use prov_core::audit::MemoryRecorder;
use prov_core::store::{Store, StoreExt};
use prov_secrets::{Lease, LeaseOptions, LeaseState, Leases, Order};

use crate::directory_engine::DirectoryEngine;
use crate::journal_store::JournalStore;
use crate::world::caller;

const DIRECTORY: &str = "PROV_SECRETS_CRASH_DIRECTORY";
const POINT: &str = "PROV_SECRETS_CRASH_POINT";
/// So many callers at a time.
const CALLERS: usize = 8;

fn set(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.into_string().unwrap())
}

/// Stops for ever at this point, once, and tells the parent, who kills.
fn stop_at(point: Option<&str>, stopped: &AtomicBool, here: &str) {
    if point == Some(here) && !stopped.swap(true, Ordering::SeqCst) {
        println!("\nSTOPPED");
        std::io::stdout().flush().unwrap();
        loop {
            std::thread::sleep(Duration::from_mins(1));
        }
    }
}

async fn open(directory: &Path, point: Option<String>) -> (Arc<JournalStore>, Arc<Leases>) {
    let clock = Arc::new(SystemClock::new());
    let stopped = Arc::new(AtomicBool::new(false));
    let (p, s) = (point.clone(), Arc::clone(&stopped));
    let at_store = move |name: &str, n: u32| stop_at(p.as_deref(), &s, &format!("{name}:{n}"));
    let at_engine = move |name: &str| stop_at(point.as_deref(), &stopped, name);
    let journal = directory.join("journal");
    let store = Arc::new(
        JournalStore::open(&journal, Arc::<SystemClock>::clone(&clock), Box::new(at_store)).await,
    );
    let engine = DirectoryEngine::with_points(
        directory.join("outside"),
        Arc::<SystemClock>::clone(&clock),
        Box::new(at_engine),
    );
    let shared: Arc<dyn Store> = Arc::<JournalStore>::clone(&store);
    let leases = Leases::builder(shared, clock, Arc::new(MemoryRecorder::new()))
        .engine(Arc::new(engine))
        .options(LeaseOptions::default().settling_within(Duration::ZERO))
        .open()
        .await
        .unwrap();
    (store, leases)
}

/// The process that is killed: issues, notes what it was handed, revokes every third.
#[test]
#[ignore = "started by the tests below, as a process of its own"]
fn child() {
    let Some(directory) = set(DIRECTORY) else { return };
    let directory = Path::new(&directory);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (_, leases) = runtime.block_on(open(directory, set(POINT)));
    println!("\nREADY");
    std::io::stdout().flush().unwrap();
    std::thread::scope(|scope| {
        for n in 0..CALLERS {
            let (leases, handle) = (&leases, runtime.handle());
            scope.spawn(move || handle.block_on(call(directory, leases, n)));
        }
    });
}

async fn call(directory: &Path, leases: &Leases, n: usize) {
    let ctx = caller(&format!("user_{n}"), "alice");
    let handed = directory.join("handed");
    let mut notes = std::fs::OpenOptions::new().create(true).append(true).open(handed).unwrap();
    for turn in 0_u64.. {
        let grant = leases.issue(&ctx, "directory", Order::by_role("default")).await.unwrap();
        // One call: lines of several callers must not mix.
        notes.write_all(format!("{}\n", grant.lease.id).as_bytes()).unwrap();
        if turn % 3 == 2 {
            leases.revoke(&ctx, &grant.lease.id).await.unwrap();
        }
    }
}

/// Starts the child, kills it at its point or after a while, and starts again on what it left.
/// Returns how many credentials had no active lease before the new start.
fn crash(directory: &Path, point: Option<&str>, after: Duration) -> usize {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "crash::child", "--nocapture"]);
    command.env(DIRECTORY, directory).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(point) = point {
        command.env(POINT, point);
    }
    let mut child = command.spawn().unwrap();
    let awaited = if point.is_some() { "STOPPED" } else { "READY" };
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let seen = lines.any(|line| line.unwrap() == awaited);
    assert!(seen, "the child reaches {point:?}");
    std::thread::sleep(after);
    // SIGKILL: nothing in the child gets to run any more.
    child.kill().unwrap();
    child.wait().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(examine(directory, point))
}

async fn examine(directory: &Path, point: Option<&str>) -> usize {
    let before = {
        let clock = Arc::new(SystemClock::new());
        let store =
            JournalStore::open(&directory.join("journal"), clock, Box::new(|_, _| {})).await;
        let active = active_names(&store).await;
        outside(directory).difference(&active).count()
    };
    let (store, leases) = open(directory, None).await;
    leases.reap().await;
    let all = store.load_all::<Lease>().await.unwrap();
    let known: BTreeSet<&str> = all.iter().map(|lease| lease.id.as_str()).collect();
    for lease in &all {
        let settled = lease.state == LeaseState::Active || lease.state.is_ended();
        assert!(settled, "{point:?}: {} is {:?}", lease.id, lease.state);
    }
    let (active, outside) = (active_names(&store).await, outside(directory));
    let orphans: Vec<_> = outside.difference(&active).collect();
    assert!(orphans.is_empty(), "{point:?}: credentials without a lease: {orphans:?}");
    let lost: Vec<_> = active.difference(&outside).collect();
    assert!(lost.is_empty(), "{point:?}: active leases without a credential: {lost:?}");
    let handed = std::fs::read_to_string(directory.join("handed")).unwrap_or_default();
    for id in handed.lines() {
        assert!(known.contains(id), "{point:?}: {id} was handed out and has no lease");
    }
    before
}

async fn active_names(store: &JournalStore) -> BTreeSet<String> {
    let all = store.load_all::<Lease>().await.unwrap();
    let active = all.iter().filter(|lease| lease.state == LeaseState::Active);
    active.map(|lease| lease.handle().name()).collect()
}

fn outside(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory.join("outside")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_kill_at_every_instrumented_point_leaves_no_orphan() {
    let engine = ["before_create", "after_create", "before_delete", "after_delete"];
    let store =
        (1..=40).step_by(3).flat_map(|n| [format!("before_sync:{n}"), format!("after_sync:{n}")]);
    let mut unprotected = 0;
    for point in engine.into_iter().map(String::from).chain(store) {
        let directory = tempfile::tempdir().unwrap();
        unprotected += crash(directory.path(), Some(&point), Duration::ZERO);
    }
    assert!(unprotected > 0, "the kills hit moments in which a credential had no active lease");
}

#[test]
fn random_kills_one_after_the_other_leave_no_orphan() {
    // One life after the other over the same store and outside system.
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..20 {
        let [byte] = prov_core::random::bytes::<1>().unwrap();
        crash(directory.path(), None, Duration::from_micros(u64::from(byte) * 400));
    }
    let handed = std::fs::read_to_string(directory.path().join("handed")).unwrap();
    assert!(handed.lines().count() > CALLERS, "credentials were handed out meanwhile");
}
