//! Verifiers nobody here wrote: crates `signed_note` and `tlog_tiles`, and Go's `x/mod/sumdb`.

use std::path::{Path, PathBuf};
use std::process::Command;

use prov_audit::{Log, Query, verify_proof};
use prov_core::audit::{Action, Recorder, RetentionClass};
use tlog_tiles::checkpoint::Checkpoint;
use tlog_tiles::tile::{Tile, TileHashReader, TileReader};
use tlog_tiles::tlog::{Hash, check_record, prove_record, record_hash, tree_hash};

use crate::bench_log::{Bench, ORIGIN, skip};

async fn fill(log: &Log, bench: &Bench, count: usize) {
    let events: Vec<_> =
        (0..count).map(|_| bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).collect();
    for event in futures_util::future::join_all(events.into_iter().map(|e| log.record(e))).await {
        event.unwrap();
    }
}

fn opened(dir: &Path) -> Checkpoint {
    let vkey = std::fs::read_to_string(dir.join("log.vkey")).unwrap();
    let verifier = signed_note::StandardVerifier::new(vkey.trim()).unwrap();
    let note = signed_note::Note::from_bytes(&std::fs::read(dir.join("checkpoint")).unwrap());
    let note = note.unwrap();
    let verifiers = signed_note::VerifierList::new(vec![Box::new(verifier)]);
    let (good, others) = note.verify(&verifiers).unwrap();
    assert_eq!((good.len(), others.len()), (1, 0));
    Checkpoint::from_bytes(note.text()).unwrap()
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
        let checkpoint = opened(&bench.standard());
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
    let (head, note) = proof.text.split_once("\n\n").unwrap();
    let hashes: Vec<Hash> =
        head.lines().skip(2).map(|line| Hash::parse_hash(line).unwrap()).collect();
    let root =
        *Checkpoint::from_bytes(signed_note::Note::from_bytes(note.as_bytes()).unwrap().text())
            .unwrap()
            .hash();
    check_record(&hashes, checkpoint.size, root, index, record_hash(&proof.leaf)).unwrap();

    let other = Bench::new().open().await;
    let foreign = other.verifier_key(RetentionClass::Standard);
    let mut changed = proof.leaf.clone();
    changed[20] ^= 1;
    assert!(verify_proof(&changed, &proof.text, key).is_err());
    assert!(verify_proof(&proof.leaf, &proof.text, foreign).is_err());
    assert!(verify_proof(&proof.leaf, &proof.text.replace("index 2", "index 1"), key).is_err());
    assert!(verify_proof(&proof.leaf, "", key).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_go_teams_packages_verify_the_directory_and_refuse_a_changed_one() {
    if !Path::new("/usr/share/gocode/src/golang.org/x/mod/sumdb").exists()
        || Command::new("go").arg("version").output().is_err()
    {
        return skip("Debian's golang-go and golang-golang-x-mod-dev are not installed");
    }
    let bench = Bench::new();
    let log = bench.open().await;
    fill(&log, &bench, 700).await;
    log.close().await.unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let program = scratch.path().join("verify");
    let build = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/go/verify.go"))
        .envs([("GO111MODULE", "off"), ("GOPATH", "/usr/share/gocode"), ("GOFLAGS", "")])
        .env("GOCACHE", scratch.path().join("cache"))
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
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
