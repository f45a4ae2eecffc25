//! Trust bundles from the SPIFFE Workload API, as they change.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{Either, join, select};
use futures_util::stream::StreamExt as _;
use parking_lot::Mutex;
use prov_core::{Clock, Error, Health, HealthCheck, Result, codes};
use serde_json::{Value, json};
use spiffe::transport::Endpoint;
use spiffe::{JwtBundleSet, WorkloadApiClient, WorkloadApiError, X509BundleSet};

use super::{TrustBundle, TrustBundles, TrustDomain, bundle};
use crate::VerificationKeys;

/// How long is waited before asking again, after the first failure and after many.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));
/// An agent that does not take a connection in this time is not there.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is trusted without word from the agent: as long as a document of an hour lives.
const TRUSTED_WITHOUT_WORD: Duration = Duration::from_hours(1);

/// The bundles that an agent on this machine gives out by the SPIFFE Workload API, by which it tells of
/// changes as they happen: of its own trust domain, and of those federated with it.
///
/// * An agent that is away, or says what can't be read, leaves everything as it was, for an hour; then
///   nothing of it is trusted until it is heard again.
/// * An agent that refuses (`PermissionDenied`) has taken back what it said: nothing of it is trusted at once.
/// * Before it is heard for the first time, nothing is trusted. The start does not wait for it.
#[derive(Debug)]
pub struct WorkloadApi {
    endpoint: Endpoint,
    bundles: Arc<TrustBundles>,
    told: Mutex<Told>,
    clock: Arc<dyn Clock>,
}

/// The two kinds of bundles, which have a stream each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    X509,
    Jwt,
}

/// What the agent has said last, and since when it is not heard.
#[derive(Debug, Default)]
struct Told {
    x509: HashMap<TrustDomain, Vec<Vec<u8>>>,
    jwt: HashMap<TrustDomain, VerificationKeys>,
    x509_heard: bool,
    jwt_heard: bool,
}

impl Told {
    fn heard(&mut self, kind: Kind) -> &mut bool {
        match kind {
            Kind::X509 => &mut self.x509_heard,
            Kind::Jwt => &mut self.jwt_heard,
        }
    }

    /// One bundle for each domain, of both kinds.
    fn bundles(&self) -> HashMap<TrustDomain, TrustBundle> {
        let mut bundles: HashMap<TrustDomain, TrustBundle> = HashMap::new();
        for (domain, certificates) in &self.x509 {
            bundles.entry(domain.clone()).or_default().x509.clone_from(certificates);
        }
        for (domain, keys) in &self.jwt {
            bundles.entry(domain.clone()).or_default().jwt.clone_from(keys);
        }
        bundles
    }
}

impl WorkloadApi {
    /// The agent behind this socket, `unix:///run/spire/sockets/agent.sock`. It is not asked yet.
    ///
    /// # Errors
    /// [`codes::INVALID_REQUEST`] unless it is a socket of this machine: what comes over a network could be
    /// anybody's word.
    pub fn new(endpoint: &str, clock: Arc<dyn Clock>) -> Result<Self> {
        let refused = || {
            Error::new(codes::INVALID_REQUEST)
                .detail("the Workload API is a socket of this machine: `unix:///path/to/socket`")
        };
        let endpoint = Endpoint::parse(endpoint).map_err(|e| refused().source(e))?;
        if !matches!(endpoint, Endpoint::Unix(_)) {
            return Err(refused());
        }
        let (bundles, told) = (TrustBundles::new([]), Mutex::default());
        Ok(Self { endpoint, bundles, told, clock })
    }

    /// What it has said, always as it is now.
    #[must_use]
    pub fn bundles(&self) -> Arc<TrustBundles> {
        Arc::clone(&self.bundles)
    }

    /// Listens to it until `shutdown` is ready. Runs on a tokio runtime with its timer and its sockets.
    pub async fn follow(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        let listening = pin!(join(self.keep(Kind::X509), self.keep(Kind::Jwt)));
        match select(listening, pin!(shutdown)).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }

