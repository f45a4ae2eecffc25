use std::sync::Arc;

use futures_util::future::join_all;
use prov_core::store::{Batch, Expect, Key, Scan, Store, Term, conformance};
use prov_core::{HealthCheck, HealthState, codes};
use prov_store::{Database, SqliteStore};

use crate::{count_together, manual_clock, system_clock};

#[tokio::test]
async fn sqlite_honours_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let clock = manual_clock();
    let store = SqliteStore::open(folder.path().join("a.db"), Arc::new(clock.clone())).unwrap();
    conformance::all(&store, &|by| clock.advance(by)).await;
    assert_eq!(store.health().await.state, HealthState::Up);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn counting_together_loses_no_update() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("a.db"), system_clock()).unwrap();
    count_together(&[Arc::new(store)], 16, 25).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_commits_share_transactions() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(folder.path().join("a.db"), system_clock()).unwrap();
    let before = store.transactions();
    let commits = (0..512).map(|n| {
        let key = Key::new("test.group", n.to_string());
        // Every eighth expects something that does not hold, and must fail alone.
        let expect = if n % 8 == 0 {
            Expect::Version(prov_core::store::Version::from_number(1))
        } else {
            Expect::Absent
        };
        store.commit(Batch::new().put(key, "x", expect))
    });
    let answers = join_all(commits).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.is_ok(), n % 8 != 0, "commit {n}: {answer:?}");
    }
    let transactions = store.transactions() - before;
    assert!(transactions <= 64, "448 commits took {transactions} transactions");
    let page = store.scan(&Scan::kind("test.group")).await.unwrap();
    assert_eq!(page.records.len(), 448);
}

#[tokio::test]
async fn records_terms_and_versions_survive_closing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    let key = Key::new("test.again", "a");
    let store = SqliteStore::open(&path, system_clock()).unwrap();
    let term = Term::new("name", "n");
    let put = prov_core::store::Operation::Put {
        key: key.clone(),
        value: "1".into(),
        expires_at: None,
        terms: vec![term.clone()],
        expect: Expect::Absent,
    };
    let first = store.commit(Batch::new().with(put)).await.unwrap();
    let last = store.commit(Batch::new().delete(Key::new("test.again", "b"), Expect::Any)).await;
    store.close().await;
    store.close().await;
    for error in [
        store.get(&key).await.unwrap_err(),
        store.scan(&Scan::kind("test.again")).await.unwrap_err(),
        store.commit(Batch::new()).await.unwrap_err(),
    ] {
        assert!(error.is(codes::STORE_UNAVAILABLE), "after closing: {error:?}");
    }
    assert_eq!(store.health().await.state, HealthState::Down);

    let store = SqliteStore::open(&path, system_clock()).unwrap();
    assert_eq!(store.get(&key).await.unwrap().unwrap().version, first);
    let found = store.scan(&Scan::kind("test.again").with_term(term)).await.unwrap();
    assert_eq!(found.records.len(), 1);
    let next = store.commit(Batch::new().delete(key, Expect::Version(first))).await.unwrap();
    assert!(next > last.unwrap(), "versions go on where they were");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_the_store_keeps_what_was_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.db");
    for round in 0..10 {
        let store = SqliteStore::open(&path, system_clock()).unwrap();
        let key = Key::new("test.dropped", round.to_string());
        store.commit(Batch::new().put(key, "x", Expect::Absent)).await.unwrap();
        assert_eq!(store.scan(&Scan::kind("test.dropped")).await.unwrap().records.len(), round + 1);
    }
}
