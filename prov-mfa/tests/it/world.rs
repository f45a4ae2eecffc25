//! A world in which time stands still until it is moved.

use std::sync::Arc;
use std::time::Duration;

use prov_core::audit::{Action, Event, MemoryRecorder, Outcome, Receipt, Recorder};
use prov_core::store::MemoryStore;
use prov_core::{
    Amr, Authentication, AuthenticationMethod, Clock, Error, Identity, ManualClock, Principal,
    PrincipalKind, RequestFacts, RequestId, Result, SecretText, SecurityContext, SessionId,
    Timestamp, UserId, codes,
};
use prov_mfa::{Enrollment, MfaConfig, MfaService, PasskeyOptions, TotpId};
use totp_rs::Totp;

/// The site that passkeys are for, and the pages that ask for them.
pub(crate) const SITE: &str = "example.org";
pub(crate) const ORIGIN: &str = "https://login.example.org";

pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) recorder: MemoryRecorder,
    pub(crate) mfa: Arc<MfaService>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::at(Timestamp::from_second(1_780_000_000).unwrap());
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        let recorder = MemoryRecorder::new();
        let mfa = node(Arc::<MemoryStore>::clone(&store), recorder.clone(), &clock);
        Self { clock, store, recorder, mfa }
    }

    /// The store that every node shares.
    pub(crate) fn shared_store(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.store)
    }

    /// Another node over the same store.
    pub(crate) fn other_node(&self) -> Arc<MfaService> {
        node(self.shared_store(), self.recorder.clone(), &self.clock)
    }

    /// Somebody who signed in with a password just now.
    pub(crate) fn person(&self) -> SecurityContext {
        let id = UserId::generate(&self.clock).unwrap();
        self.session_of(&id, &[Amr::Pwd])
    }

    /// A new session of this user, proved now by these factors.
    pub(crate) fn session_of(&self, id: &UserId, amr: &[Amr]) -> SecurityContext {
        let identity = Identity {
            principal: Principal::new(PrincipalKind::User, id.as_str(), "alice@example.org"),
            authentication: Authentication::new(
                AuthenticationMethod::AccessToken,
                self.clock.now(),
            )
            .with_amr(amr.iter().copied())
            .in_session(SessionId::generate(&self.clock).unwrap()),
        };
        SecurityContext::new(Arc::new(identity), Arc::new(self.facts()))
    }

    pub(crate) fn facts(&self) -> RequestFacts {
        RequestFacts::new(RequestId::generate(&self.clock).unwrap(), self.clock.now())
    }

    /// A confirmed authenticator app.
    pub(crate) async fn enrolled(&self, context: &SecurityContext) -> App {
        let begun = self.mfa.enroll(context, "phone").await.unwrap();
        let app = App::scanned(&begun);
        self.mfa.verify_totp(context, &begun.id, &app.code(&self.clock)).await.unwrap();
        self.next_step();
        app
    }

    pub(crate) fn next_step(&self) {
        self.clock.advance(Duration::from_secs(30));
    }

    /// Moves on to a step in which the app shows other digits than in the one before, as all but
    /// one in a million do.
    pub(crate) fn next_code(&self, app: &App) -> SecretText {
        loop {
            let before = app.code(&self.clock);
            self.next_step();
            let code = app.code(&self.clock);
            if code != before {
                return code;
            }
        }
    }

    /// What was recorded of this action, oldest first.
    pub(crate) fn recorded(&self, action: &Action) -> Vec<Event> {
        self.recorder.events().into_iter().filter(|event| event.action == *action).collect()
    }

    /// How this action ended, each time.
    pub(crate) fn outcomes(&self, action: &Action) -> Vec<Outcome> {
        self.recorded(action).iter().map(|event| event.outcome).collect()
    }
}

/// One node over a store that others share.
pub(crate) fn node(
    store: Arc<dyn prov_core::store::Store>,
    recorder: impl Recorder,
    clock: &ManualClock,
) -> Arc<MfaService> {
    let passkeys = PasskeyOptions::for_site(SITE, [ORIGIN]);
    node_with(store, recorder, clock, passkeys)
}

/// A node with these rules for passkeys.
pub(crate) fn node_with(
    store: Arc<dyn prov_core::store::Store>,
    recorder: impl Recorder,
    clock: &ManualClock,
    passkeys: PasskeyOptions,
) -> Arc<MfaService> {
    let config = MfaConfig::default().with_issuer("Example").with_passkeys(passkeys);
    let service = MfaService::new(store, Arc::new(recorder), Arc::new(clock.clone()), config);
    Arc::new(service.unwrap())
}

pub(crate) fn user_of(context: &SecurityContext) -> UserId {
    context.principal().id.parse().unwrap()
}

/// The authenticator app on the other side: it knows what the QR code says.
pub(crate) struct App {
    pub(crate) id: TotpId,
    totp: Totp,
}

impl App {
    pub(crate) fn scanned(begun: &Enrollment) -> Self {
        Self { id: begun.id.clone(), totp: Totp::from_url(begun.otpauth_uri.expose()).unwrap() }
    }

    /// The code the app shows now.
    pub(crate) fn code(&self, clock: &ManualClock) -> SecretText {
        self.code_at(clock.now().as_second())
    }

    pub(crate) fn code_at(&self, second: i64) -> SecretText {
        SecretText::new(self.totp.generate(second.unsigned_abs()).to_string())
    }

    /// A code that no step around now has.
    pub(crate) fn wrong_code(&self, clock: &ManualClock) -> SecretText {
        let now = clock.now().as_second();
        let near: Vec<_> = (-2..=2).map(|step| self.code_at(now + step * 30)).collect();
        (0..10)
            .map(|n| SecretText::new(format!("{n:06}")))
            .find(|code| !near.contains(code))
            .unwrap()
    }
}

/// A log on a disk that is full.
#[derive(Debug)]
pub(crate) struct FullDisk;

#[async_trait::async_trait]
impl Recorder for FullDisk {
    async fn record(&self, _: Event) -> Result<Receipt> {
        Err(Error::new(codes::STORAGE_FULL))
    }
}
