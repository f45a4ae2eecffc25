//! What can go wrong under the index: readers that stay, damage, no room, erasures that were interrupted.

use std::path::{Path, PathBuf};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use prov_audit::{Log, Query};
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder};
use prov_core::store::{Scan, Store};
use prov_core::{
    HealthCheck, HealthState, PrincipalKind, RequestFacts, RequestId, SecurityContext, codes,
};

use crate::bench_log::{Bench, files_below};

/// Records `events` of each of so many people.
async fn plant(bench: &Bench, log: &Log, people: u8, events: u32) {
    for number in 0..events * u32::from(people) {
        let person = u8::try_from(number % u32::from(people)).unwrap();
        let id = RequestId::generate(&*bench.clock).unwrap();
        let facts = RequestFacts::new(id, prov_core::Clock::now(&*bench.clock))
            .from_client(Some([203, 0, 113, person].into()))
            .by_agent(Some("CanaryAgent/1.0"));
        let actor = Actor::account(PrincipalKind::User, format!("user_{person}"), name(person));
        let event = Event::new(&*bench.clock, Action::KMS_ENCRYPT, Outcome::Success);
        log.record(event.by(actor).in_request(&facts)).await.unwrap();
    }
}

fn name(person: u8) -> String {
    format!("canary{person}")
}

fn by_address(person: u8) -> Query {
    Query::new().ip(std::net::IpAddr::from([203, 0, 113, person]))
}

/// How what the index has of a person is written: keyed hashes, which whoever has the log's secret can make.
async fn hashes(store: &dyn Store, person: u8) -> Vec<[u8; 8]> {
    let found = store.scan(&Scan::kind("audit.secret")).await.unwrap().records;
    let secret = found.into_iter().find(|found| found.id == "hashing").unwrap();
    let secret: serde_json::Value = serde_json::from_slice(&secret.value).unwrap();
    let secret = STANDARD.decode(secret["bytes"].as_str().unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let address = format!("203.0.113.{person}");
    let values = [("name", name(person)), ("word", name(person)), ("ip", address)];
    let hashes = values.map(|(kind, value)| {
        let tag = hmac::sign(&key, &[kind.as_bytes(), &[0], value.as_bytes()].concat());
        *tag.as_ref().first_chunk::<8>().unwrap()
    });
    // In rows with the highest byte first, in values with the lowest.
    let turned = hashes.map(|mut hash| {
        hash.reverse();
        hash
    });
    [hashes, turned].concat()
}

/// The files in which one of these stands.
fn found_in(dir: &Path, hashes: &[[u8; 8]]) -> Vec<PathBuf> {
    let mut files = files_below(dir);
    files.retain(|file| {
        let bytes = std::fs::read(file).unwrap();
        hashes.iter().any(|hash| memmem::find(&bytes, hash).is_some())
    });
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_the_index_for_long_is_waited_for_and_what_was_erased_goes_then() {
    let bench = Bench::new();
    let log = bench.open().await;
    plant(&bench, &log, 3, 20).await;
    assert_eq!(log.query(&by_address(1)).await.unwrap().items.len(), 20);
    let hashes = hashes(&*bench.store, 1).await;
    let index = bench.dir.path().join("index");
    assert!(!found_in(&index, &hashes).is_empty(), "this is how it is written");

    let reader = rusqlite::Connection::open(index.join("standard.sqlite")).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM meta").unwrap();
    let admin = SecurityContext::system("privacy", &*bench.clock).unwrap();
    let erased = log.erase_subject(&admin, PrincipalKind::User, "user_1").await.unwrap_err();
    assert!(erased.is(codes::UNAVAILABLE) && erased.to_string().contains("traces"), "{erased:?}");
    assert!(erased.retry_after_hint().is_some());
    assert_eq!(log.query(&by_address(1)).await.unwrap().items.len(), 0, "nobody finds them");
    let health = log.health().await;
    assert_eq!(health.state, HealthState::Degraded);
    assert!(health.detail.unwrap().contains("erased"));
    // What is recorded meanwhile is found all the same.
    plant(&bench, &log, 1, 1).await;
    assert_eq!(log.query(&by_address(0)).await.unwrap().items.len(), 21);

    drop(reader);
    for _ in 0..500 {
        if log.health().await.state == HealthState::Up {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(log.health().await.state, HealthState::Up);
    assert_eq!(found_in(bench.dir.path(), &hashes), Vec::<PathBuf>::new());
    assert_eq!(log.query(&by_address(2)).await.unwrap().items.len(), 20);
}
