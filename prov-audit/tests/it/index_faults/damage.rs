//! An index that is not what was written, or of an earlier time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use prov_audit::{LogOptions, Retention, codes};
use prov_core::audit::RetentionClass;
use prov_core::store::{Batch, Changes, Key, MemoryStore, Page, Record, Version};
use prov_core::{ManualClock, Result, SecurityContext, codes as core_codes};
use rusqlite::OptionalExtension;

use super::*;
use crate::bench_log::ORIGIN;

/// The ids of the events that answer, newest first. An index that is made anew is waited for.
async fn answer(log: &Log, query: &Query) -> Vec<String> {
    for _ in 0..400 {
        match log.query(query).await {
            Ok(page) => return page.items.iter().map(|event| event.id.to_string()).collect(),
            Err(error) => assert!(error.is(codes::INDEX_BEHIND), "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the index is not made anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_is_made_anew_and_answers_as_before() {
    let bench = Bench::new();
    let log = bench.open().await;
    plant(&bench, &log, 3, 30).await;
    let by_name = Query::new().user(name(2));
    let questions = [Query::new(), by_address(1), by_name, Query::new().action("kms.*")];
    let mut expected = Vec::new();
    for question in &questions {
        expected.push(answer(&log, question).await);
    }
    assert_eq!(expected[1].len(), 30);
    log.close().await.unwrap();
    drop(log);
    let whole = std::fs::read(&index_files(bench.dir.path())[0]).unwrap();
    let mut seed = 5_u64;
    let mut roll = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for round in 0..40 {
        let mut bytes = whole.clone();
        let at = roll(bytes.len() / 512) * 512;
        match round % 5 {
            0 => bytes[at..at + 512].fill(0),
            1 => bytes[at..at + 512].fill(0xA5),
            2 => bytes.truncate(at),
            3 => bytes[at + roll(512)] ^= 1 << roll(8),
            // The very first page, which says what everything else is.
            _ => bytes[roll(4096)] ^= 0x41,
        }
        put_index(bench.dir.path(), [&bytes, &[]]);
        let log = bench.open().await;
        for (question, expected) in questions.iter().zip(&expected) {
            assert_eq!(answer(&log, question).await, *expected, "round {round}, at {at}");
        }
        log.close().await.unwrap();
    }
    keep_index_row("the file is damaged while the program is stopped", 40, 40 * questions.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_was_not_pruned_with_its_log_takes_out_what_is_gone() {
    let bench = Bench::new();
    let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    let day = Duration::from_hours(24);
    let shared = Arc::<ManualClock>::clone(&clock);
    let options = LogOptions::new(bench.dir.path(), ORIGIN, Arc::clone(&bench.store), shared)
        .segment_bytes(64 << 10)
        .index_patience(Duration::from_secs(20))
        .retention(Retention::new(day, day));
    let open = async || Log::open(options.clone()).await.unwrap();
    let log = open().await;
    let event = |number: u64| {
        Event::new(&*clock, Action::KMS_ENCRYPT, Outcome::Success).with("number", number)
    };
    for some in 0..20 {
        let some = (some * 100..some * 100 + 100).map(|number| log.record(event(number)));
        for receipt in futures_util::future::join_all(some).await {
            receipt.unwrap();
        }
    }
    assert_eq!(log.stats(None).await.unwrap().by_action[0].count, 2000);
    log.close().await.unwrap();
    drop(log);
    // One that is made anew has no such mark.
    let index = &index_files(bench.dir.path())[0];
    let marked = |sql: &str| {
        let db = rusqlite::Connection::open(index).unwrap();
        db.query_row(sql, [], |row| row.get::<_, i64>(0)).optional().unwrap()
    };
    assert_eq!(marked("PRAGMA user_version = 7"), None);
    let before = std::fs::read(index).unwrap();
    clock.advance(day * 30);
    let log = open().await;
    let gone = log.prune().await.unwrap()[0].to;
    assert!(gone > 256, "{gone}");
    log.close().await.unwrap();
    drop(log);
    // As if the program had been stopped before the index was pruned.
    put_index(bench.dir.path(), [&before, &[]]);
    let log = open().await;
    let left = log.size(RetentionClass::Standard) - gone;
    let counted = log.stats(None).await.unwrap();
    assert_eq!(counted.by_action.iter().map(|of| of.count).sum::<u64>(), left);
    let mut query = Query::new();
    let mut found = 0;
    loop {
        let page = log.query(&query).await.unwrap();
        found += page.items.len() as u64;
        query.cursor = page.next_cursor;
        if query.cursor.is_none() {
            break;
        }
    }
    assert_eq!(found, left);
    log.close().await.unwrap();
    assert_eq!(marked("PRAGMA user_version"), Some(7));
}

/// A store that can't be asked for a while.
#[derive(Debug)]
struct Failing {
    inner: MemoryStore,
    fails: AtomicBool,
}

impl Failing {
    fn reached(&self) -> Result<()> {
        if self.fails.load(Ordering::Acquire) {
            Err(core_codes::UNAVAILABLE.into())
        } else {
            Ok(())
        }
    }
}

#[async_trait]
impl Store for Failing {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.reached()?;
        self.inner.get(key).await
    }
    async fn scan(&self, scan: &Scan) -> Result<Page> {
        self.reached()?;
        self.inner.scan(scan).await
    }
    async fn commit(&self, batch: Batch) -> Result<Version> {
        self.reached()?;
        self.inner.commit(batch).await
    }
    async fn purge(&self, limit: std::num::NonZeroU32) -> Result<u32> {
        self.reached()?;
        self.inner.purge(limit).await
    }
    fn changes(&self) -> Changes {
        self.inner.changes()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_made_anew_while_the_store_is_away_lacks_nobody() {
    let mut bench = Bench::new();
    let inner = MemoryStore::new(Arc::<prov_core::SystemClock>::clone(&bench.clock));
    let store = Arc::new(Failing { inner, fails: AtomicBool::new(false) });
    bench.store = Arc::<Failing>::clone(&store);
    let log = Arc::new(bench.open().await);
    plant(&bench, &log, 3, 30).await;
    let expected = answer(&log, &by_address(1)).await;
    assert_eq!(expected.len(), 30);

    // The keys are put away: somebody may have been erased, and the store does not tell.
    store.fails.store(true, Ordering::Release);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let following = Arc::clone(&log).follow(async move { drop(stopped.await) });
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.send(()).unwrap();
    };
    tokio::join!(following, stopping);
    // The index turns out to be damaged just now.
    for file in index_files(bench.dir.path()) {
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, vec![0x5A; bytes.len()]).unwrap();
    }
    let refused = log.query(&Query::new()).await.unwrap_err();
    assert!(refused.is(codes::INDEX_BEHIND), "{refused:?}");
    tokio::time::sleep(Duration::from_millis(500)).await;
    store.fails.store(false, Ordering::Release);
    assert_eq!(answer(&log, &by_address(1)).await, expected);

    // Whoever is erased is not waited for.
    let admin = SecurityContext::system("privacy", &*bench.clock).unwrap();
    log.erase_subject(&admin, PrincipalKind::User, "user_1").await.unwrap();
    log.rebuild_index().await.unwrap();
    assert_eq!(answer(&log, &by_address(1)).await, [""; 0]);
    assert_eq!(answer(&log, &by_address(2)).await.len(), 30);
}
