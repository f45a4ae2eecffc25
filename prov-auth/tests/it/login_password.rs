//! Signing in with a password.

use std::num::NonZeroUsize;
use std::time::Duration;

use prov_auth::{
    AuthOptions, LoginOutcome, NewUser, PasswordHasher, PasswordParameters, PoolOptions, codes,
};
use prov_core::{Role, codes as core_codes};

use crate::user_fixture::{House, PASSWORD, secret};

#[tokio::test]
async fn the_right_password_gives_tokens_that_say_who_and_how() {
    let house = House::new().await;
    let user = house.user("alice", &[Role::Developer]).await;
    let tokens = house.login("Alice").await;
    let context = house.context(&tokens);
    assert_eq!(context.principal().id, user.id.as_str());
    assert_eq!(context.principal().roles, [Role::Developer]);
    assert_eq!(context.authentication().session.as_ref(), Some(&tokens.session));
    assert!(!context.is_multi_factor());
    assert_eq!(house.service.expires_in(&tokens), Duration::from_mins(15));
}

/// Unknown, wrong and locked: one answer, and the same work for it.
#[tokio::test]
async fn every_way_to_be_wrong_is_one_answer_after_one_hash_of_the_policys_cost() {
    let parameters = PasswordParameters::new(64, 3, 1).unwrap();
    let hasher = PasswordHasher::new(parameters, PoolOptions::new(NonZeroUsize::MIN)).unwrap();
    let house = House::with(hasher, AuthOptions::default()).await;
    house.user("wrong", &[]).await;
    let locked = house.user("locked", &[]).await;
    house.service.lock_user(&house.system(), &locked.id).await.unwrap();
    let expired =
        house.service.create_user(&house.system(), NewUser::new("expired")).await.unwrap();
    house.wait(Duration::from_hours(25));
    let temporary = expired.temporary_password.unwrap();
    let mut answers = Vec::new();
    for (name, password) in [
        ("unknown", PASSWORD),
        ("wrong", "purple teapot sinking"),
        ("locked", PASSWORD),
        ("locked", "purple teapot sinking"),
        ("expired", temporary.expose()),
    ] {
        let before = house.hasher.usage();
        let error = house.try_login(name, password).await.unwrap_err();
        let after = house.hasher.usage();
        assert_eq!(after.computed - before.computed, 1, "{name}");
        assert_eq!(after.filled_kib - before.filled_kib, 64 * 3, "{name}");
        answers.push(format!("{error} {:?}", error.retry_after_hint()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert!(answers[0].contains(codes::INVALID_CREDENTIALS.name()));
}

#[tokio::test]
async fn the_audit_trail_knows_which_it_was() {
    let house = House::new().await;
    let user = house.user("alice", &[]).await;
    let from = house.mark();
    house.try_login("nobody", PASSWORD).await.unwrap_err();
    house.try_login("alice", "wrong password").await.unwrap_err();
    house.service.lock_user(&house.system(), &user.id).await.unwrap();
    house.try_login("alice", PASSWORD).await.unwrap_err();
    let events = house.recorded(from);
    let failed: Vec<_> = events.iter().filter(|e| e.action.as_str() == "auth.login").collect();
    let reasons: Vec<_> = failed.iter().map(|e| e.context["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["unknown_user", "wrong_password", "locked"]);
    assert_eq!(failed[0].actor.id, None);
    assert_eq!(failed[0].actor.name.as_ref().unwrap().expose(), "nobody");
    assert_eq!(failed[1].actor.id.as_deref(), Some(user.id.as_str()));
    assert!(failed.iter().all(|e| e.outcome.as_str() == "failure" && e.ip.is_some()));
}

#[tokio::test]
async fn guessing_is_throttled_alike_for_users_who_exist_and_who_do_not() {
    for name in ["alice", "nobody"] {
        let house = House::new().await;
        house.user("alice", &[]).await;
        for _ in 0..5 {
            let error = house.try_login(name, "wrong password").await.unwrap_err();
            assert!(error.is(codes::INVALID_CREDENTIALS));
        }
        let computed = house.hasher.usage().computed;
        // Spelled otherwise it is the same account.
        let error = house.try_login(&name.to_uppercase(), PASSWORD).await.unwrap_err();
        assert!(error.is(codes::LOGIN_THROTTLED), "{name}: {error:?}");
        assert_eq!(error.kind().status(), 429);
        assert_eq!(error.retry_after_hint(), Some(Duration::from_secs(1)), "{name}");
        assert_eq!(house.hasher.usage().computed, computed, "nothing is hashed");
        assert_eq!(house.events(house.mark() - 1), ["auth.login denied"]);
    }
}

#[tokio::test]
async fn a_spent_account_is_looked_up_alike_for_users_who_exist_and_who_do_not() {
    let mut listings = Vec::new();
    for name in ["alice", "nobody"] {
        let (house, watched) = House::watched().await;
        house.user("alice", &[]).await;
        for n in 0..100 {
            let facts = house.facts_from(&format!("198.51.100.{n}"));
            let wrong = secret("wrong password");
            let error = house.service.login(name, &wrong, &facts).await.unwrap_err();
            assert!(error.is(codes::INVALID_CREDENTIALS));
        }
        let before = watched.listings();
        let error = house.try_login(name, PASSWORD).await.unwrap_err();
        assert!(error.is(codes::LOGIN_THROTTLED));
        listings.push(watched.listings() - before);
    }
    assert_eq!(listings, [1, 1]);
}

#[tokio::test]
async fn a_stranger_can_not_keep_the_owner_out() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    house.login("alice").await;
    for n in 0..400 {
        let facts = house.facts_from(&format!("198.51.{}.{}", n / 200, n % 200));
        let _ = house.service.login("alice", &secret("wrong password"), &facts).await.unwrap_err();
    }
    // From where she signed in before.
    house.login("alice").await;
    // The same after a restart, when only the session remembers the address.
    let (store, clock) = (house.store.clone(), house.clock.clone());
    let hasher = PasswordHasher::insecure_for_tests().unwrap();
    let again = House::over(store, clock, hasher, AuthOptions::default()).await;
    for n in 0..400 {
        let facts = again.facts_from(&format!("198.51.{}.{}", n / 200, n % 200));
        let _ = again.service.login("alice", &secret("wrong password"), &facts).await.unwrap_err();
    }
    again.login("alice").await;
}

#[tokio::test]
async fn a_weak_hash_is_made_anew_at_the_next_sign_in() {
    let cheap = PasswordHasher::insecure_for_tests().unwrap();
    let house = House::with(cheap, AuthOptions::default()).await;
    house.user("alice", &[]).await;
    let policy = PasswordParameters::new(128, 2, 1).unwrap();
    let costly = PasswordHasher::new(policy, PoolOptions::new(NonZeroUsize::MIN)).unwrap();
    let (store, clock) = (house.store.clone(), house.clock.clone());
    let house = House::over(store, clock, costly, AuthOptions::default()).await;
    let filled = |house: &House| house.hasher.usage().filled_kib;
    house.try_login("alice", "wrong password").await.unwrap_err();
    assert_eq!(filled(&house), 8, "checked at its own cost, not made anew for a wrong password");
    house.login("alice").await;
    assert_eq!(filled(&house), 8 + 8 + 256, "checked at its own cost, made anew at the policy's");
    house.login("alice").await;
    assert_eq!(filled(&house), 8 + 8 + 256 + 256, "and from then on checked at the policy's");
}

#[tokio::test]
async fn a_password_that_must_be_changed_is_good_for_that_alone() {
    let house = House::new().await;
    let made = house.service.create_user(&house.system(), NewUser::new("alice")).await.unwrap();
    let temporary = made.temporary_password.unwrap();
    let error = house.try_login("alice", temporary.expose()).await.unwrap_err();
    assert!(error.is(codes::PASSWORD_CHANGE_REQUIRED), "{error}");
    let renew = |current: &str, new: &str| {
        let (current, new, facts) = (secret(current), secret(new), house.facts());
        let service = house.service.clone();
        async move { service.renew_password("alice", &current, &new, &facts).await }
    };
    let error = renew("not the password", PASSWORD).await.unwrap_err();
    assert!(error.is(codes::INVALID_CREDENTIALS));
    let error = renew(temporary.expose(), "password1").await.unwrap_err();
    assert!(error.is(codes::PASSWORD_REFUSED));
    let error = renew(temporary.expose(), temporary.expose()).await.unwrap_err();
    assert!(error.is(codes::PASSWORD_REFUSED), "the old one again");
    renew(temporary.expose(), PASSWORD).await.unwrap();
    house.login("alice").await;
    let error = renew(PASSWORD, "another teapot altogether").await.unwrap_err();
    assert!(error.is(core_codes::DENIED), "it is no way around signing in");
}

#[tokio::test]
async fn texts_that_can_not_be_names_or_passwords_are_named_and_cost_nothing() {
    let house = House::new().await;
    let long = "x".repeat(129);
    for (name, password, field) in [
        ("al\0ice", PASSWORD, "username"),
        ("../etc/passwd", PASSWORD, "username"),
        ("", PASSWORD, "username"),
        ("alice", "", "password"),
        ("alice", "nul\0nul\0nul", "password"),
        ("alice", &long, "password"),
    ] {
        let error = house.try_login(name, password).await.unwrap_err();
        assert!(error.is(core_codes::INVALID_REQUEST));
        assert_eq!(error.fields()[0].field, field);
    }
    assert_eq!(house.hasher.usage().computed, 0);
}

#[tokio::test]
async fn no_event_says_a_password() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    house.login("alice").await;
    house.try_login("alice", "a wrong but telling one").await.unwrap_err();
    for event in house.recorded(0) {
        let said = serde_json::to_string(&event.context).unwrap();
        assert!(!said.contains("teapot") && !said.contains("telling"), "{said}");
    }
}

#[tokio::test]
async fn parallel_guesses_do_not_share_one_attempt() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let guess = |_| house.try_login("alice", "wrong password");
    let answers = futures_util::future::join_all((0..50).map(guess)).await;
    let looked_at = answers
        .iter()
        .filter(|a| a.as_ref().is_err_and(|e| e.is(codes::INVALID_CREDENTIALS)))
        .count();
    assert_eq!(looked_at, 5);
    assert!(!answers.iter().any(|a| matches!(a, Ok(LoginOutcome::Tokens(_)))));
}
