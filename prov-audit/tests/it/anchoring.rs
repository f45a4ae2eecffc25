//! Time stamps, by a real authority: `openssl ts`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::routing::post;
use prov_audit::anchoring::{AnchoringOptions, AnchoringStatus};
use prov_audit::{FindingKind, Log, Query, Report, Trust, TsaRoots, verify_with};
use prov_core::audit::RetentionClass;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::bench_log::{Bench, skip};
use crate::sinks::{Running, record_and_sign, until};

const CLASS: RetentionClass = RetentionClass::Standard;

fn openssl(folder: &Path, arguments: &str) -> (bool, String) {
    let words = arguments.split_whitespace();
    let output = Command::new("openssl").current_dir(folder).args(words).output().unwrap();
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn done(folder: &Path, arguments: &str) {
    let (well, said) = openssl(folder, arguments);
    assert!(well, "openssl {arguments}: {said}");
}

/// An authority: its certificates, and what it answers with.
struct Tsa {
    folder: tempfile::TempDir,
    asked: AtomicUsize,
    manner: AtomicUsize,
}

const HONEST: usize = 0;
const REPLAYS: usize = 1;
const FAILS: usize = 2;
const NONSENSE: usize = 3;
const STALLS: usize = 4;

impl Tsa {
    /// With keys of this kind, naming its certificate by this hash, and taking these hashes.
    fn new(kind: &str, named_by: &str, takes: &str) -> Option<Arc<Self>> {
        if Command::new("openssl").arg("version").output().is_err() {
            skip("openssl is not installed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        done(
            at,
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -subj /CN=ca -days 30",
        );
        done(at, &format!("req -newkey {kind} -nodes -keyout tsa.key -out tsa.csr -subj /CN=tsa"));
        let usage = "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n";
        std::fs::write(at.join("usage"), usage).unwrap();
        done(
            at,
            "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem -days 30 -extfile usage",
        );
        let config = format!(
            "[tsa]\ndefault_tsa = one\n[one]\nserial = serial\nsigner_cert = tsa.pem\n\
             signer_key = tsa.key\ncerts = ca.pem\nsigner_digest = sha256\n\
             default_policy = 1.2.3.4.1\ndigests = {takes}\naccuracy = secs:1, millisecs:500\n\
             tsa_name = yes\ness_cert_id_alg = {named_by}\n"
        );
        std::fs::write(at.join("tsa.cnf"), config).unwrap();
        std::fs::write(at.join("serial"), "01").unwrap();
        let (asked, manner) = (AtomicUsize::new(0), AtomicUsize::new(HONEST));
        Some(Arc::new(Self { folder, asked, manner }))
    }

    fn honest() -> Option<Arc<Self>> {
        Self::new("rsa:2048", "sha256", "sha256")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn roots(&self) -> TsaRoots {
        TsaRoots::read(&self.path("ca.pem")).unwrap()
    }

    fn now(&self, manner: usize) {
        self.manner.store(manner, Ordering::SeqCst);
    }

    /// Answers a query.
    fn reply(&self, query: &[u8]) -> Vec<u8> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        std::fs::write(self.path("query"), query).unwrap();
        let answer = format!("answer-{number}");
        let asked = format!("ts -reply -config tsa.cnf -queryfile query -out {answer}");
        done(self.folder.path(), &asked);
        std::fs::read(self.path(&answer)).unwrap()
    }

    /// Listens; ends with the set.
    async fn listen(self: &Arc<Self>) -> (JoinSet<()>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/tsa", listener.local_addr().unwrap());
        let tsa = Arc::clone(self);
        let answer = async move |query: Bytes| match tsa.manner.load(Ordering::SeqCst) {
            REPLAYS => (StatusCode::OK, std::fs::read(tsa.path("answer-0")).unwrap()),
            FAILS => (StatusCode::INTERNAL_SERVER_ERROR, b"no".to_vec()),
            NONSENSE => (StatusCode::OK, b"\x30\x03\x02\x01".to_vec()),
            STALLS => std::future::pending().await,
            _ => (StatusCode::OK, tsa.reply(&query)),
        };
        let app = Router::new().route("/tsa", post(answer));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, app).await.unwrap() });
        (tasks, url)
    }

    /// What `openssl ts -verify` says.
    fn judges(&self, checkpoint: &Path, answer: &Path) -> bool {
        let (data, token) = (checkpoint.display(), answer.display());
        let asked = format!("ts -verify -data {data} -in {token} -CAfile ca.pem");
        let (well, said) = openssl(self.folder.path(), &asked);
        println!("openssl {asked}: {said}");
        well && said.contains("Verification: OK")
    }
}

