//! Whose authenticators are accepted; and an authenticator that somebody else wrote.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crypto_glue::traits::EncodeDer;
use crypto_glue::x509::Certificate;
use prov_core::{Amr, FactorMethod, FactorResponse, SecondFactor, SecurityContext};
use prov_mfa::{AttestationPolicy, Device, MfaConfig, MfaService, PasskeyOptions, codes};
use serde_json::{Value, json};
use url::Url;
use webauthn_authenticator_rs::WebauthnAuthenticator;
use webauthn_authenticator_rs::softpasskey::SoftPasskey;
use webauthn_authenticator_rs::softtoken::{AAGUID, SoftToken};

use crate::authenticator::Key;
use crate::world::{ORIGIN, SITE, World, node_with, user_of};

fn origin() -> Url {
    ORIGIN.parse().unwrap()
}

fn wrapped(options: &Value) -> Value {
    json!({ "publicKey": options })
}

async fn register(
    mfa: &MfaService,
    who: &SecurityContext,
    with: &mut impl WebauthnAuthenticator,
) -> prov_core::Result<Device> {
    let begun = mfa.begin_passkey(who, "token").await?;
    let options = serde_json::from_value(wrapped(&begun.options)).unwrap();
    let created = with.do_registration(origin(), options).unwrap();
    mfa.finish_passkey(who, serde_json::to_value(created).unwrap()).await
}

#[tokio::test]
async fn an_authenticator_of_somebody_else_is_registered_and_is_a_second_factor() {
    let world = World::new();
    let alice = world.person();
    let user = user_of(&alice);
    let mut soft = SoftPasskey::new(true);
    register(&world.mfa, &alice, &mut soft).await.unwrap();
    let asked = world.mfa.passkey_options(&user, &world.facts()).await.unwrap().unwrap();
    let options = serde_json::from_value(wrapped(&asked)).unwrap();
    let proved = soft.do_authentication(origin(), options).unwrap();
    let proved = serde_json::to_value(proved).unwrap();
    let response = FactorResponse::of(FactorMethod::Webauthn, None, Some(&proved)).unwrap();
    let factor = world.mfa.verify(&user, &response, &world.facts()).await.unwrap();
    assert!(factor.amr.contains(&Amr::Mfa));
    assert!(world.mfa.verify(&user, &response, &world.facts()).await.is_err(), "once");
}

fn pem(root: &Certificate) -> String {
    let der = STANDARD.encode(root.to_der().unwrap());
    let lines: Vec<_> = der.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

fn under(world: &World, roots: &[String], models: &[String]) -> std::sync::Arc<MfaService> {
    let attestation = AttestationPolicy::Under { roots: roots.to_vec(), models: models.to_vec() };
    let options = PasskeyOptions::for_site(SITE, [ORIGIN]).with_attestation(attestation);
    node_with(world.shared_store(), world.recorder.clone(), &world.clock, options)
}

#[tokio::test]
async fn only_makers_and_models_that_are_named_are_accepted() {
    let world = World::new();
    let (mut token, root) = SoftToken::new(true).unwrap();
    let (_, other) = SoftToken::new(true).unwrap();
    let (root, other) = (pem(&root), pem(&other));
    let model = AAGUID.to_string();
    let foreign = "00000000-0000-0000-0000-000000000001".to_owned();

    for (roots, models) in
        [(&root, vec![]), (&root, vec![model.clone()]), (&root, vec![foreign.clone(), model])]
    {
        let mfa = under(&world, std::slice::from_ref(roots), &models);
        register(&mfa, &world.person(), &mut token).await.unwrap();
    }
    for (roots, models) in [(&other, vec![]), (&root, vec![foreign])] {
        let mfa = under(&world, std::slice::from_ref(roots), &models);
        let error = register(&mfa, &world.person(), &mut token).await.unwrap_err();
        assert!(error.is(codes::PASSKEY_REFUSED), "{error:?}");
        assert!(error.public_detail().contains("maker"), "{}", error.public_detail());
    }
    // Nobody vouches for this one.
    let mfa = under(&world, &[root], &[]);
    let alice = world.person();
    let begun = mfa.begin_passkey(&alice, "self-made").await.unwrap();
    assert_eq!(begun.options["attestation"], "direct");
    let created = Key::new().create(&begun.options);
    let error = mfa.finish_passkey(&alice, created).await.unwrap_err();
    assert!(error.is(codes::PASSKEY_REFUSED));
}

#[test]
fn rules_that_can_not_be_read_are_refused_at_the_start() {
    let world = World::new();
    for (roots, models) in [(vec![], vec![]), (vec!["no PEM".to_owned()], vec![])] {
        let attestation = AttestationPolicy::Under { roots, models };
        let options = PasskeyOptions::for_site(SITE, [ORIGIN]).with_attestation(attestation);
        let made = MfaService::new(
            world.shared_store(),
            std::sync::Arc::new(world.recorder.clone()),
            std::sync::Arc::new(world.clock.clone()),
            MfaConfig::default().with_passkeys(options),
        );
        assert!(made.is_err());
    }
}
