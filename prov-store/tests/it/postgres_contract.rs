use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use prov_core::store::{Batch, Expect, Key, Operation, Scan, Store, Term, Version, conformance};
use prov_core::{HealthCheck, HealthState, codes};
use prov_store::{Database, PostgresStore, connect};

use crate::peer_postgres::PeerPostgres;
use crate::{count_together, manual_clock, system_clock};

#[tokio::test]
async fn postgres_honours_the_contract() {
    let Some(peer) = PeerPostgres::start(&["fsync = off"]) else { return };
    let clock = manual_clock();
    let store = PostgresStore::open(&peer.socket_url(), Arc::new(clock.clone())).await.unwrap();
    conformance::all(&store, &|by| clock.advance(by)).await;
    assert_eq!(store.health().await.state, HealthState::Up);
    assert_eq!(
        peer.sql("SELECT count(*) FROM prov_records WHERE kind = 'conformance.expect'"),
        "0"
    );

    store.close().await;
    store.close().await;
    let key = Key::new("test.closed", "a");
    for error in [
        store.get(&key).await.unwrap_err(),
        store.scan(&Scan::kind("test.closed")).await.unwrap_err(),
        store.commit(Batch::new()).await.unwrap_err(),
    ] {
        assert!(error.is(codes::STORE_UNAVAILABLE), "after closing: {error:?}");
    }
    assert_eq!(store.health().await.state, HealthState::Down);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_stores_count_together_and_lose_no_update() {
    let Some(peer) = PeerPostgres::start(&["fsync = off"]) else { return };
    // Both make the tables at the same time, as two servers that are started together.
    let (a, b) =
        join(connect(&peer.url(), system_clock()), connect(&peer.url(), system_clock())).await;
    let stores: [Arc<dyn Store>; 2] = [a.unwrap(), b.unwrap()];
    count_together(&stores, 8, 15).await;

    // Of those who create the same record, on whatever store, one succeeds.
    for round in 0..20 {
        let key = Key::new("test.created", round.to_string());
        let commits = (0..8).map(|n| {
            stores[n % 2].commit(Batch::new().put(key.clone(), n.to_string(), Expect::Absent))
        });
        let answers = join_all(commits).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
    }
}

/// Blind writes of the same keys by two processes: whichever comes later has the higher version.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn versions_rise_along_every_key_whoever_writes() {
    let Some(peer) = PeerPostgres::start(&["fsync = off"]) else { return };
    let a = Arc::new(PostgresStore::open(&peer.url(), system_clock()).await.unwrap());
    let b = Arc::new(PostgresStore::open(&peer.url(), system_clock()).await.unwrap());
    peer.sql(
        "CREATE FUNCTION rises() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.version <= OLD.version THEN RAISE 'version % after %', NEW.version, OLD.version;
            END IF; RETURN NEW; END $$;
         CREATE TRIGGER rises BEFORE UPDATE ON prov_records FOR EACH ROW EXECUTE FUNCTION rises()",
    );
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..8 {
        let store = Arc::clone(if task % 2 == 0 { &a } else { &b });
        tasks.spawn(async move {
            for n in 0..40 {
                // Keys in different orders, as deadlocks are made of.
                let batch = (0..4).fold(Batch::new(), |batch, k| {
                    let id = (if task % 4 < 2 { k } else { 3 - k } + n) % 5;
                    batch.put(Key::new("test.rising", id.to_string()), "x", Expect::Any)
                });
                store.commit(batch).await.unwrap();
            }
        });
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_commits_share_transactions() {
    let Some(peer) = PeerPostgres::start(&[]) else { return };
    let store = PostgresStore::open(&peer.url(), system_clock()).await.unwrap();
    let commits = (0..512).map(|n| {
        let key = Key::new("test.group", n.to_string());
        // Every eighth expects something that does not hold, and must fail alone.
        let stale = Expect::Version(Version::from_number(1));
        let expect = if n % 8 == 0 { stale } else { Expect::Absent };
        store.commit(Batch::new().put(key, "x", expect))
    });
    for (n, answer) in join_all(commits).await.iter().enumerate() {
        assert_eq!(answer.is_ok(), n % 8 != 0, "commit {n}: {answer:?}");
    }
    assert!(store.transactions() <= 64, "448 commits took {} transactions", store.transactions());
}

#[tokio::test]
async fn an_id_that_no_index_takes_fails_alone() {
    let Some(peer) = PeerPostgres::start(&["fsync = off"]) else { return };
    let store = PostgresStore::open(&peer.url(), system_clock()).await.unwrap();
    // Text that does not compress.
    let long: String = (0..20_000_u32)
        .map(|n| char::from(b'a' + u8::try_from(n.wrapping_mul(2_654_435_761) >> 24).unwrap() % 26))
        .collect();
    let ids = ["a", &long, "b"];
    let commits =
        ids.map(|id| store.commit(Batch::new().put(Key::new("test.long", id), "x", Expect::Any)));
    let answers = join_all(commits).await;
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(answers[1].as_ref().unwrap_err().is(codes::INVALID_REQUEST), "{answers:?}");
}

#[tokio::test]
async fn purging_leaves_no_terms_and_no_live_record_behind() {
    let Some(peer) = PeerPostgres::start(&["fsync = off"]) else { return };
    let clock = manual_clock();
    let store = PostgresStore::open(&peer.url(), Arc::new(clock.clone())).await.unwrap();
    let ends = |n: usize, after: u64| Operation::Put {
        key: Key::new("test.purge", n.to_string()),
        value: "x".into(),
        expires_at: Some(prov_core::Clock::now(&clock) + Duration::from_secs(after)),
        terms: vec![Term::new("t", "v")],
        expect: Expect::Any,
    };
    let batch = (0..30).fold(Batch::new(), |batch, n| batch.with(ends(n, 1 + (n as u64 % 2) * 60)));
    store.commit(batch).await.unwrap();
    clock.advance(Duration::from_secs(10));
    let ten = NonZeroU32::new(10).unwrap();
    assert_eq!(store.purge(ten).await.unwrap(), 10);
    assert_eq!(store.purge(ten).await.unwrap(), 5);
    assert_eq!(store.purge(ten).await.unwrap(), 0);
    assert_eq!(peer.sql("SELECT count(*) FROM prov_records"), "15");
    assert_eq!(peer.sql("SELECT count(*) FROM prov_terms"), "15");
}
