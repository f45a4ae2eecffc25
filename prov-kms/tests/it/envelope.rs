//! Messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use prov_core::{Health, Result};
use prov_kms::{
    Aad, BackendInfo, CacheLimits, Ciphertext, DataKey, Envelope, KeyName, KeyVersion, KmsBackend,
    LocalKeyring, WrappedKey, codes,
};

use crate::house::{House, context, key};

#[tokio::test]
async fn every_length_comes_back_through_text() {
    let house = House::new();
    let envelope = house.envelope().await;
    let bound = context("env=prod,service=api");
    for len in [0, 1, 1024, 16 * 1024, 16 * 1024 + 1, 300_000] {
        let plain = vec![b'x'; len];
        let sealed = envelope.encrypt(&key("default"), &plain, &bound).await.unwrap();
        let text = sealed.to_string();
        assert!(text.starts_with("prov:v1:local:default:1:") && text.is_ascii());
        let read: Ciphertext = text.parse().unwrap();
        let opened = envelope.decrypt(&read, &context("service=api,env=prod")).await.unwrap();
        assert_eq!(opened.expose(), plain, "length {len}");
    }
}

#[tokio::test]
async fn another_context_key_or_version_does_not_decrypt() {
    let house = House::new();
    let envelope = house.envelope().await;
    let sealed = envelope.encrypt(&key("default"), b"x", &context("env=prod")).await.unwrap();
    envelope.decrypt(&sealed, &context("env=prod")).await.unwrap();
    for other in ["", "env=dev", "env=prod,a=b", "Env=prod", "env=prod ", "env="] {
        let error = envelope.decrypt(&sealed, &context(other)).await.unwrap_err();
        assert!(error.is(codes::DECRYPTION_FAILED), "{other:?}");
    }
    house.keyring().await.rotate(&key("default")).await.unwrap();
    let text = sealed.to_string();
    for (from, to) in [
        (":default:", ":other:"),
        (":default:", ":unknown:"),
        (":1:", ":2:"),
        (":1:", ":3:"),
        (":local:", ":age:"),
    ] {
        let moved: Ciphertext = text.replacen(from, to, 1).parse().unwrap();
        let error = envelope.decrypt(&moved, &context("env=prod")).await.unwrap_err();
        assert!(error.is(codes::DECRYPTION_FAILED), "{from} to {to}");
        assert_eq!(error.to_string(), prov_core::Error::new(codes::DECRYPTION_FAILED).to_string());
    }
    let another_house = House::new().envelope().await;
    let error = another_house.decrypt(&sealed, &context("env=prod")).await.unwrap_err();
    assert!(error.is(codes::DECRYPTION_FAILED), "another keyring");
}

/// Counts how often the backend is asked.
#[derive(Debug)]
struct Counted {
    inner: Arc<LocalKeyring>,
    wraps: AtomicUsize,
    unwraps: AtomicUsize,
}

#[async_trait]
impl KmsBackend for Counted {
    fn info(&self) -> BackendInfo {
        self.inner.info()
    }

    async fn ensure_key(&self, name: &KeyName) -> Result<KeyVersion> {
        self.inner.ensure_key(name).await
    }

    async fn wrap_key(&self, name: &KeyName, key: &DataKey, aad: Aad<'_>) -> Result<WrappedKey> {
        self.wraps.fetch_add(1, Ordering::Relaxed);
        self.inner.wrap_key(name, key, aad).await
    }

    async fn unwrap_key(&self, wrapped: &WrappedKey, aad: Aad<'_>) -> Result<DataKey> {
        self.unwraps.fetch_add(1, Ordering::Relaxed);
        self.inner.unwrap_key(wrapped, aad).await
    }

    async fn rotate(&self, name: &KeyName) -> Result<KeyVersion> {
        self.inner.rotate(name).await
    }

    async fn health(&self) -> Result<Health> {
        self.inner.health().await
    }
}

async fn counted(house: &House) -> Arc<Counted> {
    let inner = house.keyring().await;
    inner.ensure_key(&key("default")).await.unwrap();
    Arc::new(Counted { inner, wraps: AtomicUsize::new(0), unwraps: AtomicUsize::new(0) })
}

#[tokio::test]
async fn data_keys_are_reused_within_uses_bytes_and_age_and_per_context() {
    let house = House::new();
    let backend = counted(&house).await;
    let limits = CacheLimits::default().max_uses(10).max_bytes(1000);
    let envelope = Envelope::new(Arc::<Counted>::clone(&backend), house.clock()).with_cache(limits);
    let encrypt = async |len: usize, bound: &str| {
        let plain = vec![0; len];
        let sealed = envelope.encrypt(&key("default"), &plain, &context(bound)).await.unwrap();
        envelope.decrypt(&sealed, &context(bound)).await.unwrap();
        backend.wraps.load(Ordering::Relaxed)
    };
    for _ in 0..10 {
        assert_eq!(encrypt(1, "a=1").await, 1, "ten uses of one data key");
    }
    assert_eq!(backend.unwraps.load(Ordering::Relaxed), 1, "unwrapped once");
    assert_eq!(encrypt(1, "a=1").await, 2, "the eleventh takes another");
    assert_eq!(encrypt(999, "a=1").await, 2, "1000 bytes");
    assert_eq!(encrypt(1, "a=1").await, 3, "one byte more");
    assert_eq!(encrypt(1, "a=2").await, 4, "another context never shares");
    house.clock.advance(Duration::from_secs(299));
    assert_eq!(encrypt(1, "a=1").await, 4);
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(encrypt(1, "a=1").await, 5, "five minutes old");
    envelope.forget(&key("default"));
    assert_eq!(envelope.cached_keys(), 0);
    assert_eq!(encrypt(1, "a=1").await, 6, "forgotten");
}

#[tokio::test]
async fn after_a_move_to_another_backend_the_old_ciphertexts_still_decrypt() {
    let house = House::new();
    let old = house.envelope().await;
    let sealed = old.encrypt(&key("default"), b"x", &context("a=b")).await.unwrap();
    let file = Arc::new(prov_kms::FileKey::create(&house.path("file.key")).unwrap());
    let alone = Envelope::new(Arc::<prov_kms::FileKey>::clone(&file), house.clock());
    assert!(alone.decrypt(&sealed, &context("a=b")).await.is_err());
    let moved = Envelope::new(file, house.clock()).also_decrypting(house.keyring().await);
    assert_eq!(moved.decrypt(&sealed, &context("a=b")).await.unwrap().expose(), b"x");
    let anew = moved.encrypt(&key("default"), b"x", &context("a=b")).await.unwrap();
    assert_eq!(anew.backend(), "file");
}
