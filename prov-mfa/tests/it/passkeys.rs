//! Passkeys: registered, proved, taken away; and every answer that must not hold.

use std::time::Duration;

use prov_core::audit::{Action, Outcome};
use prov_core::{
    Amr, FactorMethod, FactorResponse, Kind, SecondFactor, SecretText, SecurityContext, UserId,
};
use prov_mfa::{Device, MfaService, PasskeyOptions, PasskeyOutcome, codes};
use serde_json::{Value, json};

use crate::authenticator::Key;
use crate::world::{World, node_with, user_of};

pub(crate) async fn registered(world: &World, who: &SecurityContext, key: &mut Key) -> Device {
    let begun = world.mfa.begin_passkey(who, "laptop").await.unwrap();
    world.mfa.finish_passkey(who, key.create(&begun.options)).await.unwrap()
}

fn passkey(assertion: &Value) -> FactorResponse {
    FactorResponse::of(FactorMethod::Webauthn, None, Some(assertion)).unwrap()
}

/// What the user's browser is asked as the second step of signing in.
async fn asked(mfa: &MfaService, world: &World, user: &UserId) -> Value {
    mfa.passkey_options(user, &world.facts()).await.unwrap().unwrap()
}

async fn sign_in(world: &World, key: &mut Key) -> prov_core::Result<PasskeyOutcome> {
    let begun = world.mfa.begin_passkey_sign_in(&world.facts()).await.unwrap();
    finish(world, None, &key.get(&begun.options)).await
}

async fn finish(
    world: &World,
    who: Option<&SecurityContext>,
    assertion: &Value,
) -> prov_core::Result<PasskeyOutcome> {
    let assertion = SecretText::new(assertion.to_string());
    world.mfa.finish_passkey_assertion(who, &assertion, &world.facts()).await
}

/// Why the last second factor was refused, as the audit log knows it.
fn last_reason(world: &World) -> String {
    let last = world.recorded(&Action::MFA_VERIFY).pop().unwrap();
    assert_eq!(last.outcome, Outcome::Failure);
    last.context["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_passkey_is_a_second_factor_and_a_way_to_sign_in() {
    let world = World::new();
    let alice = world.person();
    let user = user_of(&alice);
    let mut key = Key::new();
    let device = registered(&world, &alice, &mut key).await;
    assert_eq!(
        (&*device.name, device.discoverable, device.synced),
        ("laptop", Some(true), Some(false))
    );
    assert_eq!(world.mfa.methods(&user).await.unwrap(), [FactorMethod::Webauthn]);

    let assertion = key.get(&asked(&world.mfa, &world, &user).await);
    let factor = world.mfa.verify(&user, &passkey(&assertion), &world.facts()).await.unwrap();
    assert_eq!(factor.amr, [Amr::Hwk, Amr::User, Amr::Mfa]);

    let PasskeyOutcome::Recognised { user: found, factor } =
        sign_in(&world, &mut key).await.unwrap()
    else {
        panic!("nobody was signed in before");
    };
    assert_eq!((found, factor.method), (user, FactorMethod::Webauthn));
    let devices = world.mfa.devices(&alice).await.unwrap();
    assert!(devices[0].last_used_at.is_some());
    for action in [Action::MFA_PASSKEY_ADD, Action::MFA_VERIFY] {
        assert!(world.outcomes(&action).iter().all(|o| *o == Outcome::Success), "{action}");
    }
}

#[tokio::test]
async fn an_answer_that_has_not_the_usual_form_holds_too() {
    let world = World::new();
    let alice = world.person();
    let mut key = Key::new();
    key.counter = 1;
    registered(&world, &alice, &mut key).await;
    for extended in [false, true, true, false] {
        key.extended = extended;
        let outcome = sign_in(&world, &mut key).await.unwrap();
        assert!(matches!(outcome, PasskeyOutcome::Recognised { .. }), "{outcome:?}");
    }
    // Both move the counter on.
    for extended in [false, true] {
        (key.extended, key.counter) = (extended, 1);
        sign_in(&world, &mut key).await.unwrap_err();
        assert_eq!(last_reason(&world), "counter_went_back");
    }
}

#[tokio::test]
async fn challenges_have_256_bits_and_are_never_the_same() {
    let world = World::new();
    let alice = world.person();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let registering = world.mfa.begin_passkey(&alice, "laptop").await.unwrap();
        let signing_in = world.mfa.begin_passkey_sign_in(&world.facts()).await.unwrap();
        for options in [registering.options, signing_in.options] {
            let challenge = options["challenge"].as_str().unwrap().to_owned();
            assert_eq!(challenge.len(), 43, "32 bytes in base64url: {challenge}");
            assert!(seen.insert(challenge));
        }
    }
}

