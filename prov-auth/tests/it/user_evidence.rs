//! What is held about people, and what the service can prove.

use prov_core::{EvidenceSource, Role, SubjectData};

use crate::user_fixture::House;

#[tokio::test]
async fn everything_about_a_person_is_exported_without_secrets_and_erased() {
    let house = House::new().await;
    house.user("admin", &[Role::Admin]).await;
    let user = house.user("alice", &[]).await;
    house.login("alice").await;
    let exported = house.service.export(&user.id).await.unwrap();
    let kinds: Vec<_> = exported.iter().map(|r| r.kind.as_str()).collect();
    assert_eq!(kinds, ["auth.user", "auth.session", "auth.device", "auth.notice"]);
    let text = serde_json::to_string(&exported).unwrap();
    assert!(text.contains("alice") && text.contains("laptop"));
    assert!(!text.contains("argon2") && !text.contains("current"));
    assert_eq!(house.service.erase(&house.system(), &user.id).await.unwrap(), 5);
    assert!(house.service.export(&user.id).await.unwrap().is_empty());
    assert_eq!(house.service.erase(&house.system(), &user.id).await.unwrap(), 0);
    assert!(house.events(0).contains(&"user.erase success".to_owned()));
}

#[tokio::test]
async fn evidence_is_read_from_what_runs() {
    let house = House::new().await;
    let before = house.service.collect().await.unwrap();
    house.user("admin", &[Role::Admin]).await;
    house.login("admin").await;
    let after = house.service.collect().await.unwrap();
    let fact = |all: &[prov_core::Evidence], name: &str| {
        all.iter().find(|e| e.name == name).unwrap().value.clone()
    };
    assert_eq!(fact(&before, "auth.users")["administrators"], 0);
    assert_eq!(fact(&after, "auth.users")["administrators"], 1);
    assert_eq!(fact(&after, "auth.sessions")["live"], 1);
    assert_eq!(fact(&after, "auth.password_hashing")["computed"], 2);
    assert_eq!(fact(&after, "auth.password_hashing")["memory_kib"], 8);
    assert_eq!(fact(&after, "auth.signing_keys")["keys"].as_array().unwrap().len(), 2);
}
