//! The sealed store.

use std::sync::Arc;

use bytes::Bytes;
use prov_core::store::{
    Batch, Expect, Key, MemoryStore, Operation, Scan, Store, Term, conformance,
};
use prov_core::{Timestamp, codes as core_codes};
use prov_kms::{FileKey, KmsBackend, SealedStore, codes};

use crate::house::House;

async fn sealed(house: &House) -> SealedStore<Arc<MemoryStore>> {
    let keyring = house.keyring().await;
    SealedStore::open(Arc::clone(&house.store), &*keyring, &house.clock).await.unwrap()
}

fn row(id: &str, value: &str) -> Operation {
    Operation::Put {
        key: Key::new("test.person", id),
        value: Bytes::copy_from_slice(value.as_bytes()),
        expires_at: None,
        terms: vec![Term::new("email", "alice@example.org"), Term::new("name", "alice")],
        expect: Expect::Any,
    }
}

#[tokio::test]
async fn it_keeps_the_contract_of_a_store() {
    let house = House::new();
    let store = sealed(&house).await;
    conformance::all(&store, &|by| house.clock.advance(by)).await;
}

#[tokio::test]
async fn one_call_opens_it_under_a_root_key_and_finds_it_again() {
    let house = House::new();
    let open = async |root_key: &str| {
        let below = Arc::<MemoryStore>::clone(&house.store);
        SealedStore::embedded(below, &house.path(root_key), house.clock()).await
    };
    let store = open("root.key").await.unwrap();
    store.commit(Batch::new().with(row("1", "hunter2"))).await.unwrap();
    let key = Key::new("test.person", "1");
    let again = open("root.key").await.unwrap();
    assert_eq!(again.get(&key).await.unwrap().unwrap().value, "hunter2");
    let below = house.store.get(&key).await.unwrap().unwrap();
    assert!(!below.value.windows(7).any(|part| part == b"hunter2"));
    // Another file is another key: nothing is made in its place.
    assert!(open("other.key").await.is_err());
}

#[tokio::test]
async fn nothing_readable_reaches_the_store_below() {
    let house = House::new();
    let store = sealed(&house).await;
    let secret = "hunter2 belongs to alice@example.org";
    store.commit(Batch::new().with(row("1", secret)).with(row("2", secret))).await.unwrap();
    let below = house.store.scan(&Scan::kind("test.person")).await.unwrap().records;
    assert_eq!(below.len(), 2);
    for record in &below {
        let shows =
            |needle: &str| record.value.windows(needle.len()).any(|part| part == needle.as_bytes());
        assert!(!shows("hunter2") && !shows("alice"));
    }
    let equal_parts = below[0].value.windows(16).any(|part| {
        // The format byte and the key's number are equal; nothing else is.
        below[1].value.windows(16).any(|other| part == other)
    });
    assert!(!equal_parts, "equal values give unrelated bytes");
    let term = Term::new("email", "alice@example.org");
    let by_term = Scan::kind("test.person").with_term(term);
    assert!(house.store.scan(&by_term).await.unwrap().records.is_empty(), "terms are hashed");
    let found = store.scan(&by_term).await.unwrap().records;
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].value, secret);
    for other in [Term::new("name", "alice@example.org"), Term::new("email", "alice")] {
        let scan = Scan::kind("test.person").with_term(other);
        assert!(store.scan(&scan).await.unwrap().records.is_empty());
    }
}

