//! The first administrator.

use std::time::Duration;

use prov_auth::codes;
use prov_core::{Role, SecretText};

use crate::user_fixture::{House, PASSWORD, secret};

#[tokio::test]
async fn a_link_makes_the_first_administrator_once() {
    let house = House::new().await;
    let token = house.service.begin_bootstrap().await.unwrap();
    let make = |token: SecretText, password: &str| {
        let (service, facts, password) = (house.service.clone(), house.facts(), secret(password));
        async move { service.bootstrap(&token, "admin", &password, &facts).await }
    };
    let error = make(secret("guessed"), PASSWORD).await.unwrap_err();
    assert!(error.is(codes::BOOTSTRAP_TOKEN_INVALID));
    let error = make(token.clone(), "password").await.unwrap_err();
    assert!(error.is(codes::PASSWORD_REFUSED), "and the link stays good");
    let admin = make(token.clone(), PASSWORD).await.unwrap();
    assert_eq!(admin.roles, [Role::Admin]);
    assert_eq!(admin.teams[0].as_str(), "platform-admin");
    assert!(!admin.must_change_password);
    let error = make(token, PASSWORD).await.unwrap_err();
    assert!(error.is(codes::BOOTSTRAP_CLOSED));
    assert!(house.service.begin_bootstrap().await.unwrap_err().is(codes::BOOTSTRAP_CLOSED));
    house.login("admin").await;
    let events = house.events(0);
    let bootstraps: Vec<_> = events.iter().filter(|e| e.starts_with("auth.bootstrap")).collect();
    let outcomes: Vec<_> = bootstraps.iter().filter_map(|e| e.split(' ').nth(1)).collect();
    assert_eq!(outcomes, ["failure", "failure", "success", "failure"]);
}

#[tokio::test]
async fn a_link_ends_by_time_and_by_the_next_one() {
    let house = House::new().await;
    let first = house.service.begin_bootstrap().await.unwrap();
    let second = house.service.begin_bootstrap().await.unwrap();
    let facts = house.facts();
    let password = secret(PASSWORD);
    let error = house.service.bootstrap(&first, "admin", &password, &facts).await.unwrap_err();
    assert!(error.is(codes::BOOTSTRAP_TOKEN_INVALID));
    house.wait(Duration::from_hours(24));
    let error = house.service.bootstrap(&second, "admin", &password, &facts).await.unwrap_err();
    assert!(error.is(codes::BOOTSTRAP_TOKEN_INVALID));
}

#[tokio::test]
async fn of_many_first_administrators_there_is_one() {
    let house = House::new().await;
    let token = house.service.begin_bootstrap().await.unwrap();
    let names = ["a", "b", "c", "d", "e", "f"];
    let password = secret(PASSWORD);
    let facts = house.facts();
    let made = futures_util::future::join_all(names.iter().enumerate().map(|(n, name)| {
        let (service, token, password, facts) = (&house.service, &token, &password, &facts);
        async move {
            if n % 2 == 0 {
                service.bootstrap(token, name, password, facts).await
            } else {
                service.bootstrap_admin(name, password).await
            }
        }
    }))
    .await;
    assert_eq!(made.iter().filter(|m| m.is_ok()).count(), 1, "{made:?}");
    let all = house.service.users(std::num::NonZeroU32::MAX, None).await.unwrap().users;
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn where_there_is_anybody_there_is_no_bootstrap() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    assert!(house.service.begin_bootstrap().await.unwrap_err().is(codes::BOOTSTRAP_CLOSED));
    let error = house.service.bootstrap_admin("admin", &secret(PASSWORD)).await.unwrap_err();
    assert!(error.is(codes::BOOTSTRAP_CLOSED));
}
