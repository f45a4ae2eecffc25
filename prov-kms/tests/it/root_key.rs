//! A missing, wrong, damaged or exposed root key: a clear message, nothing lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use prov_core::store::{Key, Store as _};
use prov_kms::{Aad, DataKey, KmsBackend, codes};

use crate::house::{House, key};

#[tokio::test]
async fn a_missing_root_key_is_never_replaced() {
    let house = House::new();
    let keyring = house.keyring().await;
    keyring.ensure_key(&key("a")).await.unwrap();
    let data_key = DataKey::generate().unwrap();
    let wrapped = keyring.wrap_key(&key("a"), &data_key, Aad(b"")).await.unwrap();
    let (path, saved) = (house.path("root.key"), house.path("saved.key"));
    fs::rename(&path, &saved).unwrap();
    let error = house.try_keyring().await.unwrap_err();
    assert!(error.is(codes::ROOT_KEY_MISSING), "{error:?}");
    assert!(error.public_detail().contains(keyring.root_key_id()), "it says which is missing");
    assert!(!error.to_string().contains("root.key"), "paths are for the log");
    assert!(!path.exists(), "nothing was made in its place");
    fs::rename(&saved, &path).unwrap();
    let restored = house.keyring().await;
    assert_eq!(restored.unwrap_key(&wrapped, Aad(b"")).await.unwrap(), data_key);
}

#[tokio::test]
async fn a_root_key_of_another_house_is_recognised_before_anything_is_opened() {
    let (house, other) = (House::new(), House::new());
    house.keyring().await;
    other.keyring().await;
    fs::copy(other.path("root.key"), house.path("root.key")).unwrap();
    let error = house.try_keyring().await.unwrap_err();
    assert!(error.is(codes::ROOT_KEY_MISMATCH), "{error:?}");
}

#[tokio::test]
async fn damage_and_exposure_are_told_apart() {
    let house = House::new();
    house.keyring().await;
    let path = house.path("root.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(house.try_keyring().await.unwrap_err().is(codes::KEY_FILE_EXPOSED));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "prov-root-key:v1:0000000000000000:AAAA\n").unwrap();
    assert!(house.try_keyring().await.unwrap_err().is(codes::KEY_FILE_DAMAGED));
}

#[tokio::test]
async fn keys_without_their_check_value_are_not_adopted() {
    let house = House::new();
    house.keyring().await.ensure_key(&key("a")).await.unwrap();
    let check = Key::new("kms.root_key_check", "current");
    let batch = prov_core::store::Batch::new().delete(check, prov_core::store::Expect::Any);
    house.store.commit(batch).await.unwrap();
    let error = house.try_keyring().await.unwrap_err();
    assert!(error.is(prov_core::codes::STORE_CORRUPT), "{error:?}");
    fs::remove_file(house.path("root.key")).unwrap();
    assert!(house.try_keyring().await.unwrap_err().is(codes::ROOT_KEY_MISSING));
}

/// A version's record under the id of another does not open.
#[tokio::test]
async fn moved_key_material_does_not_open() {
    use prov_core::store::{Batch, Expect};
    let house = House::new();
    let keyring = house.keyring().await;
    for name in ["a", "b"] {
        keyring.ensure_key(&key(name)).await.unwrap();
    }
    let at = |name: &str| Key::new("kms.local_key_version", format!("{name}/0000000001"));
    let row = house.store.get(&at("a")).await.unwrap().unwrap();
    house.store.commit(Batch::new().put(at("b"), row.value, Expect::Any)).await.unwrap();
    let data_key = DataKey::generate().unwrap();
    let error = house.keyring().await.wrap_key(&key("b"), &data_key, Aad(b"")).await.unwrap_err();
    assert!(error.is(prov_core::codes::STORE_CORRUPT), "{error:?}");
}

/// A version's record that is gone is damage of the store, not a fault of the caller.
#[tokio::test]
async fn a_lost_version_is_told_as_damage_when_encrypting() {
    use prov_core::store::{Batch, Expect};
    let house = House::new();
    house.keyring().await.ensure_key(&key("a")).await.unwrap();
    let row = Key::new("kms.local_key_version", "a/0000000001");
    house.store.commit(Batch::new().delete(row, Expect::Any)).await.unwrap();
    let data_key = DataKey::generate().unwrap();
    let error = house.keyring().await.wrap_key(&key("a"), &data_key, Aad(b"")).await.unwrap_err();
    assert!(error.is(prov_core::codes::STORE_CORRUPT), "{error:?}");
}