#[tokio::test]
async fn swapped_moved_and_changed_rows_do_not_open() {
    let house = House::new();
    let store = sealed(&house).await;
    store.commit(Batch::new().with(row("1", "one")).with(row("2", "two"))).await.unwrap();
    let one = house.store.get(&Key::new("test.person", "1")).await.unwrap().unwrap().value;
    let mut flipped = one.to_vec();
    let last = flipped.len() - 1;
    flipped[last] ^= 1;
    let mut other_key = one.to_vec();
    other_key[4] ^= 2;
    let places = [
        (Key::new("test.person", "2"), one.clone()),
        (Key::new("test.person", "3"), one.clone()),
        (Key::new("test.perso", "n1"), one.clone()),
        (Key::new("test.admin", "1"), one.clone()),
        (Key::new("test.person", "1"), Bytes::from(flipped)),
        (Key::new("test.person", "1"), Bytes::from(other_key)),
        (Key::new("test.person", "1"), one.slice(..last)),
        (Key::new("test.person", "1"), Bytes::new()),
        (Key::new("test.person", "1"), Bytes::from_static(b"{\"role\":\"admin\"}")),
    ];
    for (key, value) in places {
        house.store.commit(Batch::new().put(key.clone(), value, Expect::Any)).await.unwrap();
        let error = store.get(&key).await.unwrap_err();
        assert!(error.is(core_codes::STORE_CORRUPT), "{key:?}: {error:?}");
        let scan = Scan::kind(key.kind.clone()).with_prefix(key.id.clone());
        assert!(store.scan(&scan).await.unwrap_err().is(core_codes::STORE_CORRUPT), "{key:?}");
    }
}

#[tokio::test]
async fn an_end_that_was_moved_is_noticed() {
    let house = House::new();
    let store = sealed(&house).await;
    let key = Key::new("test.session", "1");
    let put = |value: Bytes, end: Option<&str>| Operation::Put {
        key: key.clone(),
        value,
        expires_at: end.map(|end| end.parse::<Timestamp>().unwrap()),
        terms: Vec::new(),
        expect: Expect::Any,
    };
    let operation = put(Bytes::from_static(b"x"), Some("2026-04-01T00:00:00.123456789Z"));
    store.commit(Batch::new().with(operation)).await.unwrap();
    let value = house.store.get(&key).await.unwrap().unwrap().value;
    for (end, opens) in [
        (Some("2026-04-01T00:00:00.123Z"), true),
        (Some("2026-04-01T00:00:01Z"), true),
        (Some("2026-04-01T00:00:02Z"), false),
        (Some("2030-01-01T00:00:00Z"), false),
        (None, false),
    ] {
        house.store.commit(Batch::new().with(put(value.clone(), end))).await.unwrap();
        assert_eq!(store.get(&key).await.is_ok(), opens, "{end:?}");
    }
}

#[tokio::test]
async fn it_opens_again_and_only_with_the_right_backend() {
    let house = House::new();
    let first = sealed(&house).await;
    first.commit(Batch::new().with(row("1", "one"))).await.unwrap();
    house.keyring().await.rotate(&"store".parse().unwrap()).await.unwrap();
    let again = sealed(&house).await;
    let by_term = Scan::kind("test.person").with_term(Term::new("name", "alice"));
    assert_eq!(again.scan(&by_term).await.unwrap().records[0].value, "one");
    let other = FileKey::create(&house.path("file.key")).unwrap();
    let below = Arc::clone(&house.store);
    let error = SealedStore::open(below, &other, &house.clock).await.unwrap_err();
    assert!(error.is(codes::STORE_KEY_LOCKED), "{error:?}");
    assert_eq!(again.get(&Key::new("test.person", "1")).await.unwrap().unwrap().value, "one");
}

/// A store key of one use in place of the other.
#[tokio::test]
async fn exchanged_store_keys_do_not_open() {
    let house = House::new();
    sealed(&house).await;
    let row = |id: &str| Key::new("kms.store_key", id);
    let seal = house.store.get(&row("seal-0000000001")).await.unwrap().unwrap();
    let text = String::from_utf8(seal.value.to_vec()).unwrap();
    let forged = text.replace(r#""number":1"#, r#""number":2"#);
    assert_ne!(text, forged);
    let batch = Batch::new().put(row("seal-0000000002"), forged, Expect::Absent);
    house.store.commit(batch).await.unwrap();
    let keyring = house.keyring().await;
    let below = Arc::clone(&house.store);
    let error = SealedStore::open(below, &*keyring, &house.clock).await.unwrap_err();
    assert!(error.is(codes::STORE_KEY_LOCKED), "{error:?}");
}
