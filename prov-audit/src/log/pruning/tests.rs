//! What is asked between the moments in which the log is pruned and its index is.

use std::collections::BTreeMap;

use prov_core::store::MemoryStore;
use prov_core::{Clock, ManualClock};
use uuid::Uuid;

use super::*;
use crate::options::LogOptions;
use crate::query::Query;

const DAY: Duration = Duration::from_hours(24);

async fn opened(dir: &Path, clock: &Arc<ManualClock>) -> Log {
    let store = Arc::new(MemoryStore::new(Arc::<ManualClock>::clone(clock)));
    let options =
        LogOptions::new(dir, "prov.example/audit", store, Arc::<ManualClock>::clone(clock))
            .segment_bytes(64 << 10)
            .index_patience(Duration::from_secs(20))
            .retention(Retention::new(DAY, DAY));
    Log::open(options).await.unwrap()
}

/// Records so many hundred events, and says what their ids are, by their numbers.
async fn record(log: &Log, clock: &ManualClock, hundreds: u64) -> BTreeMap<u64, Uuid> {
    let event = |n: u64| Event::new(clock, Action::KMS_ENCRYPT, Outcome::Success).with("n", n);
    let mut ids = BTreeMap::new();
    for some in 0..hundreds {
        // A segment is left for the next one only between groups.
        let some = (some * 100..some * 100 + 100).map(|n| log.record(event(n)));
        for receipt in futures_util::future::join_all(some).await {
            let receipt = receipt.unwrap();
            ids.insert(receipt.seq, receipt.id);
        }
    }
    ids
}

/// The numbers of all events of this action, the newest first.
async fn numbers(log: &Log) -> Vec<u64> {
    let mut query = Query::new().action("kms.encrypt");
    let mut found = Vec::new();
    loop {
        let page = log.query(&query).await.unwrap();
        found.extend(page.items.iter().map(|event| event.seq));
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pruned_and_is_in_the_index_still_is_not_there_and_nothing_is_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let log = opened(folder.path(), &clock).await;
    let class = RetentionClass::Standard;
    let ids = record(&log, &clock, 20).await;
    assert_eq!(numbers(&log).await.len(), 2000);
    clock.advance(DAY * 30);
    let found = log.prunable(class, Vec::new()).await.unwrap();
    let before = found.before;
    assert!((256..1900).contains(&before), "{before}");

    log.journals.of(class).prune(before, clock.now()).await.unwrap();
    let left: Vec<u64> = (before..2000).rev().collect();
    assert_eq!(numbers(&log).await, left);
    let of = |seq: u64| ids[&seq];
    for gone in [0, before - 1] {
        let told = log.event(of(gone)).await.unwrap_err();
        assert!(told.is(codes::EVENT_NOT_FOUND), "{told:?}");
        let told = log.proof(of(gone)).await.unwrap_err();
        assert!(told.is(codes::EVENT_NOT_FOUND), "{told:?}");
    }
    assert_eq!(log.event(of(before)).await.unwrap().seq, before);
    log.proof(of(before)).await.unwrap();
    log.indexes.of(class).prune(before).await.unwrap();
    assert_eq!(numbers(&log).await, left);

    // What goes and was not pruned is damage.
    let dir = log.journals.of(class).dir().to_owned();
    std::fs::remove_file(segment::file(&dir, before)).unwrap();
    let told = log.event(of(before)).await.unwrap_err();
    assert!(told.is(codes::DAMAGED), "{told:?}");
}

/// How many events there are, as they are counted in the index.
async fn counted(log: &Log) -> u64 {
    log.stats(None).await.unwrap().by_action.iter().map(|of| of.count).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_index_could_not_take_out_it_takes_out_later_and_is_not_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let log = opened(folder.path(), &clock).await;
    let class = RetentionClass::Standard;
    record(&log, &clock, 20).await;
    assert_eq!(counted(&log).await, 2000);
    let file = folder.path().join("index").join("standard.sqlite");
    let somebody = rusqlite::Connection::open(&file).unwrap();
    somebody.execute_batch("PRAGMA user_version = 7; BEGIN IMMEDIATE").unwrap();
    clock.advance(DAY * 30);
    log.prune().await.unwrap_err();
    let oldest = log.oldest(class).await.unwrap();
    assert!(oldest > 256, "the log itself is pruned: {oldest}");
    somebody.execute_batch("COMMIT").unwrap();
    // An index that failed just now refuses whatever is asked of it until it has tried again.
    let mut again = log.prune().await;
    for _ in 0..20 {
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        again = log.prune().await;
    }
    assert_eq!(again.unwrap()[0].from, oldest);
    assert_eq!(counted(&log).await, log.size(class) - oldest);
    let mark: i64 = somebody.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(mark, 7, "it was made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_prune_that_fails_before_it_begins_nothing_is_gone_and_nobody_is_accused() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let log = opened(folder.path(), &clock).await;
    let class = RetentionClass::Standard;
    record(&log, &clock, 20).await;
    clock.advance(DAY * 30);
    // What is gone can't be said.
    let in_the_way = log.journals.of(class).dir().join("pruned.tmp");
    std::fs::create_dir(&in_the_way).unwrap();
    log.prune().await.unwrap_err();
    // It is looked every 400 ms whether somebody changed the files.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let told = log.query(&Query::new().action("audit.log.*")).await.unwrap().items;
    let told: Vec<_> = told.iter().map(|event| event.action.as_str()).collect();
    assert!(!told.iter().any(|action| action.contains("tamper")), "{told:?}");
    assert_eq!((log.oldest(class).await.unwrap(), numbers(&log).await.len()), (0, 2000));
    std::fs::remove_dir(&in_the_way).unwrap();
    assert!(log.prune().await.unwrap()[0].to > 256);
}
