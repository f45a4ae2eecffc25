//! A whole service over one store, and people who use it.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use prov_auth::{
    Algorithm, AuthOptions, AuthParts, AuthService, LoginOutcome, NewUser, PasswordHasher,
    Revocations, SigningKeyOptions, SigningKeys, TokenIssuer, TokenOptions, TokenSet,
    TokenVerifier, User,
};
use prov_core::audit::{Action, Event, MemoryRecorder};
use prov_core::store::{Batch, Changes, Key, MemoryStore, Page, Record, Scan, Store, Version};
use prov_core::{
    Amr, Clock, Enrolment, Error, FactorMethod, FactorResponse, ManualClock, RequestFacts,
    RequestId, Result, Role, SecondFactor, SecretText, SecurityContext, TeamName, UserId,
    VerifiedFactor, codes,
};
use tokio::sync::Notify;

pub(crate) const PASSWORD: &str = "purple teapot singing";

/// One node.
pub(crate) struct House {
    pub(crate) service: Arc<AuthService>,
    pub(crate) parts: AuthParts,
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) recorder: MemoryRecorder,
    pub(crate) verifier: Arc<TokenVerifier>,
    pub(crate) hasher: Arc<PasswordHasher>,
    pub(crate) factors: Arc<Factors>,
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(PasswordHasher::insecure_for_tests().unwrap(), AuthOptions::default()).await
    }

    pub(crate) async fn with(hasher: PasswordHasher, options: AuthOptions) -> Self {
        let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        Self::over(store, clock, hasher, options).await
    }

    pub(crate) async fn over(
        store: Arc<MemoryStore>,
        clock: ManualClock,
        hasher: PasswordHasher,
        options: AuthOptions,
    ) -> Self {
        Self::seen_through(store.clone(), store, clock, hasher, options).await
    }

    /// A node that reads and writes `store` through `port`.
    pub(crate) async fn seen_through(
        port: Arc<dyn Store>,
        store: Arc<MemoryStore>,
        clock: ManualClock,
        hasher: PasswordHasher,
        options: AuthOptions,
    ) -> Self {
        let time: Arc<dyn Clock> = Arc::new(clock.clone());
        let tokens = TokenOptions::new("https://prov.example.com", ["cli"]);
        // Keys that are made in no time: nothing here depends on their kind.
        let quick = SigningKeyOptions::default().with_algorithm(Algorithm::EdDsa);
        let keys = SigningKeys::open(port.clone(), time.clone(), quick);
        let keys = Arc::new(keys.await.unwrap());
        let revocations = Revocations::open(port.clone(), time.clone()).await.unwrap();
        let issuer = TokenIssuer::new(keys.clone(), revocations.clone(), time.clone(), &tokens);
        let verifier = TokenVerifier::new(keys.clone(), revocations.clone(), time.clone(), &tokens);
        let (issuer, verifier) = (Arc::new(issuer.unwrap()), Arc::new(verifier.unwrap()));
        let (recorder, hasher) = (MemoryRecorder::new(), Arc::new(hasher));
        let factors = Arc::new(Factors::default());
        let parts = AuthParts {
            store: port,
            clock: time,
            recorder: Arc::new(recorder.clone()),
            keys,
            issuer,
            verifier: verifier.clone(),
            revocations,
            passwords: hasher.clone(),
            second_factor: Some(factors.clone()),
            outbound: None,
            notifier: None,
        };
        let service = AuthService::open(parts.clone(), options).await.unwrap();
        Self { service, parts, clock, store, recorder, verifier, hasher, factors }
    }

    /// The same house with other options.
    pub(crate) async fn reopened(&self, options: AuthOptions) -> Result<Arc<AuthService>> {
        AuthService::open(self.parts.clone(), options).await
    }

    /// A node whose listings of sessions are watched.
    pub(crate) async fn watched() -> (Self, Arc<Watched>) {
        let clock = ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap());
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        let watched = Arc::new(Watched::over(store.clone()));
        let hasher = PasswordHasher::insecure_for_tests().unwrap();
        let options = AuthOptions::default();
        let house = Self::seen_through(watched.clone(), store, clock, hasher, options).await;
        (house, watched)
    }

    pub(crate) fn facts_from(&self, ip: &str) -> RequestFacts {
        let ip: IpAddr = ip.parse().unwrap();
        RequestFacts::new(RequestId::generate(&self.clock).unwrap(), self.clock.now())
            .from_client(Some(ip))
            .by_agent(Some("laptop"))
    }

    pub(crate) fn facts(&self) -> RequestFacts {
        self.facts_from("192.0.2.1")
    }

    pub(crate) fn system(&self) -> SecurityContext {
        SecurityContext::system("test", &self.clock).unwrap()
    }

    /// A user who can sign in with [`PASSWORD`].
    pub(crate) async fn user(&self, name: &str, roles: &[Role]) -> User {
        let new = NewUser::new(name)
            .with_password(secret(PASSWORD))
            .keeping_its_password()
            .with_roles(roles.iter().copied());
        self.service.create_user(&self.system(), new).await.unwrap().user
    }

    pub(crate) async fn try_login(&self, name: &str, password: &str) -> Result<LoginOutcome> {
        self.service.login(name, &secret(password), &self.facts()).await
    }

    pub(crate) async fn login(&self, name: &str) -> TokenSet {
        match self.try_login(name, PASSWORD).await.unwrap() {
            LoginOutcome::Tokens(tokens) => tokens,
            LoginOutcome::MfaRequired { .. } => panic!("no second factor is enrolled"),
        }
    }

    /// What a request with these tokens carries past the authentication layer.
    pub(crate) fn context(&self, tokens: &TokenSet) -> SecurityContext {
        self.try_context(tokens).unwrap()
    }

    pub(crate) fn try_context(&self, tokens: &TokenSet) -> Result<SecurityContext> {
        let identity = self.verifier.verify(tokens.access_token.expose())?;
        Ok(SecurityContext::new(identity, Arc::new(self.facts())))
    }

    pub(crate) async fn refresh(&self, tokens: &TokenSet) -> Result<TokenSet> {
        let token = tokens.refresh_token.as_ref().unwrap();
        self.service.refresh(token, &self.facts()).await
    }

    /// The events since `from`, as `action outcome`.
    /// Without news of devices, which have tests of their own: every client here is a new one.
    pub(crate) fn events(&self, from: usize) -> Vec<String> {
        let recorded = self.recorded(from);
        let of_interest = recorded.iter().filter(|e| e.action != Action::AUTH_DEVICE_NEW);
        of_interest.map(|e| format!("{} {}", e.action, e.outcome.as_str())).collect()
    }

    pub(crate) fn recorded(&self, from: usize) -> Vec<Event> {
        self.recorder.events().split_off(from)
    }

    pub(crate) fn mark(&self) -> usize {
        self.recorder.events().len()
    }

    pub(crate) fn wait(&self, by: Duration) {
        self.clock.advance(by);
    }
}

