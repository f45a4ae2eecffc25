//! Any change to any file of a log is found, and the first bad record is named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use prov_audit::{Report, VerifierKey, codes, verify};
use prov_core::audit::{Action, Recorder, RetentionClass};
use prov_core::random;

use crate::bench_log::{Bench, files_below};

/// A log as its files, and who stands where in it.
struct Original {
    files: BTreeMap<PathBuf, Vec<u8>>,
    key: VerifierKey,
    ids: Vec<uuid::Uuid>,
}

async fn original(bench: &Bench, count: usize) -> Original {
    let log = bench.open().await;
    let mut ids = Vec::new();
    for i in 0..count {
        let event = bench.event(Action::KMS_ENCRYPT, "user_1", "alice");
        ids.push(log.record(event).await.unwrap().id);
        if i % 100 == 50 {
            log.checkpoint(RetentionClass::Standard).await.unwrap();
        }
    }
    log.close().await.unwrap();
    let dir = bench.standard();
    let files = files_below(&dir)
        .into_iter()
        .filter(|file| !file.ends_with("lock"))
        .map(|file| (file.strip_prefix(&dir).unwrap().to_owned(), std::fs::read(&file).unwrap()))
        .collect();
    Original { files, key: log.verifier_key(RetentionClass::Standard).clone(), ids }
}

impl Original {
    fn write(&self, dir: &Path, name: &Path) {
        std::fs::write(dir.join(name), &self.files[name]).unwrap();
    }

    fn write_all(&self, dir: &Path) {
        for name in self.files.keys() {
            std::fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
            self.write(dir, name);
        }
    }

    /// What must hold of a report about a changed log.
    fn check(&self, report: &Report, what: &str, name: &Path) {
        assert!(!report.intact, "{what} of {} went unnoticed", name.display());
        let about_records = name.starts_with("segments") || name.starts_with("tile");
        if !about_records {
            return;
        }
        let bad = report.first_bad.as_ref();
        let bad = bad.unwrap_or_else(|| panic!("{what} of {}: {report:#?}", name.display()));
        let seq = usize::try_from(bad.seq.unwrap()).unwrap();
        assert!(seq < self.ids.len(), "{what}: {bad:?}");
        if let Some(event) = bad.event {
            assert_eq!(event, self.ids[seq], "{what} of {}: {bad:?}", name.display());
        }
        // A changed record is still in its bundle, so its event can be named.
        assert!(bad.event.is_some() || name.starts_with("tile/entries"), "{what}: {bad:?}");
    }
}

fn number(below: usize) -> usize {
    usize::try_from(u64::from_le_bytes(random::bytes::<8>().unwrap()) % below as u64).unwrap()
}

/// One random change; `None` when it happens to change nothing.
fn mutated(bytes: &[u8], kind: usize) -> Option<(Vec<u8>, &'static str)> {
    let at = number(bytes.len());
    let to = (at + 1 + number(40)).min(bytes.len());
    let mut changed = bytes.to_vec();
    let what = match kind {
        0 => {
            changed[at] ^= 1 << number(8);
            "bit flip"
        }
        1 => {
            changed.drain(at..to);
            "drop"
        }
        2 => {
            changed.truncate(at);
            "truncation"
        }
        3 => {
            let piece = bytes[at..to].to_vec();
            let place = number(bytes.len());
            changed.splice(place..place, piece);
            "splice"
        }
        _ => {
            let other = number(bytes.len());
            changed.swap(at, other);
            "swap"
        }
    };
    (changed != bytes).then_some((changed, what))
}

