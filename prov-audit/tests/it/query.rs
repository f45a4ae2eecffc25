//! Finding events.

use std::num::NonZeroU32;

use prov_audit::{Query, codes};
use prov_core::audit::{Action, Event, Outcome, Personal, Recorder, RetentionClass};
use prov_core::{Clock, codes as core_codes};

use crate::bench_log::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn every_condition_selects_and_all_of_them_join() {
    let bench = Bench::new();
    let log = bench.open().await;
    let start = bench.clock.now();
    log.record(bench.event(Action::AUTH_LOGIN, "user_1", "alice")).await.unwrap();
    let mut denied = bench.event(Action::KMS_DECRYPT, "user_1", "alice").on("key", "key_9");
    denied.outcome = Outcome::Denied;
    let request = denied.request_id.clone().unwrap();
    log.record(denied).await.unwrap();
    log.record(bench.event(Action::AUTH_LOGOUT, "user_2", "bob")).await.unwrap();
    let secret = Action::custom("authority.rotate").unwrap();
    log.record(bench.event(secret, "user_2", "bob")).await.unwrap();
    let count = async |query: Query| log.query(&query).await.unwrap().items.len();
    assert_eq!(count(Query::new()).await, 4);
    assert_eq!(count(Query::new().user("alice")).await, 2);
    assert_eq!(count(Query::new().user("user_2")).await, 2);
    assert_eq!(count(Query::new().user("nobody")).await, 0);
    assert_eq!(count(Query::new().action("auth.login")).await, 1);
    assert_eq!(count(Query::new().action("auth.*")).await, 2, "not `authority.rotate`");
    assert_eq!(count(Query::new().action("nothing.*")).await, 0);
    assert_eq!(count(Query::new().outcome(Outcome::Denied)).await, 1);
    assert_eq!(count(Query::new().resource("key_9")).await, 1);
    assert_eq!(count(Query::new().resource("key:key_9")).await, 1);
    assert_eq!(count(Query::new().resource("thing:key_9")).await, 0);
    assert_eq!(count(Query::new().request_id(request)).await, 1);
    let ip: std::net::IpAddr = "::ffff:203.0.113.77".parse().unwrap();
    assert_eq!(count(Query::new().ip(ip)).await, 4);
    assert_eq!(count(Query::new().from(start)).await, 4);
    assert_eq!(count(Query::new().to(start - std::time::Duration::from_secs(1))).await, 0);
    assert_eq!(count(Query::new().user("alice").action("kms.*").outcome(Outcome::Denied)).await, 1);
    assert_eq!(count(Query::new().user("bob").outcome(Outcome::Denied)).await, 0);
    let stats = log.stats(None).await.unwrap();
    assert_eq!(
        (stats.events(RetentionClass::Standard), stats.indexed(), stats.by_action.len()),
        (4, 4, 4)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_give_every_event_once_newest_first_over_both_classes() {
    let bench = Bench::new();
    let log = bench.open().await;
    let break_glass = Action::custom("break_glass.activate").unwrap();
    let mut recorded = Vec::new();
    for i in 0..25 {
        let action = if i % 5 == 0 { break_glass.clone() } else { Action::KMS_ENCRYPT };
        let event = bench.event(action, "user_1", "alice");
        recorded.push(log.record(event).await.unwrap().id);
    }
    let mut query = Query::new().user("alice").limit(NonZeroU32::new(4).unwrap());
    let mut read = Vec::new();
    loop {
        let page = log.query(&query).await.unwrap();
        read.extend(page.items.iter().map(|record| record.id));
        let Some(next) = page.next_cursor else { break };
        query.cursor = Some(next);
    }
    recorded.reverse();
    assert_eq!(read, recorded);
    assert_eq!(log.event(recorded[3]).await.unwrap().id, recorded[3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_questions_are_refused_by_field() {
    let bench = Bench::new();
    let log = bench.open().await;
    let other = Bench::new();
    let other_log = other.open().await;
    for i in 0..3 {
        let event = Event::new(&*bench.clock, Action::KMS_ENCRYPT, Outcome::Success).with("i", i);
        other_log.record(event).await.unwrap();
    }
    let page = other_log.query(&Query::new().limit(NonZeroU32::MIN)).await.unwrap();
    let now = bench.clock.now();
    let bad = [
        Query::new().cursor("x"),
        Query::new().cursor(page.next_cursor.unwrap()),
        Query::new().limit(NonZeroU32::new(1001).unwrap()),
        Query::new().action("auth login"),
        Query::new().action("*"),
        Query::new().user(""),
        Query::new().user("x".repeat(513)),
        Query::new().user("a\0b"),
        Query::new().resource("user:a\0b"),
        Query::new().from(now).to(now - std::time::Duration::from_secs(1)),
    ];
    for query in bad {
        let refused = log.query(&query).await.unwrap_err();
        assert!(refused.is(core_codes::INVALID_REQUEST), "{query:?}");
        assert_eq!(refused.fields().len(), 1, "{query:?}");
    }
    let unknown = log.event(uuid::Uuid::from_u128(7)).await.unwrap_err();
    assert!(unknown.is(codes::EVENT_NOT_FOUND));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_damaged_or_foreign_index_is_made_anew() {
    let bench = Bench::new();
    let other = Bench::new();
    for (at, log) in [(&bench, bench.open().await), (&other, other.open().await)] {
        for _ in 0..40 {
            log.record(at.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
        }
        assert_eq!(log.query(&Query::new().user("alice")).await.unwrap().items.len(), 40);
        log.close().await.unwrap();
    }
    let file = bench.dir.path().join("index/standard.sqlite");
    let foreign = std::fs::read(other.dir.path().join("index/standard.sqlite")).unwrap();
    for damage in [None, Some(b"this is no database, and never was one".to_vec()), Some(foreign)] {
        std::fs::remove_file(&file).unwrap();
        if let Some(bytes) = damage {
            std::fs::write(&file, bytes).unwrap();
        }
        let log = bench.open().await;
        assert_eq!(log.query(&Query::new().user("alice")).await.unwrap().items.len(), 40);
        log.rebuild_index().await.unwrap();
        assert_eq!(log.query(&Query::new().user("alice")).await.unwrap().items.len(), 40);
        log.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_obvious_spelling_finds_it() {
    let bench = Bench::new();
    let log = bench.open().await;
    let mut mapped = bench.event(Action::AUTH_LOGIN, "user_1", "Rene\u{301}");
    mapped.ip = Some(Personal::new("::ffff:198.51.100.4".parse().unwrap()));
    log.record(mapped).await.unwrap();
    let decision =
        bench.event(Action::AUTHZ_DECISION, "user_1", "Rene\u{301}").with("action", "deploy");
    log.record(decision).await.unwrap();
    let routed =
        bench.event(Action::API_REQUEST, "user_1", "Rene\u{301}").with("asked", "deploy servers");
    log.record(routed).await.unwrap();
    let count = async |query: Query| log.query(&query).await.unwrap().items.len();
    for ip in ["198.51.100.4", "::ffff:198.51.100.4"] {
        assert_eq!(
            count(Query::new().ip(ip.parse::<std::net::IpAddr>().unwrap())).await,
            1,
            "{ip}"
        );
    }
    assert_eq!(count(Query::new().user("ren\u{e9}")).await, 3, "however it is put together");
    assert_eq!(
        count(Query::new().action("deploy").user("user_1")).await,
        2,
        "what was decided about"
    );
    assert_eq!(count(Query::new().action("servers")).await, 0);
}
