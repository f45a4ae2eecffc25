//! Sessions: opening, refreshing, listing and ending them.

use std::sync::atomic::Ordering;

use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, Scan, StoreExt, Stored, Term};
use prov_core::{
    Confirmation, Enrolment, Error, RequestFacts, Result, SecretText, SecurityContext, SessionId,
    UserId, codes as core_codes,
};

use super::AuthService;
use super::events::{account, failed};
use super::own_account::own_id;
use super::proof::Proof;
use super::second_step::own_session;
use super::user_changes::RACES;
use crate::codes;
use crate::login::ChallengeRecord;
use crate::refresh::{RefreshToken, Step, TokenPair, judge, later, rotated};
use crate::session::SessionRecord;
use crate::user::UserRecord;
use crate::{AccessClaims, IssuedToken, Session, TokenSet, User};

impl AuthService {
    /// Opens a session for a user who has proved themselves, together with `also`. The user must
    /// not have changed since: a lock, a deletion or another password at the same moment wins.
    pub(super) async fn open_session(
        &self,
        mut stored: Stored<UserRecord>,
        proof: &Proof,
        generation: u64,
        request: &RequestFacts,
        also: &Batch,
    ) -> Result<TokenSet> {
        let proved = stored.password.as_ref().map(|kept| kept.changed_at);
        self.make_room_for_a_session(&stored.user, request).await?;
        for _ in 0..RACES {
            let (session, refresh) = self.new_session(&stored.user, proof, request)?;
            let issued = self.issue(&stored.user, &session, generation)?;
            let key = UserRecord::key(stored.user.id.as_str());
            let batch = also
                .clone()
                .with(session.put(Expect::Absent)?)
                .check(key, Expect::Version(stored.version));
            match self.store().commit(batch).await {
                Ok(_) => {
                    let tokens = token_set(&session, issued, &refresh);
                    self.tell_of_attempts_at(&stored.user.id).await?;
                    let device = self.recognise_device(&stored.user, request).await?;
                    return Ok(TokenSet { enrolment: proof.enrolment, device, ..tokens });
                }
                Err(error) if error.is(core_codes::CONFLICT) => {
                    let before = stored.version;
                    stored = self.load_user(&stored.user.id).await?;
                    if stored.version == before {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            let still = stored.password.as_ref().map(|kept| kept.changed_at) == proved;
            if stored.user.locked || !still {
                return Err(codes::INVALID_CREDENTIALS.into());
            }
        }
        Err(Error::new(core_codes::CONFLICT).context(format!("{RACES} lost races for a user")))
    }

    /// Ends the sessions that were used least recently, where a user has as many as they may.
    async fn make_room_for_a_session(&self, user: &User, request: &RequestFacts) -> Result<()> {
        let mut sessions = self.sessions_of(&user.id).await?;
        let most = self.options.sessions_per_user.get();
        let too_many = (sessions.len() + 1).saturating_sub(most);
        sessions.sort_by_key(|session| session.last_used_at);
        for session in sessions.iter().take(too_many) {
            self.kill(&session.id).await?;
            let event = self.event(Action::AUTH_SESSION_EVICT).by(account(user));
            self.record(request, event.on("session", session.id.as_str())).await?;
        }
        Ok(())
    }

    fn new_session(
        &self,
        user: &User,
        proof: &Proof,
        request: &RequestFacts,
    ) -> Result<(SessionRecord, RefreshToken)> {
        let now = self.clock().now();
        let id = SessionId::generate(self.clock())?;
        let refresh = RefreshToken::generate(&self.installation.refresh, &id, 0)?;
        let session = SessionRecord {
            id,
            user: user.id.clone(),
            client_id: self.options.client_id.clone(),
            device: request.user_agent.clone(),
            ip: request.client,
            created_at: now,
            last_used_at: now,
            authenticated_at: proof.authenticated_at,
            amr: proof.amr.clone(),
            origin: proof.origin.clone(),
            bound_to: proof.bound_to.clone(),
            enrolment_only: proof.enrolment == Enrolment::Overdue,
            generation: 0,
            current: refresh.digest(),
            spent: Vec::new(),
            expires_at: later(now, self.options.refresh_lifetime),
            ends_at: later(now, self.options.session_lifetime),
        };
        Ok((session, refresh))
    }

    /// An access token of a session, in the generation of revocations its user was read in.
    pub(super) fn issue(
        &self,
        user: &User,
        session: &SessionRecord,
        generation: u64,
    ) -> Result<IssuedToken> {
        let claims = AccessClaims::new(
            user.id.clone(),
            session.id.clone(),
            user.username.as_str(),
            session.client_id.as_str(),
            session.authenticated_at,
        )
        .with_amr(session.amr.iter().copied())
        .for_enrolment_only(session.enrolment_only)
        .bound_to(session.bound_to.clone())
        .with_roles(user.roles.iter().copied())
        .with_teams(user.teams.iter().cloned())
        .in_generation(generation);
        self.parts.issuer.issue(&claims)
    }

    /// Exchanges a refresh token: one durable commit. Whoever presents it again within the grace gets
    /// the same pair; later, the session ends.
    ///
    /// # Errors
    /// [`codes::REFRESH_TOKEN_INVALID`]; [`codes::REFRESH_TOKEN_REUSED`];
    /// [`core_codes::RATE_LIMITED`] when a client exchanges faster than its grace can remember.
    pub async fn refresh(&self, token: &SecretText, request: &RequestFacts) -> Result<TokenSet> {
        let event = self.event(Action::AUTH_TOKEN_REFRESH);
        let Some(token) = RefreshToken::read(&self.installation.refresh, token) else {
            let error = Error::new(codes::REFRESH_TOKEN_INVALID);
            self.record(request, failed(event, &error)).await?;
            return Err(error);
        };
        let event = event.on("session", token.session.as_str());
        let exchanged = match self.proved_possession(request).await {
            Ok(proved) => self.exchange(&token, proved.as_ref(), request).await,
            Err(error) => Err(error),
        };
        match exchanged {
            Ok(Exchange::Done { user, pair, repeated, token_type }) => {
                let event = event.by(account(&user)).with("repeated", repeated);
                self.record(request, event).await?;
                Ok(TokenSet {
                    access_token: pair.access_token,
                    access_expires_at: pair.access_expires_at,
                    refresh_token: Some(pair.refresh_token),
                    session: token.session,
                    enrolment: Enrolment::NotAsked,
                    device: None,
                    token_type,
                })
            }
            Ok(Exchange::Replayed { user }) => {
                self.end_replayed(&token, user.as_ref(), request).await?;
                Err(codes::REFRESH_TOKEN_REUSED.into())
            }
            Err(error) => {
                self.record(request, failed(event, &error)).await?;
                Err(error)
            }
        }
    }

    async fn exchange(
        &self,
        token: &RefreshToken,
        proved: Option<&Confirmation>,
        request: &RequestFacts,
    ) -> Result<Exchange> {
        let invalid = || Error::new(codes::REFRESH_TOKEN_INVALID);
        let (key, grace) = (&self.installation.refresh, self.options.refresh_grace);
        for _ in 0..RACES {
            let generation = self.parts.revocations.generation();
            let found = self.store().load::<SessionRecord>(token.session.as_str()).await?;
            let found = found.ok_or_else(invalid)?;
            // Before anything else: whoever stole a token without its key does nothing with it, not even harm.
            Self::check_possession(found.bound_to.as_ref(), proved, request)?;
            let token_type = found.token_type();
            let stored = self.store().load::<UserRecord>(found.user.as_str()).await?;
            let now = self.clock().now();
            let step = judge(&found, token, key, now, grace)?;
            if matches!(step, Step::Replayed) {
                return Ok(Exchange::Replayed { user: stored.map(|stored| stored.entity.user) });
            }
            let stored = stored.filter(|stored| may_go_on(&stored.user)).ok_or_else(invalid)?;
            match step {
                Step::Repeat(pair) => {
                    let (user, repeated) = (stored.entity.user, true);
                    return Ok(Exchange::Done { user, pair, repeated, token_type });
                }
                Step::TooFast => {
                    return Err(Error::new(core_codes::RATE_LIMITED).retry_after(grace));
                }
                Step::Unknown | Step::Replayed => return Err(invalid()),
                Step::Rotate => {}
            }
            let issued = self.issue(&stored.user, &found, generation)?;
            let access = (issued.token, issued.expires_at);
            let lifetime = self.options.refresh_lifetime;
            let after = rotated(&found, token, access, key, now, lifetime, grace)?;
            let batch = Batch::new()
                .with(after.session.put(Expect::Version(found.version))?)
                .check(UserRecord::key(found.user.as_str()), Expect::Version(stored.version));
            match self.store().commit(batch).await {
                Ok(_) => {
                    let (user, pair) = (stored.entity.user, after.answer);
                    return Ok(Exchange::Done { user, pair, repeated: false, token_type });
                }
                // Somebody else was faster: then this token was spent a moment ago.
                Err(error) if error.is(core_codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(core_codes::CONFLICT).context(format!("{RACES} lost races for a session")))
    }

    async fn end_replayed(
        &self,
        token: &RefreshToken,
        user: Option<&User>,
        request: &RequestFacts,
    ) -> Result<()> {
        tracing::warn!(
            session = token.session.as_str(),
            generation = token.generation,
            "a spent refresh token was presented: its session has been ended"
        );
        self.counters.refresh_reuses.fetch_add(1, Ordering::Relaxed);
        self.kill(&token.session).await?;
        let mut event = self
            .event(Action::AUTH_TOKEN_REUSE)
            .on("session", token.session.as_str())
            .with("generation", token.generation);
        if let Some(user) = user {
            event = event.by(account(user));
        }
        self.record(request, failed(event, &codes::REFRESH_TOKEN_REUSED.into())).await
    }

    /// Ends a session on every node: access tokens first, so that a failure leaves nothing usable
    /// behind that the caller believes ended.
    pub(super) async fn kill(&self, session: &SessionId) -> Result<()> {
        let until = later(self.clock().now(), self.parts.issuer.lifetime());
        self.parts.revocations.revoke_session(session, until).await?;
        self.store().remove::<SessionRecord>(session.as_str()).await
    }

    /// The sessions of the caller, oldest first.
    ///
    /// # Errors
    /// When the caller is no user, or the store can't be read.
    pub async fn sessions(&self, context: &SecurityContext) -> Result<Vec<Session>> {
        let user = own_id(context)?;
        Ok(self.sessions_of(&user).await?.iter().map(SessionRecord::public).collect())
    }

    /// Ends one session of the caller.
    ///
    /// # Errors
    /// [`core_codes::NOT_FOUND`] for a session that has ended or is somebody else's.
    pub async fn end_session(&self, context: &SecurityContext, session: &SessionId) -> Result<()> {
        let result = self.end_own(context, session).await;
        let event = self
            .event(Action::AUTH_SESSION_REVOKE)
            .in_context(context)
            .on("session", session.as_str());
        self.conclude(context.request(), event, result).await
    }

    async fn end_own(&self, context: &SecurityContext, session: &SessionId) -> Result<()> {
        let user = own_id(context)?;
        let found = self.store().load::<SessionRecord>(session.as_str()).await?;
        if found.is_none_or(|found| found.user != user) {
            return Err(Error::new(core_codes::NOT_FOUND).detail("you have no such session"));
        }
        self.kill(session).await
    }

    /// Ends every session of the caller, this one included.
    ///
    /// # Errors
    /// When the store can't be written.
    pub async fn end_all_sessions(&self, context: &SecurityContext) -> Result<()> {
        let user = own_id(context)?;
        let result = self.end_everything_of(&user).await;
        let event = self
            .event_on_user(context, Action::AUTH_SESSION_REVOKE, user.as_str())
            .with("all", true);
        self.conclude(context.request(), event, result.map(drop)).await
    }

    /// Signs out: ends the session of the request.
    ///
    /// # Errors
    /// [`codes::SESSION_ENDED`] when the request belongs to no session.
    pub async fn logout(&self, context: &SecurityContext) -> Result<()> {
        let session = own_session(context)?;
        let result = self.kill(session).await;
        let event =
            self.event(Action::AUTH_LOGOUT).in_context(context).on("session", session.as_str());
        self.conclude(context.request(), event, result).await
    }

    /// Ends whatever a user holds: access tokens, sessions, sign-ins that wait for a second factor.
    /// Returns how many records went.
    ///
    /// Access tokens first, so that a failure leaves little behind; and again when the sessions are
    /// gone, because until then one may have been refreshed in the generation just begun.
    pub(super) async fn end_everything_of(&self, user: &UserId) -> Result<u64> {
        self.parts.revocations.revoke_user(user).await?;
        let sessions = self.remove_all::<SessionRecord>(SessionRecord::user_term(user)).await?;
        let waiting = self.remove_all::<ChallengeRecord>(ChallengeRecord::user_term(user)).await?;
        self.parts.revocations.revoke_user(user).await?;
        Ok(sessions + waiting)
    }

    /// Every session of a user.
    pub(super) async fn sessions_of(&self, user: &UserId) -> Result<Vec<SessionRecord>> {
        self.all_with(SessionRecord::user_term(user)).await
    }

    pub(super) async fn all_with<E: Entity>(&self, term: Term) -> Result<Vec<E>> {
        let all = self.store().list_all(Scan::kind(E::KIND).with_term(term)).await?;
        Ok(all.into_iter().map(|stored| stored.entity).collect())
    }

    pub(super) async fn remove_all<E: Entity>(&self, term: Term) -> Result<u64> {
        let all = self.all_with::<E>(term).await?;
        for some in all.chunks(256) {
            let batch = some
                .iter()
                .fold(Batch::new(), |batch, one| batch.delete(E::key(one.id()), Expect::Any));
            self.store().commit(batch).await?;
        }
        Ok(all.len() as u64)
    }
}

/// Whether sessions of this user may be used: not when locked, nor while the password, which somebody
/// else has chosen, is good for nothing but its own change.
pub(super) const fn may_go_on(user: &User) -> bool {
    !user.locked && !user.must_change_password
}

/// What became of a refresh token that this installation made.
enum Exchange {
    Done { user: User, pair: TokenPair, repeated: bool, token_type: &'static str },
    Replayed { user: Option<User> },
}

fn token_set(session: &SessionRecord, issued: IssuedToken, refresh: &RefreshToken) -> TokenSet {
    TokenSet {
        access_token: issued.token,
        access_expires_at: issued.expires_at,
        refresh_token: Some(refresh.text().clone()),
        session: session.id.clone(),
        enrolment: Enrolment::NotAsked,
        device: None,
        token_type: session.token_type(),
    }
}
