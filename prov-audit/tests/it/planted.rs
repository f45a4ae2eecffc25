//! What somebody put into the log's directory is not signed when the log is opened.

use std::fs::FileTimes;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prov_audit::{FindingKind, Log, Trust, codes, verify_with};
use prov_core::Clock;
use prov_core::audit::{Action, Recorder, RetentionClass};

use crate::bench_log::{Bench, ORIGIN, copy, files_below};
use crate::foreign::fill;

const CLASS: RetentionClass = RetentionClass::Standard;

fn read(dir: &Path, name: &str) -> Option<String> {
    std::fs::read_to_string(dir.join(name)).ok()
}

/// Everything that is signed in a directory.
fn signed(dir: &Path) -> [Option<String>; 3] {
    ["checkpoint", "checkpoints", "pruned"].map(|name| read(dir, name))
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_without_any_signature_take_nobodys_place() {
    for twice in [false, true] {
        let (bench, stranger) = (Bench::new(), Bench::new());
        let options = || bench.options().with_ml_dsa_44(twice);
        let log = Log::open(options()).await.unwrap();
        fill(&log, &bench, 5).await;
        log.close().await.unwrap();
        drop(log);
        // A log of the same name needs no key of this one.
        let log = stranger.open().await;
        fill(&log, &stranger, 5).await;
        log.close().await.unwrap();
        let dir = bench.standard();
        std::fs::remove_dir_all(&dir).unwrap();
        copy(&stranger.standard().join("segments"), &dir.join("segments"));
        let refused = Log::open(options()).await.unwrap_err();
        assert!(refused.is(codes::ROLLED_BACK), "{refused:?}");
        assert_eq!(signed(&dir), [None, None, None], "it was signed all the same");
        // What signs twice remembers that it has signed.
        bench.forget_head().await;
        if twice {
            let refused = Log::open(options()).await.unwrap_err();
            assert!(refused.is(codes::DAMAGED), "{refused:?}");
            assert_eq!(signed(&dir), [None, None, None], "it was signed all the same");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_end_of_the_list_is_not_signed_for_the_second_time() {
    let bench = Bench::new();
    let options = || bench.options().with_ml_dsa_44(true);
    let log = Log::open(options()).await.unwrap();
    fill(&log, &bench, 5).await;
    log.close().await.unwrap();
    drop(log);
    let dir = bench.standard();
    let [checkpoint, list, _] = signed(&dir).map(Option::unwrap_or_default);

    // Another past of more records, by somebody who has broken Ed25519; the published checkpoint stays.
    let forged = bench.forged_without("checkpoint-key-ml-dsa-44/").await;
    let log = forged.open().await;
    fill(&log, &forged, 8).await;
    log.close().await.unwrap();
    let number = list.matches(&format!("\n{ORIGIN}/standard\n")).count();
    let mut note = log.newest_checkpoint(CLASS).note;
    note.insert_str(0, &format!("{number}\n"));
    copy(&forged.standard(), &dir);
    std::fs::write(dir.join("checkpoint"), &checkpoint).unwrap();
    std::fs::write(dir.join("checkpoints"), format!("{list}{note}\n")).unwrap();

    let before = signed(&dir);
    let refused = Log::open(options()).await.unwrap_err();
    assert!(refused.is(codes::ROLLED_BACK), "{refused:?}");
    bench.forget_head().await;
    let refused = Log::open(options()).await.unwrap_err();
    assert!(refused.is(codes::DAMAGED), "{refused:?}");
    assert_eq!(signed(&dir), before);
    // Also where the tiles are gone, and the records are gone through one by one.
    std::fs::remove_dir_all(dir.join("tile")).unwrap();
    let refused = Log::open(options()).await.unwrap_err();
    assert!(refused.is(codes::DAMAGED), "{refused:?}");
    assert_eq!(signed(&dir), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_second_signature_is_not_taken_for_a_log_that_seems_to_grow() {
    let bench = Bench::new();
    let log = Log::open(bench.options().with_ml_dsa_44(true)).await.unwrap();
    fill(&log, &bench, 5).await;
    log.checkpoint(CLASS).await.unwrap();
    let dir = bench.standard();
    let older = read(&dir, "checkpoint").unwrap();
    for user in ["user_1", "user_2"] {
        log.record(bench.event(Action::KMS_ENCRYPT, user, "alice")).await.unwrap();
        log.checkpoint(CLASS).await.unwrap();
    }
    let trust = Trust::new().ml_dsa_44(log.ml_dsa_44_key(CLASS).unwrap().clone()).unwrap();
    log.close().await.unwrap();
    std::fs::write(dir.join("checkpoint"), older).unwrap();

    let last = files_below(&dir.join("segments")).pop().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let touching = std::thread::spawn({
        let (stop, clock) = (Arc::clone(&stop), Arc::clone(&bench.clock));
        move || {
            let file = std::fs::File::options().write(true).open(last).unwrap();
            while !stop.load(Ordering::Relaxed) {
                let times = FileTimes::new().set_modified(clock.now().into());
                file.set_times(times).unwrap();
            }
        }
    });
    let report = verify_with(&dir, log.verifier_key(CLASS), &trust).unwrap();
    stop.store(true, Ordering::Relaxed);
    touching.join().unwrap();
    let kinds: Vec<_> = report.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [FindingKind::Checkpoint, FindingKind::Checkpoint], "{report:?}");
}
