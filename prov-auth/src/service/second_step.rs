//! Second factors: the second step of signing in, and proving oneself again.

use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, StoreExt, Stored};
use prov_core::{
    Amr, Confirmation, Enrolment, Error, FactorResponse, News, RequestFacts, Result, SecretText,
    SecurityContext, SessionId, codes as core_codes,
};

use super::AuthService;
use super::events::{account, failed};
use super::proof::Proof;
use super::sessions::may_go_on;
use super::user_changes::RACES;
use crate::codes;
use crate::login::{ChallengeRecord, ChallengeToken};
use crate::session::SessionRecord;
use crate::user::UserRecord;
use crate::{PasswordPolicy, StepUp, TokenSet};

impl AuthService {
    /// Answers a challenge with a second factor. A wrong answer leaves the challenge good for a few
    /// more; a right one spends it.
    ///
    /// # Errors
    /// [`codes::CHALLENGE_INVALID`]; and those of
    /// [`SecondFactor::verify`](prov_core::SecondFactor::verify).
    pub async fn login_mfa(
        &self,
        challenge: &SecretText,
        response: &FactorResponse,
        request: &RequestFacts,
    ) -> Result<TokenSet> {
        let digest = ChallengeToken::presented(challenge).digest();
        let generation = self.parts.revocations.generation();
        let event = self.event(Action::AUTH_LOGIN_MFA);
        // Before anything is spent: a client that was not told a nonce yet asks again.
        let claimed = match self.possession_for(&digest, request).await {
            Ok(bound_to) => self.claim_attempt(&digest).await.map(|claimed| (claimed, bound_to)),
            Err(error) => Err(error),
        };
        let ((stored, attempts_left), bound_to) = match claimed {
            Ok(claimed) => claimed,
            Err(error) => {
                self.record(request, failed(event, &error)).await?;
                return Err(error);
            }
        };
        let event = event.by(account(&stored.user)).on("user", stored.user.id.as_str());
        let user = stored.user.id.clone();
        let result = self.answer(&digest, stored, response, (generation, bound_to), request).await;
        let event = match &result {
            Ok(tokens) => event.with("session", tokens.session.as_str()),
            Err(_) => event,
        };
        let answered = self.conclude(request, event, result).await;
        if answered.is_err() && attempts_left == 0 {
            let news = News::second_factor_failed(response.method, request.client);
            self.tell(&user, news, Batch::new()).await?;
        }
        answered
    }

    /// What the sender of an answer proves to hold. Of strangers, who have no challenge, no proof is looked at: it
    /// would have to be remembered.
    async fn possession_for(
        &self,
        digest: &str,
        request: &RequestFacts,
    ) -> Result<Option<Confirmation>> {
        if self.store().load::<ChallengeRecord>(digest).await?.is_none() {
            return Err(codes::CHALLENGE_INVALID.into());
        }
        self.proved_possession(request).await
    }

    /// Takes one attempt from a challenge, before the answer is looked at; and how many are left.
    async fn claim_attempt(&self, digest: &str) -> Result<(Stored<UserRecord>, u8)> {
        let invalid = || Error::new(codes::CHALLENGE_INVALID);
        let claimed = self
            .store()
            .update(digest, &|challenge: &mut ChallengeRecord| {
                challenge.attempts_left =
                    challenge.attempts_left.checked_sub(1).ok_or_else(invalid)?;
                Ok(())
            })
            .await?
            .ok_or_else(invalid)?;
        let stored = self.load_user(&claimed.user).await.map_err(|_| invalid())?;
        let changed_at = stored.password.as_ref().map(|kept| kept.changed_at);
        let same_password = claimed.origin.is_some() || changed_at == claimed.password_changed_at;
        if stored.user.locked || !same_password {
            return Err(invalid());
        }
        Ok((stored, claimed.attempts_left))
    }

    async fn answer(
        &self,
        digest: &str,
        stored: Stored<UserRecord>,
        response: &FactorResponse,
        (generation, bound_to): (u64, Option<Confirmation>),
        request: &RequestFacts,
    ) -> Result<TokenSet> {
        let port = self.parts.second_factor.as_ref().ok_or(codes::CHALLENGE_INVALID)?;
        let factor = port.verify(&stored.user.id, response, request).await?;
        for _ in 0..RACES {
            let Some(challenge) = self.store().load::<ChallengeRecord>(digest).await? else {
                break;
            };
            let spent = Batch::new()
                .delete(ChallengeRecord::key(digest), Expect::Version(challenge.version));
            // The factor was proved now, whenever an identity provider saw the person.
            let proof = Proof {
                origin: challenge.origin.clone(),
                bound_to: bound_to.clone(),
                ..Proof::of(&joined(&challenge.amr, &factor.amr), self.clock().now())
            };
            match self.open_session(stored.clone(), &proof, generation, request, &spent).await {
                Err(error) if error.is(core_codes::CONFLICT) => {}
                other => return other,
            }
        }
        Err(codes::CHALLENGE_INVALID.into())
    }

