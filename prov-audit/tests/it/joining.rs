//! Several nodes, one view: each with a log of its own and mirrors of the others'.

mod alarms;
mod both_keys;
mod proofs;
mod pruned;
mod whole;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use prov_audit::joining::{JoinAlarmKind, JoinOptions, JoinedLog, Joining};
use prov_audit::{
    CountBy, FindingKind, Log, LogOptions, Query, Question, codes, key_beside, verify, verify_proof,
};
use prov_core::audit::{Action, Event, Outcome, Recorder, RetentionClass};
use prov_core::store::{Scan, Store};
use prov_core::{Clock, PrincipalKind, SecurityContext, SystemClock};

use crate::bench_log::Bench;

const STANDARD: RetentionClass = RetentionClass::Standard;

/// A node: a log of its own, joined with the others of the bench's store.
struct Node {
    name: String,
    dir: PathBuf,
    log: Arc<Log>,
    joining: Arc<Joining>,
}

fn log_options(bench: &Bench, node: &str) -> LogOptions {
    let clock = Arc::<SystemClock>::clone(&bench.clock);
    let origin = format!("prov.example/audit/{node}");
    LogOptions::new(bench.dir.path().join(node), origin, Arc::clone(&bench.store), clock)
        .segment_bytes(64 << 10)
        .checkpoint_every(Duration::from_millis(50))
        .index_patience(Duration::from_secs(20))
}

fn join_options() -> JoinOptions {
    JoinOptions::new().every(Duration::from_millis(200)).patience(Duration::from_millis(300))
}

impl Node {
    async fn open(bench: &Bench, name: &str) -> Self {
        Self::open_with(bench, name, join_options()).await
    }

    async fn open_with(bench: &Bench, name: &str, options: JoinOptions) -> Self {
        Self::with(bench, name, log_options(bench, name), options).await
    }

    async fn with(bench: &Bench, name: &str, log: LogOptions, options: JoinOptions) -> Self {
        let log = Arc::new(Log::open(log).await.unwrap());
        let joining = log.join(options).await.unwrap();
        Self { name: name.to_owned(), dir: bench.dir.path().join(name), log, joining }
    }

    async fn record(&self, bench: &Bench, count: usize) {
        let all = (0..count).map(|_| {
            self.log.record(bench.event(
                Action::KMS_ENCRYPT,
                "user_1",
                &format!("at {}", self.name),
            ))
        });
        for recorded in join_all(all).await {
            recorded.unwrap();
        }
    }

    /// What it knows of another node's log of everyday events.
    fn of(&self, node: &str) -> Option<JoinedLog> {
        let name = format!("prov.example/audit/{node}/standard");
        self.log.joined().into_iter().find(|log| log.origin == name)
    }

    fn alarm_of(&self, node: &str) -> Option<JoinAlarmKind> {
        self.of(node)?.alarm.map(|alarm| alarm.kind)
    }

    fn size_of(&self, node: &str) -> u64 {
        self.of(node).map_or(0, |log| log.size)
    }

    /// The directory of its mirror of another node's log.
    fn mirror_of(&self, node: &str) -> PathBuf {
        self.dir.join(self.of(node).unwrap().directory)
    }
}

