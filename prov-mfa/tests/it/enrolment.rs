//! From the QR code to the factor that counts.

use std::sync::Arc;
use std::time::Duration;

use prov_core::audit::{Action, Outcome};
use prov_core::store::Store;
use prov_core::{Amr, Clock, FactorMethod, Kind, Principal, PrincipalKind, SecurityContext};
use prov_mfa::{MfaService, codes};

use crate::world::{App, FullDisk, World, node, user_of};

#[tokio::test]
async fn an_app_counts_only_after_its_first_code() {
    let world = World::new();
    let alice = world.person();
    let begun = world.mfa.enroll(&alice, "phone").await.unwrap();
    assert!(world.mfa.methods(&user_of(&alice)).await.unwrap().is_empty());
    assert!(begun.otpauth_uri.expose().starts_with("otpauth://totp/Example:alice%40example.org?"));
    assert_eq!(begun.secret.expose().len(), 32, "160 bits in base 32");

    let app = App::scanned(&begun);
    let verified = world.mfa.verify_totp(&alice, &begun.id, &app.code(&world.clock)).await.unwrap();
    assert!(verified.confirmed_now);
    assert_eq!(world.mfa.methods(&user_of(&alice)).await.unwrap(), [FactorMethod::Totp]);
    assert_eq!(world.outcomes(&Action::MFA_TOTP_ENROLL), [Outcome::Success]);
    assert_eq!(world.outcomes(&Action::MFA_TOTP_CONFIRM), [Outcome::Success]);
    assert!(alice.request().is_recorded());
}

#[tokio::test]
async fn a_wrong_first_code_confirms_nothing() {
    let world = World::new();
    let alice = world.person();
    let begun = world.mfa.enroll(&alice, "phone").await.unwrap();
    let wrong = App::scanned(&begun).wrong_code(&world.clock);
    let error = world.mfa.verify_totp(&alice, &begun.id, &wrong).await.unwrap_err();
    assert!(error.is(codes::FACTOR_REJECTED));
    assert!(!world.mfa.status(&alice).await.unwrap().enabled);
    assert_eq!(world.outcomes(&Action::MFA_TOTP_CONFIRM), [Outcome::Failure]);
}

