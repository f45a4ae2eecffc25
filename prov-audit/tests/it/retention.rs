//! Events are kept as long as they must be and no longer, and what goes leaves a stub that is proved.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prov_audit::sink::{Batch, OnFailure, Receiver};
use prov_audit::{
    FindingKind, Log, LogOptions, NewHold, PruneEnd, Query, Report, Retention, VerifierKey, codes,
    verify, verify_archive, verify_proof,
};
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder, RetentionClass};
use prov_core::store::MemoryStore;
use prov_core::{Clock, ManualClock, PrincipalKind, Result, SecurityContext, codes as core_codes};

use crate::bench_log::ORIGIN;
use crate::sinks::options as sink_options;

const DAY: Duration = Duration::from_hours(24);
const STANDARD: RetentionClass = RetentionClass::Standard;

/// A log whose time is ours.
pub(crate) struct Bench {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) clock: ManualClock,
    store: Arc<MemoryStore>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::at("2020-01-01T00:00:00Z".parse().unwrap());
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        Self { dir: tempfile::tempdir().unwrap(), clock, store }
    }

    pub(crate) fn options(&self) -> LogOptions {
        let store = Arc::<MemoryStore>::clone(&self.store);
        LogOptions::new(self.dir.path().join("log"), ORIGIN, store, Arc::new(self.clock.clone()))
            .segment_bytes(64 << 10)
            .checkpoint_every(Duration::from_hours(1))
            .index_patience(Duration::from_secs(20))
    }

    async fn open(&self) -> Arc<Log> {
        Arc::new(Log::open(self.options()).await.unwrap())
    }

    pub(crate) fn standard(&self) -> PathBuf {
        self.dir.path().join("log/standard")
    }

    fn context(&self) -> SecurityContext {
        SecurityContext::system("auditor", &self.clock).unwrap()
    }

    async fn record(&self, log: &Log, user: &str, count: usize) {
        let all = (0..count).map(|_| {
            let actor = Actor::account(PrincipalKind::User, user, format!("name of {user}"));
            log.record(Event::new(&self.clock, Action::KMS_ENCRYPT, Outcome::Success).by(actor))
        });
        for recorded in futures_util::future::join_all(all).await {
            recorded.unwrap();
        }
    }

    /// A log with a thousand events of each of three years.
    pub(crate) async fn of_years(&self) -> Arc<Log> {
        let log = self.open().await;
        for year in 0..3 {
            self.record(&log, &format!("user_{year}"), 1000).await;
            log.checkpoint(STANDARD).await.unwrap();
            self.clock.advance(if year < 2 { DAY * 366 } else { DAY });
        }
        log
    }

    fn verified(&self, key: &VerifierKey) -> Report {
        verify(&self.standard(), key).unwrap()
    }
}

