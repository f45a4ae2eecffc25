//! The parts that all arrangements share.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prov_audit::{Log, LogOptions, Query};
use prov_auth::{
    AccessClaims, Revocations, SigningKeyOptions, SigningKeys, TokenIssuer, TokenOptions,
    TokenVerifier,
};
use prov_authz::{CedarEngine, CedarOptions};
use prov_core::{Amr, Clock, Role, SessionId, SystemClock, UserId};
use prov_kms::SealedStore;

use crate::Failure;

/// Longer than any run: no token and no second factor ends meanwhile.
pub(super) const LONG: Duration = Duration::from_hours(6);
/// How long the index may take to catch up.
const PATIENCE: Duration = Duration::from_mins(5);

/// Stores, keys, policies, the log.
pub(super) struct House {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) engine: Arc<CedarEngine>,
    pub(super) log: Arc<Log>,
    keys: Arc<SigningKeys>,
    revocations: Arc<Revocations>,
    options: TokenOptions,
    issuer: TokenIssuer,
}

impl House {
    /// As a server has them: SQLite, sealed; the log on the disk.
    pub(super) async fn open(folder: &Path) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let url = format!("sqlite:{}", folder.join("bench.db").display());
        let store = prov_store::connect(&url, clock.clone()).await?;
        let store = SealedStore::embedded(store, &folder.join("root.key"), clock.clone()).await?;
        let options = LogOptions::new(folder.join("audit"), "bench", store.clone(), clock.clone());
        let log = Log::open(options.index_patience(PATIENCE)).await?;
        let keys = SigningKeys::open(store.clone(), clock.clone(), SigningKeyOptions::default());
        let keys = Arc::new(keys.await?);
        let revocations = Revocations::open(store, clock.clone()).await?;
        let options = TokenOptions::new("bench", ["bench"]).with_lifetime(LONG);
        let issuer = TokenIssuer::new(keys.clone(), revocations.clone(), clock.clone(), &options)?;
        let engine = CedarEngine::shipped(clock.clone(), CedarOptions::default())?;
        let (engine, log) = (Arc::new(engine), Arc::new(log));
        Ok(Self { clock, engine, log, keys, revocations, options, issuer })
    }

    /// A verifier that has seen no token yet.
    pub(super) fn verifier(&self) -> Result<Arc<TokenVerifier>, Failure> {
        let (keys, revocations) = (self.keys.clone(), self.revocations.clone());
        let clock = self.clock.clone();
        Ok(Arc::new(TokenVerifier::new(keys, revocations, clock, &self.options)?))
    }

    /// Values of `Authorization`, each with a token of its own: one user, signed in with two factors.
    pub(super) fn tokens(&self, count: usize) -> Result<Vec<String>, Failure> {
        let now = self.clock.now();
        let (user, session) = (UserId::generate(&self.clock)?, SessionId::generate(&self.clock)?);
        let claims = AccessClaims::new(user, session, "alice", "bench", now)
            .with_amr([Amr::Pwd, Amr::Otp, Amr::Mfa])
            .with_roles([Role::Viewer])
            .with_teams(["sre".parse()?]);
        let token = || Ok(format!("Bearer {}", self.issuer.issue(&claims)?.token.expose()));
        (0..count).map(|_| token()).collect()
    }

    /// Waits until the index has read everything in the log.
    pub(super) async fn settle(&self) -> Result<(), Failure> {
        let one = Query::new().limit(std::num::NonZeroU32::MIN);
        self.log.query(&one).await?;
        Ok(())
    }
}
