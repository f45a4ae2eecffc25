//! Answers while the index is made anew: whole, or an error that says to come again.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use futures_util::poll;
use prov_audit::{CountBy, Query, codes};
use prov_core::audit::{Action, Recorder};
use prov_core::store::{Batch, Changes, Key, MemoryStore, Page, Record, Scan, Store, Version};
use prov_core::{Result, SystemClock};

use crate::bench_log::Bench;

/// A store that takes its time to find something.
#[derive(Debug)]
struct Slow {
    inner: MemoryStore,
    milliseconds: AtomicU64,
}

#[async_trait]
impl Store for Slow {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.inner.get(key).await
    }
    async fn scan(&self, scan: &Scan) -> Result<Page> {
        let milliseconds = self.milliseconds.load(Ordering::Acquire);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        self.inner.scan(scan).await
    }
    async fn commit(&self, batch: Batch) -> Result<Version> {
        self.inner.commit(batch).await
    }
    async fn purge(&self, limit: std::num::NonZeroU32) -> Result<u32> {
        self.inner.purge(limit).await
    }
    fn changes(&self) -> Changes {
        self.inner.changes()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_is_made_anew_under_a_question_gives_no_empty_page() {
    let mut bench = Bench::new();
    let inner = MemoryStore::new(Arc::<SystemClock>::clone(&bench.clock));
    let store = Arc::new(Slow { inner, milliseconds: AtomicU64::new(0) });
    bench.store = Arc::<Slow>::clone(&store);
    let log = bench.open().await;
    for _ in 0..5 {
        let some = (0..1000).map(|_| log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "bob")));
        for receipt in join_all(some).await {
            receipt.unwrap();
        }
    }
    let query = Query::new().user("bob").action("kms.encrypt");
    let break_glass = || {
        let action = Action::custom("break_glass.activate").unwrap();
        log.record(bench.event(action, "user_2", "eve"))
    };
    assert_eq!(log.query(&query).await.unwrap().items.len(), 100);
    // How long it takes to make an index anew depends on what else the machine does; so does whether the one
    // index is still waited for when the question begins.
    let some_of_each = |milliseconds| std::iter::repeat_n(milliseconds, 4);
    for milliseconds in [700, 1_400, 2_800, 5_600, 11_200].into_iter().flat_map(some_of_each) {
        // The one index is where it should be, the other is waited for; meanwhile both are made anew, and are
        // so while the store is asked who the question is about.
        break_glass().await.unwrap();
        let mut asking = pin!(log.query(&query));
        let begun = poll!(asking.as_mut());
        log.rebuild_index().await.unwrap();
        store.milliseconds.store(milliseconds, Ordering::Release);
        let answer = if let std::task::Poll::Ready(answer) = begun { answer } else { asking.await };
        store.milliseconds.store(0, Ordering::Release);
        match answer {
            Ok(page) => {
                assert_eq!((page.items.len(), page.next_cursor.is_some()), (100, true));
                return;
            }
            Err(error) => assert!(error.is(codes::INDEX_BEHIND), "{error:?}"),
        }
        log.query(&query).await.unwrap();
    }
    panic!("the index is not made anew in time for any of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_counted_is_not_counted_as_nothing() {
    let bench = Bench::new();
    let log = bench.open().await;
    for _ in 0..3 {
        log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "bob")).await.unwrap();
    }
    let count = async || log.count(&Query::new(), CountBy::Action).await;
    assert_eq!(count().await.unwrap().total, 3);
    let file = bench.dir.path().join("index").join("standard.sqlite");
    let index = rusqlite::Connection::open(file).unwrap();
    index.execute("UPDATE tally SET count = count + 1", ()).unwrap();
    drop(index);
    let refused = count().await.unwrap_err();
    assert!(refused.is(codes::INDEX_BEHIND), "{refused:?}");
    // It is made anew.
    for _ in 0..400 {
        if count().await.is_ok_and(|counts| counts.total == 3) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the index is not made anew");
}