/// Runs nodes beside something.
async fn beside<T>(nodes: &[&Node], body: impl Future<Output = T>) -> T {
    let running = nodes.iter().flat_map(|node| {
        let (log, joining) = (Arc::clone(&node.log), Arc::clone(&node.joining));
        let joined: futures_util::future::BoxFuture<'_, ()> =
            Box::pin(joining.run(std::future::pending()));
        let followed: futures_util::future::BoxFuture<'_, ()> =
            Box::pin(log.follow(std::future::pending()));
        [joined, followed]
    });
    tokio::select! {
        done = body => done,
        _ = join_all(running) => panic!("a node stopped by itself"),
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..800 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("never: {what}");
}

/// Runs nodes until the mirrors of this node in the others have so many events.
async fn run_until(nodes: &[&Node], of: &Node, size: u64) {
    let reached = || {
        let others = nodes.iter().filter(|node| node.name != of.name);
        others.map(|node| node.size_of(&of.name)).all(|here| here >= size)
    };
    beside(nodes, until("the others have what one recorded", reached)).await;
}

async fn records_of(bench: &Bench, kind: &'static str) -> Vec<prov_core::store::Record> {
    bench.store.scan(&Scan::kind(kind)).await.unwrap().records
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_from_the_logs_of_all_nodes() {
    let bench = Bench::new();
    let nodes = [
        Node::open(&bench, "one").await,
        Node::open(&bench, "two").await,
        Node::open(&bench, "three").await,
    ];
    for _ in 0..15 {
        for node in &nodes {
            node.record(&bench, 1).await;
        }
    }
    let [one, two, three] = &nodes;
    let at_all = || {
        let sizes =
            nodes.iter().flat_map(|node| ["one", "two", "three"].map(|of| node.size_of(of)));
        sizes.min() >= Some(15)
    };
    beside(&[one, two, three], until("all have everything", at_all)).await;
    // Page by page, each event once, the newest first, whoever is asked.
    for node in &nodes {
        let mut query = Query::new().action("kms.encrypt").limit(NonZeroU32::new(7).unwrap());
        let (mut seen, mut last, mut pages) = (BTreeSet::new(), None, 0);
        loop {
            let page = node.log.query(&query).await.unwrap();
            for event in page.items {
                let place = (std::cmp::Reverse(event.time), event.origin.clone());
                assert!(last.as_ref().is_none_or(|last| *last <= place), "{event:?}");
                last = Some(place);
                let of = event.origin.strip_prefix("prov.example/audit/").unwrap();
                let of = of.strip_suffix("/standard").unwrap();
                assert_eq!(event.actor.name, Some(format!("at {of}")), "opened by any node");
                assert!(!event.hash.is_empty() && seen.insert((event.origin, event.seq)));
            }
            pages += 1;
            let Some(cursor) = page.next_cursor else { break };
            // What is recorded meanwhile belongs to no later page.
            node.record(&bench, 1).await;
            query.cursor = Some(cursor);
        }
        assert!(pages >= 7, "{pages}");
        let of = |of: &str| seen.iter().filter(|(origin, _)| origin.contains(of)).count();
        assert!(of("/one/") >= 15 && of("/two/") >= 15 && of("/three/") >= 15, "{seen:?}");
        let of_two = Query::new().origin("prov.example/audit/two").action("kms.encrypt");
        let of_two = node.log.query(&of_two).await.unwrap().items;
        assert!(of_two.len() >= 15 && of_two.iter().all(|e| e.origin.contains("/two/")));
        let unknown = Query::new().origin("prov.example/audit/t");
        assert!(node.log.query(&unknown).await.unwrap_err().is(codes::UNKNOWN_LOG));
        let counted =
            node.log.count(&Query::new().user("at three"), CountBy::Action).await.unwrap();
        assert!(counted.total >= 15, "{counted:?}");
    }
    let asked = Question::parse("action:kms.encrypt", bench.clock.now()).unwrap();
    let asked = Query::new().question(asked).origin("prov.example/audit/one/standard");
    let event = &two.log.query(&asked).await.unwrap().items[0];
    assert_eq!(two.log.event(event.id).await.unwrap().hash, event.hash);
    let proof = two.log.proof(event.id).await.unwrap();
    assert_eq!(&proof.key, one.log.verifier_key(STANDARD));
    let key = one.log.verifier_key(STANDARD);
    assert_eq!(verify_proof(&proof.leaf, &proof.text, key).unwrap().0, event.seq);
    let left = records_of(&bench, "audit.joined_part").await;
    assert!(left.len() <= 6, "only what may still grow stays in the store: {}", left.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_goes_on_after_a_restart_and_outlives_the_node() {
    let bench = Bench::new();
    let one = Node::open(&bench, "one").await;
    let two = Node::open(&bench, "two").await;
    one.record(&bench, 700).await;
    run_until(&[&one, &two], &one, 700).await;
    // The other node is away while there is more.
    two.log.close().await.unwrap();
    drop(two);
    beside(&[&one], one.record(&bench, 900)).await;
    let two = Node::open(&bench, "two").await;
    assert!(two.size_of("one") >= 700);
    run_until(&[&one, &two], &one, 1600).await;
    let (size, key) = (one.log.size(STANDARD), one.log.verifier_key(STANDARD).clone());
    assert_eq!(two.log.joined().len(), 4);
    let mirror = two.mirror_of("one");
    let segments = |dir: PathBuf| {
        let files = std::fs::read_dir(dir.join("segments")).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.strip_suffix(".seg").is_some()).collect::<BTreeSet<_>>()
    };
    assert!(segments(mirror.clone()).len() > 3);
    one.log.close().await.unwrap();
    assert_eq!(segments(mirror.clone()), segments(one.dir.join("standard")));
    // The node is gone for good.
    drop(one);
    std::fs::remove_dir_all(bench.dir.path().join("one")).unwrap();
    two.log.close().await.unwrap();
    drop(two);
    let two = Node::open(&bench, "two").await;
    let query = Query::new().user("at one").limit(NonZeroU32::new(1000).unwrap());
    let page = two.log.query(&query).await.unwrap();
    assert_eq!((page.items.len(), page.items[0].actor.name.as_deref()), (1000, Some("at one")));
    assert!(key_beside(&mirror).unwrap() == key);
    let report = verify(&mirror, &key).unwrap();
    assert!(report.intact, "{report:?}");
    assert!(report.records >= 1600 && report.records <= size + 4, "{report:?}");
    // One byte of it is changed.
    let (path, mut bytes, at) = segments(mirror.clone())
        .into_iter()
        .find_map(|segment| {
            let path = mirror.join("segments").join(segment);
            let bytes = std::fs::read(&path).unwrap();
            let at = memchr::memmem::find_iter(&bytes, b"thing_1").nth(5)?;
            Some((path, bytes, at))
        })
        .unwrap();
    bytes[at] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let report = verify(&mirror, &key).unwrap();
    let bad = report.first_bad.as_ref().unwrap();
    assert!(!report.intact && bad.kind == FindingKind::Record && bad.seq.is_some(), "{bad:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_on_one_node_is_erased_everywhere() {
    let bench = Bench::new();
    let admin = SecurityContext::system("privacy", &*bench.clock).unwrap();
    let (one, two) = (Node::open(&bench, "one").await, Node::open(&bench, "two").await);
    let event = bench.event(Action::KMS_ENCRYPT, "user_7", "alice.canary");
    let receipt = one.log.record(event).await.unwrap();
    run_until(&[&one, &two], &one, 1).await;
    let ip: std::net::IpAddr = "203.0.113.77".parse().unwrap();
    let found = async |log: &Log| {
        let by_name = log.query(&Query::new().user("alice.canary")).await.unwrap().items.len();
        (by_name, log.query(&Query::new().ip(ip)).await.unwrap().items.len())
    };
    assert_eq!(found(&two.log).await, (1, 1));
    // The node that never saw the person erases it, with the mirror's index.
    assert!(two.log.erase_subject(&admin, PrincipalKind::User, "user_7").await.unwrap());
    assert_eq!(found(&two.log).await, (0, 0));
    let forgotten = async {
        for _ in 0..400 {
            if found(&one.log).await == (0, 0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("still known where it was recorded");
    };
    beside(&[&one, &two], forgotten).await;
    for log in [&one.log, &two.log] {
        let event = log.event(receipt.id).await.unwrap();
        assert!(event.erased && event.actor.name.is_none(), "{event:?}");
    }
    // Also from an index that is made anew.
    two.log.rebuild_index().await.unwrap();
    assert_eq!(found(&two.log).await, (0, 0));
    let report = verify(&two.mirror_of("one"), one.log.verifier_key(STANDARD)).unwrap();
    assert!(report.intact, "{report:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn emergency_access_of_other_nodes_is_joined_too() {
    let bench = Bench::new();
    let (one, two) = (Node::open(&bench, "one").await, Node::open(&bench, "two").await);
    let event = Event::new(
        &*bench.clock,
        Action::custom("break_glass.activate").unwrap(),
        Outcome::Success,
    );
    let receipt = one.log.record(event).await.unwrap();
    let there = || {
        let of =
            |log: &JoinedLog| log.origin == "prov.example/audit/one/break-glass" && log.size == 1;
        two.log.joined().iter().any(of)
    };
    beside(&[&one, &two], until("it is there", there)).await;
    let event = two.log.event(receipt.id).await.unwrap();
    assert_eq!(event.log, RetentionClass::BreakGlass);
    assert_eq!(event.origin, "prov.example/audit/one/break-glass");
}