pub(crate) fn key_of(log: &Log) -> VerifierKey {
    log.verifier_key(STANDARD).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_goes_and_every_proof_still_holds() {
    let bench = Bench::new();
    let log = bench.of_years().await;
    let key = key_of(&log);
    let all = log.query(&Query::new().limit(NonZeroU32::new(1000).unwrap())).await.unwrap();
    let young = all.items[0].clone();
    let mut reader = log.leaves(STANDARD, 0).await.unwrap();
    let old = reader.next().await.unwrap().remove(0);
    let pruned = log.prune().await.unwrap();
    let oldest = pruned[0].to;
    assert_eq!((pruned[0].from, &pruned[0].until), (0, &PruneEnd::Age));
    assert!(oldest > 1500 && oldest <= 2000, "two of three years, by segments: {oldest}");
    assert_eq!(log.oldest(STANDARD).await.unwrap(), oldest);
    // What is kept is read and proved; what is gone can be proved by whoever has it.
    let proof = log.proof(young.id).await.unwrap();
    assert_eq!(verify_proof(&proof.leaf, &proof.text, &key).unwrap().0, young.seq);
    let proof = log.inclusion_proof(STANDARD, 0, None).await.unwrap();
    assert_eq!(old.seq, 0);
    let base64 =
        |hash: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, hash);
    let text = format!(
        "c2sp.org/tlog-proof@v1\nindex 0\n{}\n{}",
        proof.hashes.iter().map(|hash| base64(hash) + "\n").collect::<String>(),
        proof.checkpoint.note
    );
    assert_eq!(verify_proof(&old.leaf, &text, &key).unwrap().0, 0);
    for size in [1, 700, 1000, 2500] {
        log.consistency_proof(STANDARD, size, None).await.unwrap();
    }
    // It can't be found any more, and the export begins with the oldest.
    assert!(log.query(&Query::new().user("user_0")).await.unwrap().items.is_empty());
    let told = log.query(&Query::new().action("audit.retention.prune")).await.unwrap().items;
    assert_eq!(told[0].context["to_seq"], oldest);
    let mut reader = log.leaves(STANDARD, 0).await.unwrap();
    assert_eq!(reader.next().await.unwrap()[0].seq, oldest);
    assert!(log.verify(STANDARD).await.unwrap().intact);
    let files = crate::bench_log::files_below(&bench.standard());
    let is_there = |text: &str| {
        files.iter().any(|file| {
            let bytes = std::fs::read(file).unwrap();
            bytes.windows(text.len()).any(|window| window == text.as_bytes())
        })
    };
    assert!(!is_there("user_0") && is_there("user_2"), "no byte of it is left");
    log.close().await.unwrap();
    drop(log);
    let report = bench.verified(&key);
    assert!(report.intact, "{report:?}");
    assert_eq!((report.pruned, report.signed_size), (oldest, report.records + oldest));
    // It goes on, and is made anew where it must be.
    std::fs::remove_dir_all(bench.dir.path().join("log/index")).unwrap();
    let log = bench.open().await;
    let found = log
        .query(&Query::new().user("user_2").limit(NonZeroU32::new(1000).unwrap()))
        .await
        .unwrap()
        .items;
    assert_eq!(found.len(), 1000);
    bench.record(&log, "user_3", 300).await;
    assert!(log.verify(STANDARD).await.unwrap().intact);
    assert_eq!(log.prune().await.unwrap()[0].from, oldest, "nothing new is old enough");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_segment_is_told_from_a_missing_one() {
    let bench = Bench::new();
    let log = bench.of_years().await;
    let key = key_of(&log);
    log.prune().await.unwrap();
    log.close().await.unwrap();
    drop(log);
    assert!(bench.verified(&key).intact);
    let (dir, stub) = (bench.standard(), bench.standard().join("pruned"));
    let statement = std::fs::read_to_string(&stub).unwrap();
    // One more than the statement says.
    let mut segments: Vec<_> =
        std::fs::read_dir(dir.join("segments")).unwrap().map(|e| e.unwrap().path()).collect();
    segments.sort();
    let first = std::fs::read(&segments[0]).unwrap();
    std::fs::remove_file(&segments[0]).unwrap();
    let report = bench.verified(&key);
    assert_eq!(report.first_bad.unwrap().kind, FindingKind::Segment);
    assert!(Log::open(bench.options()).await.unwrap_err().is(codes::DAMAGED));
    std::fs::write(&segments[0], first).unwrap();
    assert!(bench.verified(&key).intact);
    // A statement that is gone, changed, or of somebody else.
    let number: u64 = statement.lines().nth(2).unwrap().parse().unwrap();
    let changed = statement.replacen(&number.to_string(), &(number + 1).to_string(), 1);
    for (what, text) in [("gone", None), ("changed", Some(changed)), ("nonsense", Some("x".into()))]
    {
        match &text {
            Some(text) => std::fs::write(&stub, text).unwrap(),
            None => std::fs::remove_file(&stub).unwrap(),
        }
        assert!(!bench.verified(&key).intact, "{what}");
        assert!(Log::open(bench.options()).await.unwrap_err().is(codes::DAMAGED), "{what}");
    }
    std::fs::write(&stub, &statement).unwrap();
    // A hash of what is gone.
    let tile = dir.join("tile/0/001");
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[77] ^= 1;
    std::fs::write(&tile, &bytes).unwrap();
    assert!(!bench.verified(&key).intact);
    bytes[77] ^= 1;
    std::fs::write(&tile, &bytes).unwrap();
    // A tile that a crash took: made of the stub again.
    assert!(bench.verified(&key).intact);
    for level in ["0", "1"] {
        for entry in std::fs::read_dir(dir.join("tile").join(level)).unwrap() {
            let path = entry.unwrap().path();
            if path.to_string_lossy().ends_with(".p") {
                std::fs::remove_dir_all(path).unwrap();
            }
        }
    }
    let log = bench.open().await;
    bench.record(&log, "user_9", 5).await;
    assert!(log.verify(STANDARD).await.unwrap().intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_pruning_is_finished_at_the_next_start() {
    let bench = Bench::new();
    let log = bench.of_years().await;
    let key = key_of(&log);
    log.close().await.unwrap();
    drop(log);
    let saved: Vec<_> = crate::bench_log::files_below(&bench.standard())
        .into_iter()
        .map(|file| (file.clone(), std::fs::read(file).unwrap()))
        .collect();
    let log = bench.open().await;
    let oldest = log.prune().await.unwrap()[0].to;
    log.close().await.unwrap();
    drop(log);
    // Half of what went is there again: as if the machine had stopped in between.
    for (file, bytes) in &saved {
        let name = file.to_string_lossy();
        let number = |text: &str| text.split('.').next().unwrap().parse::<u64>().unwrap_or(0);
        let segment =
            name.contains("/segments/0") && number(name.rsplit('/').next().unwrap()) > 300;
        let bundle = name.contains("/tile/entries/00") && !name.contains(".p/");
        if !file.exists() && (segment || bundle) {
            std::fs::write(file, bytes).unwrap();
        }
    }
    let report = bench.verified(&key);
    assert!(report.intact && report.pruned < oldest, "{report:?}");
    let log = bench.open().await;
    assert_eq!(log.oldest(STANDARD).await.unwrap(), oldest);
    assert!(log.verify(STANDARD).await.unwrap().intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_keeps_from_pruning_and_from_erasure_until_it_is_released() {
    let bench = Bench::new();
    let log = bench.of_years().await;
    let context = bench.context();
    let hold = log
        .place_hold(&context, NewHold::new("case 7").user("user_1").log(STANDARD))
        .await
        .unwrap();
    assert_eq!(log.holds().await.unwrap(), std::slice::from_ref(&hold));
    let pruned = log.prune().await.unwrap();
    assert_eq!(pruned[0].until, PruneEnd::Hold(hold.id.clone()));
    assert!(pruned[0].to <= 1000 && pruned[0].to > 500, "{pruned:?}");
    let refused = log.erase_subject(&context, PrincipalKind::User, "user_1").await.unwrap_err();
    assert!(refused.is(codes::HELD), "{refused:?}");
    let told = log.query(&Query::new().action("audit.subject.erase")).await.unwrap().items;
    assert_eq!(told[0].outcome, Outcome::Denied, "that it was tried is recorded");
    assert!(log.erase_subject(&context, PrincipalKind::User, "user_2").await.unwrap());
    // A hold on everything keeps everybody.
    let all = log.place_hold(&context, NewHold::new("everything")).await.unwrap();
    let refused = log.erase_subject(&context, PrincipalKind::User, "user_0").await;
    assert!(refused.unwrap_err().is(codes::HELD));
    for id in [&hold.id, &all.id] {
        log.release_hold(&context, id).await.unwrap();
    }
    let gone = log.release_hold(&context, &hold.id).await.unwrap_err();
    assert!(gone.is(codes::HOLD_NOT_FOUND));
    assert!(log.prune().await.unwrap()[0].to > 1500);
    assert!(log.erase_subject(&context, PrincipalKind::User, "user_1").await.unwrap());
    let told = log.query(&Query::new().action("audit.hold.*")).await.unwrap().items;
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|event| !format!("{event:?}").contains("case 7")));
    let nul = [NewHold::new("a\0b"), NewHold::new("x").user("a\0b")];
    let bad = [NewHold::new(" "), NewHold::new("x".repeat(1001)), NewHold::new("x").user("")];
    // A name holds nothing, and must not stand in the log.
    let names = ["alice", "john_smith", "user_0 "].map(|name| NewHold::new("x").user(name));
    for bad in bad.into_iter().chain(nul).chain(names) {
        let refused = log.place_hold(&context, bad).await.unwrap_err();
        assert!(refused.is(core_codes::INVALID_REQUEST));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_on_a_workload_keeps_what_it_did() {
    let bench = Bench::new();
    let log = bench.of_years().await;
    let context = bench.context();
    for id in ["spiffe://example.org/ns/prod/sa/api", "oidc:https://ci.example.org:job-7"] {
        let actor = Actor::account(PrincipalKind::Workload, id, "api");
        let event = Event::new(&bench.clock, Action::KMS_ENCRYPT, Outcome::Success).by(actor);
        log.record(event).await.unwrap();
        let hold = log.place_hold(&context, NewHold::new("case 8").user(id)).await.unwrap();
        let refused = log.erase_subject(&context, PrincipalKind::Workload, id).await.unwrap_err();
        assert!(refused.is(codes::HELD), "{refused:?}");
        log.release_hold(&context, &hold.id).await.unwrap();
    }
}

/// A receiver that is away.
#[derive(Debug)]
struct Away;

#[async_trait::async_trait]
impl Receiver for Away {
    fn kind(&self) -> &'static str {
        "away"
    }

    async fn deliver(&mut self, _: &Batch) -> Result<()> {
        Err(core_codes::UNAVAILABLE.into())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pruned_that_a_sink_still_must_get() {
    let bench = Bench::new();
    let log = bench.of_years().await;
    let lax = sink_options("lax").standard(OnFailure::FailOpen);
    log.add_sink(lax, Away).await.unwrap();
    log.add_sink(sink_options("siem"), Away).await.unwrap();
    let pruned = log.prune().await.unwrap();
    assert_eq!((pruned[0].to, &pruned[0].until), (0, &PruneEnd::Sink));
    log.close().await.unwrap();
    drop(log);
    let log = bench.open().await;
    log.add_sink(sink_options("lax").standard(OnFailure::FailOpen), Away).await.unwrap();
    assert!(log.prune().await.unwrap()[0].to > 1500);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_believed_by_both_keys_where_the_second_is_given() {
    let bench = Bench::new();
    let archive = bench.dir.path().join("archive");
    let log = bench.of_years().await;
    log.close().await.unwrap();
    drop(log);
    let options = bench.options().archive(&archive).with_ml_dsa_44(true);
    let log = Log::open(options).await.unwrap();
    let (key, class) = (key_of(&log), RetentionClass::Standard);
    let second = log.ml_dsa_44_key(class).unwrap().clone();
    assert!(log.prune().await.unwrap()[0].to > 1000);
    let files = crate::bench_log::files_below(&archive);
    let file = files.iter().find(|file| file.extension().is_some_and(|e| e == "zst")).unwrap();
    let both = || verify_archive(file, &key, Some(&second));
    let report = both().unwrap();
    assert_eq!(report, verify_archive(file, &key, None).unwrap());
    // Of another log, and of this one for something else.
    let elsewhere = log.ml_dsa_44_key(RetentionClass::BreakGlass).unwrap();
    let refused = verify_archive(file, &key, Some(elsewhere)).unwrap_err();
    assert!(refused.is(codes::BAD_VERIFIER_KEY), "{refused:?}");
    // Somebody who has the first key alone can prove whatever they like to those who want no more.
    let name = file.to_str().unwrap().replace(".jsonl.zst", ".proof.json");
    let whole = std::fs::read_to_string(&name).unwrap();
    let mut proof: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let note = proof["checkpoint"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = note.lines().collect();
    assert_eq!(lines.len(), 6, "two signatures");
    let mut false_one = lines.clone();
    let mut changed = lines[5].to_owned().into_bytes();
    let at = changed.len() - 9;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    false_one[5] = &changed;
    for (note, said) in [(&lines[..5], "is not signed with"), (&false_one[..], "says it is")] {
        proof["checkpoint"] = (note.join("\n") + "\n").into();
        std::fs::write(&name, serde_json::to_vec(&proof).unwrap()).unwrap();
        verify_archive(file, &key, None).unwrap();
        let refused = both().unwrap_err();
        assert!(refused.public_detail().contains(said), "{said}: {refused:?}");
    }
    std::fs::write(&name, whole).unwrap();
    both().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pruned_is_archived_first_and_proved_complete() {
    let bench = Bench::new();
    let archive = bench.dir.path().join("archive");
    let log = bench.of_years().await;
    let key = key_of(&log);
    log.close().await.unwrap();
    drop(log);
    let log = Log::open(bench.options().archive(&archive)).await.unwrap();
    let oldest = log.prune().await.unwrap()[0].to;
    let mut files: Vec<_> = crate::bench_log::files_below(&archive)
        .into_iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "zst"))
        .collect();
    files.sort();
    let mut next = 0;
    for file in &files {
        let report = verify_archive(file, &key, None).unwrap();
        assert_eq!(report.from, next);
        next = report.to;
    }
    assert_eq!(next, oldest, "all of it is there");
    let packed = std::fs::read(&files[0]).unwrap();
    let text = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let leaf: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(leaf["actor"]["id"], "user_0", "it is read with tools that everybody has");
    let joined = |lines: &[&str]| format!("{}\n", lines.join("\n")).into_bytes();
    let pack = |text: &[u8]| zstd::encode_all(text, 3).unwrap();
    let (mut flipped, bomb) = (packed.clone(), pack(&vec![b'\n'; 1 << 26]));
    flipped[packed.len() / 2] ^= 1;
    let changed = [
        ("short", pack(&joined(&lines[..lines.len() - 1]))),
        ("longer", pack(&joined(&[&lines[..], &lines[..1]].concat()))),
        ("swapped", pack(text.replacen("user_0", "user_9", 1).as_bytes())),
        ("cut off", pack(&text.as_bytes()[..text.len() - 5])),
        ("a line without an end", pack(&vec![b'x'; 1 << 26])),
        ("many empty lines", bomb),
        ("a changed bit", flipped),
        ("half of it", packed[..packed.len() / 2].to_vec()),
        ("nothing", Vec::new()),
    ];
    for (what, bytes) in changed {
        std::fs::write(&files[0], bytes).unwrap();
        assert!(verify_archive(&files[0], &key, None).is_err(), "{what}");
    }
    std::fs::write(&files[0], packed).unwrap();
    verify_archive(&files[0], &key, None).unwrap();
    // An archive that can't be written keeps everything.
    bench.clock.advance(DAY * 400);
    log.close().await.unwrap();
    drop(log);
    std::fs::write(bench.dir.path().join("file"), "").unwrap();
    let into_a_file = bench.options().archive(bench.dir.path().join("file"));
    let log = Log::open(into_a_file).await.unwrap();
    assert!(log.prune().await.is_err());
    assert_eq!(log.oldest(STANDARD).await.unwrap(), oldest);
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_is_by_class_and_can_only_be_made_longer() {
    let bench = Bench::new();
    let log = bench.of_years().await;
    let emergency = Action::custom("break_glass.request").unwrap();
    for _ in 0..600 {
        log.record(Event::new(&bench.clock, emergency.clone(), Outcome::Success)).await.unwrap();
    }
    bench.clock.advance(DAY * 366);
    let defaults = Retention::default();
    assert_eq!((defaults.standard, defaults.break_glass), (DAY * 365, DAY * 2555));
    let context = bench.context();
    for shorter in [Retention::new(DAY * 364, DAY * 2555), Retention::new(DAY * 365, DAY)] {
        let refused = log.set_retention(&context, shorter).await.unwrap_err();
        assert!(refused.is(core_codes::INVALID_REQUEST), "{refused:?}");
    }
    log.set_retention(&context, Retention::new(DAY * 3660, DAY * 2555)).await.unwrap();
    assert_eq!(log.prune().await.unwrap()[0].to, 0);
    log.set_retention(&context, defaults).await.unwrap();
    let pruned = log.prune().await.unwrap();
    assert!(pruned[0].to > 1500, "{pruned:?}");
    assert_eq!(pruned[1].to, 0, "emergency access is kept for seven years");
    // A log that hardly grows is pruned too: the segment it writes to is left when it is old.
    bench.clock.advance(DAY * 400);
    log.prune().await.unwrap();
    // Enough to fill the tile that was begun, and no segment.
    let left_at = log.size(STANDARD);
    bench.record(&log, "user_4", 260).await;
    bench.clock.advance(DAY * 400);
    let pruned = log.prune().await.unwrap();
    assert!(pruned[0].to >= left_at, "{pruned:?} of {left_at}");
    assert!(log.verify(STANDARD).await.unwrap().intact);
    assert!(log.verify(RetentionClass::BreakGlass).await.unwrap().intact);
    assert!(bench.clock.now() > "2023-01-01T00:00:00Z".parse().unwrap());
}
