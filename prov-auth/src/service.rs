//! The facade: everything that is done with identities, with its audit event.

mod accounts;
mod api_tokens;
mod background;
mod bootstrap;
mod devices;
mod discovery;
mod embedded;
mod events;
mod evidence;
mod federated_accounts;
mod federation;
mod handover;
mod installation;
mod issuers;
mod login;
mod notices;
mod oauth;
mod options;
mod own_account;
mod passwordless;
mod proof;
mod prove;
mod reminders;
mod return_address;
mod second_step;
mod sessions;
mod signing_keys;
mod subject_data;
mod teams;
mod user_changes;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use discovery::Discovery;
pub use federation::{FederatedAnswer, FederatedOutcome, FederatedRedirect, FederatedStart};
use installation::InstallationKeys;
pub use oauth::{ActiveToken, Introspection};
pub use options::AuthOptions;
pub use own_account::Me;
use prov_core::audit::Recorder;
use prov_core::store::Store;
use prov_core::{Authenticator, Clock, Notifier, Result, SecondFactor};
pub use teams::TeamPage;
pub use users::UserPage;

use crate::federation::Federation;
use crate::login::{Guesses, Throttle};
use crate::notice::Notices;
use crate::stats::{AuthStats, Counters};
use crate::{
    ApiTokens, Fetch, PasswordHasher, PoolUse, ProofVerifier, RevocationCounts, Revocations,
    SigningKeys, TokenIssuer, TokenSet, TokenVerifier,
};

/// The parts an [`AuthService`] is made of.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "whoever wires a service names every part")]
pub struct AuthParts {
    /// Where users, sessions and teams are remembered; sealed, because password hashes are among it.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where every change leaves its event, before it is acknowledged.
    pub recorder: Arc<dyn Recorder>,
    /// The keys tokens are signed with.
    pub keys: Arc<SigningKeys>,
    /// Makes access tokens.
    pub issuer: Arc<TokenIssuer>,
    /// Reads them.
    pub verifier: Arc<TokenVerifier>,
    /// What was revoked.
    pub revocations: Arc<Revocations>,
    /// Hashes passwords.
    pub passwords: Arc<PasswordHasher>,
    /// Asks for second factors; without it, a password is all there is.
    pub second_factor: Option<Arc<dyn SecondFactor>>,
    /// Asks identity providers; without it, nobody signs in with one.
    pub outbound: Option<Arc<dyn Fetch>>,
    /// Tells users outside what they should know; without it, they read it where they look
    /// ([`notices`](AuthService::notices)).
    pub notifier: Option<Arc<dyn Notifier>>,
}

/// Users, sign-in, sessions, refresh and teams.
///
/// Every call that changes something records an audit event, which is durable before the call
/// returns; so do refused ones. Who may call what is not decided here but by the layers before it.
/// Two rules hold whoever calls: the last administrator who can sign in stays one, and nobody gives
/// a role or team, or acts on a user, beyond what they hold themselves.
pub struct AuthService {
    parts: AuthParts,
    options: AuthOptions,
    installation: InstallationKeys,
    throttle: Throttle,
    api_tokens: Arc<ApiTokens>,
    federation: Arc<Federation>,
    proofs: Option<Arc<ProofVerifier>>,
    counters: Counters,
    guesses: Guesses,
    notices: Arc<Notices>,
}

impl fmt::Debug for AuthService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthService").field("options", &self.options).finish_non_exhaustive()
    }
}

