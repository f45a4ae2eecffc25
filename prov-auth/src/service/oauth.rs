//! Revocation (RFC 7009) and introspection (RFC 7662).

use std::sync::Arc;

use prov_core::audit::Action;
use prov_core::store::StoreExt;
use prov_core::{Identity, RequestFacts, Result, SecretText, SecurityContext, Timestamp};

use super::AuthService;
use super::events::account;
use crate::User;
use crate::api_token::is_well_formed;
use crate::refresh::{RefreshToken, Step, judge};
use crate::session::SessionRecord;
use crate::user::UserRecord;

/// What is told of a token (RFC 7662, section 2.2).
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "a token holds or it does not")]
pub enum Introspection {
    /// It does not hold, or is none of the caller's business; nothing else is told.
    Inactive,
    /// It holds.
    Active(ActiveToken),
}

/// A token that holds.
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_enums, reason = "there are these two kinds of token")]
pub enum ActiveToken {
    /// An access token of this issuer and audience.
    Access {
        /// Whose.
        identity: Arc<Identity>,
        /// Who asked for it (`client_id`).
        client_id: String,
        /// For whom it is (`aud`).
        audience: Vec<String>,
        /// When it was made (`iat`).
        issued_at: Timestamp,
    },
    /// An API token.
    Api(Arc<Identity>),
    /// A refresh token of the caller.
    Refresh {
        /// Whose.
        user: Box<User>,
        /// Of which session.
        session: prov_core::SessionId,
        /// When it ends.
        expires_at: Timestamp,
    },
}

impl AuthService {
    /// Revokes a token: an access token alone, a refresh token with its session, an API token for good. Whoever holds a
    /// token may revoke it. A token that does not hold is no error (RFC 7009, section 2.2).
    ///
    /// # Errors
    /// When the revocation can't be made durable.
    pub async fn revoke(&self, token: &SecretText, request: &RequestFacts) -> Result<()> {
        if RefreshToken::is_claimed_by(token.expose()) {
            return self.revoke_refresh(token, request).await;
        }
        if is_well_formed(token.expose()) {
            return self.revoke_api_token(token, request).await;
        }
        let Ok(identity) = self.parts.verifier.verify(token.expose()) else { return Ok(()) };
        let authentication = &identity.authentication;
        let (Some(id), Some(end)) = (&authentication.token_id, authentication.expires_at) else {
            return Ok(());
        };
        let result = self.parts.revocations.revoke_token(id, end).await;
        let principal = &identity.principal;
        let actor =
            prov_core::audit::Actor::account(principal.kind, &principal.id, &principal.name);
        let event = self.event(Action::AUTH_TOKEN_REVOKE).by(actor).on("token", id.as_str());
        self.conclude(request, event, result).await
    }

    /// Also when its owner is locked: whoever found it must be able to end it.
    async fn revoke_api_token(&self, token: &SecretText, request: &RequestFacts) -> Result<()> {
        let Some((id, owner)) = self.api_tokens.owner_of(token.expose()) else { return Ok(()) };
        let owner = self.store().load::<UserRecord>(owner.as_str()).await?;
        let result = self.end_api_token(&id).await;
        let mut event = self.event(Action::AUTH_TOKEN_REVOKE).on("api-token", id);
        if let Some(stored) = owner {
            event = event.by(account(&stored.user));
        }
        self.conclude(request, event, result).await
    }

    async fn revoke_refresh(&self, token: &SecretText, request: &RequestFacts) -> Result<()> {
        let Some(token) = RefreshToken::read(&self.installation.refresh, token) else {
            return Ok(());
        };
        let Some(session) = self.store().load::<SessionRecord>(token.session.as_str()).await?
        else {
            return Ok(());
        };
        let user = self.store().load::<UserRecord>(session.user.as_str()).await?;
        let result = self.kill(&session.id).await;
        let mut event = self.event(Action::AUTH_TOKEN_REVOKE).on("session", session.id.as_str());
        if let Some(stored) = user {
            event = event.by(account(&stored.user));
        }
        self.conclude(request, event, result).await
    }

    /// What a token is worth. The caller is authenticated (RFC 7662, section 2.1) and is told of
    /// access tokens for this audience, and of their own refresh tokens.
    ///
    /// # Errors
    /// When the store can't be read; a token that does not hold is no error.
    pub async fn introspect(
        &self,
        context: &SecurityContext,
        token: &SecretText,
    ) -> Result<Introspection> {
        if RefreshToken::is_claimed_by(token.expose()) {
            return self.introspect_refresh(context, token).await;
        }
        let token = token.expose();
        let active = if is_well_formed(token) {
            self.api_tokens.verify(token).map(ActiveToken::Api)
        } else {
            self.parts.verifier.read(token).map(|read| ActiveToken::Access {
                identity: read.identity,
                client_id: read.client_id,
                audience: read.audience,
                issued_at: read.issued_at,
            })
        };
        Ok(match active {
            // Good for nothing but enrolling a second factor here: worth nothing to anybody else.
            Ok(ActiveToken::Access { identity, .. }) if identity.authentication.enrolment_only => {
                Introspection::Inactive
            }
            Ok(active) => Introspection::Active(active),
            Err(_) => Introspection::Inactive,
        })
    }

    async fn introspect_refresh(
        &self,
        context: &SecurityContext,
        token: &SecretText,
    ) -> Result<Introspection> {
        let key = &self.installation.refresh;
        let Some(token) = RefreshToken::read(key, token) else {
            return Ok(Introspection::Inactive);
        };
        let Some(session) = self.store().load::<SessionRecord>(token.session.as_str()).await?
        else {
            return Ok(Introspection::Inactive);
        };
        let own = context.principal().id == session.user.as_str();
        let now = self.clock().now();
        let step = judge(&session, &token, key, now, self.options.refresh_grace)?;
        let current = matches!(step, Step::Rotate | Step::TooFast);
        let user = self.store().load::<UserRecord>(session.user.as_str()).await?;
        Ok(match user.filter(|stored| own && current && !stored.user.locked) {
            Some(stored) => Introspection::Active(ActiveToken::Refresh {
                user: Box::new(stored.entity.user),
                session: session.id.clone(),
                expires_at: session.expires_at,
            }),
            None => Introspection::Inactive,
        })
    }
}