    /// A signed-in user proves themselves again: an access token with a fresh `auth_time`, which
    /// refreshing keeps. The one it was asked with ends.
    ///
    /// # Errors
    /// [`codes::SECOND_FACTOR_REQUIRED`] for a password where a second factor is enrolled;
    /// [`codes::INVALID_CREDENTIALS`]; [`codes::LOGIN_THROTTLED`]; [`codes::SESSION_ENDED`]; and
    /// those of [`SecondFactor::verify`](prov_core::SecondFactor::verify).
    pub async fn step_up(&self, context: &SecurityContext, proof: StepUp) -> Result<TokenSet> {
        let result = match self.prove_again(context, proof).await {
            Ok(tokens) => self.end_token_of(context).await.map(|()| tokens),
            Err(error) => Err(error),
        };
        let event = self.event_on_user(context, Action::AUTH_STEP_UP, &context.principal().id);
        self.conclude(context.request(), event, result).await
    }

    /// Ends the access token of the request on every node.
    async fn end_token_of(&self, context: &SecurityContext) -> Result<()> {
        let authentication = context.authentication();
        match (&authentication.token_id, authentication.expires_at) {
            (Some(id), Some(end)) => self.parts.revocations.revoke_token(id, end).await,
            _ => Ok(()),
        }
    }

    async fn prove_again(&self, context: &SecurityContext, proof: StepUp) -> Result<TokenSet> {
        let generation = self.parts.revocations.generation();
        let session = own_session(context)?;
        let stored = self.own_user(context).await?;
        let proved = match proof {
            StepUp::Password(password) => {
                if !self.second_factors_of(&stored).await?.is_empty() {
                    return Err(codes::SECOND_FACTOR_REQUIRED.into());
                }
                let password = PasswordPolicy::prepare(&password, "password")?;
                let proving = self.prove(&stored.user.username, &password, context.request());
                proving.await.map_err(|refused| refused.error)?;
                None
            }
            StepUp::Factor(response) => {
                let port =
                    self.parts.second_factor.as_ref().ok_or(codes::SECOND_FACTOR_REQUIRED)?;
                Some(port.verify(&stored.user.id, &response, context.request()).await?.amr)
            }
        };
        self.raise_session(&stored.user.id, session, proved.as_deref(), generation).await
    }

    /// Notes in the session what was proved now. `None`: the password and nothing else.
    async fn raise_session(
        &self,
        user: &prov_core::UserId,
        session: &SessionId,
        factor: Option<&[Amr]>,
        generation: u64,
    ) -> Result<TokenSet> {
        for _ in 0..RACES {
            let stored = self.load_user(user).await?;
            let found = self.store().load::<SessionRecord>(session.as_str()).await?;
            let found = found.filter(|s| s.user == *user && may_go_on(&stored.user));
            let Some(found) = found else { return Err(codes::SESSION_ENDED.into()) };
            let mut after = found.entity.clone();
            after.authenticated_at = self.clock().now();
            after.amr = match factor {
                Some(factor) => joined(&found.amr, factor),
                // A password alone renews the password alone, not a factor of long ago.
                None => vec![Amr::Pwd],
            };
            // Whoever proves a second factor has one.
            after.enrolment_only = found.enrolment_only && factor.is_none();
            let issued = self.issue(&stored.user, &after, generation)?;
            let batch = Batch::new()
                .with(after.put(Expect::Version(found.version))?)
                .check(UserRecord::key(user.as_str()), Expect::Version(stored.version));
            match self.store().commit(batch).await {
                Ok(_) => {
                    return Ok(TokenSet {
                        access_token: issued.token,
                        access_expires_at: issued.expires_at,
                        refresh_token: None,
                        session: after.id.clone(),
                        enrolment: Enrolment::NotAsked,
                        device: None,
                        token_type: after.token_type(),
                    });
                }
                Err(error) if error.is(core_codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(core_codes::CONFLICT).context(format!("{RACES} lost races for a session")))
    }
}

/// What was proved before and now, together more than one factor (RFC 8176).
fn joined(before: &[Amr], factor: &[Amr]) -> Vec<Amr> {
    let mut joined = before.to_vec();
    for amr in factor.iter().chain(&[Amr::Mfa]) {
        if !joined.contains(amr) {
            joined.push(*amr);
        }
    }
    joined
}

/// The session of the request.
pub(super) fn own_session(context: &SecurityContext) -> Result<&SessionId> {
    context.authentication().session.as_ref().ok_or_else(|| {
        Error::new(codes::SESSION_ENDED).detail("this credential belongs to no session")
    })
}
