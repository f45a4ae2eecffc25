//! The whole service in one call, for an application that is its own issuer.

use std::sync::Arc;

use prov_core::audit::Recorder;
use prov_core::store::Store;
use prov_core::{Clock, Result, SecondFactor};

use super::{AuthOptions, AuthParts, AuthService};
use crate::{
    AuthnLayer, PasswordHasher, PasswordParameters, PoolOptions, Revocations, SigningKeyOptions,
    SigningKeys, TokenIssuer, TokenOptions, TokenVerifier,
};

impl AuthParts {
    /// Every part with its defaults, for these tokens, without a second factor. Change any of them
    /// before [`AuthService::open`].
    ///
    /// # Errors
    /// When the tokens' options can't be right, the store fails, or the threads that hash passwords
    /// can't be started.
    pub async fn embedded(
        tokens: &TokenOptions,
        store: Arc<dyn Store>,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let options = SigningKeyOptions::default();
        let keys = SigningKeys::open(Arc::clone(&store), Arc::clone(&clock), options).await?;
        let keys = Arc::new(keys);
        let revocations = Revocations::open(Arc::clone(&store), Arc::clone(&clock)).await?;
        let shared = || (Arc::clone(&keys), Arc::clone(&revocations), Arc::clone(&clock));
        let (for_issuer, revoked, time) = shared();
        let issuer = TokenIssuer::new(for_issuer, revoked, time, tokens)?;
        let (for_verifier, revoked, time) = shared();
        let verifier = TokenVerifier::new(for_verifier, revoked, time, tokens)?;
        let passwords = PasswordHasher::new(PasswordParameters::default(), PoolOptions::default())?;
        Ok(Self {
            store,
            clock,
            recorder,
            keys,
            issuer: Arc::new(issuer),
            verifier: Arc::new(verifier),
            revocations,
            passwords: Arc::new(passwords),
            second_factor: None,
            outbound: None,
            notifier: None,
        })
    }
}

impl AuthService {
    /// A service with every default, for an application that issues its own tokens to itself:
    /// `issuer` is both who issues them and for whom they are.
    ///
    /// Beside it runs [`AuthService::run`]: it rotates the signing keys, and tells several processes over
    /// one database of each other's changes. Whoever wants no second factor takes
    /// [`AuthParts::embedded`] and [`open`](Self::open).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use prov_auth::{AuthService, AuthnLayer};
    /// use prov_core::{Clock, Result, SecondFactor, audit::Recorder, store::Store};
    ///
    /// async fn layer(
    ///     factors: Arc<dyn SecondFactor>, // as `prov_mfa::MfaService` is
    ///     store: Arc<dyn Store>,
    ///     log: Arc<dyn Recorder>,
    ///     clock: Arc<dyn Clock>,
    /// ) -> Result<AuthnLayer> {
    ///     let auth = AuthService::embedded("board.example", factors, store, log, clock).await?;
    ///     Ok(auth.authn_layer()) // around the application's routes
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`AuthParts::embedded`] and [`open`](Self::open).
    pub async fn embedded(
        issuer: &str,
        second_factor: Arc<dyn SecondFactor>,
        store: Arc<dyn Store>,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>> {
        let tokens = TokenOptions::new(issuer, [issuer]);
        let parts = AuthParts::embedded(&tokens, store, recorder, clock).await?;
        let parts = AuthParts { second_factor: Some(second_factor), ..parts };
        Self::open(parts, AuthOptions::default()).await
    }

    /// The layer that asks who sent a request, by the access tokens and API tokens of this service.
    ///
    /// API tokens are good for their scopes only, which the authorization layer sees to: an application
    /// without one asks [`Authentication::covers`](prov_core::Authentication::covers) itself.
    #[must_use]
    pub fn authn_layer(&self) -> AuthnLayer {
        let verifier = Arc::clone(&self.parts.verifier);
        // Those who know by its looks what is theirs come first.
        let authenticators = vec![self.api_tokens(), self.federated_tokens(), verifier];
        let layer = AuthnLayer::new(authenticators, Arc::clone(&self.parts.clock));
        match self.proofs() {
            Some(proofs) => layer.with_proofs(proofs),
            None => layer,
        }
    }
}
