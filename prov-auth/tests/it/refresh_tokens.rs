//! Exchanging refresh tokens, through the whole service.

use std::time::Duration;

use prov_auth::codes;
use prov_core::Role;

use crate::user_fixture::{House, secret};

#[tokio::test]
async fn a_lost_answer_is_given_again_and_a_replay_ends_the_session() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let (first, other) = (house.login("alice").await, house.login("alice").await);
    let second = house.refresh(&first).await.unwrap();
    house.wait(Duration::from_secs(9));
    assert_eq!(house.refresh(&first).await.unwrap(), second, "the same pair, not a fork");
    house.wait(Duration::from_secs(2));
    let from = house.mark();
    let error = house.refresh(&first).await.unwrap_err();
    assert!(error.is(codes::REFRESH_TOKEN_REUSED));
    assert_eq!(house.events(from), ["auth.token.reuse failure"]);
    assert!(house.refresh(&second).await.unwrap_err().is(codes::REFRESH_TOKEN_INVALID));
    assert!(house.try_context(&second).unwrap_err().is(codes::TOKEN_REVOKED));
    house.context(&other);
    house.refresh(&other).await.unwrap();
}

#[tokio::test]
async fn racing_refreshes_get_one_answer() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let tokens = house.login("alice").await;
    let answers = futures_util::future::join_all((0..16).map(|_| house.refresh(&tokens))).await;
    let first = answers[0].as_ref().unwrap();
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap() == first));
    house.refresh(first).await.unwrap();
}

#[tokio::test]
async fn roles_as_they_are_now_stand_in_the_new_token() {
    let house = House::new().await;
    let user = house.user("alice", &[Role::Viewer]).await;
    let tokens = house.login("alice").await;
    house.service.set_roles(&house.system(), &user.id, &[Role::Auditor]).await.unwrap();
    assert!(house.try_context(&tokens).unwrap_err().is(codes::TOKEN_REVOKED));
    let tokens = house.refresh(&tokens).await.unwrap();
    assert_eq!(house.context(&tokens).principal().roles, [Role::Auditor]);
}

#[tokio::test]
async fn a_locked_or_deleted_user_refreshes_nothing() {
    let house = House::new().await;
    for name in ["locked", "deleted"] {
        let user = house.user(name, &[]).await;
        let tokens = house.login(name).await;
        if name == "locked" {
            house.service.lock_user(&house.system(), &user.id).await.unwrap();
        } else {
            house.service.delete_user(&house.system(), &user.id).await.unwrap();
        }
        assert!(house.refresh(&tokens).await.unwrap_err().is(codes::REFRESH_TOKEN_INVALID));
        assert!(house.try_context(&tokens).unwrap_err().is(codes::TOKEN_REVOKED));
    }
}

#[tokio::test]
async fn tokens_end_and_inventions_never_begin() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let tokens = house.login("alice").await;
    house.wait(Duration::from_hours(7 * 24));
    assert!(house.refresh(&tokens).await.unwrap_err().is(codes::REFRESH_TOKEN_INVALID));
    let tokens = house.login("alice").await;
    let text = tokens.refresh_token.as_ref().unwrap().expose().to_owned();
    let access = tokens.access_token.expose().to_owned();
    let mut forged = text.clone();
    forged.replace_range(text.len() - 2.., if text.ends_with("AA") { "BB" } else { "AA" });
    for invented in ["", "prov_rt_", "x", &forged, &access, &format!("{text} ")] {
        let error = house.service.refresh(&secret(invented), &house.facts()).await.unwrap_err();
        assert!(error.is(codes::REFRESH_TOKEN_INVALID), "{invented}");
        assert_eq!(house.events(house.mark() - 1), ["auth.token.refresh failure"]);
    }
    house.refresh(&tokens).await.unwrap();
}

#[tokio::test]
async fn what_the_store_holds_signs_nobody_in() {
    use prov_core::store::{Scan, Store};
    let house = House::new().await;
    house.user("alice", &[]).await;
    let first = house.login("alice").await;
    let second = house.refresh(&first).await.unwrap();
    for kind in ["auth.session", "auth.challenge", "auth.user", "auth.username"] {
        for record in house.store.scan(&Scan::kind(kind)).await.unwrap().records {
            let text = format!("{} {}", record.id, String::from_utf8_lossy(&record.value));
            for tokens in [&first, &second] {
                assert!(!text.contains(tokens.refresh_token.as_ref().unwrap().expose()));
                assert!(!text.contains(tokens.access_token.expose()));
            }
            assert!(!record.id.contains("alice"), "ids are in the clear: {}", record.id);
        }
    }
}
