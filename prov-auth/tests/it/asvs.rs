//! Requirements of OWASP ASVS 5.0 that nothing else speaks of; `docs/asvs.md` has them all.

use std::collections::BTreeSet;
use std::time::Duration;

use prov_auth::{NewUser, codes};
use prov_core::SecretText;

use crate::user_fixture::{House, PASSWORD, secret};

#[tokio::test]
async fn asvs_6_2_8_nothing_of_a_password_is_cut_off_or_folded() {
    let house = House::new().await;
    let words = ["violet", "anchors", "drift", "slowly", "under", "a", "copper", "moon", "while"];
    let numbered = words.iter().cycle().enumerate().map(|(n, word)| format!("{word}{n}"));
    let long = numbered.take(32).collect::<Vec<_>>().join(" ");
    let long: String = long.chars().take(127).chain(['X']).collect();
    let new = NewUser::new("alice").with_password(secret(&long)).keeping_its_password();
    house.service.create_user(&house.system(), new).await.unwrap();
    let with_space = format!("{} ", long.chars().take(127).collect::<String>());
    let shorter: String = long.chars().take(127).collect();
    let wrong = [shorter, long.to_lowercase(), with_space, long.chars().take(72).collect()];
    for wrong in wrong {
        let error = house.try_login("alice", &wrong).await.unwrap_err();
        assert!(error.is(codes::INVALID_CREDENTIALS), "{wrong}");
    }
    assert!(house.try_login("alice", &long).await.is_ok());
}

#[tokio::test]
async fn asvs_6_2_10_a_password_does_not_end_by_age() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    house.wait(Duration::from_hours(24 * 365 * 5));
    house.login("alice").await;
}

#[tokio::test]
async fn asvs_6_4_1_a_temporary_password_ends_after_a_day() {
    let house = House::new().await;
    let user = house.user("alice", &[]).await;
    let (service, system) = (&house.service, house.system());
    let given = service.reset_password(&system, &user.id).await.unwrap();
    let again = service.reset_password(&system, &user.id).await.unwrap();
    assert_ne!(given.expose(), again.expose(), "nobody chooses it");
    assert!(again.expose().chars().count() >= 16, "{}", again.expose().len());
    let renew = async |given: &SecretText| {
        service.renew_password("alice", given, &secret(PASSWORD), &house.facts()).await
    };
    assert!(renew(&given).await.unwrap_err().is(codes::INVALID_CREDENTIALS), "replaced");
    house.wait(Duration::from_hours(24));
    assert!(renew(&again).await.unwrap_err().is(codes::INVALID_CREDENTIALS), "too late");
    let again = service.reset_password(&system, &user.id).await.unwrap();
    house.wait(Duration::from_hours(23));
    renew(&again).await.unwrap();
}

#[tokio::test]
async fn asvs_7_2_3_refresh_tokens_share_no_part_that_could_be_guessed() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let mut tokens = house.login("alice").await;
    let mut parts = BTreeSet::new();
    for _ in 0..64 {
        let text = tokens.refresh_token.as_ref().unwrap().expose().to_owned();
        // 32 random bytes and a MAC stand behind the session and the generation.
        let (known, secret) = text.split_at_checked(text.len().saturating_sub(86)).unwrap();
        let (random, mac) = secret.split_at_checked(43).unwrap();
        for part in [random, mac] {
            assert!(parts.insert(part.to_owned()), "{known}: a part comes twice");
        }
        house.wait(Duration::from_secs(15));
        tokens = house.refresh(&tokens).await.unwrap();
    }
}

#[tokio::test]
async fn asvs_7_2_4_every_sign_in_is_a_session_of_its_own() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let (one, two) = (house.login("alice").await, house.login("alice").await);
    let session = |tokens| house.context(tokens).authentication().session.clone().unwrap();
    assert_ne!(session(&one), session(&two));
    assert_ne!(one.access_token.expose(), two.access_token.expose());
    let refreshed = house.refresh(&one).await.unwrap();
    assert_eq!(session(&refreshed), session(&one));
}
