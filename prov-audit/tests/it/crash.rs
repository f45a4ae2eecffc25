//! `kill -9` while many tasks record: what was confirmed is there, once.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use prov_audit::{Log, LogOptions, key_beside, verify};
use prov_core::SystemClock;
use prov_core::audit::{Action, Recorder, RetentionClass};
use prov_core::store::{MemoryStore, Store};

use crate::bench_log::{Bench, ORIGIN};

const CHILD: &str = "PROV_AUDIT_CRASH_CHILD";

fn options(dir: &Path, store: Arc<dyn Store>) -> LogOptions {
    LogOptions::new(dir, ORIGIN, store, Arc::new(SystemClock::new()))
        .segment_bytes(64 << 10)
        .checkpoint_every(Duration::from_millis(20))
}

/// A store whose checkpoint key is the same in every process.
async fn store_with_known_key() -> Arc<dyn Store> {
    use base64::Engine;
    let store = MemoryStore::new(Arc::new(SystemClock::new()));
    for class in ["standard", "break-glass"] {
        let id = format!("checkpoint-key/{ORIGIN}/{class}");
        let bytes = base64::engine::general_purpose::STANDARD.encode([7; 32]);
        let value = serde_json::json!({ "id": id, "bytes": bytes });
        let key = prov_core::store::Key::new("audit.secret", id);
        let batch = prov_core::store::Batch::new().put(
            key,
            serde_json::to_vec(&value).unwrap(),
            prov_core::store::Expect::Absent,
        );
        store.commit(batch).await.unwrap();
    }
    Arc::new(store)
}

/// Not a test of its own: the process that is killed.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "how a test tells its child where to work")]
async fn crash_child() {
    let Ok(dir) = std::env::var(CHILD) else { return };
    let store = store_with_known_key().await;
    let log = Arc::new(Log::open(options(dir.as_ref(), store)).await.unwrap());
    let bench = Bench::new();
    let tasks = (0..16).map(|task| {
        let (log, bench) = (Arc::clone(&log), &bench);
        async move {
            loop {
                let event = bench.event(Action::KMS_ENCRYPT, &format!("user_{task}"), "a");
                let receipt = log.record(event).await.unwrap();
                println!("confirmed {} {}", receipt.seq, receipt.id);
            }
        }
    });
    futures_util::future::join_all(tasks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_survives_twenty_five_kills_exactly_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut confirmed = BTreeSet::new();
    for round in 0..25 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::crash_child", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = 5 + round * 17;
        for line in
            lines.by_ref().map_while(Result::ok).filter(|l| l.contains("confirmed ")).take(wanted)
        {
            confirmed.insert(parse(&line));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        confirmed.extend(
            lines
                .map_while(Result::ok)
                .filter(|line| line.contains("confirmed "))
                .map(|l| parse(&l)),
        );
        let standard = dir.path().join("standard");
        let before = verify(&standard, &key_beside(&standard).unwrap()).unwrap();
        assert!(before.intact, "round {round}, as the crash left it: {before:#?}");
        let log = Log::open(options(dir.path(), store_with_known_key().await)).await.unwrap();
        let mut leaves = log.leaves(RetentionClass::Standard, 0).await.unwrap();
        let mut stored = Vec::new();
        loop {
            let some = leaves.next().await.unwrap();
            if some.is_empty() {
                break;
            }
            stored.extend(some.into_iter().map(|leaf| {
                let json: serde_json::Value = serde_json::from_slice(&leaf.leaf).unwrap();
                (leaf.seq, json["id"].as_str().unwrap().to_owned())
            }));
        }
        let unique: BTreeSet<_> = stored.iter().cloned().collect();
        let ids: BTreeSet<_> = stored.iter().map(|(_, id)| id).collect();
        assert_eq!(
            (unique.len(), ids.len()),
            (stored.len(), stored.len()),
            "nothing appears twice"
        );
        assert!(confirmed.is_subset(&unique), "round {round}: a confirmed event is missing");
        log.close().await.unwrap();
        let key = log.verifier_key(RetentionClass::Standard);
        let report = verify(&standard, key).unwrap();
        assert!(report.intact, "round {round}: {report:#?}");
    }
    assert!(confirmed.len() > 2000);
}

fn parse(line: &str) -> (u64, String) {
    let (_, rest) = line.split_once("confirmed ").unwrap();
    let (seq, id) = rest.split_once(' ').unwrap();
    (seq.parse().unwrap(), id.to_owned())
}

const SYNC_CHILD: &str = "PROV_AUDIT_SYNC_CHILD";

/// Not a test of its own: the process whose system calls are watched.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "how a test tells its child where to work")]
async fn sync_child() {
    let Ok(dir) = std::env::var(SYNC_CHILD) else { return };
    let log = Log::open(options(dir.as_ref(), store_with_known_key().await)).await.unwrap();
    let bench = Bench::new();
    for count in [3, 300, 9000] {
        let events =
            (0..count).map(|_| log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "a")));
        futures_util::future::join_all(events).await;
        log.checkpoint(RetentionClass::Standard).await.unwrap();
    }
    log.close().await.unwrap();
}

#[test]
fn no_checkpoint_is_written_before_everything_it_speaks_of_is_synced() {
    if Command::new("strace").arg("-V").output().is_err() {
        return crate::bench_log::skip("strace is not installed");
    }
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let done = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=rename,fsync,fdatasync,syncfs,write", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "crash::sync_child"])
        .env(SYNC_CHILD, dir.path().join("log"))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let (mut unsynced, mut checkpoints, mut tiles) = (BTreeSet::new(), 0, 0);
    for line in std::fs::read_to_string(&trace).unwrap().lines() {
        // `fdatasync(9</path>) = 0`, or `… <unfinished ...>` when threads take turns.
        let of_fd = || Some(line.split_once('<')?.1.split_once('>')?.0);
        if line.contains(" rename(") && line.contains("/tile/") {
            let published = line.split('"').nth(3).unwrap().to_owned();
            let folder = Path::new(&published).parent().unwrap().to_str().unwrap().to_owned();
            unsynced.extend([published, folder]);
            tiles += 1;
        } else if line.contains(" syncfs(") {
            unsynced.clear();
        } else if line.contains("sync(") {
            unsynced.remove(of_fd().unwrap_or_default());
        } else if line.contains(" write(") && line.contains("/checkpoints>") {
            checkpoints += 1;
            assert!(unsynced.is_empty(), "before checkpoint {checkpoints}: {unsynced:?}");
        }
    }
    assert!(checkpoints >= 3 && tiles > 70, "{checkpoints} checkpoints, {tiles} tiles");
}
