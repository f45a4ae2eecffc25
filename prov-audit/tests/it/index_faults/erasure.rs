//! Erasures, and what keeps them from being whole.

use std::sync::Arc;
use std::time::Duration;

use prov_audit::LogOptions;
use prov_core::{HealthCheck, HealthState, ManualClock, SecurityContext, codes};

use super::*;
use crate::bench_log::ORIGIN;

/// The headers of SQLite's write-ahead log and of each page in it, and a page.
const HEADER: usize = 32;
const FRAME: usize = 24 + 4096;

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
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(log.health().await.state, HealthState::Up);
    assert_eq!(found_in(bench.dir.path(), &hashes), Vec::<PathBuf>::new());
    assert_eq!(log.query(&by_address(2)).await.unwrap().items.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_interrupted_anywhere_is_finished_by_the_next_start() {
    let bench = Bench::new();
    let dir = bench.dir.path();
    let log = bench.open().await;
    plant(&bench, &log, 3, 20).await;
    assert_eq!(log.query(&by_address(1)).await.unwrap().items.len(), 20);
    log.close().await.unwrap();
    drop(log);
    let hashes = hashes(&*bench.store, 1).await;
    let [database, _] = index_files(dir).map(|file| std::fs::read(file).unwrap_or_default());

    // Somebody reads, so that every step of the erasure stays in the write-ahead log.
    let log = bench.open().await;
    let reader = rusqlite::Connection::open(&index_files(dir)[0]).unwrap();
    reader.execute_batch("BEGIN; SELECT * FROM meta").unwrap();
    let admin = SecurityContext::system("privacy", &*bench.clock).unwrap();
    log.erase_subject(&admin, PrincipalKind::User, "user_1").await.unwrap_err();
    // The erasure is an event itself, which is indexed after it.
    assert_eq!(log.query(&by_address(2)).await.unwrap().items.len(), 20);
    let [same, wal] = index_files(dir).map(|file| std::fs::read(file).unwrap());
    assert!(database == same, "nothing of it is in the database yet");
    drop(reader);
    log.close().await.unwrap();
    drop(log);

    let frames = wal.len().saturating_sub(HEADER) / FRAME;
    assert!(frames > 4, "{frames}");
    let (mut with_traces, mut points) = (0, 0);
    for written in 0..=frames {
        // Also in the middle of a page.
        for torn in [0, 20, 1000, 4000] {
            let until = (HEADER + written * FRAME + torn).min(wal.len());
            put_index(dir, [&database, &wal[..until]]);
            with_traces += usize::from(!found_in(dir, &hashes).is_empty());
            points += 1;
            let log = bench.open().await;
            assert_eq!(log.query(&by_address(1)).await.unwrap().items.len(), 0, "at {until}");
            assert_eq!(
                found_in(dir, &hashes),
                Vec::<PathBuf>::new(),
                "at {until} of {}",
                wal.len()
            );
            assert_eq!(log.query(&by_address(2)).await.unwrap().items.len(), 20, "at {until}");
            log.close().await.unwrap();
        }
    }
    assert_eq!(with_traces, points, "there was something to be taken out every time");
    keep_index_row("the program stops, anywhere in an erasure", points, 2 * points);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_were_erased_while_the_index_was_away_are_taken_out_by_the_next_start() {
    let bench = Bench::new();
    let log = bench.open().await;
    plant(&bench, &log, 25, 3).await;
    assert_eq!(log.query(&by_address(1)).await.unwrap().items.len(), 3);
    log.close().await.unwrap();
    drop(log);
    let before = index_files(bench.dir.path()).map(|file| std::fs::read(file).unwrap_or_default());
    let log = bench.open().await;
    let admin = SecurityContext::system("privacy", &*bench.clock).unwrap();
    for person in 0..20 {
        let user = format!("user_{person}");
        assert!(log.erase_subject(&admin, PrincipalKind::User, &user).await.unwrap());
    }
    log.close().await.unwrap();
    drop(log);

    put_index(bench.dir.path(), [&before[0], &before[1]]);
    let index = bench.dir.path().join("index");
    let log = bench.open().await;
    for person in 0..25 {
        let hashes = hashes(&*bench.store, person).await;
        let (left, files) = (if person < 20 { 0 } else { 3 }, usize::from(person >= 20));
        let found = log.query(&by_address(person)).await.unwrap().items.len();
        assert_eq!((found, found_in(&index, &hashes).len()), (left, files), "{person}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_claimed_is_in_no_index_when_its_key_has_ended() {
    let bench = Bench::new();
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let hour = Duration::from_hours(1);
    let shared = Arc::<ManualClock>::clone(&clock);
    let options = LogOptions::new(bench.dir.path(), ORIGIN, Arc::clone(&bench.store), shared)
        .index_patience(Duration::from_secs(20))
        .unattributed_for(hour);
    let log = Log::open(options.clone()).await.unwrap();
    let by = async |actor: Actor, last: u8| {
        let id = RequestId::generate(&*clock).unwrap();
        let facts =
            RequestFacts::new(id, clock.now()).from_client(Some([203, 0, 113, last].into()));
        let event = Event::new(&*clock, Action::AUTH_LOGIN, Outcome::Failure);
        log.record(event.by(actor).in_request(&facts)).await.unwrap();
    };
    by(Actor::unauthenticated(Some("canary1")), 1).await;
    by(Actor::account(PrincipalKind::User, "user_2", name(2)), 2).await;
    let (claimed, known) = (hashes(&*bench.store, 1).await, hashes(&*bench.store, 2).await);
    let index = bench.dir.path().join("index");
    let found = async |log: &Log, person| log.query(&by_address(person)).await.unwrap().items.len();
    assert_eq!((found(&log, 1).await, found(&log, 2).await), (1, 1));
    assert!(!found_in(&index, &claimed).is_empty(), "this is how it is written");

    clock.advance(hour);
    for _ in 0..400 {
        if found_in(&index, &claimed).is_empty() && log.health().await.state == HealthState::Up {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(found_in(bench.dir.path(), &claimed), Vec::<PathBuf>::new());
    assert!(!found_in(&index, &known).is_empty());
    assert_eq!((found(&log, 1).await, found(&log, 2).await), (0, 1));
    // Nor does the key of another hour bring it back.
    by(Actor::unauthenticated(Some("canary1")), 3).await;
    assert_eq!((found(&log, 1).await, found(&log, 3).await), (0, 1));
    assert_eq!(log.query(&Query::new()).await.unwrap().items.len(), 3, "the events are there");

    // What ends while nobody looks is taken out by the next start.
    log.close().await.unwrap();
    drop(log);
    clock.advance(hour);
    let log = Log::open(options).await.unwrap();
    for _ in 0..400 {
        if found(&log, 3).await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!((found(&log, 3).await, found(&log, 2).await), (0, 1));
    assert_eq!(
        found_in(&index, &hashes_of(&*bench.store, "canary1", "203.0.113.3").await),
        Vec::<PathBuf>::new()
    );
}
