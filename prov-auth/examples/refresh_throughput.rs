//! How many refresh tokens one core exchanges, and whether the time of a refused sign-in tells
//! why it was refused. Over the store in memory: what a disk adds is not in these figures.
//!
//! `cargo run --release -p prov-auth --example refresh_throughput`

#![expect(clippy::print_stdout, reason = "an example prints what it measures")]

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prov_auth::{
    AuthOptions, AuthParts, AuthService, LoginOutcome, NewUser, PasswordHasher, PasswordParameters,
    PoolOptions, Revocations, SigningKeyOptions, SigningKeys, ThrottleOptions, TokenIssuer,
    TokenOptions, TokenVerifier,
};
use prov_core::audit::MemoryRecorder;
use prov_core::store::{MemoryStore, Store};
use prov_core::{Clock, ManualClock, RequestFacts, RequestId, Result, SecretText, SecurityContext};

const PASSWORD: &str = "purple teapot singing";

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
    for name in ["alice", "locked"] {
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
    let password = SecretText::new(PASSWORD);
    let LoginOutcome::Tokens(mut tokens) = service.login("alice", &password, &request).await?
    else {
        return Ok(());
    };
    let (rounds, start) = (5000, Instant::now());
    for _ in 0..rounds {
        let token = tokens.refresh_token.clone().unwrap_or_default();
        tokens = service.refresh(&token, &request).await?;
        clock.advance(Duration::from_secs(11));
    }
    println!(
        "refresh: {:.0} per second on one core",
        f64::from(rounds) / start.elapsed().as_secs_f64()
    );
    Ok(())
}
