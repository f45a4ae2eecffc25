//! Recording, closing, opening again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prov_audit::{Log, codes, key_beside, verify};
use prov_core::audit::{Action, Event, Outcome, Recorder, RetentionClass};
use prov_core::{HealthCheck, HealthState};

use crate::bench_log::{Bench, ORIGIN, copy};

#[tokio::test(flavor = "multi_thread")]
async fn events_of_many_tasks_get_every_place_once_and_survive_reopening() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let recording = (0..8).map(|task| {
        let (log, user) = (Arc::clone(&log), format!("user_{task}"));
        let events: Vec<_> =
            (0..100).map(|_| bench.event(Action::KMS_ENCRYPT, &user, &user)).collect();
        async move {
            let mut seqs = Vec::new();
            for event in events {
                seqs.push(log.record(event).await.unwrap().seq);
            }
            assert!(seqs.is_sorted(), "one caller's events stand in their order");
            seqs
        }
    });
    let mut all: Vec<u64> =
        futures_util::future::join_all(recording).await.into_iter().flatten().collect();
    all.sort_unstable();
    assert_eq!(all, (0..800).collect::<Vec<_>>());
    log.close().await.unwrap();

    let report = verify(&bench.standard(), log.verifier_key(RetentionClass::Standard)).unwrap();
    assert!(report.intact, "{report:#?}");
    assert_eq!((report.records, report.signed_size, report.unsigned_records), (800, 800, 0));
    drop(log);

    let log = bench.open().await;
    let receipt = log.record(bench.event(Action::KMS_DECRYPT, "user_1", "user_1")).await.unwrap();
    assert_eq!(receipt.seq, 800);
    assert!(log.verify(RetentionClass::Standard).await.unwrap().intact);
    log.close().await.unwrap();
    let report = verify(&bench.standard(), log.verifier_key(RetentionClass::Standard)).unwrap();
    assert!(report.intact, "{report:#?}");
    assert_eq!(report.records, 801);
}

#[tokio::test(flavor = "multi_thread")]
async fn break_glass_events_have_a_log_of_their_own() {
    let bench = Bench::new();
    let log = bench.open().await;
    let action = Action::custom("break_glass.activate").unwrap();
    log.record(Event::new(&*bench.clock, action, Outcome::Success)).await.unwrap();
    assert_eq!(log.size(RetentionClass::BreakGlass), 1);
    assert_eq!(log.size(RetentionClass::Standard), 0);
    log.close().await.unwrap();
    let dir = bench.dir.path().join("break-glass");
    let report = verify(&dir, &key_beside(&dir).unwrap()).unwrap();
    assert!(report.intact && report.records == 1, "{report:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_log_and_one_in_use_refuse_with_a_name() {
    let bench = Bench::new();
    let log = bench.open().await;
    let second = Log::open(bench.options()).await.unwrap_err();
    assert!(second.is(codes::IN_USE), "{second:?}");
    log.close().await.unwrap();
    let refused = log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "a")).await.unwrap_err();
    assert!(refused.is(codes::CLOSED), "{refused:?}");
    log.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_above_the_limit_of_a_bundle_is_refused_and_harms_nothing() {
    let bench = Bench::new();
    let log = bench.open().await;
    let large = bench.event(Action::KMS_ENCRYPT, "user_1", "a").with("blob", "x".repeat(70_000));
    let refused = log.record(large).await.unwrap_err();
    assert!(refused.is(codes::EVENT_TOO_LARGE), "{refused:?}");
    let fits = bench.event(Action::KMS_ENCRYPT, "user_1", "a").with("blob", "x".repeat(60_000));
    // Two of them do not fit one segment of 64 KiB.
    log.record(fits.clone()).await.unwrap();
    log.record(fits).await.unwrap();
    assert!(log.verify(RetentionClass::Standard).await.unwrap().intact);
    assert_eq!(log.health().await.state, HealthState::Up);
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_come_by_themselves_and_a_full_queue_makes_callers_wait() {
    let bench = Bench::new();
    let options = bench.options().checkpoint_every(Duration::from_millis(50)).queue_events(2);
    let log = Log::open(options).await.unwrap();
    let all = (0..64).map(|_| log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "a")));
    let recorded = futures_util::future::join_all(all).await;
    assert!(recorded.iter().all(Result::is_ok));
    for _ in 0..200 {
        if log.newest_checkpoint(RetentionClass::Standard).size == 64 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("no checkpoint came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_put_back_to_an_earlier_state_is_not_opened() {
    let bench = Bench::new();
    let log = bench.open().await;
    log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "a")).await.unwrap();
    log.close().await.unwrap();
    drop(log);
    let backup = tempfile::tempdir().unwrap();
    copy(&bench.standard(), backup.path());
    let log = bench.open().await;
    log.record(bench.event(Action::KMS_DECRYPT, "user_1", "a")).await.unwrap();
    log.close().await.unwrap();
    drop(log);
    std::fs::remove_dir_all(bench.standard()).unwrap();
    copy(backup.path(), &bench.standard());
    let refused = Log::open(bench.options()).await.unwrap_err();
    assert!(refused.is(codes::ROLLED_BACK), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_opens_a_log_that_is_shared() {
    let bench = Bench::new();
    let clock = Arc::<prov_core::SystemClock>::clone(&bench.clock);
    let log = Log::embedded(bench.dir.path(), ORIGIN, Arc::clone(&bench.store), clock);
    let log = log.await.unwrap();
    let recorder: Arc<dyn Recorder> = Arc::<Log>::clone(&log);
    recorder.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
    log.close().await.unwrap();
    let report = verify(&bench.standard(), log.verifier_key(RetentionClass::Standard)).unwrap();
    assert_eq!((report.intact, report.records), (true, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_on_the_machine_reads_the_log() {
    use std::os::unix::fs::PermissionsExt;
    let bench = Bench::new();
    let dir = bench.dir.path().join("var/audit");
    let clock = Arc::<prov_core::SystemClock>::clone(&bench.clock);
    let log = Log::embedded(&dir, ORIGIN, Arc::clone(&bench.store), clock).await.unwrap();
    log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
    log.close().await.unwrap();
    for folder in ["", "standard", "standard/segments", "break-glass"] {
        let mode = std::fs::metadata(dir.join(folder)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{folder}: {mode:o}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_verifies_a_log_that_is_written_meanwhile_is_not_alarmed() {
    let bench = Bench::new();
    let log = Arc::new(
        Log::open(bench.options().checkpoint_every(Duration::from_millis(10))).await.unwrap(),
    );
    let key = log.verifier_key(RetentionClass::Standard).clone();
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn({
        let (log, stop) = (Arc::clone(&log), Arc::clone(&stop));
        let event = bench.event(Action::KMS_ENCRYPT, "user_1", "alice");
        async move {
            while !stop.load(Ordering::Relaxed) {
                log.record(event.clone()).await.unwrap();
            }
        }
    });
    while log.newest_checkpoint(RetentionClass::Standard).size < 3_000 {
        let (dir, key) = (bench.standard(), key.clone());
        let report =
            tokio::task::spawn_blocking(move || verify(&dir, &key)).await.unwrap().unwrap();
        assert!(report.intact, "{report:?}");
    }
    stop.store(true, Ordering::Relaxed);
    tasks.join_all().await;
}
