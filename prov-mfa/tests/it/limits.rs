//! Five attempts in five minutes.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use prov_core::audit::{Action, Outcome};
use prov_core::{FactorMethod, FactorResponse, Kind, SecondFactor};
use prov_mfa::{MfaConfig, MfaService, codes};

use crate::world::{World, user_of};

#[tokio::test]
async fn the_sixth_attempt_waits_on_every_node_and_says_how_long() {
    let world = World::new();
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let user = user_of(&alice);
    let other_node = world.other_node();
    let wrong = FactorResponse::new(FactorMethod::Totp, app.wrong_code(&world.clock));
    for attempt in 0..5 {
        // Signing in and self-service, this node and the other: one budget.
        let error = match attempt % 3 {
            0 => world.mfa.verify(&user, &wrong, &world.facts()).await.unwrap_err(),
            1 => other_node.verify(&user, &wrong, &world.facts()).await.unwrap_err(),
            _ => other_node.verify_totp(&alice, &app.id, &wrong.code).await.unwrap_err(),
        };
        assert!(error.is(codes::FACTOR_REJECTED), "attempt {attempt}");
    }
    world.clock.advance(Duration::from_mins(1));
    let right = FactorResponse::new(FactorMethod::Totp, app.code(&world.clock));
    let error = other_node.verify(&user, &right, &world.facts()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::RateLimited);
    assert_eq!(error.retry_after_hint(), Some(Duration::from_mins(4)));
    let limited = world.recorded(&Action::MFA_LIMITED);
    assert_eq!((limited.len(), limited[0].outcome), (1, Outcome::Denied));
    assert_eq!(limited[0].context["method"], "totp");

    world.clock.advance(Duration::from_mins(4));
    let right = FactorResponse::new(FactorMethod::Totp, app.code(&world.clock));
    assert!(world.mfa.verify(&user, &right, &world.facts()).await.is_ok());
}

#[tokio::test]
async fn other_users_and_other_factors_are_not_held_up() {
    let world = World::new();
    let (alice, bob) = (world.person(), world.person());
    let (app, other) = (world.enrolled(&alice).await, world.enrolled(&bob).await);
    world.mfa.verify_totp(&alice, &app.id, &app.code(&world.clock)).await.unwrap();
    let made = world.mfa.generate_backup_codes(&alice).await.unwrap();
    for _ in 0..6 {
        let wrong = app.wrong_code(&world.clock);
        assert!(world.mfa.verify_totp(&alice, &app.id, &wrong).await.is_err());
    }
    assert!(world.mfa.verify_totp(&bob, &other.id, &other.code(&world.clock)).await.is_ok());
    assert!(world.mfa.verify_backup_code(&alice, &made.codes[0]).await.is_ok());
}

#[tokio::test]
async fn a_success_resets_the_count() {
    let world = World::new();
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    for _ in 0..3 {
        for _ in 0..4 {
            let wrong = app.wrong_code(&world.clock);
            assert!(world.mfa.verify_totp(&alice, &app.id, &wrong).await.is_err());
        }
        assert!(world.mfa.verify_totp(&alice, &app.id, &app.code(&world.clock)).await.is_ok());
        world.next_step();
    }
}

#[tokio::test]
async fn users_without_a_factor_are_limited_like_all_others() {
    let world = World::new();
    let user = user_of(&world.person());
    let guess = FactorResponse::new(FactorMethod::Totp, "123456".to_owned().into());
    for _ in 0..5 {
        let error = world.mfa.verify(&user, &guess, &world.facts()).await.unwrap_err();
        assert!(error.is(codes::FACTOR_REJECTED));
    }
    let error = world.mfa.verify(&user, &guess, &world.facts()).await.unwrap_err();
    assert!(error.is(codes::FACTOR_LIMITED));
}

#[tokio::test]
async fn the_limit_is_a_setting() {
    let world = World::new();
    let config = MfaConfig::default().with_rate_limit(NonZeroU32::MIN, Duration::from_secs(10));
    let clock = Arc::new(world.clock.clone());
    let recorder = Arc::new(world.recorder.clone());
    let strict = MfaService::new(world.shared_store(), recorder, clock, config).unwrap();
    let user = user_of(&world.person());
    let guess = FactorResponse::new(FactorMethod::BackupCode, "0".repeat(25).into());
    let first = strict.verify(&user, &guess, &world.facts()).await.unwrap_err();
    assert!(first.is(codes::FACTOR_REJECTED));
    let second = strict.verify(&user, &guess, &world.facts()).await.unwrap_err();
    assert_eq!(second.retry_after_hint(), Some(Duration::from_secs(10)));
}
