use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::Command;

use futures_util::future::join_all;
use prov_core::store::{Batch, Expect, Key, Scan, Store};
use prov_core::{HealthCheck, HealthState, codes};
use prov_store::{Database, SqliteOptions, SqliteStore};
use rusqlite::Connection;

use crate::system_clock;

fn key(n: usize) -> Key {
    Key::new("test.faults", format!("{n:06}"))
}

/// Puts records of 8 KiB until there is no room; returns how many were confirmed.
#[expect(clippy::panic, reason = "a test that can't fill the disk proves nothing")]
async fn fill(store: &SqliteStore) -> usize {
    for n in 0..10_000 {
        if let Err(error) =
            store.commit(Batch::new().put(key(n), vec![7; 8192], Expect::Absent)).await
        {
            assert!(error.is(codes::STORAGE_FULL), "{error:?}");
            return n;
        }
    }
    panic!("10,000 records of 8 KiB fit");
}

async fn refuses_writes_and_goes_on_reading(store: &SqliteStore, stored: usize) {
    let batch =
        Batch::new().delete(key(0), Expect::Any).put(key(stored), vec![7; 200_000], Expect::Absent);
    let error = store.commit(batch).await.unwrap_err();
    assert!(error.is(codes::STORAGE_FULL), "{error:?}");
    assert!(error.to_string().contains("make room"), "it says what to do: {error}");
    assert_eq!(store.get(&key(0)).await.unwrap().unwrap().value.len(), 8192, "nothing applied");
    assert!(store.get(&key(stored)).await.unwrap().is_none(), "nothing applied");
    let page = store.scan(&Scan::kind("test.faults")).await.unwrap();
    assert_eq!(page.records.len(), stored.min(1000));
}

#[tokio::test]
async fn a_database_at_its_size_cap_refuses_and_resumes() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new(folder.path().join("a.db"), system_clock()).max_size(1 << 20);
    let store = SqliteStore::open_with(&options).unwrap();
    let stored = fill(&store).await;
    assert!(stored > 50, "only {stored} records of 8 KiB fit into 1 MiB");
    refuses_writes_and_goes_on_reading(&store, stored).await;
    for n in 0..20 {
        store.commit(Batch::new().delete(key(n), Expect::Any)).await.unwrap();
    }
    store.commit(Batch::new().put(key(stored), vec![7; 8192], Expect::Absent)).await.unwrap();
    assert_eq!(store.health().await.state, HealthState::Up);
}

#[tokio::test]
async fn one_batch_that_is_too_large_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let options = SqliteOptions::new(folder.path().join("a.db"), system_clock()).max_size(1 << 20);
    let store = SqliteStore::open_with(&options).unwrap();
    let sizes = (0..64).map(|n| if n % 16 == 7 { 3 << 20 } else { 100 });
    let commits = sizes
        .enumerate()
        .map(|(n, size)| store.commit(Batch::new().put(key(n), vec![7; size], Expect::Absent)));
    for (n, answer) in join_all(commits).await.into_iter().enumerate() {
        match answer {
            Ok(_) => assert_ne!(n % 16, 7, "3 MiB fit into 1 MiB"),
            Err(error) => {
                assert_eq!(n % 16, 7, "record {n} suffers for another's size: {error:?}");
                assert!(error.is(codes::STORAGE_FULL), "{error:?}");
            }
        }
    }
}

/// A file system of its own, taken away at the end.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_resumes() {
    let Some(disk) = SmallDisk::mount("4m") else {
        // Not the rule for missing peers: where mounting is forbidden nobody can install it.
        println!(
            "SKIPPED: a small file system can't be mounted here; the size cap is tested alone"
        );
        return;
    };
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let path = disk.0.path().join("a.db");
    let store = SqliteStore::open(&path, system_clock()).unwrap();
    let stored = fill(&store).await;
    assert_eq!(store.health().await.state, HealthState::Down, "health says so");
    refuses_writes_and_goes_on_reading(&store, stored).await;
    fs::remove_file(&ballast).unwrap();
    assert_eq!(store.health().await.state, HealthState::Up, "and notices that there is room");
    store.commit(Batch::new().put(key(stored), vec![7; 8192], Expect::Absent)).await.unwrap();
    store.close().await;
    let store = SqliteStore::open(&path, system_clock()).unwrap();
    for n in 0..=stored {
        assert_eq!(store.get(&key(n)).await.unwrap().unwrap().value, vec![7; 8192], "record {n}");
    }
}

/// Where in the file the bytes `needle` are.
fn position(path: &Path, needle: &[u8]) -> u64 {
    let bytes = fs::read(path).unwrap();
    bytes.windows(needle.len()).position(|part| part == needle).expect("it is in the file") as u64
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

async fn with_records(path: &Path) {
    let store = SqliteStore::open(path, system_clock()).unwrap();
    for n in 0..200 {
        let value = format!("the value of record {n:06}, {}", "x".repeat(500));
        store.commit(Batch::new().put(key(n), value, Expect::Absent)).await.unwrap();
    }
    store.close().await;
}

#[tokio::test]
async fn one_flipped_bit_in_a_value_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    with_records(&path).await;
    overwrite(&path, position(&path, b"the value of record 000100"), b"The");
    let store = SqliteStore::open(&path, system_clock()).unwrap();
    let error = store.get(&key(100)).await.unwrap_err();
    assert!(error.is(codes::STORE_CORRUPT), "{error:?}");
    assert!(error.to_string().contains("restore the last backup"), "it says what to do: {error}");
    assert!(store.scan(&Scan::kind("test.faults")).await.unwrap_err().is(codes::STORE_CORRUPT));
    assert!(store.get(&key(101)).await.unwrap().is_some(), "the others are read");
}

#[tokio::test]
async fn a_damaged_page_fails_what_is_on_it_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    with_records(&path).await;
    let page = position(&path, b"the value of record 000100") / 4096;
    overwrite(&path, page * 4096, &[0xA5; 4096]);
    let store = SqliteStore::open(&path, system_clock()).unwrap();
    let error = store.get(&key(100)).await.unwrap_err();
    assert!(error.is(codes::STORE_CORRUPT), "{error:?}");
    // In one group: who touches the page fails, the neighbours don't.
    let commits = [0, 100, 199].map(|n| store.commit(Batch::new().put(key(n), "new", Expect::Any)));
    let answers = join_all(commits).await;
    assert!(answers[1].as_ref().unwrap_err().is(codes::STORE_CORRUPT), "{answers:?}");
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert_eq!(store.get(&key(0)).await.unwrap().unwrap().value, "new");
}

#[tokio::test]
async fn a_backup_tool_can_copy_the_open_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let store = SqliteStore::open(&path, system_clock()).unwrap();
    store.commit(Batch::new().put(key(1), "x", Expect::Absent)).await.unwrap();
    let copy = folder.path().join("copy.db");
    let tool = Connection::open(&path).unwrap();
    tool.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let copied = SqliteStore::open(&copy, system_clock()).unwrap();
    assert_eq!(copied.get(&key(1)).await.unwrap().unwrap().value, "x");
    store.commit(Batch::new().put(key(2), "x", Expect::Absent)).await.unwrap();
}
