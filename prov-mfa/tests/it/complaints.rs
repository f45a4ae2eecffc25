//! What users of others complain about, each as a test that it can't happen here.

use prov_core::audit::Action;
use prov_core::{Amr, FactorMethod, FactorResponse, SecondFactor, SecretText};
use prov_mfa::{PasskeyOutcome, codes};

use crate::authenticator::Key;
use crate::passkeys::registered;
use crate::world::{World, user_of};

/// kanidm#1542, webauthn-rs#372, #378: keys are made such that they can't sign in without a user name.
#[tokio::test]
async fn passkeys_are_asked_to_be_discoverable_and_sign_in_without_a_user_name() {
    let world = World::new();
    let alice = world.person();
    let begun = world.mfa.begin_passkey(&alice, "laptop").await.unwrap();
    let selection = &begun.options["authenticatorSelection"];
    assert_eq!(selection["residentKey"], "preferred");
    assert_eq!(selection["userVerification"], "required");
    let mut key = Key::new();
    world.mfa.finish_passkey(&alice, key.create(&begun.options)).await.unwrap();
    let begun = world.mfa.begin_passkey_sign_in(&world.facts()).await.unwrap();
    assert!(begun.options["allowCredentials"].as_array().is_none_or(Vec::is_empty));
    let assertion = SecretText::new(key.get(&begun.options).to_string());
    let outcome = world.mfa.finish_passkey_assertion(None, &assertion, &world.facts()).await;
    assert!(matches!(outcome.unwrap(), PasskeyOutcome::Recognised { .. }));
}

/// authelia#9094: nobody can see which keys sign in by themselves and which do not.
#[tokio::test]
async fn a_key_that_can_not_sign_in_by_itself_is_told_from_one_that_can() {
    let world = World::new();
    let alice = world.session_of(&user_of(&world.person()), &[Amr::Pwd, Amr::Otp, Amr::Mfa]);
    for discoverable in [true, false] {
        let mut key = Key::new();
        key.discoverable = discoverable;
        assert_eq!(registered(&world, &alice, &mut key).await.discoverable, Some(discoverable));
    }
    let listed = world.mfa.devices(&alice).await.unwrap();
    let told: Vec<_> = listed.iter().map(|device| device.discoverable).collect();
    assert_eq!(told, [Some(true), Some(false)]);
}

/// kratos#2225: a key that was removed is still demanded at the next sign-in.
#[tokio::test]
async fn a_removed_passkey_is_not_demanded_any_more() {
    let world = World::new();
    let alice = world.person();
    let mut key = Key::new();
    let device = registered(&world, &alice, &mut key).await;
    let proof = world.mfa.begin_passkey_proof(&alice).await.unwrap();
    let proof = SecretText::new(key.get(&proof.options).to_string());
    world.mfa.finish_passkey_assertion(Some(&alice), &proof, &world.facts()).await.unwrap();
    world.mfa.remove(&alice, &device.id, None).await.unwrap();
    assert!(world.mfa.methods(&user_of(&alice)).await.unwrap().is_empty());
    let asked = world.mfa.passkey_options(&user_of(&alice), &world.facts()).await.unwrap();
    assert!(asked.is_none());
    assert_eq!(world.recorded(&Action::MFA_PASSKEY_REMOVE).len(), 1);
}

/// CVE-2025-6015, openbao#1629: white space in a code gets around the used-code cache and the limit.
#[tokio::test]
async fn white_space_makes_no_code_new_and_no_guess_free() {
    let world = World::new();
    let alice = world.person();
    let app = world.enrolled(&alice).await;
    let code = app.code(&world.clock);
    let spelt = |text: String| FactorResponse::new(FactorMethod::Totp, SecretText::new(text));
    let user = user_of(&alice);
    let right = spelt(code.expose().to_owned());
    world.mfa.verify(&user, &right, &world.facts()).await.unwrap();
    for attempt in 0..6 {
        let again = spelt(format!("{}{}", " ".repeat(attempt), code.expose()));
        let error = world.mfa.verify(&user, &again, &world.facts()).await.unwrap_err();
        let expected = if attempt < 5 { codes::FACTOR_REJECTED } else { codes::FACTOR_LIMITED };
        assert!(error.is(expected), "{attempt}: {error:?}");
    }
}

/// onadata#3239: backup codes lie in the database as they are typed.
#[tokio::test]
async fn no_backup_code_can_be_read_in_the_store() {
    use prov_core::store::{Scan, Store};

    let world = World::new();
    let alice = world.person();
    world.enrolled(&alice).await;
    let made = world.mfa.generate_backup_codes(&alice).await.unwrap();
    let page = world.store.scan(&Scan::kind("mfa.factors")).await.unwrap();
    let stored: String =
        page.records.iter().map(|r| String::from_utf8_lossy(&r.value).into_owned()).collect();
    assert!(!stored.is_empty());
    for code in &made.codes {
        assert!(!stored.contains(code.expose()));
        assert!(!stored.contains(&code.expose().replace('-', "")));
    }
}
