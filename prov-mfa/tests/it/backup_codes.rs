//! Codes on paper.

use std::collections::BTreeSet;

use prov_core::audit::{Action, Outcome};
use prov_core::{Amr, FactorMethod, FactorResponse, SecondFactor, SecretText};
use prov_mfa::codes;

use crate::world::{World, user_of};

#[tokio::test]
async fn ten_codes_of_125_bits_work_once_each_in_any_spelling() {
    let world = World::new();
    let alice = world.person();
    world.enrolled(&alice).await;
    let made = world.mfa.generate_backup_codes(&alice).await.unwrap();
    let distinct: BTreeSet<_> = made.codes.iter().map(|c| c.expose().to_owned()).collect();
    assert_eq!(distinct.len(), 10);
    assert!(distinct.iter().all(|code| code.replace('-', "").len() == 25));
    for (used, code) in made.codes.iter().enumerate() {
        let sloppy =
            SecretText::new(code.expose().to_lowercase().replace('-', " ").replace('0', "o"));
        let verified = world.mfa.verify_backup_code(&alice, &sloppy).await.unwrap();
        assert_eq!(verified.remaining, 9 - used);
        assert_eq!(verified.running_out, verified.remaining <= 2);
        let again = world.mfa.verify_backup_code(&alice, code).await.unwrap_err();
        assert!(again.is(codes::FACTOR_REJECTED));
    }
    let used = world.recorded(&Action::MFA_BACKUP_CODE_USE);
    assert_eq!(used.len(), 10);
    assert_eq!(used[7].context["remaining"], 2);
    assert_eq!(
        (&used[6].context["running_out"], &used[7].context["running_out"]),
        (&false.into(), &true.into())
    );
    assert_eq!(world.mfa.methods(&user_of(&alice)).await.unwrap(), [FactorMethod::Totp]);
    assert!(world.mfa.status(&alice).await.unwrap().backup_codes_running_out);
}

#[tokio::test]
async fn new_codes_replace_all_earlier_ones() {
    let world = World::new();
    let alice = world.person();
    world.enrolled(&alice).await;
    let first = world.mfa.generate_backup_codes(&alice).await.unwrap();
    let second = world.mfa.generate_backup_codes(&alice).await.unwrap();
    assert!(world.mfa.verify_backup_code(&alice, &first.codes[0]).await.is_err());
    assert_eq!(world.mfa.verify_backup_code(&alice, &second.codes[0]).await.unwrap().remaining, 9);
    let made = world.recorded(&Action::MFA_BACKUP_CODES_GENERATE);
    assert_eq!(
        (&made[0].context["replaced"], &made[1].context["replaced"]),
        (&false.into(), &true.into())
    );
    let printed = format!("{first:?} {:?}", world.recorder.events());
    assert!(!printed.contains(first.codes[0].expose()));
}

#[tokio::test]
async fn a_backup_code_signs_in() {
    let world = World::new();
    let alice = world.person();
    world.enrolled(&alice).await;
    let made = world.mfa.generate_backup_codes(&alice).await.unwrap();
    let response = FactorResponse::new(FactorMethod::BackupCode, made.codes[0].clone());
    let factor = world.mfa.verify(&user_of(&alice), &response, &world.facts()).await.unwrap();
    assert_eq!(
        (factor.method, &*factor.amr),
        (FactorMethod::BackupCode, &[Amr::Otp, Amr::Mfa][..])
    );
}

#[tokio::test]
async fn codes_need_a_factor_to_stand_in_for_and_a_recent_one() {
    let world = World::new();
    let alice = world.person();
    let error = world.mfa.generate_backup_codes(&alice).await.unwrap_err();
    assert!(error.is(codes::FACTOR_MISSING));
    world.enrolled(&alice).await;
    let thief = world.session_of(&user_of(&alice), &[Amr::Pwd]);
    let error = world.mfa.generate_backup_codes(&thief).await.unwrap_err();
    assert!(error.is(codes::STEP_UP_REQUIRED));
    assert_eq!(world.outcomes(&Action::MFA_BACKUP_CODES_GENERATE), [Outcome::Denied]);
}
