//! The contract of [`Store`] as a program: run it against every backend and wrapper.
//!
//! ```
//! # use std::sync::Arc;
//! # use prov_core::{ManualClock, store::{MemoryStore, conformance}};
//! # futures_executor::block_on(async {
//! let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
//! let store = MemoryStore::new(Arc::new(clock.clone()));
//! conformance::all(&store, &|by| clock.advance(by)).await;
//! # });
//! ```
//!
//! Each case uses kinds of its own, so that cases don't see each other, and a store that was used
//! before can be used again as long as the kinds `conformance.*` are empty. A case that fails
//! panics with what was expected.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a conformance suite is a test: it panics with what was expected"
)]

use std::future::{Future, poll_fn};
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Batch, Change, Expect, Key, Operation, Scan, Store, Term, Version};
use crate::codes;

/// Runs every case. `advance` moves the clock that the store ends records by; a store on a real
/// clock sleeps in it (records of the suite end after at most two seconds).
pub async fn all(store: &dyn Store, advance: &(dyn Fn(Duration) + Sync)) {
    values_come_back_byte_for_byte(store).await;
    names_are_any_text(store).await;
    a_failed_expectation_changes_nothing(store).await;
    expectations_look_at_the_state_before_the_batch(store).await;
    concurrent_writers_lose_no_update(store).await;
    versions_never_repeat(store).await;
    scans_are_ordered_and_paged(store).await;
    prefixes_are_not_patterns(store).await;
    terms_find_exactly(store).await;
    terms_page_within_a_prefix(store).await;
    changes_are_told(store).await;
    expired_records_are_absent(store, advance).await;
}

fn page(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).expect("pages are not empty")
}

async fn put(store: &dyn Store, key: &Key, value: &[u8], expect: Expect) -> Version {
    let batch = Batch::new().put(key.clone(), Bytes::copy_from_slice(value), expect);
    store.commit(batch).await.expect("a put whose expectation holds succeeds")
}

async fn value_of(store: &dyn Store, key: &Key) -> Option<Bytes> {
    store.get(key).await.expect("reading succeeds").map(|record| record.value)
}

/// Empty, binary and large values.
pub async fn values_come_back_byte_for_byte(store: &dyn Store) {
    let large = vec![0xA5; 1 << 20];
    let values: [&[u8]; 4] = [b"", b"\0\xff\n'\"", "naïve ☃".as_bytes(), &large];
    for (n, value) in values.into_iter().enumerate() {
        let key = Key::new("conformance.values", format!("id-{n}/'; --"));
        put(store, &key, value, Expect::Absent).await;
        assert_eq!(value_of(store, &key).await.as_deref(), Some(value), "value {n}");
    }
    let absent = Key::new("conformance.values", "absent");
    assert_eq!(value_of(store, &absent).await, None, "what was never put is absent");
}

/// Ids and terms are any text, the zero character included.
pub async fn names_are_any_text(store: &dyn Store) {
    for id in ["a\0b", "", " ", "naïve ☃", "\u{10FFFF}"] {
        let key = Key::new("conformance.names", id);
        let term = Term::new("name", id);
        let batch = Batch::new().with(Operation::Put {
            key: key.clone(),
            value: Bytes::from_static(b"x"),
            expires_at: None,
            terms: vec![term.clone(), term.clone()],
            expect: Expect::Absent,
        });
        store.commit(batch).await.expect("any text is an id, and a term given twice is one term");
        assert!(value_of(store, &key).await.is_some(), "id {id:?}");
        let scan = Scan::kind("conformance.names").with_term(term);
        let found = store.scan(&scan).await.expect("scanning succeeds").records;
        assert_eq!(found.len(), 1, "term {id:?}");
    }
    let scan = Scan::kind("conformance.names").with_prefix("\u{10FFFF}");
    let found = store.scan(&scan).await.expect("scanning succeeds").records;
    assert_eq!(found.len(), 1, "the last character is a prefix like any other");
}

/// All or nothing, for every kind of expectation.
pub async fn a_failed_expectation_changes_nothing(store: &dyn Store) {
    let key = |id: &str| Key::new("conformance.expect", id);
    let first = put(store, &key("a"), b"1", Expect::Absent).await;
    let second = put(store, &key("a"), b"2", Expect::Version(first)).await;
    assert!(second > first, "versions rise");
    let stale = [
        Operation::Check { key: key("a"), expect: Expect::Absent },
        Operation::Check { key: key("a"), expect: Expect::Version(first) },
        Operation::Check { key: key("nobody"), expect: Expect::Version(first) },
        Operation::Delete { key: key("a"), expect: Expect::Version(first) },
    ];
    for operation in stale {
        let batch =
            Batch::new().put(key("b"), Bytes::from_static(b"x"), Expect::Any).with(operation);
        let error = store.commit(batch).await.expect_err("the expectation does not hold");
        assert!(error.is(codes::CONFLICT), "a failed expectation is a conflict, not {error:?}");
    }
    assert_eq!(value_of(store, &key("b")).await, None, "nothing of a failed batch is applied");
    assert_eq!(value_of(store, &key("a")).await.as_deref(), Some(&b"2"[..]));
    let batch = Batch::new()
        .check(key("a"), Expect::Version(second))
        .delete(key("a"), Expect::Version(second))
        .delete(key("nobody"), Expect::Any);
    store.commit(batch).await.expect("expectations that hold succeed");
    assert_eq!(value_of(store, &key("a")).await, None, "deleted is absent");
}