#[tokio::test]
async fn a_copy_that_may_be_synced_says_so_in_the_token() {
    let world = World::new();
    let alice = world.person();
    let mut key = Key::new();
    key.synced = true;
    assert_eq!(registered(&world, &alice, &mut key).await.synced, Some(true));
    let PasskeyOutcome::Recognised { factor, .. } = sign_in(&world, &mut key).await.unwrap() else {
        panic!("nobody was signed in before");
    };
    assert_eq!(factor.amr, [Amr::Swk, Amr::User, Amr::Mfa]);
}

#[tokio::test]
async fn an_answer_is_taken_once_on_all_nodes() {
    let world = World::new();
    let alice = world.person();
    let user = user_of(&alice);
    let mut key = Key::new();
    let begun = world.mfa.begin_passkey(&alice, "laptop").await.unwrap();
    let created = key.create(&begun.options);
    world.mfa.finish_passkey(&alice, created.clone()).await.unwrap();
    let other = world.other_node();
    let error = other.finish_passkey(&alice, created).await.unwrap_err();
    assert!(error.is(codes::PASSKEY_REFUSED), "{error:?}");

    let assertion = key.get(&asked(&world.mfa, &world, &user).await);
    let response = passkey(&assertion);
    world.mfa.verify(&user, &response, &world.facts()).await.unwrap();
    for node in [&world.mfa, &other] {
        let error = node.verify(&user, &response, &world.facts()).await.unwrap_err();
        assert!(error.is(codes::FACTOR_REJECTED));
        assert_eq!(last_reason(&world), "ceremony_unknown");
    }
    let begun = world.mfa.begin_passkey_sign_in(&world.facts()).await.unwrap();
    let assertion = key.get(&begun.options);
    finish(&world, None, &assertion).await.unwrap();
    assert!(finish(&world, None, &assertion).await.unwrap_err().is(codes::FACTOR_REJECTED));
}

#[tokio::test]
async fn of_parallel_answers_to_one_ceremony_one_is_heard() {
    let world = World::new();
    let alice = world.person();
    let mut key = Key::new();
    registered(&world, &alice, &mut key).await;
    let begun = world.mfa.begin_passkey_sign_in(&world.facts()).await.unwrap();
    let assertion = key.get(&begun.options);
    let all = (0..16).map(|_| finish(&world, None, &assertion));
    let held = futures_util::future::join_all(all).await;
    assert_eq!(held.iter().filter(|answer| answer.is_ok()).count(), 1);
}

#[tokio::test]
async fn an_answer_that_failed_once_is_not_heard_again() {
    let world = World::new();
    let alice = world.person();
    let mut key = Key::new();
    registered(&world, &alice, &mut key).await;
    let begun = world.mfa.begin_passkey_sign_in(&world.facts()).await.unwrap();
    key.forged = true;
    let forged = key.get(&begun.options);
    key.forged = false;
    let right = key.get(&begun.options);
    assert!(finish(&world, None, &forged).await.is_err());
    assert!(finish(&world, None, &right).await.unwrap_err().is(codes::FACTOR_REJECTED));
}

#[tokio::test]
async fn a_ceremony_ends_after_five_minutes() {
    let world = World::new();
    let alice = world.person();
    let mut key = Key::new();
    let begun = world.mfa.begin_passkey(&alice, "laptop").await.unwrap();
    world.clock.advance(begun.expires_in);
    let error = world.mfa.finish_passkey(&alice, key.create(&begun.options)).await.unwrap_err();
    assert!(error.is(codes::PASSKEY_REFUSED));
    registered(&world, &alice, &mut key).await;
    let begun = world.mfa.begin_passkey_sign_in(&world.facts()).await.unwrap();
    world.clock.advance(begun.expires_in);
    assert!(finish(&world, None, &key.get(&begun.options)).await.is_err());
}

#[tokio::test]
async fn a_counter_that_goes_back_is_refused_and_recorded() {
    let world = World::new();
    let alice = world.person();
    let mut key = Key::new();
    key.counter = 5;
    registered(&world, &alice, &mut key).await;
    let mut thief = key.copied();
    sign_in(&world, &mut key).await.unwrap();
    assert!(sign_in(&world, &mut thief).await.unwrap_err().is(codes::FACTOR_REJECTED));
    assert_eq!(last_reason(&world), "counter_went_back");
    let cloned = world.recorded(&Action::MFA_PASSKEY_CLONED);
    assert_eq!((cloned.len(), cloned[0].outcome), (1, Outcome::Denied));
    assert_eq!(cloned[0].resource.as_ref().unwrap().id, user_of(&alice).as_str());
    // The true one counts on.
    sign_in(&world, &mut key).await.unwrap();
    let stats = world.mfa.stats();
    let passkeys = stats.methods.iter().find(|m| m.method == FactorMethod::Webauthn).unwrap();
    assert_eq!((passkeys.held, passkeys.rejected, passkeys.limited), (2, 1, 0));
    assert_eq!(stats.cloned, 1);
}