pub(crate) fn secret(text: &str) -> SecretText {
    SecretText::new(text)
}

/// A store that counts the listings of sessions, and can hold one up.
#[derive(Debug)]
pub(crate) struct Watched {
    store: Arc<MemoryStore>,
    listings: AtomicUsize,
    armed: AtomicBool,
    reached: Notify,
    released: Notify,
}

impl Watched {
    fn over(store: Arc<MemoryStore>) -> Self {
        let (reached, released) = (Notify::new(), Notify::new());
        let (listings, armed) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { store, listings, armed, reached, released }
    }

    pub(crate) fn listings(&self) -> usize {
        self.listings.load(Ordering::SeqCst)
    }

    /// Runs `ending`, and `meanwhile` at the moment when it is about to list sessions.
    pub(crate) async fn interleave<T, U>(
        &self,
        ending: impl Future<Output = T>,
        meanwhile: impl Future<Output = U>,
    ) -> (T, U) {
        self.armed.store(true, Ordering::SeqCst);
        let meanwhile = async {
            self.reached.notified().await;
            let done = meanwhile.await;
            self.released.notify_one();
            done
        };
        tokio::join!(ending, meanwhile)
    }
}

#[async_trait]
impl Store for Watched {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.store.get(key).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page> {
        if scan.kind == "auth.session" {
            self.listings.fetch_add(1, Ordering::SeqCst);
            if self.armed.swap(false, Ordering::SeqCst) {
                self.reached.notify_one();
                self.released.notified().await;
            }
        }
        self.store.scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version> {
        self.store.commit(batch).await
    }

    async fn purge(&self, limit: NonZeroU32) -> Result<u32> {
        self.store.purge(limit).await
    }

    fn changes(&self) -> Changes {
        self.store.changes()
    }
}

/// Second factors whose only right code is `right`, good once.
#[derive(Debug, Default)]
pub(crate) struct Factors {
    enrolled: Mutex<Vec<UserId>>,
    spent: Mutex<bool>,
    broken: Mutex<bool>,
    /// What is answered whether a user must enrol one.
    pub(crate) enrolment: Mutex<Option<Enrolment>>,
}

impl Factors {
    pub(crate) fn enroll(&self, user: &UserId) {
        self.enrolled.lock().push(user.clone());
    }

    pub(crate) fn next_code(&self) {
        *self.spent.lock() = false;
    }

    pub(crate) fn break_down(&self) {
        *self.broken.lock() = true;
    }
}

#[async_trait]
impl SecondFactor for Factors {
    async fn methods(&self, user: &UserId) -> Result<Vec<FactorMethod>> {
        if *self.broken.lock() {
            return Err(codes::STORE_UNAVAILABLE.into());
        }
        let enrolled = self.enrolled.lock().contains(user);
        Ok(if enrolled { vec![FactorMethod::Totp, FactorMethod::BackupCode] } else { Vec::new() })
    }

    async fn enrolment(&self, _: &UserId, _: &[Role], _: &[TeamName]) -> Result<Enrolment> {
        Ok(self.enrolment.lock().unwrap_or(Enrolment::NotAsked))
    }

    async fn verify(
        &self,
        _: &UserId,
        response: &FactorResponse,
        _: &RequestFacts,
    ) -> Result<VerifiedFactor> {
        let fresh = !std::mem::replace(&mut *self.spent.lock(), response.code.expose() == "right");
        if fresh && response.code.expose() == "right" {
            Ok(VerifiedFactor::new(response.method, [Amr::Otp]))
        } else {
            Err(Error::new(codes::UNAUTHENTICATED).detail("the code does not hold"))
        }
    }
}

pub(crate) fn code(text: &str) -> FactorResponse {
    FactorResponse::new(FactorMethod::Totp, secret(text))
}

/// The layer that stands before the handlers.
#[cfg(feature = "axum")]
pub(crate) fn authn_layer(house: &House) -> prov_auth::AuthnLayer {
    prov_auth::AuthnLayer::new(vec![house.verifier.clone()], Arc::new(house.clock.clone()))
}
