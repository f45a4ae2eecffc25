//! The contract of [`KmsBackend`] as a program: run it against every backend and wrapper.
//!
//! ```
//! # async fn demo(backend: &dyn prov_kms::KmsBackend) {
//! prov_kms::conformance::all(backend).await;
//! # }
//! ```
//!
//! What it is after: an attacker who can exchange, move, cut and combine wrapped keys at will, and
//! who learns from every answer. So each case that must fail must also fail *alike*: the same code,
//! the same text, no field named. And an operator who rotates, restarts and misspells.
//!
//! It makes two keys, `conformance-a` and `conformance-b`, and rotates the first where the backend
//! can. What is run follows from the backend's [`Capabilities`](crate::Capabilities). A case that
//! fails panics with what was expected.
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a conformance suite is a test: it panics with what was expected"
)]

use std::fmt::Debug;

use bytes::Bytes;
use prov_core::{Error, HealthState};

use crate::backend::{Aad, DataKey, KeyName, KeyVersion, KmsBackend, WrappedKey};
use crate::codes;

/// Runs every case that the backend's capabilities call for.
pub async fn all(backend: &dyn KmsBackend) {
    let capabilities = backend.info().capabilities;
    names_are_plain(backend);
    ensuring_a_key_makes_one(backend).await;
    it_is_well(backend).await;
    if capabilities.unwrap {
        what_is_wrapped_unwraps(backend).await;
        any_other_aad_fails(backend).await;
        any_other_key_or_version_fails(backend).await;
        any_damage_fails(backend).await;
        parts_of_two_wrapped_keys_do_not_mix(backend).await;
    } else {
        unwrapping_is_refused_as_unsupported(backend).await;
    }
    if capabilities.rotation {
        rotation_keeps_the_past(backend).await;
        unknown_keys_are_named(backend).await;
    } else {
        rotation_is_refused_as_unsupported(backend).await;
    }
}

fn name(which: &str) -> KeyName {
    format!("conformance-{which}").parse().expect("a good name")
}

async fn wrapped(backend: &dyn KmsBackend, which: &str, aad: &[u8]) -> (DataKey, WrappedKey) {
    let name = name(which);
    backend.ensure_key(&name).await.expect("a key can be had");
    let key = DataKey::generate().expect("randomness");
    let wrapped = backend.wrap_key(&name, &key, Aad(aad)).await.expect("wrapping succeeds");
    assert_eq!(wrapped.name, name, "a wrapped key says under which key");
    (key, wrapped)
}

/// Fails as everything that does not decrypt: nothing tells one cause from another.
async fn must_fail(backend: &dyn KmsBackend, wrapped: &WrappedKey, aad: &[u8], why: impl Debug) {
    let error = backend.unwrap_key(wrapped, Aad(aad)).await.expect_err("it must not unwrap");
    let same = Error::new(codes::DECRYPTION_FAILED);
    assert!(error.is(codes::DECRYPTION_FAILED), "{why:?} is told as {error:?}");
    assert_eq!(error.to_string(), same.to_string(), "{why:?} tells more than it may");
    assert!(error.fields().is_empty(), "{why:?} names a field");
}

/// The backend's name can stand in a ciphertext.
pub fn names_are_plain(backend: &dyn KmsBackend) {
    let name = backend.info().name;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    assert!((1..=32).contains(&name.len()) && name.chars().all(plain), "{name:?}");
}

/// Ensuring twice changes nothing.
pub async fn ensuring_a_key_makes_one(backend: &dyn KmsBackend) {
    let first = backend.ensure_key(&name("a")).await.expect("a key can be had");
    let (_, wrapped) = wrapped(backend, "a", b"aad").await;
    let second = backend.ensure_key(&name("a")).await.expect("a key can be had");
    assert_eq!((first, wrapped.version), (second, second), "ensuring makes no new version");
    if backend.info().capabilities.unwrap {
        let unwrapped = backend.unwrap_key(&wrapped, Aad(b"aad")).await;
        unwrapped.expect("ensuring leaves the key as it is");
    }
}

/// A backend that is asked now can work now.
pub async fn it_is_well(backend: &dyn KmsBackend) {
    let health = backend.health().await.expect("health can be asked");
    let expected =
        if backend.info().capabilities.unwrap { HealthState::Up } else { HealthState::Degraded };
    assert_eq!(health.state, expected);
}

/// For AADs of many lengths; the key is not in the bytes, and no two wraps are the same.
pub async fn what_is_wrapped_unwraps(backend: &dyn KmsBackend) {
    for len in [0, 1, 16, 200, 16 * 1024] {
        let aad = vec![b'a'; len];
        let (key, first) = wrapped(backend, "a", &aad).await;
        let back = backend.unwrap_key(&first, Aad(&aad)).await.expect("unwrapping succeeds");
        assert_eq!(back, key, "AAD of {len} bytes");
        let shows = first.blob.windows(8).any(|part| part == &key.expose()[..8]);
        assert!(!shows, "the key must not be in the wrapped bytes");
        assert!(u16::try_from(first.blob.len()).is_ok(), "at most 64 KiB");
        let again = backend.wrap_key(&name("a"), &key, Aad(&aad)).await.expect("wrapping succeeds");
        assert_ne!(first.blob, again.blob, "wrapping one key twice gives different bytes");
    }
}