/// Has a log time-stamped while the test runs.
async fn stamp(log: &Arc<Log>, url: &str, roots: TsaRoots) -> Running {
    let options = AnchoringOptions::new(url, roots)
        .every(Duration::from_millis(300))
        .patience(Duration::from_secs(1))
        .rest(Duration::from_millis(50));
    let anchoring = log.add_anchoring(options).await.unwrap();
    Running::one(|stop| anchoring.run(stop))
}

fn status(log: &Log) -> AnchoringStatus {
    log.anchoring().unwrap()
}

fn stamped(log: &Log) -> u64 {
    status(log).standard.map_or(0, |anchor| anchor.size)
}

fn verified(bench: &Bench, log: &Log, roots: TsaRoots) -> Report {
    verify_with(&bench.standard(), log.verifier_key(CLASS), &Trust::new().time_stamps(roots))
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_stamps_checkpoints_and_judges_what_is_kept() {
    let kinds = [
        ("rsa:2048", "sha256"),
        ("rsa:3072", "sha1"),
        ("ec -pkeyopt ec_paramgen_curve:P-256", "sha512"),
    ];
    for (kind, named_by) in kinds {
        let Some(tsa) = Tsa::new(kind, named_by, "sha256") else { return };
        let bench = Bench::new();
        let log = Arc::new(bench.open().await);
        let (_tasks, url) = tsa.listen().await;
        record_and_sign(&bench, &log, 5).await;
        let stamping = stamp(&log, &url, tsa.roots()).await;
        until(kind, || stamped(&log) >= 5).await;
        let first = stamped(&log);
        record_and_sign(&bench, &log, 300).await;
        until(kind, || stamped(&log) > first).await;
        let size = stamped(&log);
        stamping.stop().await;
        let (note, answer) = log.anchor(CLASS, size).await.unwrap();
        let events = log.query(&Query::new().action("audit.anchor")).await.unwrap().items;
        assert!(events.iter().any(|event| event.context["size"] == size), "{events:?}");
        log.close().await.unwrap();

        let folder = bench.standard().join("anchors");
        let files = |size: u64| {
            let file = |extension: &str| folder.join(format!("{size:020}.{extension}"));
            (file("checkpoint"), file("tsr"))
        };
        for size in [first, size] {
            let (checkpoint, response) = files(size);
            assert!(tsa.judges(&checkpoint, &response));
        }
        assert!(!tsa.judges(&files(first).0, &files(size).1), "of another checkpoint");
        let (checkpoint, response) = files(size);
        assert_eq!(std::fs::read_to_string(checkpoint).unwrap(), note);
        assert_eq!(std::fs::read(response).unwrap(), answer);
        let report = verified(&bench, &log, tsa.roots());
        assert!(report.intact, "{report:?}");
        let sizes: Vec<u64> = report.anchors.iter().map(|anchor| anchor.size).collect();
        assert!(sizes.contains(&first) && sizes.contains(&size), "{sizes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_stamp_that_was_changed_moved_or_is_of_a_stranger_is_found() {
    let (Some(tsa), Some(stranger)) = (Tsa::honest(), Tsa::honest()) else { return };
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let (_tasks, url) = tsa.listen().await;
    record_and_sign(&bench, &log, 5).await;
    let stamping = stamp(&log, &url, tsa.roots()).await;
    until("5 are stamped", || stamped(&log) >= 5).await;
    stamping.stop().await;
    log.close().await.unwrap();
    let size = stamped(&log);
    let folder = bench.standard().join("anchors");
    let (checkpoint, response) =
        (folder.join(format!("{size:020}.checkpoint")), folder.join(format!("{size:020}.tsr")));
    let truth = std::fs::read(&response).unwrap();
    let found = |roots: TsaRoots| {
        let report = verified(&bench, &log, roots);
        let found = report.findings.iter().any(|finding| finding.kind == FindingKind::Anchor);
        assert_eq!(report.intact, !found, "{report:?}");
        (found, report.anchors)
    };
    let honest = found(tsa.roots());
    assert!(!honest.0 && honest.1.iter().any(|anchor| anchor.size == size));
    assert!(found(stranger.roots()).0, "of an authority that is not trusted");
    // Whatever byte is changed: it is found, or nothing that is vouched for has changed.
    let mut missed = 0;
    for at in 0..truth.len() {
        let mut changed = truth.clone();
        changed[at] ^= 1 << (at % 8);
        std::fs::write(&response, &changed).unwrap();
        let (is_found, anchors) = found(tsa.roots());
        if !is_found {
            assert_eq!(anchors, honest.1, "byte {at}");
            missed += 1;
        }
    }
    // Certificates that are not needed, and texts beside the status, are not signed.
    assert!(missed < truth.len() / 2, "{missed} of {}", truth.len());
    std::fs::write(&response, &truth[..truth.len() - 1]).unwrap();
    assert!(found(tsa.roots()).0, "cut off");
    std::fs::remove_file(&response).unwrap();
    assert!(found(tsa.roots()).0, "gone");
    std::fs::write(&response, &truth).unwrap();
    let note = std::fs::read(&checkpoint).unwrap();
    let older = std::fs::read_to_string(bench.standard().join("checkpoints")).unwrap();
    let older = format!(
        "{}\n",
        older.split_once('\n').unwrap().1.split("\n\n").take(2).collect::<Vec<_>>().join("\n\n")
    );
    std::fs::write(&checkpoint, older).unwrap();
    assert!(found(tsa.roots()).0, "of another checkpoint");
    std::fs::write(&checkpoint, note).unwrap();
    assert!(!found(tsa.roots()).0);
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(found(tsa.roots()).0, "none at all");
    assert!(verify_with(&bench.standard(), log.verifier_key(CLASS), &Trust::new()).unwrap().intact);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_lies_stalls_or_refuses_is_believed_nothing() {
    let (Some(tsa), Some(other)) = (Tsa::honest(), Tsa::new("rsa:2048", "sha256", "sha512")) else {
        return;
    };
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let (_tasks, url) = tsa.listen().await;
    record_and_sign(&bench, &log, 5).await;
    let stamping = stamp(&log, &url, tsa.roots()).await;
    until("5 are stamped", || stamped(&log) >= 5).await;
    let size = stamped(&log);
    let error = || status(&log).last_error.unwrap_or_default();
    for (manner, said) in [
        (REPLAYS, "is about something else"),
        (FAILS, "answered 500: no"),
        (NONSENSE, "is no time stamp"),
        (STALLS, "did not answer within 1 s"),
    ] {
        tsa.now(manner);
        record_and_sign(&bench, &log, 1).await;
        until(said, || error().contains(said)).await;
    }
    assert_eq!(stamped(&log), size, "none of it was kept");
    tsa.now(HONEST);
    until("it goes on", || stamped(&log) > size && error().is_empty()).await;
    stamping.stop().await;
    for (action, count) in [("audit.anchor.failing", 1), ("audit.anchor.resumed", 1)] {
        let told = log.query(&Query::new().action(action)).await.unwrap().items;
        assert_eq!(told.len(), count, "{told:?}");
    }
    log.close().await.unwrap();
    // One that does not take the hash, and one that is not trusted.
    for (tsa, roots, said) in [
        (&other, other.roots(), "it refused with status 2"),
        (&tsa, other.roots(), "its certificate does not hold"),
    ] {
        let bench = Bench::new();
        let log = Arc::new(bench.open().await);
        let (_tasks, url) = tsa.listen().await;
        record_and_sign(&bench, &log, 2).await;
        let stamping = stamp(&log, &url, roots).await;
        let error = || status(&log).last_error.unwrap_or_default();
        until(said, || error().contains(said)).await;
        assert_eq!(stamped(&log), 0);
        stamping.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anchoring_that_makes_no_sense_is_refused() {
    let Some(tsa) = Tsa::honest() else { return };
    assert!(TsaRoots::read(&tsa.path("tsa.key")).is_err(), "no certificate");
    assert!(TsaRoots::read(&tsa.path("none")).is_err());
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    for url in ["tcp://127.0.0.1:1", "nonsense", "https://user@tsa.example"] {
        assert!(log.add_anchoring(AnchoringOptions::new(url, tsa.roots())).await.is_err(), "{url}");
    }
    let hasty = AnchoringOptions::new("http://tsa.example", tsa.roots()).every(Duration::ZERO);
    assert!(log.add_anchoring(hasty).await.is_err());
    assert!(log.anchoring().is_none());
    assert!(log.anchor(CLASS, 5).await.unwrap_err().is(prov_core::codes::NOT_FOUND));
}
