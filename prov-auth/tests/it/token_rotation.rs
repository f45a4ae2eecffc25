//! Signing keys: published before they sign, kept until their last token has ended.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RsaKeyPair};
use base64::Engine as _;
use prov_auth::codes::{SIGNING_KEY_REFUSED, SIGNING_KEY_UNPUBLISHED, TOKEN_EXPIRED, TOKEN_FORGED};
use prov_auth::{KeyState, Rotation, SigningKeyOptions, SigningKeys};
use prov_core::store::{Key, MemoryStore, Store};
use prov_core::{Clock, HealthCheck, HealthState, ManualClock, SecretText, codes};
use serde_json::Value;

use crate::token_fixture::{Node, pem, pem_of, public_pem};

fn key_id(token: &str) -> String {
    let header = token.split_once('.').unwrap().0;
    let header = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(header).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

fn published(keys: &SigningKeys) -> Vec<String> {
    let jwks = keys.jwks();
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

fn in_state(keys: &SigningKeys, state: KeyState) -> Vec<String> {
    keys.keys().into_iter().filter(|key| key.state == state).map(|key| key.id).collect()
}

async fn keys_in(store: &Arc<MemoryStore>, clock: &ManualClock) -> SigningKeys {
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    SigningKeys::open(store.clone(), clock, SigningKeyOptions::default()).await.unwrap()
}

#[tokio::test]
async fn a_key_is_published_before_it_signs() {
    let node = Node::start().await;
    let pending = in_state(&node.keys, KeyState::Pending);
    assert_eq!(pending.len(), 1);
    assert!(published(&node.keys).contains(&pending[0]));
    let early = node.keys.rotate(Rotation::Published).await.unwrap_err();
    assert!(early.is(SIGNING_KEY_UNPUBLISHED));
    assert_eq!(early.retry_after_hint(), Some(Duration::from_mins(5)));
    node.advance(299);
    assert!(node.keys.rotate(Rotation::Published).await.is_err());
    node.advance(1);
    let rotated = node.keys.rotate(Rotation::Published).await.unwrap();
    assert_eq!(rotated.active, pending[0]);
    assert_eq!(key_id(&node.token()), pending[0]);
    assert!(published(&node.keys).contains(&rotated.pending));
    assert!(node.keys.rotate(Rotation::Published).await.is_err(), "the next one is new");
    assert!(node.keys.rotate(Rotation::AtOnce).await.is_ok());
    assert_eq!(in_state(&node.keys, KeyState::Active).len(), 1);
    assert_eq!(in_state(&node.keys, KeyState::Pending).len(), 1);
}

#[tokio::test]
async fn a_clock_that_went_back_does_not_shorten_the_publication() {
    let node = Node::start().await;
    node.clock.set(node.clock.now() - Duration::from_hours(1));
    assert!(node.keys.rotate(Rotation::Published).await.unwrap_err().is(SIGNING_KEY_UNPUBLISHED));
}

#[tokio::test]
async fn tokens_of_a_retired_key_hold_until_their_end_and_the_key_stays_as_long() {
    let node = Node::start().await;
    let (known, unknown) = (node.token(), node.token());
    assert_eq!(node.refusal(&known), None);
    let rotated = node.keys.rotate(Rotation::AtOnce).await.unwrap();
    node.advance(899);
    assert_eq!((node.refusal(&known), node.refusal(&unknown)), (None, None));
    assert!(published(&node.keys).contains(&rotated.retired));
    assert_eq!(in_state(&node.keys, KeyState::Retired), [rotated.retired.as_str()]);
    node.advance(6);
    assert_eq!(node.refusal(&unknown), Some(TOKEN_EXPIRED));
    node.advance(24 * 3600);
    assert!(!published(&node.keys).contains(&rotated.retired));
}

#[tokio::test]
async fn a_retired_key_verifies_nothing_after_its_end() {
    let node = Node::start().await;
    node.keys.rotate(Rotation::AtOnce).await.unwrap();
    let retired = node.header().to_string();
    node.advance(24 * 3600 + 5 * 60);
    // Whoever stole the retired key can't make tokens for later.
    let token = node.sign(&retired, &node.body().to_string());
    assert_eq!(node.refusal(&token), Some(TOKEN_EXPIRED));
    assert_eq!(node.again_without_key().await.verify(&token).unwrap_err().code(), TOKEN_FORGED);
}

#[tokio::test]
async fn the_private_half_is_never_published_and_is_deleted_when_the_key_retires() {
    let node = Node::start().await;
    let private = ["d", "p", "q", "dp", "dq", "qi"];
    for key in node.keys.jwks()["keys"].as_array().unwrap() {
        assert!(private.iter().all(|name| key.get(name).is_none()));
        assert_eq!(
            (&key["kty"], &key["alg"], &key["use"]),
            (&"RSA".into(), &"RS256".into(), &"sig".into())
        );
    }
    let rotated = node.keys.rotate(Rotation::AtOnce).await.unwrap();
    let stored = node.store.get(&Key::new("auth.signing_key", rotated.retired)).await.unwrap();
    let text = String::from_utf8(stored.unwrap().value.to_vec()).unwrap();
    assert!(!text.contains("private_key"), "{text}");
    assert!(!format!("{:?}", node.keys).contains("MII"));
}

#[tokio::test]
async fn nodes_that_start_at_once_agree_on_the_keys() {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let (one, other) = tokio::join!(keys_in(&store, &clock), keys_in(&store, &clock));
    assert_eq!(published(&one), published(&other));
    assert_eq!(in_state(&one, KeyState::Active), in_state(&other, KeyState::Active));
    assert_eq!(published(&keys_in(&store, &clock).await), published(&one), "after a restart");
    // Two rotations at once are one rotation.
    let (a, b) = tokio::join!(one.rotate(Rotation::AtOnce), other.rotate(Rotation::AtOnce));
    let conflict = [a, b].into_iter().filter_map(Result::err).map(|e| e.code());
    assert_eq!(conflict.collect::<Vec<_>>(), [codes::CONFLICT]);
    assert_eq!(in_state(&keys_in(&store, &clock).await, KeyState::Retired).len(), 1);
}

#[tokio::test]
async fn another_node_follows_a_rotation() {
    let (node, stop) = (Node::start().await, tokio::sync::Notify::new());
    let other = node.again().await;
    let following = Arc::clone(&other.keys).follow(stop.notified());
    let test = async {
        tokio::task::yield_now().await;
        let rotated = node.keys.rotate(Rotation::AtOnce).await.unwrap();
        // Its key was published, so the token holds even before the other node has heard.
        assert_eq!(other.refusal(&node.token()), None);
        let heard = async {
            while in_state(&other.keys, KeyState::Active) != [rotated.active.clone()] {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), heard).await.unwrap();
        assert_eq!(key_id(&other.token()), rotated.active);
        stop.notify_one();
    };
    tokio::join!(following, test);
    assert_eq!(other.keys.health().await.state, HealthState::Up);
    assert_eq!(other.keys.component(), "signing_key");
}

#[tokio::test]
async fn an_imported_key_is_adopted_once() {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let generated = keys_in(&store, &clock).await;
    let (first, second) = (
        RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        RsaKeyPair::generate(KeySize::Rsa3072).unwrap(),
    );
    let open = |pair: &RsaKeyPair| {
        let options = SigningKeyOptions::default().with_private_key(pem(pair));
        SigningKeys::open(store.clone(), Arc::new(clock.clone()), options)
    };
    let with_first = open(&first).await.unwrap();
    let active = in_state(&with_first, KeyState::Active);
    assert_eq!(in_state(&with_first, KeyState::Retired), in_state(&generated, KeyState::Active));
    with_first.rotate(Rotation::AtOnce).await.unwrap();
    // The configuration still names it, but it was rotated away since.
    let restarted = open(&first).await.unwrap();
    assert_ne!(in_state(&restarted, KeyState::Active), active);
    let with_second = open(&second).await.unwrap();
    assert_ne!(in_state(&with_second, KeyState::Active), active);
    assert!(open(&first).await.unwrap_err().is(SIGNING_KEY_REFUSED), "it was retired");
}

#[tokio::test]
async fn a_public_key_must_be_that_of_the_private_key() {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let (own, other) = (
        RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
    );
    let open = |private: Option<&RsaKeyPair>, public: &str| {
        let mut options = SigningKeyOptions::default().with_public_key(public);
        options.private_key = private.map(pem);
        SigningKeys::open(store.clone(), Arc::new(clock.clone()), options)
    };
    let (matching, strange) = (public_pem(&own), public_pem(&other));
    let cut: String = matching.chars().take(200).collect();
    let private = pem(&own);
    for (private, public, why) in [
        (Some(&own), strange.as_str(), "does not belong"),
        (None, matching.as_str(), "without its private key"),
        (Some(&own), "", "no RSA, P-256 or Ed25519 public key"),
        (Some(&own), cut.as_str(), "no RSA, P-256 or Ed25519 public key"),
        (Some(&own), private.expose(), "no RSA, P-256 or Ed25519 public key"),
    ] {
        let error = open(private, public).await.unwrap_err();
        assert!(error.is(SIGNING_KEY_REFUSED));
        assert!(error.to_string().contains(why), "{error}");
    }
    assert!(store.get(&Key::new("auth.signing_key_set", "current")).await.unwrap().is_none());
    let opened = open(Some(&own), &matching).await.unwrap();
    assert_eq!(in_state(&opened, KeyState::Active).len(), 1);
}

#[tokio::test]
async fn texts_that_are_no_usable_private_key_are_refused() {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let whole = pem(&RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
    let curve = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let curve = pem_of(curve.to_pkcs8v1().unwrap().as_ref());
    let cut: String = whole.expose().chars().take(400).collect();
    for bad in [String::new(), "not a key".to_owned(), cut, curve.expose().to_owned()] {
        let options = SigningKeyOptions::default().with_private_key(SecretText::new(bad));
        let opened = SigningKeys::open(store.clone(), Arc::new(clock.clone()), options).await;
        assert!(opened.unwrap_err().is(SIGNING_KEY_REFUSED));
    }
    assert!(store.get(&Key::new("auth.signing_key_set", "current")).await.unwrap().is_none());
}
