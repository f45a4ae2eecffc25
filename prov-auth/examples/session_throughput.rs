//! How many sign-ins with a password and how many refresh tokens one core makes, beside Argon2id and
//! the RSA signature alone, taken in turns with them, and what Keycloak's sizing guide gives for one
//! vCPU; and whether the time of a refused sign-in tells why it was refused. Over the store in memory:
//! what a disk adds is not in these figures.
//!
//! `cargo run --release -p prov-auth --example session_throughput`

#![expect(clippy::print_stdout, reason = "an example prints what it measures")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use prov_auth::{
    AuthOptions, AuthParts, AuthService, LoginOutcome, NewUser, PasswordHasher, PasswordParameters,
    PoolOptions, Revocations, SigningKeyOptions, SigningKeys, ThrottleOptions, TokenIssuer,
    TokenOptions, TokenVerifier,
};
use prov_core::audit::MemoryRecorder;
use prov_core::store::{MemoryStore, Store};
use prov_core::{Clock, ManualClock, RequestFacts, RequestId, Result, SecretText, SecurityContext};

const PASSWORD: &str = "purple teapot singing";
/// Who sign in, in turns, each on a device of their own.
const PEOPLE: usize = 25;

async fn open(clock: &ManualClock) -> Result<Arc<AuthService>> {
    let time: Arc<dyn Clock> = Arc::new(clock.clone());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::clone(&time)));
    let given = SigningKeyOptions::default();
    let keys = Arc::new(SigningKeys::open(Arc::clone(&store), Arc::clone(&time), given).await?);
    let revocations = Revocations::open(Arc::clone(&store), Arc::clone(&time)).await?;
    let tokens = TokenOptions::new("https://prov.example.com", ["cli"]);
    let parts = |keys: &Arc<SigningKeys>, revocations: &Arc<Revocations>| {
        (Arc::clone(keys), Arc::clone(revocations), Arc::clone(&time))
    };
    let (k, r, t) = parts(&keys, &revocations);
    let issuer = Arc::new(TokenIssuer::new(k, r, t, &tokens)?);
    let (k, r, t) = parts(&keys, &revocations);
    let verifier = Arc::new(TokenVerifier::new(k, r, t, &tokens)?);
    let one = PoolOptions::new(NonZeroUsize::MIN);
    let passwords = Arc::new(PasswordHasher::new(PasswordParameters::default(), one)?);
    let recorder = Arc::new(MemoryRecorder::new());
    let second_factor = None;
    let parts = AuthParts {
        store,
        clock: time,
        recorder,
        keys,
        issuer,
        verifier,
        revocations,
        passwords,
        second_factor,
        outbound: None,
        notifier: None,
    };
    // Measured without waits: they would only be measured instead.
    let mut throttle = ThrottleOptions::default();
    throttle.free_per_account_and_address = u32::MAX;
    throttle.free_per_address = u32::MAX;
    throttle.hourly_per_account = std::num::NonZeroU32::MAX;
    AuthService::open(parts, AuthOptions::default().with_throttle(throttle)).await
}

/// Medians over rounds that take the names in turn, so that a busy machine is busy for all of them.
async fn medians<const N: usize>(
    service: &AuthService,
    request: &RequestFacts,
    names: [&str; N],
) -> [Duration; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..400 {
        for (name, times) in names.iter().zip(&mut times) {
            let start = Instant::now();
            let answer = service.login(name, &SecretText::new("a wrong guess"), request).await;
            times.push(start.elapsed());
            assert!(answer.is_err(), "nobody signs in with a wrong guess");
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    })
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap_or_default());
    let service = open(&clock).await?;
    let system = SecurityContext::system("example", &clock)?;
    let request = RequestFacts::new(RequestId::generate(&clock)?, clock.now());
    let people: Vec<_> = (0..PEOPLE).map(|number| format!("person-{number}")).collect();
    for name in ["alice", "locked"].into_iter().chain(people.iter().map(String::as_str)) {
        let new = NewUser::new(name).with_password(SecretText::new(PASSWORD));
        let made = service.create_user(&system, new.keeping_its_password()).await?;
        if name == "locked" {
            service.lock_user(&system, &made.user.id).await?;
        }
    }
    let names = ["alice", "locked", "nobody"];
    for (name, median) in names.iter().zip(medians(&service, &request, names).await) {
        println!("refused sign-in of `{name}`: median {median:?}");
    }
    sign_ins(&service, &clock, &request, &people).await?;
    exchanges(&service, &clock, &request).await
}