/// One byte more, less or different.
pub async fn any_other_aad_fails(backend: &dyn KmsBackend) {
    let (_, wrapped) = wrapped(backend, "a", b"context").await;
    for other in [&b""[..], b"contex", b"context\0", b"Context", b"context,context", b"\0context"] {
        must_fail(backend, &wrapped, other, ("aad", other)).await;
    }
    let (_, without) = self::wrapped(backend, "a", b"").await;
    must_fail(backend, &without, b"\0", "an AAD where there was none").await;
}

/// The bytes of one key under the name or version of another.
pub async fn any_other_key_or_version_fails(backend: &dyn KmsBackend) {
    let (_, good) = wrapped(backend, "a", b"aad").await;
    wrapped(backend, "b", b"aad").await;
    let renamed = WrappedKey { name: name("b"), ..good.clone() };
    must_fail(backend, &renamed, b"aad", "another key").await;
    let unknown = WrappedKey { name: name("never-made"), ..good.clone() };
    must_fail(backend, &unknown, b"aad", "an unknown key").await;
    let other_versions = [good.version.number() + 1, u32::MAX];
    for version in other_versions.into_iter().filter_map(KeyVersion::from_number) {
        let moved = WrappedKey { version, ..good.clone() };
        must_fail(backend, &moved, b"aad", version).await;
    }
}

/// Each byte changed, each length cut, something appended.
pub async fn any_damage_fails(backend: &dyn KmsBackend) {
    let (_, good) = wrapped(backend, "a", b"aad").await;
    let with = |blob: Vec<u8>| WrappedKey { blob: Bytes::from(blob), ..good.clone() };
    for at in 0..good.blob.len() {
        let mut flipped = good.blob.to_vec();
        if let Some(byte) = flipped.get_mut(at) {
            *byte ^= 1 << (at % 8);
        }
        must_fail(backend, &with(flipped), b"aad", ("byte", at)).await;
        let cut = good.blob.iter().take(at).copied().collect();
        must_fail(backend, &with(cut), b"aad", ("length", at)).await;
    }
    let longer = [&good.blob[..], b"\0"].concat();
    must_fail(backend, &with(longer), b"aad", "a byte more").await;
    must_fail(backend, &with(good.blob.repeat(2)), b"aad", "twice").await;
}

/// The start of one wrapped key with the end of another.
pub async fn parts_of_two_wrapped_keys_do_not_mix(backend: &dyn KmsBackend) {
    let (_, one) = wrapped(backend, "a", b"aad").await;
    let (_, two) = wrapped(backend, "a", b"aad").await;
    for at in 1..one.blob.len() {
        let start = one.blob.iter().take(at);
        let mixed: Vec<u8> = start.chain(two.blob.iter().skip(at)).copied().collect();
        if mixed != two.blob && mixed != one.blob {
            let mixed = WrappedKey { blob: Bytes::from(mixed), ..one.clone() };
            must_fail(backend, &mixed, b"aad", ("cut at", at)).await;
        }
    }
}

/// A new version wraps, the old ones still unwrap, and versions don't stand for each other.
pub async fn rotation_keeps_the_past(backend: &dyn KmsBackend) {
    let mut past = vec![wrapped(backend, "a", b"aad").await];
    for _ in 0..3 {
        let before = past.last().expect("one at least").1.version;
        let version = backend.rotate(&name("a")).await.expect("rotating succeeds");
        assert!(version > before, "versions rise");
        let (key, wrapped) = wrapped(backend, "a", b"aad").await;
        assert_eq!(wrapped.version, version, "the newest version wraps");
        past.push((key, wrapped));
    }
    for (key, wrapped) in &past {
        let back = backend.unwrap_key(wrapped, Aad(b"aad")).await.expect("the past unwraps");
        assert_eq!(&back, key);
        for (_, other) in past.iter().filter(|(_, other)| other.version != wrapped.version) {
            let moved = WrappedKey { version: other.version, ..wrapped.clone() };
            must_fail(backend, &moved, b"aad", "another version").await;
        }
    }
}

/// A misspelt name makes no key.
pub async fn unknown_keys_are_named(backend: &dyn KmsBackend) {
    let key = DataKey::generate().expect("randomness");
    let nobody = name("never-made");
    let error = backend.wrap_key(&nobody, &key, Aad(b"")).await.expect_err("no such key");
    assert!(error.is(codes::KEY_UNKNOWN), "{error:?}");
    let error = backend.rotate(&nobody).await.expect_err("no such key");
    assert!(error.is(codes::KEY_UNKNOWN), "{error:?}");
}

/// Where there are no versions.
pub async fn rotation_is_refused_as_unsupported(backend: &dyn KmsBackend) {
    let error = backend.rotate(&name("a")).await.expect_err("it can't rotate");
    assert!(error.is(codes::ROTATION_UNSUPPORTED), "{error:?}");
}

/// Where there is no private key.
pub async fn unwrapping_is_refused_as_unsupported(backend: &dyn KmsBackend) {
    let (_, wrapped) = wrapped(backend, "a", b"aad").await;
    let error = backend.unwrap_key(&wrapped, Aad(b"aad")).await.expect_err("it can't unwrap");
    assert!(error.is(codes::UNWRAP_UNSUPPORTED), "{error:?}");
}
