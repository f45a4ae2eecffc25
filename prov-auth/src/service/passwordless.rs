//! Signing in without a password: somebody else has found out who it is.

use async_trait::async_trait;
use prov_core::audit::Action;
use prov_core::store::{Batch, Stored};
use prov_core::{RequestFacts, Result, SecurityContext, SignIn, SignedIn, UserId, VerifiedFactor};

use super::AuthService;
use super::events::account;
use super::proof::Proof;
use crate::user::UserRecord;
use crate::{TokenSet, codes};

/// A user who is locked or gone gets the answer of a wrong password. No throttle counts this: what was
/// proved can't be guessed, so that nobody else's attempts keep a user with a passkey out.
#[async_trait]
impl SignIn for AuthService {
    async fn sign_in(
        &self,
        user: &UserId,
        factor: &VerifiedFactor,
        request: &RequestFacts,
    ) -> Result<SignedIn> {
        // Before the user is read: a revocation from here on ends what is issued.
        let generation = self.parts.revocations.generation();
        let mut event = self
            .event(Action::AUTH_LOGIN)
            .on("user", user.as_str())
            .with("method", serde_json::json!(factor.method));
        let result = match self.load_user(user).await {
            Ok(stored) => {
                event = event.by(account(&stored.user));
                self.sign_in_as(stored, factor, generation, request).await
            }
            Err(error) if error.is(codes::USER_UNKNOWN) => Err(codes::INVALID_CREDENTIALS.into()),
            Err(error) => Err(error),
        };
        if let Ok(tokens) = &result {
            event = event.with("session", tokens.session.as_str());
        }
        let tokens = self.conclude(request, event, result).await?;
        let expires_in = self.expires_in(&tokens);
        let refresh = tokens.refresh_token.unwrap_or_default();
        let signed_in = SignedIn::new(tokens.access_token, expires_in, refresh, tokens.session);
        Ok(signed_in.on_device(tokens.device).of_type(tokens.token_type))
    }

    async fn sign_out(&self, context: &SecurityContext, user: &UserId) -> Result<()> {
        let result = match self.end_everything_of(user).await {
            Ok(_) => self.forget_devices_of(user).await,
            Err(error) => Err(error),
        };
        let event = self
            .event_on_user(context, Action::AUTH_SESSION_REVOKE, user.as_str())
            .with("all", true);
        self.conclude(context.request(), event, result).await.map(drop)
    }
}

impl AuthService {
    async fn sign_in_as(
        &self,
        stored: Stored<UserRecord>,
        factor: &VerifiedFactor,
        generation: u64,
        request: &RequestFacts,
    ) -> Result<TokenSet> {
        let bound_to = self.proved_possession(request).await?;
        if stored.user.locked {
            return Err(codes::INVALID_CREDENTIALS.into());
        }
        if stored.user.must_change_password {
            return Err(codes::PASSWORD_CHANGE_REQUIRED.into());
        }
        let proof = Proof { bound_to, ..Proof::of(&factor.amr, self.clock().now()) };
        self.open_session(stored, &proof, generation, request, &Batch::new()).await
    }
}
