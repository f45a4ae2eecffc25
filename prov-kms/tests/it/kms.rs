//! The service: states, versions, events.

use prov_core::audit::{Action, Outcome};
use prov_core::{HealthCheck, HealthState, SecretBytes};
use prov_kms::{DataKeySpec, KeyState, Kms, codes};

use crate::house::{House, context, key};

fn secret(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_default_key_is_made_once() {
    let house = House::new();
    house.kms().await;
    let kms = house.kms().await;
    let default = kms.key(&key("default")).await.unwrap();
    assert_eq!((default.state, default.version.number()), (KeyState::Enabled, 1));
    let made =
        house.recorder.events().iter().filter(|e| e.action == Action::KMS_KEY_CREATE).count();
    assert_eq!(made, 1);
    assert_eq!((kms.component(), kms.health().await.state), ("kms", HealthState::Up));
}

#[tokio::test]
async fn a_disabled_key_does_nothing_also_for_what_is_cached_and_on_another_node() {
    let house = House::new();
    let (kms, other_node) = (house.kms().await, house.kms().await);
    let (caller, name, bound) = (house.caller(), key("default"), context("a=b"));
    let sealed = kms.encrypt(&caller, &name, &secret("x"), &bound).await.unwrap();
    other_node.decrypt(&caller, &sealed, &bound).await.unwrap();
    kms.disable_key(&caller, &name).await.unwrap();
    for node in [&kms, &other_node] {
        let refused = [
            node.encrypt(&caller, &name, &secret("x"), &bound).await.unwrap_err(),
            node.decrypt(&caller, &sealed, &bound).await.unwrap_err(),
            node.rewrap(&caller, &sealed, &bound).await.unwrap_err(),
            node.rotate_key(&caller, &name).await.unwrap_err(),
        ];
        assert!(refused.iter().all(|error| error.is(codes::KEY_DISABLED)), "{refused:?}");
        let spec = DataKeySpec::Aes256;
        assert!(node.generate_key(&caller, &name, spec, &bound).await.is_err());
    }
    other_node.enable_key(&caller, &name).await.unwrap();
    assert_eq!(kms.decrypt(&caller, &sealed, &bound).await.unwrap().expose(), b"x");
}

#[tokio::test]
async fn after_a_rotation_on_any_node_the_new_version_encrypts_and_the_old_decrypts() {
    let house = House::new();
    let (kms, other_node) = (house.kms().await, house.kms().await);
    let (caller, name, bound) = (house.caller(), key("default"), context("a=b"));
    let old = kms.encrypt(&caller, &name, &secret("x"), &bound).await.unwrap();
    let rotated = other_node.rotate_key(&caller, &name).await.unwrap();
    assert_eq!((rotated.version.number(), rotated.rotated_at.is_some()), (2, true));
    let new = kms.encrypt(&caller, &name, &secret("x"), &bound).await.unwrap();
    assert_eq!((old.version().number(), new.version().number()), (1, 2), "cached keys too");
    let fresh = kms.rewrap(&caller, &old, &bound).await.unwrap();
    assert_eq!(fresh.version().number(), 2);
    assert_eq!(kms.rewrap(&caller, &fresh, &bound).await.unwrap(), fresh, "nothing to do");
    assert!(kms.rewrap(&caller, &fresh, &context("a=c")).await.is_err(), "yet it is checked");
    for sealed in [&old, &new, &fresh] {
        assert_eq!(kms.decrypt(&caller, sealed, &bound).await.unwrap().expose(), b"x");
    }
}

#[tokio::test]
async fn keys_are_made_once_listed_and_unknown_ones_named() {
    let house = House::new();
    let kms = house.kms().await;
    let caller = house.caller();
    kms.create_key(&caller, &key("tenant-1")).await.unwrap();
    let again = kms.create_key(&caller, &key("tenant-1")).await.unwrap_err();
    assert!(again.is(codes::KEY_EXISTS));
    let page = kms.keys(prov_core::store::Scan::MAX_LIMIT, None).await.unwrap();
    let names: Vec<_> = page.items.iter().map(|item| item.name.to_string()).collect();
    assert_eq!(names, ["default", "tenant-1"]);
    let nobody = key("nobody");
    assert!(kms.key(&nobody).await.unwrap_err().is(codes::KEY_UNKNOWN));
    let unknown = kms.encrypt(&caller, &nobody, &secret("x"), &context("")).await.unwrap_err();
    assert!(unknown.is(codes::KEY_UNKNOWN));
    let sealed = kms.encrypt(&caller, &key("default"), &secret("x"), &context("")).await.unwrap();
    let moved = sealed.to_string().replace(":default:", ":nobody:").parse().unwrap();
    let error = kms.decrypt(&caller, &moved, &context("")).await.unwrap_err();
    assert!(error.is(codes::DECRYPTION_FAILED), "an unknown key is not told");
    let large = SecretBytes::new(vec![0; Kms::MAX_PLAINTEXT + 1]);
    let error = kms.encrypt(&caller, &key("default"), &large, &context("")).await.unwrap_err();
    assert!(error.is(prov_core::codes::TOO_LARGE));
}

#[tokio::test]
async fn generated_keys_have_their_length_and_decrypt() {
    let house = House::new();
    let kms = house.kms().await;
    let (caller, bound) = (house.caller(), context("a=b"));
    for (spec, len) in [(DataKeySpec::Aes256, 32), (DataKeySpec::Aes128, 16)] {
        let made = kms.generate_key(&caller, &key("default"), spec, &bound).await.unwrap();
        assert_eq!(made.plaintext.expose().len(), len);
        let back = kms.decrypt(&caller, &made.ciphertext, &bound).await.unwrap();
        assert_eq!(back, made.plaintext);
    }
}

#[tokio::test]
async fn every_use_and_every_failure_is_on_record_without_data_or_context_values() {
    let house = House::new();
    let kms = house.kms().await;
    let (caller, name, bound) = (house.caller(), key("default"), context("patient=alice"));
    let sealed = kms.encrypt(&caller, &name, &secret("hunter2"), &bound).await.unwrap();
    kms.decrypt(&caller, &sealed, &bound).await.unwrap();
    kms.decrypt(&caller, &sealed, &context("patient=bob")).await.unwrap_err();
    kms.generate_key(&caller, &name, DataKeySpec::Aes256, &bound).await.unwrap();
    kms.rotate_key(&caller, &name).await.unwrap();
    kms.rewrap(&caller, &sealed, &bound).await.unwrap();
    kms.disable_key(&caller, &name).await.unwrap();
    kms.enable_key(&caller, &name).await.unwrap();
    kms.create_key(&caller, &name).await.unwrap_err();
    let events = house.recorder.events();
    let seen: Vec<_> = events.iter().map(|event| (event.action.clone(), event.outcome)).collect();
    assert_eq!(
        seen,
        [
            (Action::KMS_KEY_CREATE, Outcome::Success),
            (Action::KMS_ENCRYPT, Outcome::Success),
            (Action::KMS_DECRYPT, Outcome::Success),
            (Action::KMS_DECRYPT, Outcome::Failure),
            (Action::KMS_DATA_KEY_GENERATE, Outcome::Success),
            (Action::KMS_KEY_ROTATE, Outcome::Success),
            (Action::KMS_REWRAP, Outcome::Success),
            (Action::KMS_KEY_DISABLE, Outcome::Success),
            (Action::KMS_KEY_ENABLE, Outcome::Success),
            (Action::KMS_KEY_CREATE, Outcome::Failure),
        ]
    );
    assert_eq!(events[3].context["code"], "kms.decryption_failed");
    assert_eq!(events[1].context["context_names"], serde_json::json!(["patient"]));
    let printed = format!("{events:?}");
    for hidden in ["hunter2", "alice", "bob"] {
        assert!(!printed.contains(hidden), "{hidden}");
    }
    assert!(caller.request().is_recorded());
}
