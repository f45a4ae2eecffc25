//! Sessions: listing, ending, revoking, introspecting.

use std::time::Duration;

use prov_auth::{ActiveToken, AuthOptions, Introspection, PasswordHasher, StepUp, codes};
use prov_core::codes as core_codes;

use crate::user_fixture::{House, PASSWORD, code, secret};

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    house.user("bob", &[]).await;
    let (here, there, bobs) =
        (house.login("alice").await, house.login("alice").await, house.login("bob").await);
    let context = house.context(&here);
    let sessions = house.service.sessions(&context).await.unwrap();
    assert_eq!(sessions.len(), 2);
    assert!(sessions.iter().all(|s| s.device.as_deref() == Some("laptop")));
    house.service.end_session(&context, &there.session).await.unwrap();
    assert!(house.try_context(&there).unwrap_err().is(codes::TOKEN_REVOKED));
    assert!(house.refresh(&there).await.is_err());
    for not_hers in [&bobs.session, &there.session] {
        let error = house.service.end_session(&context, not_hers).await.unwrap_err();
        assert!(error.is(core_codes::NOT_FOUND));
        assert_eq!(house.events(house.mark() - 1), ["auth.session.revoke failure"]);
    }
    house.context(&bobs);
}

#[tokio::test]
async fn signing_out_ends_one_session_and_ending_all_ends_all() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let (one, two, three) =
        (house.login("alice").await, house.login("alice").await, house.login("alice").await);
    house.service.logout(&house.context(&one)).await.unwrap();
    assert!(house.try_context(&one).is_err());
    house.service.end_all_sessions(&house.context(&two)).await.unwrap();
    for tokens in [&two, &three] {
        assert!(house.try_context(tokens).unwrap_err().is(codes::TOKEN_REVOKED));
        assert!(house.refresh(tokens).await.unwrap_err().is(codes::REFRESH_TOKEN_INVALID));
    }
    house.context(&house.login("alice").await);
}

#[tokio::test]
async fn a_refresh_while_everything_ends_leaves_no_token_that_holds() {
    let (house, watched) = House::watched().await;
    house.user("alice", &[]).await;
    let (here, there) = (house.login("alice").await, house.login("alice").await);
    let context = house.context(&here);
    let ending = house.service.end_all_sessions(&context);
    let (ended, refreshed) = watched.interleave(ending, house.refresh(&there)).await;
    ended.unwrap();
    let refreshed = refreshed.expect("the session was there still");
    assert!(house.try_context(&refreshed).unwrap_err().is(codes::TOKEN_REVOKED));
    assert!(house.refresh(&refreshed).await.unwrap_err().is(codes::REFRESH_TOKEN_INVALID));
    house.context(&house.login("alice").await);
}

#[tokio::test]
async fn while_a_password_is_reset_its_sessions_give_nothing_out_any_more() {
    let (house, watched) = House::watched().await;
    let alice = house.user("alice", &[]).await;
    let tokens = house.login("alice").await;
    let context = house.context(&tokens);
    let system = house.system();
    let resetting = house.service.reset_password(&system, &alice.id);
    let meanwhile = async {
        let proof = StepUp::Factor(code("right"));
        (house.refresh(&tokens).await, house.service.step_up(&context, proof).await)
    };
    let (reset, (refreshed, raised)) = watched.interleave(resetting, meanwhile).await;
    reset.unwrap();
    assert!(refreshed.unwrap_err().is(codes::REFRESH_TOKEN_INVALID));
    assert!(raised.unwrap_err().is(codes::SESSION_ENDED));
}

#[tokio::test]
async fn changing_the_password_ends_the_other_sessions() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let (here, there) = (house.login("alice").await, house.login("alice").await);
    let context = house.context(&here);
    let new = secret("a teapot of another colour");
    let error =
        house.service.change_password(&context, &secret("wrong one"), &new).await.unwrap_err();
    assert!(error.is(core_codes::INVALID_REQUEST));
    assert_eq!(error.fields()[0].field, "current_password");
    let current = secret(PASSWORD);
    let error =
        house.service.change_password(&context, &current, &secret("alice")).await.unwrap_err();
    assert!(error.is(codes::PASSWORD_REFUSED));
    house.service.change_password(&context, &current, &new).await.unwrap();
    house.context(&here);
    house.refresh(&here).await.unwrap();
    assert!(house.try_context(&there).unwrap_err().is(codes::TOKEN_REVOKED));
    assert!(house.refresh(&there).await.is_err());
    assert!(house.try_login("alice", PASSWORD).await.is_err());
    assert!(house.try_login("alice", new.expose()).await.is_ok());
}

