//! Verifiers nobody here wrote: crates `signed_note` and `tlog_tiles`, and Go's `x/mod/sumdb`.

use std::path::{Path, PathBuf};
use std::process::Command;

use prov_audit::{Checkpoint, Log, Proof, Query, verify_extension, verify_proof, verify_range};
use prov_core::audit::{Action, Recorder, RetentionClass};
use tlog_tiles::checkpoint::Checkpoint as ForeignCheckpoint;
use tlog_tiles::tile::{Tile, TileHashReader, TileReader};
use tlog_tiles::tlog::{Hash, check_record, check_tree, prove_record, record_hash, tree_hash};

use crate::bench_log::{Bench, ORIGIN, peer, skip};

pub(crate) async fn fill(log: &Log, bench: &Bench, count: usize) {
    let events: Vec<_> =
        (0..count).map(|_| bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).collect();
    for event in futures_util::future::join_all(events.into_iter().map(|e| log.record(e))).await {
        event.unwrap();
    }
}

/// The checkpoint in this directory, with so many signatures that the crate can't read.
pub(crate) fn opened(dir: &Path, unknown: usize) -> ForeignCheckpoint {
    let vkey = std::fs::read_to_string(dir.join("log.vkey")).unwrap();
    let verifier = signed_note::StandardVerifier::new(vkey.trim()).unwrap();
    let note = signed_note::Note::from_bytes(&std::fs::read(dir.join("checkpoint")).unwrap());
    let note = note.unwrap();
    let verifiers = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    let (good, others) = note.verify(&verifiers).unwrap();
    assert_eq!((good.len(), others.len()), (1, unknown));
    ForeignCheckpoint::from_bytes(note.text()).unwrap()
}

struct Tiles(PathBuf);