/// Operations of one batch don't see each other, and the last one on a key remains.
pub async fn expectations_look_at_the_state_before_the_batch(store: &dyn Store) {
    let key = Key::new("conformance.before", "a");
    let batch =
        Batch::new().put(key.clone(), "1", Expect::Absent).put(key.clone(), "2", Expect::Absent);
    store.commit(batch).await.expect("before the batch there was none");
    assert_eq!(value_of(store, &key).await.as_deref(), Some(&b"2"[..]), "the last one remains");
    let batch = Batch::new().delete(key.clone(), Expect::Any).put(key, "3", Expect::Absent);
    let error = store.commit(batch).await.expect_err("before the batch there was one");
    assert!(error.is(codes::CONFLICT), "a conflict, not {error:?}");
}

/// Many at once read, add one and write what they read: every confirmed addition counts, and of
/// those who create the same record exactly one succeeds.
pub async fn concurrent_writers_lose_no_update(store: &dyn Store) {
    let key = Key::new("conformance.concurrent", "counter");
    let created = |n: u8| {
        let batch = Batch::new().put(key.clone(), vec![0, n], Expect::Absent);
        async move { store.commit(batch).await.is_ok() }
    };
    let winners = all_at_once((0..8).map(created)).await;
    assert_eq!(winners.iter().filter(|won| **won).count(), 1, "one creates it: {winners:?}");
    put(store, &key, &[0], Expect::Any).await;
    let added = |_| async {
        for _ in 0..1000 {
            let read = store.get(&key).await.expect("reading succeeds").expect("it is there");
            let count = read.value.first().expect("a count") + 1;
            let batch = Batch::new().put(key.clone(), vec![count], Expect::Version(read.version));
            match store.commit(batch).await {
                Ok(_) => return,
                Err(error) => {
                    assert!(error.is(codes::CONFLICT), "a lost race is a conflict: {error:?}");
                }
            }
        }
        panic!("a writer lost 1000 races");
    };
    all_at_once((0..16).map(added)).await;
    assert_eq!(value_of(store, &key).await.as_deref(), Some(&[16][..]), "no addition is lost");
}