#[tokio::test]
async fn who_holds_a_token_may_revoke_it() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let tokens = house.login("alice").await;
    let again = house.refresh(&tokens).await.unwrap();
    let facts = house.facts();
    house.service.revoke(&tokens.access_token, &facts).await.unwrap();
    assert!(house.try_context(&tokens).unwrap_err().is(codes::TOKEN_REVOKED));
    house.context(&again);
    house.service.revoke(again.refresh_token.as_ref().unwrap(), &facts).await.unwrap();
    assert!(house.try_context(&again).unwrap_err().is(codes::TOKEN_REVOKED));
    assert!(house.refresh(&again).await.is_err());
    let from = house.mark();
    for unknown in ["", "garbage", "prov_rt_garbage", again.access_token.expose()] {
        house.service.revoke(&secret(unknown), &facts).await.unwrap();
    }
    assert!(house.events(from).is_empty());
}

#[tokio::test]
async fn introspection_tells_only_what_is_the_callers_business() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    house.user("bob", &[]).await;
    let (alice, bob) = (house.login("alice").await, house.login("bob").await);
    let context = house.context(&alice);
    let ask = async |token: &prov_core::SecretText| {
        house.service.introspect(&context, token).await.unwrap()
    };
    let refresh = alice.refresh_token.as_ref().unwrap();
    assert!(matches!(
        ask(&bob.access_token).await,
        Introspection::Active(ActiveToken::Access { identity, .. }) if identity.principal.name == "bob"
    ));
    assert!(matches!(ask(refresh).await, Introspection::Active(ActiveToken::Refresh { .. })));
    let bobs = bob.refresh_token.as_ref().unwrap();
    assert!(matches!(ask(bobs).await, Introspection::Inactive), "somebody else's");
    house.refresh(&alice).await.unwrap();
    assert!(matches!(ask(refresh).await, Introspection::Inactive), "spent");
    for unknown in ["", "garbage", "prov_rt_garbage"] {
        assert!(matches!(ask(&secret(unknown)).await, Introspection::Inactive), "{unknown}");
    }
    house.service.logout(&house.context(&bob)).await.unwrap();
    assert!(matches!(ask(&bob.access_token).await, Introspection::Inactive), "revoked");
}

#[tokio::test]
async fn one_session_too_many_ends_the_one_used_least_recently_with_an_event() {
    let options = AuthOptions::default().with_sessions_per_user(3.try_into().unwrap());
    let house = House::with(PasswordHasher::insecure_for_tests().unwrap(), options).await;
    house.user("alice", &[]).await;
    house.user("bob", &[]).await;
    let (bob, mut held) = (house.login("bob").await, Vec::new());
    for _ in 0..3 {
        held.push(house.login("alice").await);
        house.wait(Duration::from_mins(1));
    }
    // The oldest is in use: it stays.
    held[0] = house.refresh(&held[0]).await.unwrap();
    let mark = house.mark();
    house.wait(Duration::from_secs(1));
    let fourth = house.login("alice").await;
    assert_eq!(house.events(mark), ["auth.session.evict success", "auth.login success"]);
    let evicted = held[1].session.as_str();
    assert_eq!(house.recorded(mark)[0].resource.as_ref().unwrap().id, evicted);
    assert!(house.try_context(&held[1]).is_err() && house.refresh(&held[1]).await.is_err());
    for tokens in [&held[0], &held[2], &fourth, &bob] {
        house.context(tokens);
    }
    let listed = house.service.sessions(&house.context(&fourth)).await.unwrap();
    assert_eq!(listed.len(), 3);
}
