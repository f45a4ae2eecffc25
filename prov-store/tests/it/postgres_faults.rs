use std::net::TcpListener;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use prov_core::store::{Batch, Change, Expect, Key, Store};
use prov_core::{HealthCheck, HealthState};
use prov_store::{PostgresOptions, PostgresStore, codes, connect};
use tokio::time::{sleep, timeout};

use crate::peer_postgres::PeerPostgres;
use crate::system_clock;

fn put(id: &str) -> Batch {
    Batch::new().put(Key::new("test.faults", id), "x", Expect::Any)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_is_refused_quickly_and_found_again() {
    let Some(mut peer) = PeerPostgres::start(&["fsync = off"]) else { return };
    let store = PostgresStore::open(&peer.url(), system_clock()).await.unwrap();
    let mut changes = store.changes();
    store.commit(put("before")).await.unwrap();
    assert_eq!(changes.next().await, Some(Change::Changed(Key::new("test.faults", "before"))));

    peer.stop();
    assert_eq!(changes.next().await, Some(Change::Missed), "the loss is told at once");
    let asked = Instant::now();
    let refused = join_all((0..100).map(|n| {
        let store = &store;
        async move {
            let id = n.to_string();
            let written = store.commit(put(&id)).await.unwrap_err();
            let read = store.get(&Key::new("test.faults", id)).await.unwrap_err();
            [written, read]
        }
    }))
    .await;
    assert!(asked.elapsed() < Duration::from_secs(15), "waits are bounded: {:?}", asked.elapsed());
    for error in refused.iter().flatten() {
        assert!(error.is(prov_core::codes::STORE_UNAVAILABLE), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    assert_eq!(store.health().await.state, HealthState::Down);

    peer.run();
    let again = async {
        while store.commit(put("after")).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
        while store.health().await.state != HealthState::Up {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(30), again).await.expect("it resumes by itself");
    assert!(store.get(&Key::new("test.faults", "before")).await.unwrap().is_some());
    // Sent once more when it listens again: what happened in between was never told.
    let mut told = Vec::new();
    while let Ok(Some(change)) = timeout(Duration::from_millis(200), changes.next()).await {
        told.push(change);
    }
    assert!(told.contains(&Change::Missed), "{told:?}");
}

#[tokio::test]
async fn a_lock_that_nobody_releases_bounds_the_wait() {
    let Some(peer) = PeerPostgres::start(&["fsync = off"]) else { return };
    let options = PostgresOptions::new(&peer.url(), system_clock())
        .unwrap()
        .statement_timeout(Duration::from_millis(300));
    let store = PostgresStore::open_with(options).await.unwrap();
    store.commit(put("a")).await.unwrap();
    let (other, connection) =
        tokio_postgres::connect(&peer.url(), tokio_postgres::NoTls).await.unwrap();
    let mut driver = tokio::task::JoinSet::new();
    driver.spawn(async move { connection.await.unwrap() });
    other.batch_execute("BEGIN; UPDATE prov_records SET version = version").await.unwrap();
    let error = store.commit(put("a")).await.unwrap_err();
    assert!(error.is(prov_core::codes::STORE_UNAVAILABLE), "{error:?}");
    assert!(store.get(&Key::new("test.faults", "a")).await.is_ok(), "reading goes on");
    other.batch_execute("ROLLBACK").await.unwrap();
    store.commit(put("a")).await.unwrap();
}

#[tokio::test]
async fn lost_races_are_run_again() {
    let Some(peer) = PeerPostgres::start(&["fsync = off"]) else { return };
    let store = PostgresStore::open(&peer.url(), system_clock()).await.unwrap();
    // The first two attempts fail as a deadlock and as a serialization failure would.
    peer.sql(
        "CREATE SEQUENCE attempts; CREATE FUNCTION loses() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE attempt bigint := nextval('attempts'); BEGIN
            IF attempt = 1 THEN RAISE EXCEPTION USING ERRCODE = '40P01'; END IF;
            IF attempt = 2 THEN RAISE EXCEPTION USING ERRCODE = '40001'; END IF;
            RETURN NEW; END $$;
         CREATE TRIGGER loses BEFORE INSERT ON prov_records FOR EACH ROW EXECUTE FUNCTION loses()",
    );
    store.commit(put("a")).await.unwrap();
    assert_eq!(peer.sql("SELECT last_value FROM attempts"), "3");
    assert_eq!(peer.sql("SELECT count(*) FROM prov_records"), "1");
}

#[tokio::test]
async fn a_full_disk_is_said_and_nothing_is_applied() {
    let Some(peer) = PeerPostgres::start(&["fsync = off"]) else { return };
    let store = PostgresStore::open(&peer.url(), system_clock()).await.unwrap();
    peer.sql(
        "CREATE FUNCTION full_() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.id = 'big' THEN RAISE EXCEPTION USING ERRCODE = '53100'; END IF;
            RETURN NEW; END $$;
         CREATE TRIGGER full_ BEFORE INSERT ON prov_records FOR EACH ROW EXECUTE FUNCTION full_()",
    );
    let both = put("small").put(Key::new("test.faults", "big"), "x", Expect::Any);
    let error = store.commit(both).await.unwrap_err();
    assert!(error.is(prov_core::codes::STORAGE_FULL), "{error:?}");
    assert!(store.get(&Key::new("test.faults", "small")).await.unwrap().is_none());
    store.commit(put("small")).await.unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused() {
    let Some(peer) = PeerPostgres::start(&["fsync = off"]) else { return };
    drop(PostgresStore::open(&peer.url(), system_clock()).await.unwrap());
    peer.sql("UPDATE prov_schema SET version = 999");
    let error = PostgresStore::open(&peer.url(), system_clock()).await.unwrap_err();
    assert!(error.is(codes::DATABASE_TOO_NEW), "{error:?}");
    assert!(error.to_string().contains("999"), "it names the versions: {error}");
}

#[tokio::test]
async fn nobody_there_and_no_url_are_said_without_the_password() {
    // Accepts and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let refused = {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap().port()
    };
    for port in [port, refused] {
        let url = format!("postgres://u:hunter2@127.0.0.1:{port}/d?connect_timeout=1");
        let options = PostgresOptions::new(&url, system_clock())
            .unwrap()
            .statement_timeout(Duration::from_millis(100));
        assert!(!format!("{options:?}").contains("hunter2"));
        let asked = Instant::now();
        let error = PostgresStore::open_with(options).await.unwrap_err();
        assert!(error.is(prov_core::codes::STORE_UNAVAILABLE), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        assert!(asked.elapsed() < Duration::from_secs(10));
    }
    for url in ["postgres://u:hunter2@h:port/d", "postgres://u:hunter2@h/d?sslmode=hunter2"] {
        let error = connect(url, system_clock()).await.unwrap_err();
        assert!(error.is(codes::URL_NOT_UNDERSTOOD), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
}
