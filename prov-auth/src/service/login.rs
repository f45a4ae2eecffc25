//! Signing in with a password.

use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, Stored};
use prov_core::{Enrolment, FactorMethod, RequestFacts, Result, SecretText};

use super::AuthService;
use super::events::account;
use super::proof::Proof;
use crate::codes;
use crate::login::{ChallengeRecord, ChallengeToken};
use crate::refresh::later;
use crate::user::UserRecord;
use crate::{LoginOutcome, PasswordPolicy, Username};

impl AuthService {
    /// Signs in with a password: tokens, or a challenge when a second factor is due.
    ///
    /// # Errors
    /// [`codes::INVALID_CREDENTIALS`] for an unknown user, a wrong password and a locked user alike;
    /// [`codes::LOGIN_THROTTLED`] with the time to wait; [`codes::PASSWORD_CHANGE_REQUIRED`] when
    /// the password is good for [`renew_password`](Self::renew_password) only;
    /// [`codes::HASHING_OVERLOADED`]; a text that can't be a username or a password; and whatever
    /// keeps the second factor from being asked for.
    pub async fn login(
        &self,
        username: &str,
        password: &SecretText,
        request: &RequestFacts,
    ) -> Result<LoginOutcome> {
        let name: Username = username.parse()?;
        let password = PasswordPolicy::prepare(password, "password")?;
        // Before the user is read: a revocation from here on ends what is issued.
        let generation = self.parts.revocations.generation();
        let stored = match self.prove(&name, &password, request).await {
            Ok(stored) => stored,
            Err(refused) => return self.refuse(Action::AUTH_LOGIN, request, refused).await,
        };
        let mut event = self
            .event(Action::AUTH_LOGIN)
            .by(account(&stored.user))
            .on("user", stored.user.id.as_str());
        let result = self.after_password(stored, generation, request).await;
        match &result {
            Ok(LoginOutcome::MfaRequired { .. }) => event = event.with("second_factor_due", true),
            Ok(LoginOutcome::Tokens(tokens)) => {
                event = event.with("session", tokens.session.as_str());
                if tokens.enrolment == Enrolment::Overdue {
                    event = event.with("enrolment_only", true);
                }
            }
            Err(_) => {}
        }
        self.conclude(request, event, result).await
    }

    async fn after_password(
        &self,
        stored: Stored<UserRecord>,
        generation: u64,
        request: &RequestFacts,
    ) -> Result<LoginOutcome> {
        if stored.user.must_change_password {
            return Err(prov_core::Error::new(codes::PASSWORD_CHANGE_REQUIRED).detail(
                "choose a password of your own first: POST /api/v1/auth/password/expired",
            ));
        }
        let bound_to = self.proved_possession(request).await?;
        let proof = Proof { bound_to, ..Proof::by_password(self.clock().now()) };
        self.after_proof(stored, proof, generation, request, &Batch::new()).await
    }

    /// The factors a user can answer with. When that can't be found out, nobody signs in.
    pub(super) async fn second_factors_of(
        &self,
        stored: &Stored<UserRecord>,
    ) -> Result<Vec<FactorMethod>> {
        match &self.parts.second_factor {
            Some(port) => port.methods(&stored.user.id).await,
            None => Ok(Vec::new()),
        }
    }

    /// Whether a user without a factor must get one. When that can't be found out, nobody signs in.
    pub(super) async fn enrolment_of(&self, stored: &Stored<UserRecord>) -> Result<Enrolment> {
        let user = &stored.user;
        match &self.parts.second_factor {
            Some(port) => port.enrolment(&user.id, &user.roles, &user.teams).await,
            None => Ok(Enrolment::NotAsked),
        }
    }

    /// What the second step is to be taken with, remembered together with `also`.
    pub(super) async fn challenge(
        &self,
        stored: &Stored<UserRecord>,
        proof: Proof,
        also: &Batch,
    ) -> Result<SecretText> {
        let token = ChallengeToken::generate()?;
        let now = self.clock().now();
        let record = ChallengeRecord {
            digest: token.digest(),
            user: stored.user.id.clone(),
            password_changed_at: match &proof.origin {
                None => stored.password.as_ref().map(|kept| kept.changed_at),
                Some(_) => None,
            },
            amr: proof.amr,
            authenticated_at: Some(proof.authenticated_at),
            origin: proof.origin,
            attempts_left: ChallengeRecord::ATTEMPTS,
            expires_at: later(now, self.options.challenge_lifetime),
        };
        self.store().commit(also.clone().with(record.put(Expect::Absent)?)).await?;
        Ok(token.text().clone())
    }
}
