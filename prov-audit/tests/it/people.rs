//! Personal data: sealed, found, erased.

use prov_audit::{CountBy, Query, verify, verify_proof};
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder, RetentionClass};
use prov_core::{
    Clock, PrincipalKind, RequestFacts, RequestId, SecurityContext, SubjectData, UserId,
};

use crate::bench_log::{Bench, files_below};

const CANARIES: [&str; 5] =
    ["alice.canary", "203.0.113.77", "CanaryAgent", "mistyped-pass", "Alice.Canary"];

fn assert_no_canary(bench: &Bench) {
    for file in files_below(bench.dir.path()) {
        let bytes = std::fs::read(&file).unwrap();
        for canary in CANARIES {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "`{canary}` stands in {}", file.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_stands_in_any_file_and_all_of_it_is_read_back() {
    let bench = Bench::new();
    let log = bench.open().await;
    log.record(bench.event(Action::AUTH_LOGIN, "user_1", "Alice.Canary")).await.unwrap();
    let unknown = Event::new(&*bench.clock, Action::AUTH_LOGIN, Outcome::Failure)
        .by(Actor::unauthenticated(Some("mistyped-pass")));
    log.record(unknown).await.unwrap();
    let page = log.query(&Query::new().user("alice.canary")).await.unwrap();
    assert_no_canary(&bench);
    let [record] = page.items.as_slice() else { panic!("{page:?}") };
    assert_eq!(record.actor.name.as_deref(), Some("Alice.Canary"));
    let request = record.request.as_ref().unwrap();
    assert_eq!(request.ip.unwrap().to_string(), "203.0.113.77");
    assert_eq!(request.user_agent.as_deref(), Some("CanaryAgent/1.0"));
    let claimed = log.query(&Query::new().user("mistyped-pass")).await.unwrap();
    assert_eq!(claimed.items.len(), 1, "a claimed name is found");
    assert_eq!(claimed.items[0].actor.id, None);
    log.close().await.unwrap();
    drop(log);
    assert_no_canary(&bench);
}

#[tokio::test(flavor = "multi_thread")]
async fn erasing_a_person_leaves_every_proof_valid_and_nothing_to_read() {
    let bench = Bench::new();
    let user = UserId::generate(&*bench.clock).unwrap();
    let log = bench.open().await;
    for i in 0..300 {
        let (id, name) =
            if i % 2 == 0 { (user.as_str(), "alice.canary") } else { ("user_2", "bob") };
        log.record(bench.event(Action::KMS_ENCRYPT, id, name)).await.unwrap();
    }
    let before = log.query(&Query::new().user("alice.canary")).await.unwrap();
    assert_eq!(before.items.len(), 100);
    let about = before.items[7].id;
    let proof = log.proof(about).await.unwrap();
    let key = log.verifier_key(RetentionClass::Standard).clone();
    verify_proof(&proof.leaf, &proof.text, &key).unwrap();
    assert_eq!(SubjectData::export(&log, &user).await.unwrap().len(), 150);

    let admin = SecurityContext::system("privacy", &*bench.clock).unwrap();
    assert_eq!(SubjectData::erase(&log, &admin, &user).await.unwrap(), 1);

    assert!(SubjectData::export(&log, &user).await.unwrap().is_empty());
    assert!(log.query(&Query::new().user("alice.canary")).await.unwrap().items.is_empty());
    let ip: std::net::IpAddr = "203.0.113.77".parse().unwrap();
    let by_ip = log.query(&Query::new().ip(ip)).await.unwrap();
    assert!(by_ip.items.iter().all(|record| record.actor.id.as_deref() == Some("user_2")));
    let event = log.event(about).await.unwrap();
    assert!(event.erased && event.actor.name.is_none());
    assert!(event.request.unwrap().ip.is_none());
    assert_eq!(hex::encode(hash_of(&proof.leaf)), event.hash);
    verify_proof(&proof.leaf, &proof.text, &key).unwrap();
    let report = log.verify(RetentionClass::Standard).await.unwrap();
    assert!(report.intact && report.records == 302, "{report:#?}");
    let erasures =
        log.query(&Query::new().action(Action::AUDIT_SUBJECT_ERASE.as_str())).await.unwrap();
    assert_eq!(erasures.items.len(), 1, "the erasure is itself recorded");

    // Also after a restart, and when the index is made anew.
    log.close().await.unwrap();
    drop(log);
    let log = bench.open().await;
    log.rebuild_index().await.unwrap();
    assert!(log.event(about).await.unwrap().erased);
    assert!(log.query(&Query::new().user("alice.canary")).await.unwrap().items.is_empty());
    assert_eq!(log.query(&Query::new().user("bob")).await.unwrap().items.len(), 100);
    assert!(verify(&bench.standard(), &key).unwrap().records >= 301);

    // Whoever comes back is a new subject.
    log.record(bench.event(Action::AUTH_LOGIN, user.as_str(), "alice.canary")).await.unwrap();
    assert_eq!(log.query(&Query::new().user("alice.canary")).await.unwrap().items.len(), 1);
}

fn hash_of(leaf: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(leaf);
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes).as_ref().to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_account_is_found_by_every_name_it_had() {
    let bench = Bench::new();
    let log = bench.open().await;
    log.record(bench.event(Action::AUTH_LOGIN, "user_1", "maiden")).await.unwrap();
    log.record(bench.event(Action::AUTH_LOGIN, "user_1", "married")).await.unwrap();
    for name in ["maiden", "MARRIED", "user_1"] {
        let page = log.query(&Query::new().user(name)).await.unwrap();
        assert_eq!(page.items.len(), 2, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_more_had_than_a_store_tells_at_once_finds_all_of_them() {
    let people = prov_core::store::Scan::MAX_LIMIT.get() + 20;
    let bench = Bench::new();
    let log = bench.open().await;
    for named in ["twin", "single"] {
        let of = |n: u32| {
            let name = if named == "twin" { named.to_owned() } else { format!("{named}{n}") };
            bench.event(Action::AUTH_LOGIN, &format!("user_{n}"), &name)
        };
        let all = (0..people).map(|n| log.record(of(n)));
        for receipt in futures_util::future::join_all(all).await {
            receipt.unwrap();
        }
    }
    let counts = log.count(&Query::new().user("twin"), CountBy::Nothing).await.unwrap();
    assert_eq!(counts.total, 2 * u64::from(people));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_personal_stands_in_each_event_as_it_was_then() {
    let bench = Bench::new();
    let log = bench.open().await;
    let told = [("alice", 1), ("alice", 2), ("alice", 2), ("Alice", 2), ("alice", 1)];
    for (name, last) in told {
        let request =
            RequestFacts::new(RequestId::generate(&*bench.clock).unwrap(), bench.clock.now())
                .from_client(Some(format!("203.0.113.{last}").parse().unwrap()));
        let event = bench.event(Action::AUTH_LOGIN, "user_1", name).in_request(&request);
        log.record(event).await.unwrap();
    }
    let page = log.query(&Query::new().user("user_1")).await.unwrap();
    let read = page.items.iter().rev().map(|record| {
        let ip = record.request.as_ref().and_then(|request| request.ip).unwrap().to_string();
        (record.actor.name.clone().unwrap(), ip)
    });
    let wanted = told.map(|(name, last)| (name.to_owned(), format!("203.0.113.{last}")));
    assert_eq!(read.collect::<Vec<_>>(), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_share_one_key_a_day_however_many_names_they_try() {
    let bench = Bench::new();
    let log = bench.open().await;
    for i in 0..50 {
        let event = Event::new(&*bench.clock, Action::AUTH_LOGIN, Outcome::Failure)
            .by(Actor::unauthenticated(Some(&format!("guess-{i}"))));
        log.record(event).await.unwrap();
    }
    let kinds = prov_core::store::Scan::kind("audit.subject");
    let subjects = bench.store.scan(&kinds).await.unwrap().records.len();
    assert!(subjects <= 2, "{subjects} keys (two when the day changed meanwhile)");
    assert_eq!(log.query(&Query::new().user("guess-7")).await.unwrap().items.len(), 1);
    assert!(
        !log.erase_subject(
            &SecurityContext::system("privacy", &*bench.clock).unwrap(),
            PrincipalKind::User,
            "user_unknown",
        )
        .await
        .unwrap()
    );
}
