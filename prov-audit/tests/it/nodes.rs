//! Several nodes: one store, a log each.

use std::sync::Arc;
use std::time::Duration;

use prov_audit::{Log, LogOptions, Query};
use prov_core::SecurityContext;
use prov_core::audit::{Action, Recorder, RetentionClass};
use prov_core::{PrincipalKind, SystemClock};

use crate::bench_log::Bench;

/// The log of a node: its own directory and name, the bench's store.
fn options(bench: &Bench, node: &str) -> LogOptions {
    let clock = Arc::<SystemClock>::clone(&bench.clock);
    let (dir, origin) = (bench.dir.path().join(node), format!("{node}.example/audit"));
    LogOptions::new(dir, origin, Arc::clone(&bench.store), clock)
        .segment_bytes(64 << 10)
        .index_patience(Duration::from_secs(20))
}

async fn open(bench: &Bench, node: &str) -> Arc<Log> {
    Arc::new(Log::open(options(bench, node)).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_of_two_nodes_share_a_store_and_are_told_apart_by_their_names() {
    let bench = Bench::new();
    for round in 1..=3 {
        let (one, two) = (open(&bench, "one").await, open(&bench, "two").await);
        // Unlike sizes: the smaller is no rolled back state of the larger.
        for _ in 0..5 {
            one.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
        }
        two.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
        let sizes = [&one, &two].map(|log| log.size(RetentionClass::Standard));
        assert_eq!(sizes, [5 * round, round]);
        let keys = [&one, &two].map(|log| log.verifier_key(RetentionClass::Standard).to_string());
        let public = keys.each_ref().map(|key| key.rsplit('+').next().unwrap().to_owned());
        assert_ne!(public[0], public[1], "each log signs with a key of its own");
        for log in [one, two] {
            assert!(log.verify(RetentionClass::Standard).await.unwrap().intact);
            log.close().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_put_back_is_found_out_although_another_node_is_ahead() {
    let bench = Bench::new();
    for node in ["one", "two"] {
        let log = open(&bench, node).await;
        log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
        log.close().await.unwrap();
    }
    std::fs::remove_dir_all(bench.dir.path().join("two")).unwrap();
    let refused = Log::open(options(&bench, "two")).await.unwrap_err();
    assert!(refused.is(prov_audit::codes::ROLLED_BACK), "{refused:?}");
    drop(open(&bench, "one").await);
}

async fn named(log: &Log, name: &str) -> usize {
    log.query(&Query::new().user(name)).await.unwrap().items.len()
}

async fn from_the_address(log: &Log) -> usize {
    let ip: std::net::IpAddr = "203.0.113.77".parse().unwrap();
    log.query(&Query::new().ip(ip)).await.unwrap().items.len()
}

/// Waits until nobody of the log can be found by name or address any more.
async fn until_forgotten(log: &Log) {
    for _ in 0..200 {
        if named(log, "alice.canary").await + from_the_address(log).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("what one node erased, the other still reads");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_erases_the_other_erases_too() {
    let bench = Bench::new();
    let admin = SecurityContext::system("privacy", &*bench.clock).unwrap();
    let (one, two) = (open(&bench, "one").await, open(&bench, "two").await);
    let receipt =
        two.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice.canary")).await.unwrap();
    assert_eq!((named(&two, "alice.canary").await, from_the_address(&two).await), (1, 1));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let following = Arc::clone(&two).follow(async { drop(stopped.await) });
    let erasing = async {
        // Erased twice, the second time while the other node certainly listens.
        assert!(one.erase_subject(&admin, PrincipalKind::User, "user_1").await.unwrap());
        until_forgotten(&two).await;
        let event = two.event(receipt.id).await.unwrap();
        assert!(event.erased && event.actor.name.is_none());
        two.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice.canary")).await.unwrap();
        assert_eq!(named(&two, "alice.canary").await, 1);
        assert!(one.erase_subject(&admin, PrincipalKind::User, "user_1").await.unwrap());
        until_forgotten(&two).await;
        // Later events are sealed under a key that is not destroyed.
        let event = bench.event(Action::KMS_DECRYPT, "user_1", "alice.canary");
        let later = two.record(event).await.unwrap();
        drop(stop);
        later
    };
    let ((), later) = futures_util::future::join(following, erasing).await;
    two.close().await.unwrap();
    drop(two);
    let two = open(&bench, "two").await;
    let event = two.event(later.id).await.unwrap();
    assert_eq!(event.actor.name.as_deref(), Some("alice.canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_nobody_heard_of_is_made_up_for() {
    let bench = Bench::new();
    let admin = SecurityContext::system("privacy", &*bench.clock).unwrap();
    let (one, two) = (open(&bench, "one").await, open(&bench, "two").await);
    for (user, name) in [("user_1", "alice.canary"), ("user_2", "bob")] {
        two.record(bench.event(Action::KMS_ENCRYPT, user, name)).await.unwrap();
    }
    assert_eq!(from_the_address(&two).await, 2);
    assert!(one.erase_subject(&admin, PrincipalKind::User, "user_1").await.unwrap());
    let made_up_for = async {
        for _ in 0..200 {
            if from_the_address(&two).await == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("an erasure from before was not made up for");
    };
    Arc::clone(&two).follow(made_up_for).await;
    assert_eq!((named(&two, "alice.canary").await, named(&two, "bob").await), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_log_answers_who_wants_to_erase_from_it() {
    let bench = Bench::new();
    let log = open(&bench, "one").await;
    log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
    log.close().await.unwrap();
    let admin = SecurityContext::system("privacy", &*bench.clock).unwrap();
    let erasing = log.erase_subject(&admin, PrincipalKind::User, "user_1");
    let answer = tokio::time::timeout(Duration::from_secs(10), erasing).await.unwrap();
    assert!(answer.unwrap_err().is(prov_audit::codes::CLOSED));
}