impl TileReader for Tiles {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, tlog_tiles::tlog::Error> {
        let path = |tile: &Tile| self.0.join(tile.path().replacen("tile/8/", "tile/", 1));
        Ok(tiles.iter().map(|tile| std::fs::read(path(tile)).unwrap()).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn two_foreign_crates_verify_checkpoint_tiles_and_proofs_at_many_sizes() {
    let bench = Bench::new();
    let log = bench.open().await;
    let mut size = 0;
    for more in [1, 254, 1, 1, 300, 211] {
        fill(&log, &bench, more).await;
        size += more;
        log.checkpoint(RetentionClass::Standard).await.unwrap();
        let checkpoint = opened(&bench.standard(), 0);
        assert_eq!(checkpoint.origin(), format!("{ORIGIN}/standard"));
        assert_eq!(checkpoint.size(), size as u64);
        let tiles = Tiles(bench.standard());
        let reader = TileHashReader::new(checkpoint.size(), *checkpoint.hash(), &tiles);
        assert_eq!(tree_hash(checkpoint.size(), &reader).unwrap(), *checkpoint.hash());
        let mut leaves = log.leaves(RetentionClass::Standard, 0).await.unwrap();
        loop {
            let some = leaves.next().await.unwrap();
            if some.is_empty() {
                break;
            }
            for leaf in some.iter().filter(|leaf| leaf.seq % 7 == 0) {
                assert_eq!(record_hash(&leaf.leaf), Hash(leaf.hash));
                let proof = prove_record(checkpoint.size(), leaf.seq, &reader).unwrap();
                let (n, root) = (checkpoint.size(), *checkpoint.hash());
                check_record(&proof, n, root, leaf.seq, Hash(leaf.hash)).unwrap();
            }
        }
    }
}

/// Checks a proof file with the crates, and gives the event's place and the size of the tree.
pub(crate) fn checked_file(proof: &Proof) -> (u64, u64) {
    let (head, note) = proof.text.split_once("\n\n").unwrap();
    let mut lines = head.lines().skip(1);
    let index = lines.next().unwrap().strip_prefix("index ").unwrap().parse().unwrap();
    let hashes: Vec<Hash> = lines.map(|line| Hash::parse_hash(line).unwrap()).collect();
    let verifier = signed_note::StandardVerifier::new(&proof.key.to_string()).unwrap();
    let verifiers = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    let note = signed_note::Note::from_bytes(note.as_bytes()).unwrap();
    note.verify(&verifiers).unwrap();
    let checkpoint = ForeignCheckpoint::from_bytes(note.text()).unwrap();
    let (size, root) = (checkpoint.size(), *checkpoint.hash());
    check_record(&hashes, size, root, index, record_hash(&proof.leaf)).unwrap();
    (index, size)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_file_is_checked_by_a_foreign_crate_and_by_ours() {
    let bench = Bench::new();
    let log = bench.open().await;
    fill(&log, &bench, 300).await;
    let record = log.query(&Query::new()).await.unwrap().items.remove(42);
    let proof = log.proof(record.id).await.unwrap();
    let key = log.verifier_key(RetentionClass::Standard);
    let (index, checkpoint) = verify_proof(&proof.leaf, &proof.text, key).unwrap();
    assert_eq!(index, record.seq);
    assert_eq!(checked_file(&proof), (index, checkpoint.size));

    let other = Bench::new().open().await;
    let foreign = other.verifier_key(RetentionClass::Standard);
    let mut changed = proof.leaf.clone();
    changed[20] ^= 1;
    assert!(verify_proof(&changed, &proof.text, key).is_err());
    assert!(verify_proof(&proof.leaf, &proof.text, foreign).is_err());
    assert!(verify_proof(&proof.leaf, &proof.text.replace("index 2", "index 1"), key).is_err());
    assert!(verify_proof(&proof.leaf, "", key).is_err());
}

/// The program that verifies a directory with the Go team's packages; a skip without them.
pub(crate) fn go_program(bench: &Bench) -> Option<PathBuf> {
    if !Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb").exists()
        || Command::new("go").arg("version").output().is_err()
    {
        skip("Debian's golang-go and golang-golang-x-mod-dev are not installed");
        return None;
    }
    let program = bench.dir.path().join("verify");
    let build = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg("tests/it/go/verify.go")
        .envs([("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode"), ("GOFLAGS", "")])
        .env("GOCACHE", bench.dir.path().join("go-cache"))
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    Some(program)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_go_teams_packages_verify_the_directory_and_refuse_a_changed_one() {
    let bench = Bench::new();
    let Some(program) = go_program(&bench) else { return };
    let log = bench.open().await;
    fill(&log, &bench, 700).await;
    log.close().await.unwrap();
    let run = || Command::new(&program).arg(bench.standard()).output().unwrap();
    let output = run();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(printed, format!("OK {ORIGIN}/standard 700\n"));
    let bundle = bench.standard().join("tile/entries/001");
    let mut bytes = std::fs::read(&bundle).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    assert!(!run().status.success(), "a changed entry must be refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_crate_checks_our_consistency_and_inclusion_proofs_of_any_size() {
    let bench = Bench::new();
    let log = bench.open().await;
    fill(&log, &bench, 700).await;
    log.checkpoint(RetentionClass::Standard).await.unwrap();
    let class = RetentionClass::Standard;
    let hashes = |all: &[[u8; 32]]| all.iter().map(|hash| Hash(*hash)).collect::<Vec<_>>();
    let mut leaves = log.leaves(class, 0).await.unwrap();
    let first = leaves.next().await.unwrap();
    for (old, size) in [(1, 700), (255, 256), (256, 700), (300, 511), (511, 512), (699, 700)] {
        let before = log.consistency_proof(class, 0, Some(old)).await.unwrap().root;
        let proof = log.consistency_proof(class, old, Some(size)).await.unwrap();
        let (new_root, old_root) = (Hash(proof.root), Hash(before));
        check_tree(&hashes(&proof.hashes), size, new_root, old, old_root).unwrap();
        assert!(check_tree(&hashes(&proof.hashes), size, old_root, old, new_root).is_err());
        let index = old - 1;
        let proof = log.inclusion_proof(class, index, Some(size)).await.unwrap();
        let Some(leaf) = first.get(usize::try_from(index).unwrap()) else { continue };
        check_record(&hashes(&proof.hashes), size, new_root, index, Hash(leaf.hash)).unwrap();
    }
    let refused = log.consistency_proof(class, 701, Some(700)).await.unwrap_err();
    assert_eq!(refused.fields()[0].field, "from");
    assert!(log.inclusion_proof(class, 700, None).await.is_err());
    let beyond = log.inclusion_proof(class, 3, Some(70_000)).await.unwrap_err();
    assert_eq!(beyond.fields()[0].field, "size");
    assert!(log.inclusion_proof(class, u64::MAX, None).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_checkpoint_and_a_range_are_checked_offline() {
    let bench = Bench::new();
    let log = bench.open().await;
    let class = RetentionClass::Standard;
    fill(&log, &bench, 130).await;
    let older = log.checkpoint(class).await.unwrap();
    fill(&log, &bench, 500).await;
    let newer = log.checkpoint(class).await.unwrap();
    let key = log.verifier_key(class);
    let proof = log.consistency_proof(class, older.size, Some(newer.size)).await.unwrap();
    let opened = Checkpoint::open(&older.note, key).unwrap();
    verify_extension(&opened, &newer, &proof.hashes).unwrap();
    assert!(verify_extension(&newer, &opened, &proof.hashes).is_err());
    assert!(verify_extension(&opened, &newer, &proof.hashes[1..]).is_err());
    let mut leaves = log.leaves(class, 100).await.unwrap();
    // They come in parts, of which the first may be a single leaf.
    let mut some: Vec<Vec<u8>> = Vec::new();
    while some.len() < 200 {
        some.extend(leaves.next().await.unwrap().into_iter().map(|leaf| leaf.leaf));
    }
    some.truncate(200);
    let end = 100 + some.len() as u64;
    let proof = log.range_proof(class, 100..end).await.unwrap();
    verify_range(&some, 100, &proof.hashes, &proof.checkpoint).unwrap();
    assert!(verify_range(&some, 101, &proof.hashes, &proof.checkpoint).is_err());
    let left_out: Vec<_> =
        some.iter().enumerate().filter(|(i, _)| *i != 1).map(|(_, l)| l).collect();
    assert!(verify_range(&left_out, 100, &proof.hashes, &proof.checkpoint).is_err());
    some[3][30] ^= 1;
    assert!(verify_range(&some, 100, &proof.hashes, &proof.checkpoint).is_err());
    assert!(log.range_proof(class, 5..5).await.is_err());
    assert!(log.range_proof(class, 5..5000).await.is_err());
}

/// Runs `aics-tlog` on the log of everyday events, which has an older checkpoint; a skip without it.
pub(crate) fn aics(bench: &Bench, older: &Checkpoint) -> Option<impl Fn(&[&str]) -> bool> {
    let tool = peer("aics-tlog-0.2.1", "aics-tlog")?;
    std::fs::write(bench.dir.path().join("kept-checkpoint"), &older.note).unwrap();
    // The tool takes no key that lies in the log's own folder.
    let (dir, key) = (bench.standard(), bench.dir.path().join("kept.vkey"));
    std::fs::copy(dir.join("log.vkey"), &key).unwrap();
    Some(move |arguments: &[&str]| {
        let mut command = Command::new(&tool);
        command.args(arguments).arg("--tiles").arg(&dir).arg("--vkey-file").arg(&key);
        let output = command.output().unwrap();
        println!(
            "{arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        output.status.success()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aics_tools_verify_directory_proof_and_consistency_and_refuse_a_changed_one() {
    let bench = Bench::new();
    let log = bench.open().await;
    fill(&log, &bench, 300).await;
    let older = log.checkpoint(RetentionClass::Standard).await.unwrap();
    fill(&log, &bench, 400).await;
    log.close().await.unwrap();
    let dir = bench.standard();
    let Some(run) = aics(&bench, &older) else { return };
    let kept = bench.dir.path().join("kept-checkpoint");
    assert!(run(&["verify-checkpoint"]));
    assert!(run(&["verify-inclusion", "--index", "421"]));
    assert!(run(&["verify-consistency", "--old-checkpoint", kept.to_str().unwrap()]));
    let tile = dir.join("tile/0/001");
    let mut bytes = std::fs::read(&tile).unwrap();
    bytes[165 * 32] ^= 1;
    std::fs::write(&tile, bytes).unwrap();
    assert!(!run(&["verify-inclusion", "--index", "421"]), "a changed tile must be refused");
}