/// How long `ours` and the part of it that nobody can do without take, in turns.
struct Beside {
    limit: Duration,
    ours: Duration,
    rounds: u32,
}

impl Beside {
    const NONE: Self = Self { limit: Duration::ZERO, ours: Duration::ZERO, rounds: 0 };

    fn add(&mut self, limit: Duration, ours: Duration) {
        self.limit += limit;
        self.ours += ours;
        self.rounds += 1;
    }

    fn print(&self, what: &str, alone: &str, keycloak: u32) {
        let rate = |time: Duration| f64::from(self.rounds) / time.as_secs_f64();
        let (ours, limit) = (rate(self.ours), rate(self.limit));
        println!(
            "{what}: {ours:.1} per second on one core; {alone} alone {limit:.1}: {:.2} of the limit; \
             Keycloak publishes {keycloak} for one vCPU: {:.1} times",
            ours / limit,
            ours / f64::from(keycloak),
        );
    }
}

/// People sign in again on the device that they signed in on before.
async fn sign_ins(
    service: &AuthService,
    clock: &ManualClock,
    request: &RequestFacts,
    people: &[String],
) -> Result<()> {
    let broken = |_| prov_core::Error::from(prov_core::codes::INTERNAL);
    let parameters = Params::new(19_456, 2, 1, None).map_err(broken)?;
    let mut memory = vec![Block::default(); parameters.block_count()];
    let alone = Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters);
    let (password, mut beside) = (SecretText::new(PASSWORD), Beside::NONE);
    let mut devices = Vec::new();
    for name in people {
        if let LoginOutcome::Tokens(tokens) = service.login(name, &password, request).await? {
            let facts = RequestFacts::new(RequestId::generate(clock)?, clock.now());
            devices.push((name, facts.by_device(tokens.device)));
        }
    }
    for (name, request) in std::iter::repeat_n(&devices, 8).flatten() {
        let (start, mut hash) = (Instant::now(), [0; 32]);
        alone
            .hash_password_into_with_memory(PASSWORD.as_bytes(), &[7; 16], &mut hash, &mut memory)
            .map_err(broken)?;
        let (limit, start) = (start.elapsed(), Instant::now());
        let _tokens = service.login(name, &password, request).await?;
        beside.add(limit, start.elapsed());
        clock.advance(Duration::from_secs(11));
    }
    beside.print("sign-in with a password", "Argon2id (19 MiB, t=2, p=1)", 15);
    Ok(())
}

async fn exchanges(
    service: &AuthService,
    clock: &ManualClock,
    request: &RequestFacts,
) -> Result<()> {
    let broken = |_| prov_core::Error::from(prov_core::codes::INTERNAL);
    let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(broken)?;
    let (random, mut signature) = (SystemRandom::new(), vec![0; pair.public_modulus_len()]);
    let password = SecretText::new(PASSWORD);
    let LoginOutcome::Tokens(mut tokens) = service.login("alice", &password, request).await? else {
        return Ok(());
    };
    let mut beside = Beside::NONE;
    for _ in 0..5000 {
        let start = Instant::now();
        pair.sign(&RSA_PKCS1_SHA256, &random, &[7; 700], &mut signature).map_err(broken)?;
        let (limit, start) = (start.elapsed(), Instant::now());
        let token = tokens.refresh_token.clone().unwrap_or_default();
        tokens = service.refresh(&token, request).await?;
        beside.add(limit, start.elapsed());
        clock.advance(Duration::from_secs(11));
    }
    beside.print("exchange of a refresh token", "RS256 signature", 120);
    Ok(())
}
