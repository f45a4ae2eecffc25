//! How many passkeys one core proves in a second, from the ceremony's store to the audit event, in turns with
//! webauthn-rs alone, with webauthn-rs as a server uses it, that keeps ceremony and credential between requests,
//! and with the bare signature:
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
use webauthn_rs_core::proto::{
    AuthenticationState, Credential, PublicKeyCredential, UserVerificationPolicy,
};

const CHECKS: u32 = 2_000;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::print_stdout, reason = "the figures are what this is for")]
async fn main() -> Result<(), Box<dyn Error>> {
    let (mut ours, mut library, bare) = (Ours::open().await?, Library::open()?, Bare::open()?);
    let [mut whole, mut alone, mut keeping, mut signature] = [Duration::ZERO; 4];
    for _ in 0..CHECKS {
        whole += ours.prove().await?;
        alone += library.prove(false)?;
        keeping += library.prove(true)?;
        signature += bare.verify()?;
    }
    let per_second = |took: Duration| f64::from(CHECKS) / took.as_secs_f64();
    println!("finish a sign-in, once, with its record:  {:>8.0}/s", per_second(whole));
    println!("webauthn-rs, ceremony and credential kept:{:>8.0}/s", per_second(keeping));
    println!("webauthn-rs alone, both in its memory:    {:>8.0}/s", per_second(alone));
    println!("ES256 verification alone (aws-lc-rs):     {:>8.0}/s", per_second(signature));
    let ours_over = |peer: Duration| peer.as_secs_f64() / whole.as_secs_f64();
    println!("ours over webauthn-rs that keeps them:    {:>8.2}", ours_over(keeping));
    println!("ours over webauthn-rs alone:              {:>8.2}", ours_over(alone));
    Ok(())
}

struct Ours {
    mfa: MfaService,
    facts: Arc<RequestFacts>,
    key: Key,
}

impl Ours {
    async fn open() -> Result<Self, Box<dyn Error>> {
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
        Ok(Self { mfa, facts, key })
    }

    async fn prove(&mut self) -> Result<Duration, Box<dyn Error>> {
        let begun = self.mfa.begin_passkey_sign_in(&self.facts).await?;
        let assertion = SecretText::new(self.key.get(&begun.options).to_string());
        let started = Instant::now();
        self.mfa.finish_passkey_assertion(None, &assertion, &self.facts).await?;
        Ok(started.elapsed())
    }
}

/// The same proof by the library, from the JSON of the browser on: without store, claim or record.
struct Library {
    core: WebauthnCore,
    credential: Credential,
    key: Key,
}

impl Library {
    fn open() -> Result<Self, Box<dyn Error>> {
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
        Ok(Self { core, credential, key })
    }

    /// With `keeping`, what waits for the answer and what is known of the key are JSON, as between two
    /// requests to a server: read, and the key's new counter written.
    fn prove(&mut self, keeping: bool) -> Result<Duration, Box<dyn Error>> {
        let (policy, known) =
            (Some(UserVerificationPolicy::Required), vec![self.credential.clone()]);
        let builder = self.core.new_challenge_authenticate_builder(known, policy)?;
        let (asked, state) = self.core.generate_challenge_authenticate(builder)?;
        let answer = self.key.get(&serde_json::to_value(&asked.public_key)?).to_string();
        if !keeping {
            let started = Instant::now();
            let answer: PublicKeyCredential = serde_json::from_str(&answer)?;
            let held =
                self.core.authenticate_single_credential(&answer, &state, &self.credential)?;
            let took = started.elapsed();
            self.credential.counter = held.counter();
            return Ok(took);
        }
        let state = serde_json::to_string(&state)?;
        let kept = serde_json::to_string(&self.credential)?;
        let started = Instant::now();
        let answer: PublicKeyCredential = serde_json::from_str(&answer)?;
        let state: AuthenticationState = serde_json::from_str(&state)?;
        self.credential = serde_json::from_str(&kept)?;
        let held = self.core.authenticate_single_credential(&answer, &state, &self.credential)?;
        self.credential.counter = held.counter();
        self.credential.backup_state = held.backup_state();
        let kept = serde_json::to_string(&self.credential)?;
        let took = started.elapsed();
        std::hint::black_box(kept);
        Ok(took)
    }
}

struct Bare {
    message: String,
    signature: Vec<u8>,
    key: UnparsedPublicKey<Vec<u8>>,
}

impl Bare {
    fn open() -> Result<Self, Box<dyn Error>> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)?;
        let message = json!({ "a": "x".repeat(120) }).to_string();
        let signature = pair.sign(&SystemRandom::new(), message.as_bytes())?.as_ref().to_vec();
        let key =
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pair.public_key().as_ref().to_vec());
        Ok(Self { message, signature, key })
    }

    fn verify(&self) -> Result<Duration, Box<dyn Error>> {
        let started = Instant::now();
        self.key.verify(self.message.as_bytes(), &self.signature)?;
        Ok(started.elapsed())
    }
}