#[tokio::test(flavor = "multi_thread")]
async fn three_thousand_random_changes_are_all_found() {
    let bench = Bench::new();
    let original = original(&bench, 300).await;
    let copy = tempfile::tempdir().unwrap();
    original.write_all(copy.path());
    let report = verify(copy.path(), &original.key).unwrap();
    assert!(report.intact, "{report:#?}");
    let names: Vec<&PathBuf> = original.files.keys().collect();
    let mut tried = BTreeMap::new();
    for round in 0..3000 {
        let name = names[round % names.len()];
        let Some((bytes, what)) = mutated(&original.files[name], number(5)) else { continue };
        std::fs::write(copy.path().join(name), bytes).unwrap();
        original.check(&verify(copy.path(), &original.key).unwrap(), what, name);
        original.write(copy.path(), name);
        *tried.entry(what).or_insert(0) += 1;
    }
    assert!(tried.len() == 5 && tried.values().sum::<i32>() > 2000, "{tried:?}");
    assert!(verify(copy.path(), &original.key).unwrap().intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_in_a_segment_names_exactly_its_record() {
    let bench = Bench::new();
    let original = original(&bench, 300).await;
    let copy = tempfile::tempdir().unwrap();
    original.write_all(copy.path());
    for seq in [0, 1, 137, 255, 256, 299] {
        let id = original.ids[seq].to_string();
        let mut segments = original.files.keys().filter(|name| name.starts_with("segments"));
        let (name, at) = segments
            .find_map(|name| {
                let bytes = &original.files[name];
                let at = bytes.windows(36).position(|window| window == id.as_bytes())?;
                Some((name, at))
            })
            .unwrap();
        let mut bytes = original.files[name].clone();
        bytes[at + 60] ^= 1;
        std::fs::write(copy.path().join(name), bytes).unwrap();
        let bad = verify(copy.path(), &original.key).unwrap().first_bad.unwrap();
        assert_eq!((bad.seq, bad.event), (Some(seq as u64), Some(original.ids[seq])));
        original.write(copy.path(), name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_swapped_foreign_and_rolled_back_files_are_found() {
    let bench = Bench::new();
    let original = original(&bench, 600).await;
    let copy = tempfile::tempdir().unwrap();
    original.write_all(copy.path());
    for name in original.files.keys() {
        std::fs::remove_file(copy.path().join(name)).unwrap();
        let report = verify(copy.path(), &original.key).unwrap();
        assert!(!report.intact, "without {}", name.display());
        original.write(copy.path(), name);
    }
    let names: Vec<_> = original.files.keys().collect();
    for pair in names.windows(2) {
        std::fs::write(copy.path().join(pair[0]), &original.files[pair[1]]).unwrap();
        std::fs::write(copy.path().join(pair[1]), &original.files[pair[0]]).unwrap();
        let report = verify(copy.path(), &original.key).unwrap();
        assert!(!report.intact, "{} and {} swapped", pair[0].display(), pair[1].display());
        for name in pair {
            original.write(copy.path(), name);
        }
    }
    std::fs::write(copy.path().join("tile/0/007"), b"planted").unwrap();
    assert!(!verify(copy.path(), &original.key).unwrap().intact);
    std::fs::remove_file(copy.path().join("tile/0/007")).unwrap();

    // An earlier checkpoint in place of the newest, from the history itself.
    let history = String::from_utf8(original.files[Path::new("checkpoints")].clone()).unwrap();
    let entries: Vec<_> = history.split_inclusive("\n\n").collect();
    let (_, earlier) = entries[0].split_once('\n').unwrap();
    let note = format!("{earlier}{}", entries[1].trim_end_matches('\n')) + "\n";
    std::fs::write(copy.path().join("checkpoint"), note).unwrap();
    assert!(!verify(copy.path(), &original.key).unwrap().intact);
    original.write(copy.path(), Path::new("checkpoint"));

    // A log that is whole, but signed by somebody else.
    let other = Bench::new();
    let foreign = self::original(&other, 10).await;
    let report = verify(&other.standard(), &original.key).unwrap();
    assert!(!report.intact && report.signed_size == 0);
    assert!(verify(&other.standard(), &foreign.key).unwrap().intact);
    assert!(verify(copy.path(), &original.key).unwrap().intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_is_cut_and_damage_before_it_stops_the_log() {
    let bench = Bench::new();
    let log = bench.open().await;
    for _ in 0..20 {
        log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
    }
    // A crash: the files as they are, without the last checkpoint.
    let (crashed, crashed_again) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for file in files_below(bench.dir.path()) {
        for copy in [&crashed, &crashed_again] {
            let target = copy.path().join(file.strip_prefix(bench.dir.path()).unwrap());
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::copy(&file, target).unwrap();
        }
    }
    let key = log.verifier_key(RetentionClass::Standard).clone();
    drop(log);
    let segment = crashed.path().join("standard/segments/00000000000000000000.seg");
    let whole = std::fs::read(&segment).unwrap();
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;

    let mut torn = whole.clone();
    torn[end - 10..end].fill(0);
    std::fs::write(&segment, &torn).unwrap();
    let report = verify(&crashed.path().join("standard"), &key).unwrap();
    assert!(report.intact && report.torn_tail && report.records == 19, "{report:#?}");
    let mut options = bench.options();
    options.dir = crashed.path().to_owned();
    let log = prov_audit::Log::open(options.clone()).await.unwrap();
    let receipt = log.record(bench.event(Action::KMS_DECRYPT, "user_1", "alice")).await.unwrap();
    assert_eq!(receipt.seq, 19, "the torn record is gone, and its place is taken again");
    assert!(log.verify(RetentionClass::Standard).await.unwrap().intact);
    drop(log);

    // The same crash, but with a changed byte in the middle of what was durable.
    let crashed = &crashed_again;
    let segment = crashed.path().join("standard/segments/00000000000000000000.seg");
    options.dir = crashed.path().to_owned();
    let mut damaged = whole.clone();
    damaged[end / 2] ^= 1;
    std::fs::write(&segment, &damaged).unwrap();
    let refused = prov_audit::Log::open(options).await.unwrap_err();
    assert!(refused.is(codes::DAMAGED), "{refused:?}");
    assert!(
        refused.to_string().contains("record 9 ") || refused.to_string().contains("record 10 ")
    );
    let report = verify(&crashed.path().join("standard"), &key).unwrap();
    assert!(!report.intact && !report.torn_tail, "{report:#?}");
}
