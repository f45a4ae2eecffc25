//! A code works once.

use std::sync::Arc;

use prov_core::audit::{Action, Outcome};
use prov_core::{Amr, Clock, FactorMethod, FactorResponse, SecondFactor, SecretText};
use prov_mfa::{MfaConfig, MfaService, codes};

use crate::world::{World, user_of};

fn totp(code: &SecretText) -> FactorResponse {
    FactorResponse::new(FactorMethod::Totp, code.clone())
}

#[tokio::test]
async fn signing_in_takes_a_code_once_on_all_nodes_in_all_spellings() {
    let world = World::new();
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let user = user_of(&alice);
    let code = app.code(&world.clock);
    let facts = world.facts();
    let factor = world.mfa.verify(&user, &totp(&code), &facts).await.unwrap();
    assert_eq!((factor.method, &*factor.amr), (FactorMethod::Totp, &[Amr::Otp, Amr::Mfa][..]));
    assert!(facts.is_recorded());

    let other_node = world.other_node();
    let (first, last) = code.expose().split_at(3);
    let wide: String =
        code.expose().chars().map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap()).collect();
    for spelling in
        [code.expose(), &format!("{first} {last}"), &format!(" {first}-{last}\n"), &wide]
    {
        let error =
            other_node.verify(&user, &totp(&SecretText::new(spelling)), &facts).await.unwrap_err();
        assert!(error.is(codes::FACTOR_REJECTED), "{spelling:?}");
    }
    let events = world.recorded(&Action::MFA_VERIFY);
    assert_eq!(events[0].actor.id.as_deref(), Some(user.as_str()));
    assert!(
        events[1..]
            .iter()
            .all(|e| e.outcome == Outcome::Failure && e.context["reason"] == "replayed")
    );
}

#[tokio::test]
async fn the_code_that_confirmed_an_app_does_not_sign_in() {
    let world = World::new();
    let alice = world.person();
    let begun = world.mfa.enroll(&alice, "phone").await.unwrap();
    let app = crate::world::App::scanned(&begun);
    let code = app.code(&world.clock);
    world.mfa.verify_totp(&alice, &begun.id, &code).await.unwrap();
    let error = world.mfa.verify(&user_of(&alice), &totp(&code), &world.facts()).await.unwrap_err();
    assert!(error.is(codes::FACTOR_REJECTED));
}

#[tokio::test]
async fn without_drift_the_code_of_another_step_is_none() {
    let world = World::new();
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let config = MfaConfig::default().with_totp_drift_steps(0);
    let clock = Arc::new(world.clock.clone());
    let recorder = Arc::new(world.recorder.clone());
    let strict = MfaService::new(world.shared_store(), recorder, clock, config).unwrap();
    let (user, facts) = (user_of(&alice), world.facts());
    let before = app.code(&world.clock);
    let now = world.next_code(&app);
    let error = strict.verify(&user, &totp(&before), &facts).await.unwrap_err();
    assert!(error.is(codes::FACTOR_REJECTED));
    strict.verify(&user, &totp(&now), &facts).await.unwrap();
}

#[tokio::test]
async fn drift_is_one_step_and_never_goes_back() {
    let world = World::new();
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let user = user_of(&alice);
    world.next_step();
    world.next_step();
    let now = world.clock.now().as_second();
    let answer = async |step: i64| {
        let code = totp(&app.code_at(now + step * 30));
        world.mfa.verify(&user, &code, &world.facts()).await.is_ok()
    };
    assert!(!answer(-2).await && !answer(2).await);
    assert!(answer(-1).await && answer(0).await && answer(1).await);
    assert!(!answer(0).await, "a step before the last one used is closed");
}

#[tokio::test]
async fn input_that_is_no_code_is_named_and_nothing_is_stored() {
    let world = World::new();
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let recorded = world.recorder.events().len();
    let digits = "1".repeat(1000);
    for bad in ["", "12345", "1234567", "12345\0", "abcdef", "١٢٣٤٥٦", "😀😀😀😀😀😀", &digits]
    {
        let error =
            world.mfa.verify_totp(&alice, &app.id, &SecretText::new(bad)).await.unwrap_err();
        assert_eq!(error.fields()[0].field, "code", "{bad:?}");
        let error = world.mfa.verify_backup_code(&alice, &SecretText::new(bad)).await.unwrap_err();
        assert_eq!(error.fields()[0].field, "code", "{bad:?}");
    }
    assert_eq!(world.recorder.events().len(), recorded);
    // None of it counted against the limit.
    assert!(world.mfa.verify_totp(&alice, &app.id, &app.code(&world.clock)).await.is_ok());
}

#[tokio::test]
async fn unknown_users_and_foreign_apps_are_refused() {
    let world = World::new();
    let (alice, bob) = (world.person(), world.person());
    let app = world.enrolled(&alice).await;
    let code = app.code(&world.clock);
    let error = world.mfa.verify(&user_of(&bob), &totp(&code), &world.facts()).await.unwrap_err();
    assert!(error.is(codes::FACTOR_REJECTED));
    let error = world.mfa.verify_totp(&bob, &app.id, &code).await.unwrap_err();
    assert!(error.is(codes::FACTOR_UNKNOWN));
    let passkey = FactorResponse::new(FactorMethod::Webauthn, code);
    let error = world.mfa.verify(&user_of(&alice), &passkey, &world.facts()).await.unwrap_err();
    assert_eq!(error.fields()[0].field, "assertion");
}
