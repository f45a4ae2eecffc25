//! Proving a password: one answer and one amount of work for every way to be wrong.

use std::net::IpAddr;

use prov_core::audit::{Action, Actor, Event};
use prov_core::store::Stored;
use prov_core::{Error, RequestFacts, Result, SecretText, UserId};

use super::AuthService;
use super::events::{account, claimant, failed};
use crate::login::{Attempt, Guessed, Place, Wait, subscriber};
use crate::password::Verdict;
use crate::stats::LoginFailure;
use crate::user::UserRecord;
use crate::{Username, codes};

/// A password that was not proved. The client learns the error, the audit trail also the reason.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) error: Error,
    reason: LoginFailure,
    actor: Actor,
    user: Option<String>,
}

impl Refused {
    fn new(
        error: impl Into<Error>,
        reason: LoginFailure,
        name: &Username,
        found: Option<&Stored<UserRecord>>,
    ) -> Self {
        Self {
            error: error.into(),
            reason,
            actor: found.map_or_else(|| claimant(name), |stored| account(&stored.user)),
            user: found.map(|stored| stored.user.id.as_str().to_owned()),
        }
    }
}

impl AuthService {
    /// Checks a password. An unknown user, a wrong password, a locked user and an expired temporary
    /// password cost one hash each and are one error.
    ///
    /// A hash cheaper than the policy is made anew when the password was right.
    pub(super) async fn prove(
        &self,
        name: &Username,
        password: &SecretText,
        request: &RequestFacts,
    ) -> Result<Stored<UserRecord>, Refused> {
        let proved = self.try_to_prove(name, password, request).await;
        proved.inspect_err(|refused| self.counters.count(refused.reason))
    }

    async fn try_to_prove(
        &self,
        name: &Username,
        password: &SecretText,
        request: &RequestFacts,
    ) -> Result<Stored<UserRecord>, Refused> {
        let nobody = |error| Refused::new(error, LoginFailure::Unavailable, name, None);
        let found = self.find_by_name(name).await.map_err(nobody)?;
        let attempt = self.begin_attempt(name, found.as_ref(), request).await?;
        let refuse = |error, reason| Refused::new(error, reason, name, found.as_ref());
        let kept = found.as_ref().and_then(|stored| stored.password.as_ref());
        let verdict = match kept {
            Some(kept) => self.parts.passwords.check(password, &kept.hash).await,
            None => self.parts.passwords.check_nobody(password).await,
        };
        let verdict = verdict.map_err(|error| {
            self.throttle.forgive(&attempt);
            refuse(error, LoginFailure::Unavailable)
        })?;
        let wrong = |reason| refuse(codes::INVALID_CREDENTIALS.into(), reason);
        let (Some(stored), Some(kept)) = (found.as_ref(), kept) else {
            return Err(wrong(LoginFailure::UnknownUser));
        };
        if !verdict.is_right() {
            self.note_guess(stored, &attempt, request);
            return Err(wrong(LoginFailure::WrongPassword));
        }
        if stored.user.locked {
            return Err(wrong(LoginFailure::Locked));
        }
        if kept.has_expired(self.clock().now()) {
            return Err(wrong(LoginFailure::TemporaryPasswordExpired));
        }
        self.throttle.succeeded(&attempt);
        if verdict == Verdict::RightButWeak {
            let again = self.hash_again(stored, password).await;
            return again.map_err(|e| refuse(e, LoginFailure::Unavailable));
        }
        Ok(stored.clone())
    }

    /// Counts an attempt before anything is computed for it.
    async fn begin_attempt(
        &self,
        name: &Username,
        found: Option<&Stored<UserRecord>>,
        request: &RequestFacts,
    ) -> Result<Attempt, Refused> {
        let unavailable = |e| Refused::new(e, LoginFailure::Unavailable, name, found);
        // A user who does not exist is looked for as well: the time tells nothing.
        let id = found.map_or_else(|| UserId::generate(self.clock()), |s| Ok(s.user.id.clone()));
        let id = id.map_err(unavailable)?;
        let device = self.device_of(&id, request).await.map_err(unavailable)?;
        let place = match &device {
            Some(device) => Place::Device(&device.digest),
            None => Place::Address(request.client),
        };
        let mut answer = self.throttle.begin(name, place, false);
        if let (Err(Wait::Account(_)), Some(client)) = (answer, request.client) {
            let known = self.has_session_from(&id, client).await.map_err(unavailable)?;
            answer = self.throttle.begin(name, place, known);
        }
        answer.map_err(|wait| {
            let (Wait::Caller(after) | Wait::Account(after)) = wait;
            let error = Error::new(codes::LOGIN_THROTTLED).retry_after(after);
            Refused::new(error, LoginFailure::Throttled, name, found)
        })
    }

    /// Notes that the owner is to be told of guesses, where these have become so many that they are slowed.
    fn note_guess(&self, stored: &Stored<UserRecord>, attempt: &Attempt, request: &RequestFacts) {
        if let Some(attempts) = self.throttle.slowed(attempt) {
            self.guesses.note(&stored.user.id, Guessed { attempts, ip: request.client });
        }
    }

    async fn has_session_from(&self, user: &UserId, client: IpAddr) -> Result<bool> {
        let sessions = self.sessions_of(user).await?;
        Ok(sessions.iter().filter_map(|s| s.ip).any(|ip| subscriber(ip) == subscriber(client)))
    }

    /// Keeps a costlier hash of a password that was just proved.
    async fn hash_again(
        &self,
        stored: &Stored<UserRecord>,
        password: &SecretText,
    ) -> Result<Stored<UserRecord>> {
        let hash = self.parts.passwords.hash(password).await?;
        let proved_at = stored.password.as_ref().map(|kept| kept.changed_at);
        self.change_user(&stored.user.id, &|record: &mut UserRecord| {
            match &mut record.password {
                Some(kept) if Some(kept.changed_at) == proved_at => kept.hash = hash.clone(),
                // Changed meanwhile: what was proved is no longer the password.
                _ => return Err(codes::INVALID_CREDENTIALS.into()),
            }
            Ok(())
        })
        .await
    }

    /// Records a refusal and passes its error on.
    pub(super) async fn refuse<T>(
        &self,
        action: Action,
        request: &RequestFacts,
        refused: Refused,
    ) -> Result<T> {
        let Refused { error, reason, actor, user } = refused;
        let mut event: Event =
            failed(self.event(action), &error).by(actor).with("reason", reason.as_str());
        if let Some(id) = user {
            event = event.on("user", id);
        }
        self.record(request, event).await?;
        Err(error)
    }
}
