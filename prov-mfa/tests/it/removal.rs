//! Taking factors away.

use prov_core::audit::{Action, Outcome};
use prov_core::{Amr, FactorMethod, FactorResponse};
use prov_mfa::codes;

use crate::world::{World, user_of};

#[tokio::test]
async fn removing_an_app_needs_a_recent_factor_or_a_code() {
    let world = World::new();
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let thief = world.session_of(&user_of(&alice), &[Amr::Pwd]);
    let error = world.mfa.remove(&thief, &app.id.clone().into(), None).await.unwrap_err();
    assert!(error.is(codes::STEP_UP_REQUIRED));
    let wrong = FactorResponse::new(FactorMethod::Totp, app.wrong_code(&world.clock));
    let error = world.mfa.remove(&thief, &app.id.clone().into(), Some(&wrong)).await.unwrap_err();
    assert!(error.is(codes::FACTOR_REJECTED));
    let right = FactorResponse::new(FactorMethod::Totp, app.code(&world.clock));
    world.mfa.remove(&thief, &app.id.clone().into(), Some(&right)).await.unwrap();
    assert!(world.mfa.devices(&alice).await.unwrap().is_empty());
    assert_eq!(world.outcomes(&Action::MFA_TOTP_DISABLE), [Outcome::Denied, Outcome::Success]);
}

#[tokio::test]
async fn the_last_app_takes_the_backup_codes_with_it() {
    let world = World::new();
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let made = world.mfa.generate_backup_codes(&alice).await.unwrap();
    world.mfa.remove(&alice, &app.id.clone().into(), None).await.unwrap();
    assert!(world.mfa.methods(&user_of(&alice)).await.unwrap().is_empty());
    world.enrolled(&alice).await;
    let error = world.mfa.verify_backup_code(&alice, &made.codes[0]).await.unwrap_err();
    assert!(error.is(codes::FACTOR_REJECTED), "codes of an earlier enrolment stay void");
}

#[tokio::test]
async fn nobody_removes_what_belongs_to_another() {
    let world = World::new();
    let (alice, bob) = (world.person(), world.person());
    let app = world.enrolled(&alice).await;
    let error = world.mfa.remove(&bob, &app.id.clone().into(), None).await.unwrap_err();
    assert!(error.is(codes::FACTOR_UNKNOWN));
    assert_eq!(world.mfa.devices(&alice).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_administrators_reset_removes_everything_and_frees_the_user() {
    let world = World::new();
    let (admin, alice) = (world.person(), world.person());
    let app = world.enrolled(&alice).await;
    world.mfa.generate_backup_codes(&alice).await.unwrap();
    for _ in 0..6 {
        let wrong = app.wrong_code(&world.clock);
        assert!(world.mfa.verify_totp(&alice, &app.id, &wrong).await.is_err());
    }
    let removed = world.mfa.reset(&admin, &user_of(&alice)).await.unwrap();
    assert_eq!((removed.totp_devices, removed.backup_codes), (1, 10));
    let status = world.mfa.status(&alice).await.unwrap();
    assert!(!status.enabled && status.methods.is_empty());
    world.enrolled(&alice).await;

    let events = world.recorded(&Action::MFA_RESET);
    assert_eq!(events[0].actor.id.as_deref(), Some(admin.principal().id.as_str()));
    assert_eq!(events[0].resource.as_ref().unwrap().id, alice.principal().id);
    let again = world.mfa.reset(&admin, &user_of(&world.person())).await.unwrap();
    assert_eq!((again.totp_devices, again.backup_codes), (0, 0));
}

#[tokio::test]
async fn nobody_resets_themselves_around_the_rule() {
    let world = World::new();
    let admin = world.person();
    world.enrolled(&admin).await;
    let thief = world.session_of(&user_of(&admin), &[Amr::Pwd]);
    let error = world.mfa.reset(&thief, &user_of(&admin)).await.unwrap_err();
    assert!(error.is(codes::STEP_UP_REQUIRED));
    assert_eq!(world.outcomes(&Action::MFA_RESET), [Outcome::Denied]);
}