/// Polls all futures together until each is done. (This crate has no runtime to spawn them on.)
async fn all_at_once<F: Future + Send>(futures: impl Iterator<Item = F>) -> Vec<F::Output>
where
    F::Output: Send,
{
    let mut running: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut outputs = Vec::new();
    poll_fn(|cx| {
        running.retain_mut(|future| match future.as_mut().poll(cx) {
            Poll::Ready(output) => {
                outputs.push(output);
                false
            }
            Poll::Pending => true,
        });
        if running.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    outputs
}

/// Deleting and creating again must not make an old version valid.
pub async fn versions_never_repeat(store: &dyn Store) {
    let key = Key::new("conformance.versions", "a");
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(put(store, &key, b"x", Expect::Absent).await);
        let read = store.get(&key).await.expect("reading succeeds").expect("it is there");
        assert_eq!(Some(&read.version), seen.last(), "commit returns the version that get shows");
        let batch = Batch::new().delete(key.clone(), Expect::Any);
        store.commit(batch).await.expect("deleting succeeds");
    }
    assert!(seen.is_sorted_by(|a, b| a < b), "versions rise over deletion: {seen:?}");
}

/// Ascending byte order, exact continuation, no cut without a cursor.
pub async fn scans_are_ordered_and_paged(store: &dyn Store) {
    let ids = ["B", "a", "a!", "a/b", "a/c", "b", "é"];
    for id in ids {
        put(store, &Key::new("conformance.scan", id), id.as_bytes(), Expect::Absent).await;
    }
    for size in 1..=8 {
        let mut got = Vec::new();
        let mut scan = Scan::kind("conformance.scan").limit(page(size));
        loop {
            let part = store.scan(&scan).await.expect("scanning succeeds");
            assert!(part.records.len() <= size as usize, "a page is at most its limit");
            got.extend(part.records.into_iter().map(|record| record.id));
            let Some(next) = part.next else { break };
            scan = scan.after(Some(next));
        }
        assert_eq!(got, ids, "pages of {size}");
    }
}

/// `%`, `_` and `*` in a prefix stand for themselves.
pub async fn prefixes_are_not_patterns(store: &dyn Store) {
    for id in ["p%x", "p_x", "pax", "p*x", "q"] {
        put(store, &Key::new("conformance.prefix", id), b"", Expect::Absent).await;
    }
    for (prefix, found) in [("p%", 1), ("p_", 1), ("p*", 1), ("p", 4), ("", 5), ("zz", 0)] {
        let scan = Scan::kind("conformance.prefix").with_prefix(prefix);
        let records = store.scan(&scan).await.expect("scanning succeeds").records;
        assert_eq!(records.len(), found, "prefix {prefix:?}");
    }
}

/// Terms are exact, belong to the latest put, and go with the record.
pub async fn terms_find_exactly(store: &dyn Store) {
    let key = |id: &str| Key::new("conformance.terms", id);
    let with_terms = |id: &str, terms: Vec<Term>| Operation::Put {
        key: key(id),
        value: Bytes::new(),
        expires_at: None,
        terms,
        expect: Expect::Any,
    };
    let red = || Term::new("color", "red");
    let batch = Batch::new()
        .with(with_terms("1", vec![red(), Term::new("size", "s")]))
        .with(with_terms("2", vec![red()]))
        .with(with_terms("3", vec![Term::new("color", "Red")]));
    store.commit(batch).await.expect("putting succeeds");
    let found = async |term: Term| {
        let scan = Scan::kind("conformance.terms").with_term(term);
        let records = store.scan(&scan).await.expect("scanning succeeds").records;
        records.into_iter().map(|record| record.id).collect::<Vec<_>>()
    };
    assert_eq!(found(red()).await, ["1", "2"]);
    assert_eq!(
        found(Term::new("size", "red")).await,
        Vec::<String>::new(),
        "name and value both count"
    );
    let batch = Batch::new().with(with_terms("1", vec![])).delete(key("2"), Expect::Any);
    store.commit(batch).await.expect("putting succeeds");
    assert_eq!(found(red()).await, Vec::<String>::new(), "terms go with put and delete");
}

/// A term, a prefix and a cursor narrow together.
pub async fn terms_page_within_a_prefix(store: &dyn Store) {
    let put = |id: &str, color: &str| Operation::Put {
        key: Key::new("conformance.pages", id),
        value: Bytes::new(),
        expires_at: None,
        terms: vec![Term::new("color", color)],
        expect: Expect::Absent,
    };
    let batch = [("a/1", "red"), ("b/1", "red"), ("b/2", "blue"), ("b/3", "red"), ("c/1", "red")]
        .into_iter()
        .fold(Batch::new(), |batch, (id, color)| batch.with(put(id, color)));
    store.commit(batch).await.expect("putting succeeds");
    let scan = Scan::kind("conformance.pages")
        .with_term(Term::new("color", "red"))
        .with_prefix("b/")
        .limit(page(1));
    let first = store.scan(&scan).await.expect("scanning succeeds");
    assert_eq!(first.next.as_deref(), Some("b/1"), "there is more");
    let second = store.scan(&scan.after(first.next)).await.expect("scanning succeeds");
    let ids: Vec<_> = second.records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!((ids.as_slice(), second.next), (&["b/3"][..], None), "and then no more");
}

/// Whoever listens hears of puts and deletes.
pub async fn changes_are_told(store: &dyn Store) {
    let key = Key::new("conformance.changes", "a");
    let mut changes = store.changes();
    put(store, &key, b"1", Expect::Any).await;
    store.commit(Batch::new().delete(key.clone(), Expect::Any)).await.expect("deleting succeeds");
    for event in ["the put", "the delete"] {
        let told = changes.next().await.expect("the store is there");
        assert_eq!(told, Change::Changed(key.clone()), "{event} is told");
    }
}

/// An expired record is never returned and counts as absent.
pub async fn expired_records_are_absent(store: &dyn Store, advance: &(dyn Fn(Duration) + Sync)) {
    let key = Key::new("conformance.expiry", "a");
    let term = Term::new("t", "v");
    let ends = |expires_at: Timestamp, expect| Operation::Put {
        key: key.clone(),
        value: Bytes::from_static(b"x"),
        expires_at: Some(expires_at),
        terms: vec![term.clone()],
        expect,
    };
    let far: Timestamp = "2099-01-01T00:00:00.123456789Z".parse().expect("a time");
    store.commit(Batch::new().with(ends(far, Expect::Absent))).await.expect("putting succeeds");
    let live = store.get(&key).await.expect("reading succeeds").expect("it has not ended");
    assert_eq!(live.expires_at, Some(far), "the end comes back");
    let past: Timestamp = "2001-01-01T00:00:00Z".parse().expect("a time");
    let old =
        store.commit(Batch::new().with(ends(past, Expect::Any))).await.expect("putting succeeds");
    advance(Duration::from_millis(1));
    assert_eq!(value_of(store, &key).await, None, "an expired record is not read");
    let scan = Scan::kind("conformance.expiry").with_term(term.clone());
    assert!(store.scan(&scan).await.expect("scanning").records.is_empty(), "nor scanned");
    let batch = Batch::new().check(key.clone(), Expect::Version(old));
    assert!(store.commit(batch).await.is_err(), "nor does its version hold");
    assert!(store.purge(page(1000)).await.expect("purging") >= 1, "purge deletes it");
    put(store, &key, b"new", Expect::Absent).await;
    assert_eq!(store.purge(page(1000)).await.expect("purging"), 0, "and only it");
    assert!(value_of(store, &key).await.is_some(), "the new one stays");
}
