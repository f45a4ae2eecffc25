//! A full disk: refused clearly, nothing corrupt, and on again when there is room.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use prov_audit::{Log, Query, verify};
use prov_core::audit::{Action, Recorder, RetentionClass};
use prov_core::{HealthCheck, HealthState, codes};

use crate::bench_log::{Bench, skip};

/// A small file system in memory, unmounted when dropped.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

/// Takes all the room there is, and tells how much that was.
fn fill(path: &Path) -> usize {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    let mut taken = 0;
    for size in [64 << 10, 4 << 10, 1] {
        while file.write_all(&vec![0; size]).is_ok() {
            taken += size;
        }
    }
    taken
}

/// The index, which is behind and tries again and again, gives room back each time.
async fn fill_for_good(path: &Path) {
    let mut rounds_without = 0;
    while rounds_without < 40 {
        rounds_without = if fill(path) == 0 { rounds_without + 1 } else { 0 };
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_refuses_when_the_disk_is_full_and_goes_on_when_there_is_room() {
    let Some(mount) = Mount::new("6m") else {
        return skip("mounting a tmpfs needs root");
    };
    let bench = Bench::new();
    let mut options = bench.options();
    options.dir = mount.path().to_owned();
    let log = Log::open(options.clone()).await.unwrap();
    let event = || bench.event(Action::KMS_ENCRYPT, "user_1", "a").with("blob", "x".repeat(4000));
    let ballast = mount.path().join("ballast");
    std::fs::write(&ballast, vec![0; 3 << 20]).unwrap();
    let mut confirmed = Vec::new();
    let refused = loop {
        match log.record(event()).await {
            Ok(receipt) => confirmed.push(receipt),
            Err(error) => break error,
        }
        assert!(confirmed.len() < 1000, "the disk never became full");
    };
    assert!(refused.is(codes::STORAGE_FULL), "{refused:?}");
    assert!(refused.to_string().contains("make room"));
    let health = log.health().await;
    assert_eq!(health.state, HealthState::Down);
    assert!(!health.detail.unwrap().contains('/'), "no path is told");
    let filler = mount.path().join("filler");
    fill_for_good(&filler).await;
    assert!(log.record(event()).await.is_err(), "it stays closed while there is no room");

    std::fs::remove_file(&filler).unwrap();
    std::fs::remove_file(&ballast).unwrap();
    let receipt = log.record(event()).await.unwrap();
    let told = confirmed.len() as u64 + 1;
    assert_eq!(receipt.seq, told, "what was refused left no trace but the event that says so");
    confirmed.push(receipt);
    let events = async |action: &str| log.query(&Query::new().action(action)).await.unwrap().items;
    let full = events("audit.log.full").await;
    let [full] = full.as_slice() else { panic!("{full:?}") };
    assert_eq!(full.seq, told - 1);
    assert!(full.context["remedy"].as_str().unwrap().contains("make room"));
    let mut resumed = events("audit.log.resumed").await;
    while resumed.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
        resumed = events("audit.log.resumed").await;
    }
    assert_eq!(resumed[0].context["refused"], 2);
    assert_ne!(log.health().await.state, HealthState::Down, "it records again");
    // What stands behind the acknowledgement (index, tiles) takes its own time to catch up.
    for _ in 0..1000 {
        if log.health().await.state == HealthState::Up {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(log.health().await.state, HealthState::Up, "tiles and checkpoints caught up");
    log.close().await.unwrap();
    let key = log.verifier_key(RetentionClass::Standard).clone();
    drop(log);
    let report = verify(&mount.path().join("standard"), &key).unwrap();
    let records = confirmed.len() as u64 + 2;
    assert!(report.intact && report.records == records, "{report:#?}");
    let log = Log::open(options).await.unwrap();
    assert_eq!(log.size(RetentionClass::Standard), records);
}