impl AuthService {
    /// A service of these parts. The first start makes the installation's keys and the teams of the
    /// shipped policies.
    ///
    /// # Errors
    /// When the store can't be read or written.
    pub async fn open(parts: AuthParts, options: AuthOptions) -> Result<Arc<Self>> {
        options.check()?;
        let installation = InstallationKeys::load_or_create(&*parts.store).await?;
        let throttle = Throttle::new(Arc::clone(&parts.clock), options.throttle);
        let api_tokens = ApiTokens::open(
            Arc::clone(&parts.store),
            Arc::clone(&parts.clock),
            Arc::clone(&parts.revocations),
            installation.api_tokens.clone(),
        );
        let api_tokens = api_tokens.await?;
        let federation = Federation::open(
            Arc::clone(&parts.store),
            Arc::clone(&parts.clock),
            Arc::clone(&parts.revocations),
            installation.origins.clone(),
            parts.outbound.clone(),
        );
        let federation = federation.await?;
        let proofs = proofs(&options, &installation, &parts)?;
        let notices = notices(&parts);
        let service = Self {
            parts,
            options,
            installation,
            throttle,
            api_tokens,
            federation,
            proofs,
            counters: Counters::default(),
            guesses: Guesses::default(),
            notices,
        };
        service.ensure_shipped_teams().await?;
        Ok(Arc::new(service))
    }

    /// For how long an access token that was just handed out is good.
    #[must_use]
    pub fn expires_in(&self, tokens: &TokenSet) -> Duration {
        let left = tokens.access_expires_at.duration_since(self.clock().now());
        Duration::try_from(left).unwrap_or_default()
    }

    /// Who presents a token of an issuer whose tokens are taken, for an
    /// [`AuthnLayer`](crate::AuthnLayer); asked before the verifier of our own.
    #[must_use]
    pub fn federated_tokens(&self) -> Arc<dyn Authenticator> {
        Arc::<Federation>::clone(&self.federation)
    }

    /// What checks the proofs that tokens are bound to the keys of, for an [`AuthnLayer`](crate::AuthnLayer)
    /// of one's own; `None` when the options take none.
    #[must_use]
    pub fn proofs(&self) -> Option<Arc<ProofVerifier>> {
        self.proofs.clone()
    }

    /// What was revoked by this node, for whoever counts.
    #[must_use]
    pub fn revocation_counts(&self) -> RevocationCounts {
        self.parts.revocations.counts()
    }

    /// What else was counted on this node since it started, for metrics.
    #[must_use]
    pub fn stats(&self) -> AuthStats {
        self.counters.read()
    }

    /// What hashing passwords has cost this node.
    #[must_use]
    pub fn hashing_use(&self) -> PoolUse {
        self.parts.passwords.usage()
    }

    /// Whether browsers reach this service over TLS, as far as its public URL says.
    #[cfg(feature = "axum")]
    pub(crate) fn is_reached_over_tls(&self) -> bool {
        self.options.public_url.as_deref().is_none_or(|url| url.starts_with("https://"))
    }

    fn store(&self) -> &dyn Store {
        &*self.parts.store
    }

    fn clock(&self) -> &dyn Clock {
        &*self.parts.clock
    }
}

/// Where users are told what happens to their accounts, by this service and by their second factors.
fn notices(parts: &AuthParts) -> Arc<Notices> {
    let (store, clock) = (Arc::clone(&parts.store), Arc::clone(&parts.clock));
    let notices = Arc::new(Notices::new(store, clock, parts.notifier.is_some()));
    if let Some(factors) = &parts.second_factor {
        factors.tell_on(Arc::<Notices>::clone(&notices));
    }
    notices
}

/// What checks proofs of possession, if the options take them.
fn proofs(
    options: &AuthOptions,
    installation: &InstallationKeys,
    parts: &AuthParts,
) -> Result<Option<Arc<ProofVerifier>>> {
    let Some(proofs) = options.proofs else { return Ok(None) };
    let url = options.public_url.as_deref().unwrap_or_default();
    let verifier = ProofVerifier::new(url, proofs, Arc::clone(&parts.clock))?;
    let verifier = verifier.with_nonce_key(installation.proof_nonces.expose());
    Ok(Some(Arc::new(if proofs.shared {
        verifier.with_shared_memory(Arc::clone(&parts.store))
    } else {
        verifier
    })))
}