    /// Listens, and again after each end.
    async fn keep(&self, kind: Kind) {
        let (mut pause, mut silent_since) = (PAUSES.0, self.clock.monotonic());
        loop {
            let ended = self.listen(kind).await;
            if std::mem::take(self.told.lock().heard(kind)) {
                (pause, silent_since) = (PAUSES.0, self.clock.monotonic());
                tracing::warn!(?kind, error = ?ended.as_ref().err(), "the workload api has gone");
            }
            let withdrawn = ended.as_ref().is_err_and(is_withdrawal);
            let silent = self.clock.monotonic().saturating_sub(silent_since);
            if withdrawn || silent >= TRUSTED_WITHOUT_WORD {
                self.forget(kind);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Takes what it says until the stream ends.
    async fn listen(&self, kind: Kind) -> std::result::Result<(), WorkloadApiError> {
        let connecting = WorkloadApiClient::connect(self.endpoint.clone());
        let Ok(client) = tokio::time::timeout(PATIENCE, connecting).await else { return Ok(()) };
        let client = client?;
        match kind {
            Kind::X509 => {
                let mut stream = pin!(client.stream_x509_bundles().await?);
                while let Some(set) = stream.next().await {
                    self.learn_certificates(&set?);
                }
            }
            Kind::Jwt => {
                let mut stream = pin!(client.stream_jwt_bundles().await?);
                while let Some(set) = stream.next().await {
                    self.learn_keys(&set?);
                }
            }
        }
        Ok(())
    }

    fn learn_certificates(&self, set: &X509BundleSet) {
        let of = |(domain, bundle): (&spiffe::TrustDomain, &Arc<spiffe::X509Bundle>)| {
            let ders = bundle.authorities().iter().map(|one| one.as_bytes().to_vec());
            Some((domain.as_str().parse().ok()?, ders.collect()))
        };
        let known = set.iter().filter_map(of).collect();
        self.learn(Kind::X509, |told| told.x509 = known);
    }

    fn learn_keys(&self, set: &JwtBundleSet) {
        let before = self.told.lock().jwt.clone();
        let of = |(domain, bundle): (&spiffe::TrustDomain, &Arc<spiffe::JwtBundle>)| {
            let domain: TrustDomain = domain.as_str().parse().ok()?;
            let keys = bundle.jwt_authorities().map(|one| {
                let mut key: Value = serde_json::from_slice(one.jwk_json())?;
                // All that come this way are for JWT-SVIDs, whether they say so or not.
                key.as_object_mut().map(|key| key.entry("use").or_insert("jwt-svid".into()));
                Ok(key)
            });
            let keys = keys.collect::<serde_json::Result<Vec<Value>>>().ok();
            let keys = keys.and_then(|keys| bundle::jwt_keys(&json!({ "keys": keys })).ok());
            if keys.is_none() {
                tracing::warn!(%domain, "keys that can't be read: those from before stay");
            }
            let keys = keys.or_else(|| before.get(&domain).cloned())?;
            Some((domain, keys))
        };
        let known = set.iter().filter_map(of).collect();
        self.learn(Kind::Jwt, |told| told.jwt = known);
    }

    fn learn(&self, kind: Kind, change: impl FnOnce(&mut Told)) {
        let mut told = self.told.lock();
        change(&mut told);
        if !std::mem::replace(told.heard(kind), true) {
            tracing::info!(?kind, "the workload api is heard");
        }
        // Under the lock, so that of two changes the later one stays.
        self.bundles.replace(told.bundles());
    }

    /// Trusts nothing of it any more.
    fn forget(&self, kind: Kind) {
        let mut told = self.told.lock();
        let known = match kind {
            Kind::X509 => !std::mem::take(&mut told.x509).is_empty(),
            Kind::Jwt => !std::mem::take(&mut told.jwt).is_empty(),
        };
        if known {
            tracing::warn!(?kind, "nothing that the workload api has said is trusted any more");
            self.bundles.replace(told.bundles());
        }
    }
}

/// Whether the agent has taken back what it said, rather than being away.
fn is_withdrawal(error: &WorkloadApiError) -> bool {
    matches!(error, WorkloadApiError::NoIdentityIssued | WorkloadApiError::PermissionDenied(_))
}

#[async_trait]
impl HealthCheck for WorkloadApi {
    fn component(&self) -> &'static str {
        "workload_api"
    }

    async fn health(&self) -> Health {
        let told = self.told.lock();
        let missing = match (told.x509_heard, told.jwt_heard) {
            (true, true) => return Health::up(),
            (false, true) => "certificates are",
            (true, false) => "keys are",
            (false, false) => "certificates and keys are",
        };
        Health::degraded(format!(
            "the Workload API is away: {missing} not told, programs may be refused"
        ))
    }
}
