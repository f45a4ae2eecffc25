//! What was begun is finished, whoever is still there.

use futures_util::FutureExt;
use prov_audit::{Log, Query, codes};
use prov_core::audit::{Action, Recorder, RetentionClass};
use prov_core::{PrincipalKind, SecurityContext};

use crate::bench_log::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn events_whose_callers_went_away_are_recorded_whatever_they_waited_for() {
    let bench = Bench::new();
    let log = Log::open(bench.options().queue_events(1)).await.unwrap();
    for i in 0..200 {
        // Each by somebody new, whose key the store must be asked for, into a queue of one place.
        let event = bench.event(Action::KMS_ENCRYPT, &format!("user_{i}"), "alice");
        let _ = log.record(event).now_or_never();
    }
    log.close().await.unwrap();
    let report = log.verify(RetentionClass::Standard).await;
    assert!(report.is_err(), "it is closed");
    drop(log);
    let log = bench.open().await;
    let mut cursor = None;
    let mut users = std::collections::BTreeSet::new();
    loop {
        let mut query = Query::new().action("kms.encrypt");
        query.cursor = cursor;
        let page = log.query(&query).await.unwrap();
        users.extend(page.items.into_iter().map(|record| record.actor.id.unwrap()));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(users.len(), 200, "every one of them is there");
    assert_eq!(log.size(RetentionClass::Standard), 200, "and once");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_key_is_destroyed_when_that_can_not_be_recorded() {
    let bench = Bench::new();
    let admin = SecurityContext::system("privacy", &*bench.clock).unwrap();
    let log = bench.open().await;
    log.record(bench.event(Action::AUTH_LOGIN, "user_1", "alice")).await.unwrap();
    log.close().await.unwrap();
    let refused = log.erase_subject(&admin, PrincipalKind::User, "user_1").await.unwrap_err();
    assert!(refused.is(codes::CLOSED), "{refused:?}");
    drop(log);
    let log = bench.open().await;
    let found = log.query(&Query::new().user("alice")).await.unwrap().items;
    assert_eq!(found[0].actor.name.as_deref(), Some("alice"), "nothing was erased");
    assert!(log.erase_subject(&admin, PrincipalKind::User, "user_1").await.unwrap());
    let told = log.query(&Query::new().action("audit.*")).await.unwrap().items;
    let told: Vec<_> = told.iter().rev().map(|record| record.action.as_str()).collect();
    assert_eq!(told, ["audit.subject.erase_begin", "audit.subject.erase"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn verifying_is_done_once_at_a_time() {
    let bench = Bench::new();
    let log = bench.open().await;
    let events = (0..3000).map(|_| log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "a")));
    futures_util::future::join_all(events).await;
    let all = (0..6).map(|_| log.verify(RetentionClass::Standard));
    let all = futures_util::future::join_all(all).await;
    let busy = all.iter().filter(|r| r.as_ref().is_err_and(|e| e.is(codes::VERIFYING))).count();
    assert_eq!((all.iter().filter(|r| r.is_ok()).count(), busy), (1, 5));
    let busy = all.into_iter().find_map(Result::err).unwrap();
    assert!(busy.retry_after_hint().is_some());
    assert!(log.verify(RetentionClass::Standard).await.unwrap().intact);
}