/// The counter is that of the credential as it is stored when the answer comes, not as it was when the
/// ceremony began.
#[tokio::test]
async fn a_counter_is_compared_with_the_newest_also_across_ceremonies() {
    let world = World::new();
    let alice = world.person();
    let mut key = Key::new();
    key.counter = 5;
    registered(&world, &alice, &mut key).await;
    let mut copy = key.copied();
    let first = world.mfa.begin_passkey_sign_in(&world.facts()).await.unwrap();
    let second = world.mfa.begin_passkey_sign_in(&world.facts()).await.unwrap();
    finish(&world, None, &key.get(&first.options)).await.unwrap();
    assert!(finish(&world, None, &copy.get(&second.options)).await.is_err());
    assert_eq!(world.recorded(&Action::MFA_PASSKEY_CLONED).len(), 1);
}

#[tokio::test]
async fn whatever_does_not_hold_signs_nobody_in() {
    type Change = fn(&mut Key);
    let cases: [(&str, Change); 8] = [
        ("wrong_signature", |key| key.forged = true),
        ("wrong_origin", |key| key.origin = "https://login.example.org.evil.example".to_owned()),
        ("wrong_origin", |key| key.origin = "https://login.example.org:8443".to_owned()),
        ("wrong_site", |key| key.site = "evil.example".to_owned()),
        ("user_not_verified", |key| key.verifies = false),
        ("user_not_present", |key| key.present = false),
        ("cross_origin", |key| key.framed = true),
        ("wrong_type", |key| key.kind = Some("webauthn.create")),
    ];
    let world = World::new();
    let alice = world.person();
    let mut key = Key::new();
    registered(&world, &alice, &mut key).await;
    for (reason, change) in cases {
        let mut odd = key.copied();
        change(&mut odd);
        let error = sign_in(&world, &mut odd).await.unwrap_err();
        assert!(error.is(codes::FACTOR_REJECTED), "{reason}: {error:?}");
        assert_eq!(last_reason(&world), reason);
        assert_eq!(error.public_detail(), codes::FACTOR_REJECTED.title(), "nothing more is told");
    }
    // None of it counted against the user, whom nobody had proved to be.
    sign_in(&world, &mut key).await.unwrap();
}

#[tokio::test]
async fn a_registration_that_does_not_hold_says_why_and_leaves_nothing() {
    type Change = fn(&mut Key);
    let cases: [(&str, Change); 6] = [
        ("PIN", |key| key.verifies = false),
        ("another site", |key| key.origin = "https://evil.example".to_owned()),
        ("another site", |key| key.site = "evil.example".to_owned()),
        ("frame", |key| key.framed = true),
        ("does not hold", |key| key.kind = Some("webauthn.get")),
        ("does not hold", |key| key.present = false),
    ];
    let world = World::new();
    let alice = world.person();
    for (told, change) in cases {
        let mut odd = Key::new();
        change(&mut odd);
        let begun = world.mfa.begin_passkey(&alice, "laptop").await.unwrap();
        let error = world.mfa.finish_passkey(&alice, odd.create(&begun.options)).await.unwrap_err();
        assert!(error.is(codes::PASSKEY_REFUSED), "{error:?}");
        assert!(error.public_detail().contains(told), "{told}: {}", error.public_detail());
    }
    assert!(world.mfa.devices(&alice).await.unwrap().is_empty());
    assert_eq!(world.outcomes(&Action::MFA_PASSKEY_ADD), [Outcome::Failure; 6]);
}

#[tokio::test]
async fn a_passkey_has_one_owner_until_it_is_removed() {
    let world = World::new();
    let bob = world.person();
    let alice = world.session_of(&user_of(&world.person()), &[Amr::Pwd, Amr::Otp, Amr::Mfa]);
    let mut key = Key::new();
    let device = registered(&world, &alice, &mut key).await;
    let mut copy = key.copied();
    for thief in [&bob, &alice] {
        let begun = world.mfa.begin_passkey(thief, "mine").await.unwrap();
        let error = world.mfa.finish_passkey(thief, copy.create(&begun.options)).await.unwrap_err();
        assert!(error.is(codes::PASSKEY_KNOWN) || error.is(codes::PASSKEY_REFUSED), "{error:?}");
    }
    assert!(world.mfa.methods(&user_of(&bob)).await.unwrap().is_empty());
    world.mfa.remove(&alice, &device.id, None).await.unwrap();
    registered(&world, &bob, &mut copy).await;
    world.mfa.reset(&world.person(), &user_of(&bob)).await.unwrap();
    registered(&world, &alice, &mut key).await;
}

