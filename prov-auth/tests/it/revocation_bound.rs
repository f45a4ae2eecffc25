//! A node that can't learn of revocations goes on for a while, and then refuses.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use prov_auth::codes::{REVOCATIONS_UNKNOWN, TOKEN_REVOKED};
use prov_auth::{
    AccessClaims, Algorithm, Revocations, SigningKeyOptions, SigningKeys, TokenIssuer,
    TokenVerifier,
};
use prov_core::store::{
    Batch, ChangeSender, Changes, Key, MemoryStore, Page, Record, Scan, Store, Version,
};
use prov_core::{
    Clock, Error, HealthCheck, HealthState, Kind, ManualClock, Result, SessionId, UserId, codes,
};

use crate::token_fixture::options;

const BOUND: Duration = Duration::from_secs(8);

/// A store that can be cut off, and that tells nobody what other nodes write.
#[derive(Debug)]
struct Partitioned {
    store: MemoryStore,
    cut: AtomicBool,
    deaf: AtomicBool,
    silence: ChangeSender,
}

impl Partitioned {
    fn reach(&self) -> Result<()> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(codes::STORE_UNAVAILABLE.into());
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Partitioned {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.reach()?;
        self.store.get(key).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page> {
        self.reach()?;
        self.store.scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version> {
        self.reach()?;
        self.store.commit(batch).await
    }

    async fn purge(&self, limit: NonZeroU32) -> Result<u32> {
        self.store.purge(limit).await
    }

    fn changes(&self) -> Changes {
        self.silence.subscribe()
    }

    fn hears_changes(&self) -> bool {
        !self.deaf.load(Ordering::SeqCst)
    }
}

struct Node {
    clock: ManualClock,
    store: Arc<Partitioned>,
    revocations: Arc<Revocations>,
    verifier: TokenVerifier,
    token: String,
}

impl Node {
    async fn new() -> Self {
        let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let (cut, deaf) = (AtomicBool::new(false), AtomicBool::new(false));
        let silence = ChangeSender::new(1);
        let store =
            Arc::new(Partitioned { store: MemoryStore::new(time.clone()), cut, deaf, silence });
        let quick = SigningKeyOptions::default().with_algorithm(Algorithm::EdDsa);
        let keys = Arc::new(SigningKeys::open(store.clone(), time.clone(), quick).await.unwrap());
        let revocations = Revocations::open_with_bound(store.clone(), time.clone(), BOUND);
        let revocations = revocations.await.unwrap();
        let options = options();
        let issuer = TokenIssuer::new(keys.clone(), revocations.clone(), time.clone(), &options);
        let user = UserId::generate(&clock).unwrap();
        let session = SessionId::generate(&clock).unwrap();
        let claims = AccessClaims::new(user, session, "alice", "cli", clock.now());
        let token = issuer.unwrap().issue(&claims).unwrap().token.expose().to_owned();
        let verifier = TokenVerifier::new(keys, revocations.clone(), time, &options).unwrap();
        Self { clock, store, revocations, verifier, token }
    }

    fn refusal(&self) -> Option<Error> {
        self.verifier.verify(&self.token).err()
    }

    async fn is(&self, state: HealthState) -> bool {
        self.revocations.health().await.state == state
    }

    async fn until(&self, wanted: impl AsyncFn() -> bool) {
        for _ in 0..2000 {
            if wanted().await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("not within 10 s");
    }

    /// Runs `work` while the node follows its store.
    async fn following(&self, work: impl Future<Output = ()>) {
        let stop = tokio::sync::Notify::new();
        let follow = self.revocations.clone().follow(stop.notified());
        tokio::join!(follow, async {
            work.await;
            stop.notify_one();
        });
    }

    /// What happens once the store is away, and when it is back.
    async fn cut_off(&self) {
        let part = &self.store.cut;
        self.until(async || self.is(HealthState::Up).await).await;
        part.store(true, Ordering::SeqCst);
        self.until(async || {
            assert!(self.refusal().is_none(), "within the bound it goes on");
            self.is(HealthState::Degraded).await
        })
        .await;
        self.clock.advance(BOUND + Duration::from_secs(1));
        let refusal = self.refusal().unwrap();
        assert!(refusal.is(REVOCATIONS_UNKNOWN), "{refusal}");
        assert_eq!((refusal.kind(), refusal.kind().status()), (Kind::Unavailable, 503));
        assert!(refusal.retry_after_hint().is_some());
        assert!(self.is(HealthState::Down).await);
        part.store(false, Ordering::SeqCst);
        self.until(async || self.refusal().is_none()).await;
        assert!(self.is(HealthState::Up).await);
    }
}

#[tokio::test]
async fn a_node_without_its_store_refuses_after_the_bound_and_recovers() {
    let node = Node::new().await;
    node.following(node.cut_off()).await;
}

/// The store answers, only the news of other nodes stay away: the node looks by itself.
#[tokio::test]
async fn a_node_that_is_told_nothing_looks_and_finds_what_was_revoked() {
    let node = Node::new().await;
    node.store.deaf.store(true, Ordering::SeqCst);
    let identity = node.verifier.verify(&node.token).unwrap();
    let session = identity.authentication.session.clone().unwrap();
    node.following(async {
        let time: Arc<dyn Clock> = Arc::new(node.clock.clone());
        let other = Revocations::open(node.store.clone(), time).await.unwrap();
        other.revoke_session(&session, node.clock.now() + Duration::from_mins(20)).await.unwrap();
        node.until(async || node.refusal().is_some_and(|error| error.is(TOKEN_REVOKED))).await;
    })
    .await;
}

#[tokio::test]
async fn what_was_revoked_meanwhile_holds_before_anything_is_accepted_again() {
    let node = Node::new().await;
    let identity = node.verifier.verify(&node.token).unwrap();
    let session = identity.authentication.session.clone().unwrap();
    node.following(async {
        let cut = &node.store.cut;
        node.until(async || node.is(HealthState::Up).await).await;
        cut.store(true, Ordering::SeqCst);
        node.until(async || node.is(HealthState::Degraded).await).await;
        node.clock.advance(BOUND + Duration::from_secs(1));
        assert!(node.refusal().unwrap().is(REVOCATIONS_UNKNOWN));
        // The store is back, and another node revokes before this one has read anything.
        cut.store(false, Ordering::SeqCst);
        let time: Arc<dyn Clock> = Arc::new(node.clock.clone());
        let other = Revocations::open(node.store.clone(), time).await.unwrap();
        other.revoke_session(&session, node.clock.now() + Duration::from_mins(20)).await.unwrap();
        node.until(async || node.refusal().expect("it never held again").is(TOKEN_REVOKED)).await;
    })
    .await;
}

#[tokio::test]
async fn a_process_that_shares_its_store_with_nobody_needs_no_news() {
    let node = Node::new().await;
    node.clock.advance(Duration::from_mins(10));
    assert!(node.refusal().is_none(), "nobody follows: nobody else writes");
}
