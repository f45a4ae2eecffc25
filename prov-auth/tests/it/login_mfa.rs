//! Second factors: the second step, and proving oneself again.

use std::time::Duration;

use prov_auth::{LoginOutcome, StepUp, codes};
use prov_core::{Amr, FactorMethod, SecretText, codes as core_codes};

use crate::user_fixture::{House, PASSWORD, code, secret};

async fn challenge(house: &House) -> SecretText {
    match house.try_login("alice", PASSWORD).await.unwrap() {
        LoginOutcome::MfaRequired { challenge, methods, expires_in, .. } => {
            assert_eq!(methods, [FactorMethod::Totp, FactorMethod::BackupCode]);
            assert_eq!(expires_in, Duration::from_mins(5));
            challenge
        }
        LoginOutcome::Tokens(_) => panic!("a second factor is due"),
    }
}

async fn enrolled() -> House {
    let house = House::new().await;
    let user = house.user("alice", &[]).await;
    house.factors.enroll(&user.id);
    house
}

#[tokio::test]
async fn both_steps_give_tokens_that_say_so() {
    let house = enrolled().await;
    let from = house.mark();
    let challenge = challenge(&house).await;
    let tokens = house.service.login_mfa(&challenge, &code("right"), &house.facts()).await.unwrap();
    let context = house.context(&tokens);
    assert_eq!(context.authentication().amr, [Amr::Pwd, Amr::Otp, Amr::Mfa]);
    assert_eq!(house.events(from), ["auth.login success", "auth.login.mfa success"]);
    let tokens = house.refresh(&tokens).await.unwrap();
    assert!(house.context(&tokens).is_multi_factor(), "refreshing keeps it");
}

#[tokio::test]
async fn a_challenge_is_good_for_one_success() {
    let house = enrolled().await;
    let challenge = challenge(&house).await;
    house.service.login_mfa(&challenge, &code("right"), &house.facts()).await.unwrap();
    house.factors.next_code();
    let error =
        house.service.login_mfa(&challenge, &code("right"), &house.facts()).await.unwrap_err();
    assert!(error.is(codes::CHALLENGE_INVALID));
}

#[tokio::test]
async fn a_challenge_is_good_for_five_attempts_also_in_parallel() {
    let house = enrolled().await;
    let challenge = challenge(&house).await;
    let attempt = |_| async {
        house.service.login_mfa(&challenge, &code("wrong"), &house.facts()).await.unwrap_err()
    };
    let errors = futures_util::future::join_all((0..20).map(attempt)).await;
    assert_eq!(errors.iter().filter(|e| e.is(core_codes::UNAUTHENTICATED)).count(), 5);
    assert_eq!(errors.iter().filter(|e| e.is(codes::CHALLENGE_INVALID)).count(), 15);
    let error =
        house.service.login_mfa(&challenge, &code("right"), &house.facts()).await.unwrap_err();
    assert!(error.is(codes::CHALLENGE_INVALID), "used up");
}

#[tokio::test]
async fn a_challenge_ends_by_time_lock_and_another_password() {
    let house = enrolled().await;
    let answer = |challenge: SecretText| {
        let (service, facts) = (house.service.clone(), house.facts());
        async move { service.login_mfa(&challenge, &code("right"), &facts).await.unwrap_err() }
    };
    let late = challenge(&house).await;
    house.wait(Duration::from_mins(5));
    assert!(answer(late).await.is(codes::CHALLENGE_INVALID));
    let locked = challenge(&house).await;
    let id = house.service.user("alice").await.unwrap().id;
    house.service.lock_user(&house.system(), &id).await.unwrap();
    assert!(answer(locked).await.is(codes::CHALLENGE_INVALID));
    house.service.unlock_user(&house.system(), &id).await.unwrap();
    let reset = challenge(&house).await;
    house.service.reset_password(&house.system(), &id).await.unwrap();
    assert!(answer(reset).await.is(codes::CHALLENGE_INVALID));
    assert!(answer(secret("made up")).await.is(codes::CHALLENGE_INVALID));
}

#[tokio::test]
async fn when_factors_can_not_be_asked_for_nobody_signs_in() {
    let house = enrolled().await;
    house.user("bob", &[]).await;
    house.factors.break_down();
    for name in ["alice", "bob"] {
        let error = house.try_login(name, PASSWORD).await.unwrap_err();
        assert!(error.is(core_codes::STORE_UNAVAILABLE), "{name}");
        assert_eq!(house.events(house.mark() - 1), ["auth.login failure"]);
    }
}

#[tokio::test]
async fn stepping_up_renews_what_was_proved_and_refreshing_keeps_it() {
    let house = House::new().await;
    let user = house.user("alice", &[]).await;
    let tokens = house.login("alice").await;
    let signed_in = house.context(&tokens).authentication().authenticated_at;
    house.wait(Duration::from_mins(10));
    let context = house.context(&tokens);
    let raised = house.service.step_up(&context, StepUp::Password(secret(PASSWORD))).await.unwrap();
    let now = signed_in + Duration::from_mins(10);
    assert_eq!(house.context(&raised).authentication().authenticated_at, now);
    assert!(raised.refresh_token.is_none());
    house.factors.enroll(&user.id);
    let error =
        house.service.step_up(&context, StepUp::Password(secret(PASSWORD))).await.unwrap_err();
    assert!(error.is(codes::SECOND_FACTOR_REQUIRED), "the password is not enough any more");
    let raised = house.service.step_up(&context, StepUp::Factor(code("right"))).await.unwrap();
    assert!(house.context(&raised).is_multi_factor());
    let refreshed = house.refresh(&tokens).await.unwrap();
    let authentication = house.context(&refreshed).authentication().clone();
    assert_eq!(authentication.amr, [Amr::Pwd, Amr::Otp, Amr::Mfa]);
    assert_eq!(authentication.authenticated_at, now);
}

#[tokio::test]
async fn stepping_up_ends_the_access_token_before_it_and_that_one_alone() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let (tokens, elsewhere) = (house.login("alice").await, house.login("alice").await);
    let context = house.context(&tokens);
    let wrong = StepUp::Password(secret("not the password"));
    house.service.step_up(&context, wrong).await.unwrap_err();
    assert!(house.try_context(&tokens).is_ok(), "a wrong proof ends nothing");
    let proof = StepUp::Password(secret(PASSWORD));
    let raised = house.service.step_up(&context, proof).await.unwrap();
    assert!(house.try_context(&tokens).unwrap_err().is(codes::TOKEN_REVOKED));
    for goes_on in [&raised, &elsewhere, &house.refresh(&tokens).await.unwrap()] {
        assert!(house.try_context(goes_on).is_ok());
    }
}

#[tokio::test]
async fn a_wrong_proof_raises_nothing() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let tokens = house.login("alice").await;
    let context = house.context(&tokens);
    let error =
        house.service.step_up(&context, StepUp::Password(secret("wrong one"))).await.unwrap_err();
    assert!(error.is(codes::INVALID_CREDENTIALS));
    let error = house.service.step_up(&context, StepUp::Factor(code("wrong"))).await.unwrap_err();
    assert!(error.is(core_codes::UNAUTHENTICATED));
    assert_eq!(house.events(house.mark() - 1), ["auth.step_up failure"]);
    house.service.logout(&context).await.unwrap();
    let error = house.service.step_up(&context, StepUp::Factor(code("right"))).await.unwrap_err();
    assert!(error.is(codes::SESSION_ENDED));
}