#[tokio::test]
async fn a_registration_belongs_to_its_user_and_session() {
    let world = World::new();
    let (alice, bob) = (world.person(), world.person());
    let elsewhere = world.session_of(&user_of(&alice), &[Amr::Pwd]);
    for other in [&bob, &elsewhere] {
        let begun = world.mfa.begin_passkey(&alice, "laptop").await.unwrap();
        let created = Key::new().create(&begun.options);
        let error = world.mfa.finish_passkey(other, created).await.unwrap_err();
        assert!(error.is(codes::PASSKEY_REFUSED));
    }
}

#[tokio::test]
async fn a_stolen_session_can_not_add_a_passkey_beside_a_factor_or_take_one_away() {
    let world = World::new();
    let alice = world.person();
    let mut key = Key::new();
    let device = registered(&world, &alice, &mut key).await;
    let thief = world.session_of(&user_of(&alice), &[Amr::Pwd]);
    let error = world.mfa.begin_passkey(&thief, "mine").await.unwrap_err();
    assert!(error.is(codes::STEP_UP_REQUIRED));
    let error = world.mfa.remove(&thief, &device.id, None).await.unwrap_err();
    assert!(error.is(codes::STEP_UP_REQUIRED));
    let old = world.session_of(&user_of(&world.person()), &[Amr::Pwd]);
    world.clock.advance(Duration::from_mins(16));
    let error = world.mfa.begin_passkey(&old, "mine").await.unwrap_err();
    assert!(error.is(codes::SIGN_IN_NOT_RECENT), "a first one needs a recent sign-in");
    // Proved in the session, both may be done.
    let begun = world.mfa.begin_passkey_proof(&thief).await.unwrap();
    let outcome = finish(&world, Some(&thief), &key.get(&begun.options)).await.unwrap();
    assert!(matches!(outcome, PasskeyOutcome::Proved));
    registered(&world, &thief, &mut Key::new()).await;
    world.mfa.remove(&thief, &device.id, None).await.unwrap();
}

#[tokio::test]
async fn a_proof_is_for_the_session_that_asked_and_for_its_user() {
    let world = World::new();
    let (alice, bob) = (world.person(), world.person());
    let (mut of_alice, mut of_bob) = (Key::new(), Key::new());
    registered(&world, &alice, &mut of_alice).await;
    registered(&world, &bob, &mut of_bob).await;
    let begun = world.mfa.begin_passkey_proof(&alice).await.unwrap();
    assert_eq!(begun.options["allowCredentials"].as_array().unwrap().len(), 1);
    // Nobody is signed in by what somebody else was asked.
    let error = finish(&world, None, &of_alice.get(&begun.options)).await.unwrap_err();
    assert!(error.is(codes::FACTOR_REJECTED));
    for context in [&alice, &bob] {
        let begun = world.mfa.begin_passkey_proof(&alice).await.unwrap();
        let error = finish(&world, Some(context), &of_bob.get(&begun.options)).await.unwrap_err();
        assert!(error.is(codes::FACTOR_REJECTED), "{error:?}");
    }
    // What was asked to sign in proves nothing as a second factor.
    let begun = world.mfa.begin_passkey_sign_in(&world.facts()).await.unwrap();
    let response = passkey(&of_alice.get(&begun.options));
    let error = world.mfa.verify(&user_of(&alice), &response, &world.facts()).await.unwrap_err();
    assert!(error.is(codes::FACTOR_REJECTED));
}

#[tokio::test]
async fn who_a_passkey_names_must_be_its_owner() {
    let world = World::new();
    let (alice, bob) = (world.person(), world.person());
    let (mut of_alice, mut of_bob) = (Key::new(), Key::new());
    registered(&world, &alice, &mut of_alice).await;
    registered(&world, &bob, &mut of_bob).await;
    of_bob.handle.clone_from(&of_alice.handle);
    assert!(sign_in(&world, &mut of_bob).await.is_err());
    assert_eq!(last_reason(&world), "not_enrolled");
    for handle in ["", "AA", "not base64!"] {
        of_bob.handle = handle.to_owned();
        let error = sign_in(&world, &mut of_bob).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::Unauthenticated | Kind::InvalidRequest), "{handle}");
    }
    // Nor may a second factor name somebody else.
    of_bob.handle.clone_from(&of_alice.handle);
    let asked = asked(&world.mfa, &world, &user_of(&bob)).await;
    let response = passkey(&of_bob.get(&asked));
    assert!(world.mfa.verify(&user_of(&bob), &response, &world.facts()).await.is_err());
    assert_eq!(last_reason(&world), "wrong_user");
}

