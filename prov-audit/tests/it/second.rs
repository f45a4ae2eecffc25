//! The log signs its checkpoints with ML-DSA-44 too.

use std::path::Path;
use std::process::Command;

use prov_audit::{CosignerKey, FindingKind, Log, Report, Trust, codes, verify, verify_with};
use prov_core::audit::{Action, Recorder, RetentionClass};

use crate::bench_log::{Bench, ORIGIN, files_below, peer};
use crate::foreign::{aics, fill, go_program, opened};
use crate::retention::Bench as BenchOfYears;

const CLASS: RetentionClass = RetentionClass::Standard;

async fn open(bench: &Bench) -> Log {
    Log::open(bench.options().with_ml_dsa_44(true)).await.unwrap()
}

fn key_of(log: &Log) -> CosignerKey {
    log.ml_dsa_44_key(CLASS).unwrap().clone()
}

/// What an auditor finds who knows both keys.
fn found(dir: &Path, log: &Log, key: &CosignerKey) -> Report {
    let trust = Trust::new().ml_dsa_44(key.clone()).unwrap();
    verify_with(dir, log.verifier_key(CLASS), &trust).unwrap()
}

fn kinds(report: &Report) -> Vec<FindingKind> {
    report.findings.iter().map(|finding| finding.kind).collect()
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_tools_read_a_log_with_both_signatures_and_one_verifies_the_second() {
    let bench = Bench::new();
    let log = open(&bench).await;
    fill(&log, &bench, 300).await;
    let older = log.checkpoint(CLASS).await.unwrap();
    fill(&log, &bench, 400).await;
    assert!(log.verify(CLASS).await.unwrap().intact);
    let id = log.query(&prov_audit::Query::new()).await.unwrap().items[5].id;
    let proof = log.proof(id).await.unwrap();
    let first = log.verifier_key(CLASS);
    let (_, covering) = prov_audit::verify_proof(&proof.leaf, &proof.text, first).unwrap();
    key_of(&log).check(&covering).unwrap();
    log.close().await.unwrap();
    let dir = bench.standard();
    let report = found(&dir, &log, &key_of(&log));
    assert!(report.intact && report.signed_size == 700, "{report:?}");
    assert_eq!(read(&dir, "log-ml-dsa-44.vkey"), format!("{}\n", key_of(&log)));
    // Two crates, of which neither knows ML-DSA; the Go team's packages; a Python tool.
    assert_eq!(opened(&dir, 1).size(), 700);
    if let Some(verify) = go_program(&bench) {
        let output = Command::new(verify).arg(&dir).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(printed, format!("OK {ORIGIN}/standard 700\n"));
    }
    if let Some(run) = aics(&bench, &older) {
        assert!(run(&["verify-checkpoint"]) && run(&["verify-inclusion", "--index", "421"]));
    }
    let Some(python) = peer("aics-witness-0.1.0", "python") else { return };
    let run = |dir: &Path| {
        let mut command = Command::new(&python);
        command.arg("tests/it/python/second.py").arg(dir.join("checkpoint"));
        let output = command.arg(dir.join("log-ml-dsa-44.vkey")).output().unwrap();
        print!("{}", String::from_utf8_lossy(&output.stdout));
        output.status.success()
    };
    assert!(run(&dir));
    let note = read(&dir, "checkpoint");
    std::fs::write(dir.join("checkpoint"), note.replace("\n700\n", "\n699\n")).unwrap();
    assert!(!run(&dir), "a changed checkpoint must be refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_ed25519_key_alone_is_found_out() {
    let bench = Bench::new();
    let log = open(&bench).await;
    fill(&log, &bench, 5).await;
    log.close().await.unwrap();
    let (key, dir) = (key_of(&log), bench.standard());
    let truth = read(&dir, "checkpoint");

    // Every secret but one: another past of the same size.
    let forged = bench.forged_without("checkpoint-key-ml-dsa-44/").await;
    let fork = forged.open().await;
    fill(&fork, &forged, 5).await;
    fork.close().await.unwrap();
    assert_eq!(fork.verifier_key(CLASS), log.verifier_key(CLASS));
    let wrong = forged.standard();
    assert!(verify(&wrong, log.verifier_key(CLASS)).unwrap().intact, "that is what it is for");
    let report = found(&wrong, &log, &key);
    assert_eq!(kinds(&report), [FindingKind::Checkpoint], "{report:?}");
    // So says who has the key in a policy (C2SP tlog-policy), not beside one for Ed25519.
    let by = |logs: &str, dir: &Path| {
        let policy = format!("{logs}quorum none\n").parse().unwrap();
        verify_with(dir, log.verifier_key(CLASS), &Trust::new().witnesses(policy)).unwrap()
    };
    let (first, second) = (format!("log {}\n", log.verifier_key(CLASS)), format!("log {key}\n"));
    assert!(by(&second, &dir).intact);
    assert_eq!(kinds(&by(&second, &wrong)), [FindingKind::Checkpoint]);
    assert!(by(&format!("{first}{second}"), &wrong).intact);
    // The true second signature does not fit; nor does the true checkpoint.
    let note = read(&wrong, "checkpoint");
    let line = truth.lines().last().unwrap();
    std::fs::write(wrong.join("checkpoint"), format!("{note}{line}\n")).unwrap();
    assert_eq!(kinds(&found(&wrong, &log, &key)), [FindingKind::Checkpoint]);
    std::fs::write(wrong.join("checkpoint"), &truth).unwrap();
    assert!(!found(&wrong, &log, &key).intact);
    // A second key of the forger's own.
    std::fs::write(wrong.join("checkpoint"), &note).unwrap();
    drop(fork);
    let own = open(&forged).await;
    own.close().await.unwrap();
    let report = found(&wrong, &log, &key);
    assert_eq!(kinds(&report), [FindingKind::Key, FindingKind::Checkpoint], "{report:?}");
    assert!(found(&wrong, &log, &key_of(&own)).intact);

    drop((log, own));
    // Put in the place of the true one: the log does not sign for the second time what is not its own.
    std::fs::write(wrong.join("checkpoint"), &note).unwrap();
    for file in files_below(&wrong) {
        let there = dir.join(file.strip_prefix(&wrong).unwrap());
        std::fs::copy(&file, there).unwrap();
    }
    let refused = Log::open(bench.options().with_ml_dsa_44(true)).await.unwrap_err();
    assert!(refused.is(codes::ROLLED_BACK), "{refused:?}");
    bench.forget_head().await;
    let refused = Log::open(bench.options().with_ml_dsa_44(true)).await.unwrap_err();
    assert!(refused.is(codes::DAMAGED), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_turned_on_and_off_when_the_log_is_opened_and_costs_one_file() {
    let bench = Bench::new();
    let log = bench.open().await;
    fill(&log, &bench, 10).await;
    log.close().await.unwrap();
    assert!(log.ml_dsa_44_key(CLASS).is_none());
    drop(log);
    // On, without any news: what was signed before is signed for the second time.
    let log = open(&bench).await;
    let (key, dir) = (key_of(&log), bench.standard());
    assert!(found(&dir, &log, &key).intact);
    let before = read(&dir, "checkpoints").len();
    for _ in 0..20 {
        fill(&log, &bench, 1).await;
        log.checkpoint(CLASS).await.unwrap();
    }
    let each = (read(&dir, "checkpoints").len() - before) / 20;
    assert!(each < 300, "{each} bytes each in the list");
    assert!(read(&dir, "checkpoint").len() > 3300);
    log.close().await.unwrap();
    drop(log);
    // Off: who wants the second signature is told; and on again, which is no damage.
    let log = bench.open().await;
    fill(&log, &bench, 1).await;
    log.close().await.unwrap();
    assert_eq!(kinds(&found(&dir, &log, &key)), [FindingKind::Checkpoint]);
    drop(log);
    let log = open(&bench).await;
    log.close().await.unwrap();
    assert_eq!(key_of(&log), key);
    assert!(found(&dir, &log, &key).intact);
    let other = log.ml_dsa_44_key(RetentionClass::BreakGlass).unwrap();
    assert_eq!(kinds(&found(&dir, &log, other)), [FindingKind::Key]);
    let witness: CosignerKey =
        "w.example/one+f1286719+BNdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea".parse().unwrap();
    assert!(Trust::new().ml_dsa_44(witness).unwrap_err().is(codes::BAD_VERIFIER_KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_list_and_file_is_made_up_for_and_nothing_else_is_believed() {
    let bench = Bench::new();
    let log = open(&bench).await;
    fill(&log, &bench, 3).await;
    log.checkpoint(CLASS).await.unwrap();
    let (key, dir) = (key_of(&log), bench.standard());
    let before = read(&dir, "checkpoint");
    log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
    log.close().await.unwrap();
    let newest = read(&dir, "checkpoint");
    let file = dir.join("checkpoint");
    // The list knows the newest, the file does not yet.
    std::fs::write(&file, &before).unwrap();
    assert!(verify(&dir, log.verifier_key(CLASS)).unwrap().intact);
    assert_eq!(kinds(&found(&dir, &log, &key)), [FindingKind::Checkpoint]);
    drop(log);
    let log = open(&bench).await;
    log.close().await.unwrap();
    assert!(found(&dir, &log, &key).intact);
    assert_eq!(read(&dir, "checkpoint").lines().nth(4), newest.lines().nth(4), "it is the newest");
    drop(log);
    // A file without the second signature is not of this log any more.
    let whole = read(&dir, "checkpoint");
    let lines: Vec<&str> = whole.lines().collect();
    std::fs::write(&file, lines[..lines.len() - 1].join("\n") + "\n").unwrap();
    let refused = Log::open(bench.options().with_ml_dsa_44(true)).await.unwrap_err();
    assert!(refused.is(codes::DAMAGED), "{refused:?}");
    std::fs::remove_file(&file).unwrap();
    assert!(Log::open(bench.options().with_ml_dsa_44(true)).await.is_err());
    std::fs::write(&file, &whole).unwrap();
    open(&bench).await.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pruned_is_said_with_both_signatures() {
    let bench = BenchOfYears::new();
    let log = bench.of_years().await;
    log.prune().await.unwrap();
    log.close().await.unwrap();
    drop(log);
    let dir = bench.standard();
    let alone = read(&dir, "pruned");
    // Said before the second key was there: signed with it when it comes.
    let log = Log::open(bench.options().with_ml_dsa_44(true)).await.unwrap();
    let key = key_of(&log);
    log.close().await.unwrap();
    let report = found(&dir, &log, &key);
    assert!(report.intact && report.pruned > 1000, "{report:?}");
    assert!(read(&dir, "pruned").starts_with(&alone) && read(&dir, "pruned") != alone);
    // Somebody with the first key alone passes off as pruned what was taken away.
    std::fs::write(dir.join("pruned"), &alone).unwrap();
    assert!(verify(&dir, log.verifier_key(CLASS)).unwrap().intact, "that is what it is for");
    assert_eq!(kinds(&found(&dir, &log, &key)), [FindingKind::Pruned]);
    drop(log);
    let refused = Log::open(bench.options().with_ml_dsa_44(true)).await.unwrap_err();
    assert!(refused.is(codes::DAMAGED), "{refused:?}");
}
