//! Files taken away, swapped and put back under the open log.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prov_audit::{Log, Query, codes};
use prov_core::audit::{Action, Recorder, RetentionClass};
use prov_core::{HealthCheck, HealthState};

use crate::bench_log::{Bench, copy, files_below};

async fn filled(bench: &Bench, count: usize) -> Log {
    let log = bench.open().await;
    for _ in 0..count {
        log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
    }
    log.checkpoint(RetentionClass::Standard).await.unwrap();
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(log.health().await.state, HealthState::Up);
    log
}

/// Waits for a state of health, a second at most (and as long again for a busy machine).
async fn soon(log: &Log, state: HealthState, what: &str) {
    let start = Instant::now();
    while log.health().await.state != state {
        assert!(start.elapsed() < Duration::from_secs(2), "{what}: still not {state:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_deleted_under_the_log_stops_it_at_once_until_it_is_back() {
    let bench = Bench::new();
    let log = filled(&bench, 20).await;
    let segment = bench.standard().join("segments/00000000000000000000.seg");
    let away = bench.dir.path().join("away");
    std::fs::rename(&segment, &away).unwrap();
    soon(&log, HealthState::Down, "a deleted segment").await;
    let event = || bench.event(Action::KMS_ENCRYPT, "user_1", "alice");
    let refused = log.record(event()).await.unwrap_err();
    assert!(refused.is(codes::FILE_MISSING), "{refused:?}");
    assert!(refused.to_string().contains("put it back"));
    std::fs::rename(&away, &segment).unwrap();
    soon(&log, HealthState::Up, "a segment that is back").await;
    let receipt = log.record(event()).await.unwrap();
    assert_eq!(receipt.seq, 20, "what was refused left no trace");
    assert!(log.verify(RetentionClass::Standard).await.unwrap().intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_file_deleted_swapped_or_changed_is_noticed_and_recorded() {
    let bench = Bench::new();
    let log = filled(&bench, 400).await;
    let dir = bench.standard();
    let sealed =
        files_below(&dir.join("segments")).into_iter().filter(|f| f.extension().unwrap() == "seg");
    let sealed: Vec<_> = sealed.collect();
    assert!(sealed.len() > 2);
    let name = |path: &Path| path.strip_prefix(&dir).unwrap().to_string_lossy().into_owned();
    let mut expected = Vec::new();
    for file in
        [sealed[0].clone(), dir.join("checkpoint"), dir.join("checkpoints"), dir.join("log.vkey")]
    {
        let away = bench.dir.path().join("away");
        std::fs::rename(&file, &away).unwrap();
        soon(&log, HealthState::Down, &name(&file)).await;
        std::fs::rename(&away, &file).unwrap();
        soon(&log, HealthState::Up, &name(&file)).await;
        expected.push(name(&file));
    }
    // One segment in place of another, and one changed byte.
    let whole = std::fs::read(&sealed[1]).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    for bytes in [std::fs::read(&sealed[0]).unwrap(), changed] {
        std::fs::write(&sealed[1], bytes).unwrap();
        soon(&log, HealthState::Down, "a changed segment").await;
        std::fs::write(&sealed[1], &whole).unwrap();
        soon(&log, HealthState::Up, "a segment written back").await;
        expected.push(name(&sealed[1]));
    }
    let told = log.query(&Query::new().action("audit.log.tampered")).await.unwrap().items;
    let told: Vec<_> =
        told.iter().rev().map(|event| event.context["file"].as_str().unwrap().to_owned()).collect();
    assert_eq!(told, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_put_back_by_a_moment_is_found_out_also_after_a_kill() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let remembering = Arc::clone(&log).remember(Duration::from_millis(10), std::future::pending());
    let event = || bench.event(Action::KMS_ENCRYPT, "user_1", "alice");
    log.record(event()).await.unwrap();
    let backup = tempfile::tempdir().unwrap();
    copy(&bench.standard(), backup.path());
    log.record(event()).await.unwrap();
    // Until the store knows of both.
    let known = async {
        loop {
            let heads =
                bench.store.scan(&prov_core::store::Scan::kind("audit.head")).await.unwrap();
            let sizes =
                heads.records.iter().map(|r| String::from_utf8_lossy(&r.value).into_owned());
            if sizes.into_iter().any(|json| json.contains("\"size\":2")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = remembering => {}
        () = known => {}
    }
    // Dropped, not closed: nothing is remembered at the end of a killed process.
    drop(log);
    std::fs::remove_dir_all(bench.standard()).unwrap();
    copy(backup.path(), &bench.standard());
    let refused = Log::open(bench.options()).await.unwrap_err();
    assert!(refused.is(codes::ROLLED_BACK), "{refused:?}");
}