#[tokio::test]
async fn five_wrong_second_factors_and_none_is_heard_and_strangers_spend_none() {
    let world = World::new();
    let alice = world.person();
    let user = user_of(&alice);
    let mut key = Key::new();
    registered(&world, &alice, &mut key).await;
    let mut forger = key.copied();
    forger.forged = true;
    for _ in 0..20 {
        assert!(sign_in(&world, &mut forger).await.unwrap_err().is(codes::FACTOR_REJECTED));
    }
    for attempt in 0..6 {
        let asked = asked(&world.mfa, &world, &user).await;
        let response = passkey(&forger.get(&asked));
        let error = world.mfa.verify(&user, &response, &world.facts()).await.unwrap_err();
        let expected = if attempt < 5 { codes::FACTOR_REJECTED } else { codes::FACTOR_LIMITED };
        assert!(error.is(expected), "{attempt}: {error:?}");
    }
    // Whoever has the key needs no second factor to be heard.
    sign_in(&world, &mut key).await.unwrap();
}

#[tokio::test]
async fn ten_passkeys_are_enough_and_the_browser_is_told_which_there_are() {
    let world = World::new();
    let alice = world.session_of(&user_of(&world.person()), &[Amr::Pwd, Amr::Otp, Amr::Mfa]);
    for known in 0..10 {
        let begun = world.mfa.begin_passkey(&alice, "laptop").await.unwrap();
        assert_eq!(begun.options["excludeCredentials"].as_array().unwrap().len(), known);
        world.mfa.finish_passkey(&alice, Key::new().create(&begun.options)).await.unwrap();
    }
    let error = world.mfa.begin_passkey(&alice, "laptop").await.unwrap_err();
    assert!(error.is(codes::FACTOR_COUNT_REACHED));
}

#[tokio::test]
async fn input_that_is_no_credential_is_named() {
    let world = World::new();
    let alice = world.person();
    for odd in [json!(null), json!({}), json!("x"), json!({ "id": "x", "response": {} })] {
        let error = world.mfa.finish_passkey(&alice, odd.clone()).await.unwrap_err();
        assert_eq!(error.fields()[0].field, "credential", "{odd}");
        let error = finish(&world, None, &odd).await.unwrap_err();
        assert_eq!(error.fields()[0].field, "assertion", "{odd}");
    }
    let mut key = Key::new();
    let begun = world.mfa.begin_passkey(&alice, "laptop").await.unwrap();
    let mut created = key.create(&begun.options);
    created["response"]["attestationObject"] = json!("oWNmbXRkbm9uZQ");
    let error = world.mfa.finish_passkey(&alice, created).await.unwrap_err();
    assert!(error.is(codes::PASSKEY_REFUSED));
}

#[tokio::test]
async fn a_site_that_changed_its_name_fails_closed() {
    let world = World::new();
    let alice = world.person();
    let mut key = Key::new();
    registered(&world, &alice, &mut key).await;
    let elsewhere = PasskeyOptions::for_site("example.net", ["https://example.net"]);
    let node = node_with(world.shared_store(), world.recorder.clone(), &world.clock, elsewhere);
    let user = user_of(&alice);
    assert_eq!(node.methods(&user).await.unwrap(), [FactorMethod::Webauthn], "still asked for");
    let response = passkey(&key.get(&asked(&node, &world, &user).await));
    assert!(node.verify(&user, &response, &world.facts()).await.is_err());
}

#[tokio::test]
async fn devices_are_renamed_by_their_owner_only() {
    let world = World::new();
    let (alice, bob) = (world.person(), world.person());
    let device = registered(&world, &alice, &mut Key::new()).await;
    let renamed = world.mfa.rename(&alice, &device.id, " desk ").await.unwrap();
    assert_eq!((&*renamed.name, renamed.id.clone()), ("desk", device.id.clone()));
    let error = world.mfa.rename(&bob, &device.id, "mine").await.unwrap_err();
    assert!(error.is(codes::FACTOR_UNKNOWN));
    for odd in ["", " ", "a\nb", &"x".repeat(65)] {
        assert!(world.mfa.rename(&alice, &device.id, odd).await.is_err());
    }
}