#[tokio::test]
async fn an_enrolment_that_waits_too_long_or_is_begun_again_is_void() {
    let world = World::new();
    let alice = world.person();
    let first = world.mfa.enroll(&alice, "phone").await.unwrap();
    let second = world.mfa.enroll(&alice, "tablet").await.unwrap();
    let code = App::scanned(&first).code(&world.clock);
    let error = world.mfa.verify_totp(&alice, &first.id, &code).await.unwrap_err();
    assert!(error.is(codes::FACTOR_UNKNOWN));

    world.clock.advance(Duration::from_mins(15));
    let code = App::scanned(&second).code(&world.clock);
    let error = world.mfa.verify_totp(&alice, &second.id, &code).await.unwrap_err();
    assert!(error.is(codes::FACTOR_UNKNOWN));
    assert!(world.mfa.devices(&alice).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_stolen_session_can_not_add_an_app_beside_another() {
    let world = World::new();
    let alice = world.person();
    // The thief begins before there is a factor, and wants to confirm when there is one.
    let thief = world.session_of(&user_of(&alice), &[Amr::Pwd]);
    let app = world.enrolled(&alice).await;
    let error = world.mfa.enroll(&thief, "thief").await.unwrap_err();
    assert!(error.is(codes::STEP_UP_REQUIRED));
    assert_eq!(error.kind(), Kind::StepUpRequired);
    assert_eq!(
        world.outcomes(&Action::MFA_TOTP_ENROLL),
        [Outcome::Success, Outcome::Denied],
        "the attempt is on record"
    );

    // Somebody who proved the factor begins; the thief's session can't finish it.
    let begun = world.mfa.enroll(&alice, "second").await.unwrap();
    let code = App::scanned(&begun).code(&world.clock);
    let error = world.mfa.verify_totp(&thief, &begun.id, &code).await.unwrap_err();
    assert!(error.is(codes::STEP_UP_REQUIRED));
    // A code of the app makes the session trustworthy, for a quarter of an hour.
    world.mfa.verify_totp(&thief, &app.id, &app.code(&world.clock)).await.unwrap();
    assert!(world.mfa.enroll(&thief, "mine after all").await.is_ok());
    world.clock.advance(Duration::from_mins(15));
    assert!(world.mfa.enroll(&thief, "too late").await.unwrap_err().is(codes::STEP_UP_REQUIRED));
}

#[tokio::test]
async fn a_stolen_password_only_token_can_not_bind_the_first_app() {
    let world = World::new();
    let alice = world.person();
    world.clock.advance(Duration::from_mins(15));
    let begun = world.mfa.enroll(&alice, "phone").await.unwrap();
    // A second later the token alone is no proof any more: neither to begin nor to finish.
    world.clock.advance(Duration::from_secs(1));
    let error = world.mfa.enroll(&alice, "thief").await.unwrap_err();
    assert!(error.is(codes::SIGN_IN_NOT_RECENT));
    assert_eq!(error.kind(), Kind::StepUpRequired);
    let refused = world.recorded(&Action::MFA_TOTP_ENROLL).pop().unwrap();
    assert_eq!(refused.outcome, Outcome::Denied);
    assert_eq!(refused.context["reason"], "sign_in_not_recent");
    let app = App::scanned(&begun);
    let code = app.code(&world.clock);
    let error = world.mfa.verify_totp(&alice, &begun.id, &code).await.unwrap_err();
    assert!(error.is(codes::SIGN_IN_NOT_RECENT));
    assert!(world.mfa.methods(&user_of(&alice)).await.unwrap().is_empty());
    // The password again is enough, since there is nothing else to prove.
    let again = world.session_of(&user_of(&alice), &[Amr::Pwd]);
    assert!(world.mfa.verify_totp(&again, &begun.id, &code).await.unwrap().confirmed_now);
}

#[tokio::test]
async fn a_token_with_a_recent_factor_may_add_and_an_old_one_may_not() {
    let world = World::new();
    let alice = world.person();
    world.enrolled(&alice).await;
    let stepped_up = world.session_of(&user_of(&alice), &[Amr::Pwd, Amr::Otp, Amr::Mfa]);
    world.clock.advance(Duration::from_mins(15));
    assert!(world.mfa.enroll(&stepped_up, "tablet").await.is_ok());
    world.clock.advance(Duration::from_secs(1));
    let error = world.mfa.enroll(&stepped_up, "tablet").await.unwrap_err();
    assert!(error.is(codes::STEP_UP_REQUIRED));
}

#[tokio::test]
async fn five_apps_are_enough() {
    let world = World::new();
    let alice = world.person();
    for _ in 0..5 {
        world.enrolled(&alice).await;
    }
    let error = world.mfa.enroll(&alice, "sixth").await.unwrap_err();
    assert!(error.is(codes::FACTOR_COUNT_REACHED));
    assert_eq!(world.mfa.devices(&alice).await.unwrap().len(), 5);
}

#[tokio::test]
async fn names_that_are_none_and_callers_that_are_no_people_are_refused() {
    let world = World::new();
    let alice = world.person();
    for name in ["", "  ", "a\nb", "nul\0", &"x".repeat(65)] {
        let error = world.mfa.enroll(&alice, name).await.unwrap_err();
        assert_eq!(error.fields()[0].field, "name", "{name:?}");
    }
    let system = SecurityContext::system("lease-reaper", &world.clock).unwrap();
    let error = world.mfa.enroll(&system, "robot").await.unwrap_err();
    assert!(error.is(codes::FACTOR_NEEDS_PERSON));
    let workload = Principal::new(PrincipalKind::Workload, "spiffe://example.org/ci", "ci");
    let authentication = alice.authentication().clone();
    let identity = prov_core::Identity { principal: workload, authentication };
    let workload = SecurityContext::new(identity.into(), world.facts().into());
    assert!(world.mfa.status(&workload).await.unwrap_err().is(codes::FACTOR_NEEDS_PERSON));
}

#[tokio::test]
async fn the_secret_is_shown_once_and_recorded_nowhere() {
    let world = World::new();
    let alice = world.person();
    let begun = world.mfa.enroll(&alice, "phone").await.unwrap();
    let app = App::scanned(&begun);
    let code = app.code(&world.clock);
    world.mfa.verify_totp(&alice, &begun.id, &code).await.unwrap();
    let devices = world.mfa.devices(&alice).await.unwrap();
    let printed = format!("{begun:?} {devices:?} {:?} {:?}", world.mfa, world.recorder.events());
    assert!(!printed.contains(begun.secret.expose()));
    for event in world.recorder.events() {
        let context = serde_json::to_string(&event.context).unwrap();
        assert!(!context.contains(begun.secret.expose()) && !context.contains(code.expose()));
        assert!(!context.contains("alice"), "{context}");
    }
}

#[tokio::test]
async fn what_can_not_be_recorded_is_not_acknowledged() {
    let world = World::new();
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let blind = node(world.shared_store(), FullDisk, &world.clock);
    assert!(blind.verify_totp(&alice, &app.id, &app.code(&world.clock)).await.is_err());
    assert!(blind.enroll(&alice, "tablet").await.is_err());
    assert!(blind.generate_backup_codes(&alice).await.is_err());
    assert!(blind.remove(&alice, &app.id.clone().into(), None).await.is_err());
}

#[tokio::test]
async fn records_without_a_factor_go_by_themselves() {
    let world = World::new();
    let alice = world.person();
    world.mfa.enroll(&alice, "phone").await.unwrap();
    world.clock.advance(Duration::from_mins(16));
    assert_eq!(world.store.purge(10.try_into().unwrap()).await.unwrap(), 1);
    let bob = world.person();
    world.enrolled(&bob).await;
    world.clock.advance(Duration::from_hours(24 * 365));
    assert_eq!(world.store.purge(10.try_into().unwrap()).await.unwrap(), 0);
    assert!(world.clock.now() > bob.authentication().authenticated_at);
}

#[tokio::test]
async fn one_call_makes_a_service_with_the_defaults() {
    let world = World::new();
    let (recorder, clock) = (Arc::new(world.recorder.clone()), Arc::new(world.clock.clone()));
    let mfa = MfaService::embedded(world.shared_store(), recorder, clock).unwrap();
    let begun = mfa.enroll(&world.person(), "phone").await.unwrap();
    assert!(begun.otpauth_uri.expose().starts_with("otpauth://totp/prov:alice%40example.org?"));
    assert_eq!(world.outcomes(&Action::MFA_TOTP_ENROLL), [Outcome::Success]);
}
