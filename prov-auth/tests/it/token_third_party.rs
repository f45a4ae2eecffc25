//! Verifiers that nobody here wrote, while the keys rotate under load.

use std::sync::Arc;
use std::time::Duration;

use prov_auth::{
    AccessClaims, Algorithm, AuthOptions, AuthParts, AuthService, SigningKeyOptions, SigningKeys,
    TokenIssuer, TokenOptions, TokenVerifier,
};
use prov_core::audit::MemoryRecorder;
use prov_core::store::MemoryStore;
use prov_core::{Clock, ManualClock, SessionId, UserId};
use serde_json::json;

use crate::python::Script;

const ISSUER: &str = "https://prov.example.com";
const ROTATE_EVERY: Duration = Duration::from_mins(10);
const STEP: Duration = Duration::from_secs(50);
const TOKENS_PER_STEP: usize = 6;

/// One node: it issues tokens, and publishes the keys.
struct Node {
    service: Arc<AuthService>,
    keys: Arc<SigningKeys>,
    issuer: TokenIssuer,
}

impl Node {
    async fn over(store: &Arc<MemoryStore>, clock: &ManualClock, algorithm: Algorithm) -> Self {
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let options = TokenOptions::new(ISSUER, ["cli"]);
        let recorder = Arc::new(MemoryRecorder::new());
        let mut parts =
            AuthParts::embedded(&options, store.clone(), recorder, time.clone()).await.unwrap();
        let given = SigningKeyOptions::default()
            .with_algorithm(algorithm)
            .with_rotation(Some(ROTATE_EVERY))
            .with_retention(options.lifetime + options.leeway + Duration::from_mins(5));
        let keys = Arc::new(SigningKeys::open(store.clone(), time.clone(), given).await.unwrap());
        let revocations = parts.revocations.clone();
        let issuer = TokenIssuer::new(keys.clone(), revocations.clone(), time.clone(), &options);
        let verifier = TokenVerifier::new(keys.clone(), revocations, time, &options).unwrap();
        parts.keys = keys.clone();
        parts.verifier = Arc::new(verifier);
        let service = AuthService::open(parts, AuthOptions::default()).await.unwrap();
        Self { service, keys, issuer: issuer.unwrap() }
    }

    /// Issues as fast as it can, on a thread of its own.
    fn issue(&self, clock: &ManualClock) -> Vec<String> {
        let claims = AccessClaims::new(
            UserId::generate(clock).unwrap(),
            SessionId::generate(clock).unwrap(),
            "alice",
            "cli",
            clock.now(),
        );
        (0..TOKENS_PER_STEP)
            .map(|_| self.issuer.issue(&claims).unwrap().token.expose().to_owned())
            .collect()
    }
}

fn lines<'t>(now: i64, tokens: impl IntoIterator<Item = &'t String>) -> Vec<String> {
    tokens.into_iter().map(|token| json!({"now": now, "token": token}).to_string()).collect()
}

/// Three kinds of keys, seven rotations each, two nodes that both issue and both rotate by age. Every
/// token is verified when it is new and again in its last second, by two libraries that read the key
/// set over HTTP from the node that hears of rotations last, and keep it as long as they may.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_rotations_under_load_lose_no_token_at_verifiers_that_cache_the_keys() {
    let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
    let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
    let (mut rotations, mut verified) = (0, 0);
    let mut living: Vec<(i64, String)> = Vec::new();
    for algorithm in Algorithm::ALL {
        let one = Node::over(&store, &clock, algorithm).await;
        let other = Node::over(&store, &clock, algorithm).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/.well-known/jwks.json", listener.local_addr().unwrap());
        let router = axum::Router::from(prov_auth::api::router(other.service.clone()));
        let mut server = tokio::task::JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        let Some(mut script) =
            Script::start("verify_tokens.py", "joserfc, jwt", &[&url, ISSUER, "cli"])
        else {
            return;
        };
        let stop = tokio::sync::Notify::new();
        let follow = other.keys.clone().follow(stop.notified());
        let load = async {
            let until = rotations + 7;
            while rotations < until {
                // Both issue while one of them rotates.
                let (tokens, rotated) = tokio::task::block_in_place(|| {
                    std::thread::scope(|scope| {
                        let threads = [&one, &other].map(|node| scope.spawn(|| node.issue(&clock)));
                        let rotating = one.keys.rotate_if_due();
                        let rotated = tokio::runtime::Handle::current().block_on(rotating);
                        (threads.map(|thread| thread.join().unwrap()).concat(), rotated.unwrap())
                    })
                });
                rotations += usize::from(rotated.is_some());
                let now = clock.now().as_second();
                let ending: Vec<_> = living.extract_if(.., |(ends, _)| *ends <= now + 1).collect();
                let mut asked = lines(now, &tokens);
                // In the last second of their lives, or as late as the steps allow.
                asked.extend(ending.iter().flat_map(|(ends, token)| lines(ends - 1, [token])));
                for answer in tokio::task::block_in_place(|| script.ask(&asked)) {
                    assert_eq!(answer, "ok", "{algorithm}, rotation {rotations}");
                    verified += 1;
                }
                living.extend(tokens.into_iter().map(|token| (now + 900, token)));
                clock.advance(STEP);
                tokio::task::yield_now().await;
            }
            stop.notify_one();
        };
        tokio::join!(follow, load);
    }
    assert!(rotations > 20 && verified > 4_000, "{rotations} rotations, {verified} verified");
}
