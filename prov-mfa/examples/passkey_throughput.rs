//! How many passkeys one core proves in a second, from the ceremony's store to the audit event, beside
//! webauthn-rs alone and beside the bare signature:
//! `cargo run --release -p prov-mfa --features axum --example passkey_throughput`.

#[path = "../tests/it/authenticator.rs"]
#[expect(dead_code, reason = "the tests do more with it")]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "written for tests")]
mod authenticator;

/// What the authenticator of the tests looks for.
mod world {
    pub(crate) const SITE: &str = "example.org";
    pub(crate) const ORIGIN: &str = "https://login.example.org";
}

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use authenticator::Key;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use prov_core::audit::MemoryRecorder;
use prov_core::store::MemoryStore;
use prov_core::{
    Authentication, AuthenticationMethod, Clock, Identity, ManualClock, Principal, PrincipalKind,
    RequestFacts, RequestId, SecretText, SecurityContext, SessionId, UserId,
};
use prov_mfa::{MfaConfig, MfaService, PasskeyOptions};
use serde_json::json;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::proto::{PublicKeyCredential, UserVerificationPolicy};

const CHECKS: u32 = 2_000;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (ours, alone, bare) = (ours().await?, webauthn_alone()?, bare_signature()?);
    let per_second = |took: Duration| f64::from(CHECKS) / took.as_secs_f64();
    println!("finish a sign-in, once, with its record:  {:>8.0}/s", per_second(ours));
    println!("webauthn-rs alone:                        {:>8.0}/s", per_second(alone));
    println!("ES256 verification alone (aws-lc-rs):     {:>8.0}/s", per_second(bare));
    println!(
        "ours over webauthn-rs alone:              {:>8.2}",
        alone.as_secs_f64() / ours.as_secs_f64()
    );
    Ok(())
}

async fn ours() -> Result<Duration, Box<dyn Error>> {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse()?);
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let store = Arc::new(MemoryStore::new(Arc::clone(&shared)));
    let passkeys = PasskeyOptions::for_site(world::SITE, [world::ORIGIN]);
    let config = MfaConfig::default().with_passkeys(passkeys);
    let mfa = MfaService::new(store, Arc::new(MemoryRecorder::new()), shared, config)?;
    let user = UserId::generate(&clock)?;
    let facts = Arc::new(RequestFacts::new(RequestId::generate(&clock)?, clock.now()));
    let identity = Identity {
        principal: Principal::new(PrincipalKind::User, user.as_str(), "alice"),
        authentication: Authentication::new(AuthenticationMethod::AccessToken, clock.now())
            .in_session(SessionId::generate(&clock)?),
    };
    let context = SecurityContext::new(Arc::new(identity), Arc::clone(&facts));
    let mut key = Key::new();
    let begun = mfa.begin_passkey(&context, "bench").await?;
    mfa.finish_passkey(&context, key.create(&begun.options)).await?;
    let mut took = Duration::ZERO;
    for _ in 0..CHECKS {
        let begun = mfa.begin_passkey_sign_in(&facts).await?;
        let assertion = SecretText::new(key.get(&begun.options).to_string());
        let started = Instant::now();
        mfa.finish_passkey_assertion(None, &assertion, &facts).await?;
        took += started.elapsed();
    }
    Ok(took)
}

/// The same proof by the library, from the JSON of the browser on: without store, claim or record.
fn webauthn_alone() -> Result<Duration, Box<dyn Error>> {
    let origins = vec![world::ORIGIN.parse()?];
    let core = WebauthnCore::new_unsafe_experts_only(
        "bench",
        world::SITE,
        origins,
        Duration::from_mins(5),
        None,
        None,
    );
    let mut key = Key::new();
    let builder = core.new_challenge_register_builder(b"0123456789abcdef", "alice", "alice")?;
    let builder = builder.user_verification_policy(UserVerificationPolicy::Required);
    let (asked, state) = core.generate_challenge_register(builder)?;
    let created = key.create(&serde_json::to_value(&asked.public_key)?);
    let created = serde_json::from_value(created)?;
    let credential = core.register_credential(&created, &state, None)?;
    let mut took = Duration::ZERO;
    for _ in 0..CHECKS {
        let policy = Some(UserVerificationPolicy::Required);
        let builder = core.new_challenge_authenticate_builder(vec![credential.clone()], policy)?;
        let (asked, state) = core.generate_challenge_authenticate(builder)?;
        let assertion = key.get(&serde_json::to_value(&asked.public_key)?).to_string();
        let started = Instant::now();
        let assertion: PublicKeyCredential = serde_json::from_str(&assertion)?;
        core.authenticate_single_credential(&assertion, &state, &credential)?;
        took += started.elapsed();
    }
    Ok(took)
}

fn bare_signature() -> Result<Duration, Box<dyn Error>> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
    let message = json!({ "a": "x".repeat(120) }).to_string();
    let signature = pair.sign(&SystemRandom::new(), message.as_bytes())?;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pair.public_key().as_ref());
    let started = Instant::now();
    for _ in 0..CHECKS {
        key.verify(message.as_bytes(), signature.as_ref())?;
    }
    Ok(started.elapsed())
}
