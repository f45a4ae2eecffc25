//! Every backend keeps the contract.

use prov_kms::{AgeBackend, AgeKeys, Capabilities, FileKey, KmsBackend, conformance};

use crate::house::House;

pub(crate) fn write_age_keys(house: &House) {
    use std::os::unix::fs::OpenOptionsExt as _;

    use age::secrecy::ExposeSecret as _;
    let identity = age::x25519::Identity::generate();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut private = options.open(house.path("age.key")).unwrap();
    let text = format!("# made by a test\n{}\n", identity.to_string().expose_secret());
    std::io::Write::write_all(&mut private, text.as_bytes()).unwrap();
    std::fs::write(house.path("age.pub"), format!("{}\n", identity.to_public())).unwrap();
}

#[tokio::test]
async fn the_local_keyring_keeps_the_contract_also_after_a_restart() {
    let house = House::new();
    conformance::all(&*house.keyring().await).await;
    conformance::all(&*house.keyring().await).await;
}

#[tokio::test]
async fn a_file_key_keeps_the_contract() {
    let house = House::new();
    let made = FileKey::create(&house.path("file.key")).unwrap();
    conformance::all(&made).await;
    let loaded = FileKey::load(&house.path("file.key")).unwrap();
    assert_eq!(loaded.key_name(), made.key_name());
    conformance::all(&loaded).await;
}

#[tokio::test]
async fn age_keeps_the_contract_with_and_without_a_private_key() {
    let house = House::new();
    write_age_keys(&house);
    let (public, private) = (house.path("age.pub"), house.path("age.key"));
    let both = AgeBackend::new(AgeKeys::load(Some(&public), Some(&private)).unwrap());
    conformance::all(&both).await;
    let capabilities = Capabilities::full().without_rotation().without_authentication();
    assert_eq!(both.info().capabilities, capabilities);
    let public_only = AgeBackend::new(AgeKeys::load(Some(&public), None).unwrap());
    conformance::all(&public_only).await;
    assert!(!public_only.info().capabilities.unwrap);
    let private_only = AgeBackend::new(AgeKeys::load(None, Some(&private)).unwrap());
    conformance::all(&private_only).await;
}

#[tokio::test]
async fn age_key_files_that_do_not_fit_are_refused() {
    use prov_kms::codes;
    let (house, other) = (House::new(), House::new());
    write_age_keys(&house);
    write_age_keys(&other);
    let (public, private) = (other.path("age.pub"), house.path("age.key"));
    let mismatch = AgeKeys::load(Some(&public), Some(&private)).unwrap_err();
    assert!(mismatch.is(codes::KEY_FILE_DAMAGED), "{mismatch:?}");
    assert!(AgeKeys::load(None, None).unwrap_err().is(codes::KEY_FILE_UNREADABLE));
    let absent = AgeKeys::load(None, Some(&house.path("absent"))).unwrap_err();
    assert!(absent.is(codes::KEY_FILE_UNREADABLE));
    for text in ["", "# nothing\n", "age1qqqq\n", "AGE-SECRET-KEY-1QQQ\n"] {
        std::fs::write(&public, text).unwrap();
        let error = AgeKeys::load(Some(&public), None).unwrap_err();
        assert!(error.is(codes::KEY_FILE_DAMAGED), "{text:?}");
    }
    let exposed = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&private, exposed).unwrap();
    assert!(AgeKeys::load(None, Some(&private)).unwrap_err().is(codes::KEY_FILE_EXPOSED));
}

/// The recipient of age is public: whoever writes to the database could make a store key for it.
#[tokio::test]
async fn a_backend_that_anybody_wraps_for_seals_no_store() {
    let house = House::new();
    write_age_keys(&house);
    let keys = AgeKeys::load(None, Some(&house.path("age.key"))).unwrap();
    let below = std::sync::Arc::clone(&house.store);
    let opened = prov_kms::SealedStore::open(below, &AgeBackend::new(keys), &house.clock).await;
    assert!(opened.unwrap_err().is(prov_kms::codes::STORE_BACKEND_UNFIT));
    let all = prov_core::store::Scan::kind("kms.store_key");
    let left = prov_core::store::Store::scan(&*house.store, &all).await.unwrap();
    assert!(left.records.is_empty(), "nothing is made before it is refused");
}
