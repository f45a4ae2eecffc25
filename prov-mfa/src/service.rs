//! What can be done with second factors.

mod answers;
#[cfg(feature = "webauthn")]
mod assertions;
mod backup;
mod caller;
mod devices;
mod enrol;
mod news;
#[cfg(feature = "webauthn")]
mod passkeys;
mod policy;
mod remove;
mod second_factor;
mod verify;

use std::fmt;
use std::sync::{Arc, OnceLock};

pub use answers::{
    BackupCodes, BackupVerified, Device, Enrollment, MfaStatus, Removed, TotpVerified,
};
#[cfg(feature = "webauthn")]
pub use answers::{PasskeyOutcome, PasskeyRequest};
use prov_core::audit::{Action, Outcome, Recorder, RecorderExt};
use prov_core::store::{Batch, Entity, Expect, Store, StoreExt, Stored};
use prov_core::{
    Amr, Clock, Error, FactorMethod, FactorResponse, Kind, News, NoticeBoard, Result,
    SecurityContext, Timestamp, UserId, VerifiedFactor, codes as core_codes,
};

use self::caller::Caller;
use crate::factors::{Checked, Limit, Passkey, PasskeyOwner, UserFactors};
use crate::stats::{Became, Counters, MfaStats};
use crate::step_up::is_within;
use crate::{MfaConfig, RECENT_SECOND_FACTOR, codes, is_recent};

/// How often a change is tried again when others are faster. Attempts in vain write at most as often
/// as the limit allows, so that this is not reached by guessing.
const RACES: u32 = 64;

/// Second factors of users, over one store that every node shares.
///
/// Rules that hold on every node, since each is one compare-and-swap of the user's record:
/// * a code is used up when it holds (RFC 6238, section 5.2), in whatever spelling;
/// * an attempt in vain counts before it is answered: parallel guesses are not heard more often;
/// * a first factor needs a person who proved themselves in the last 15 minutes, by whatever they
///   have: who only holds a stolen token can't bind an app of their own;
/// * a passkey's ceremony takes one answer, checked with the passkey as it is stored then;
/// * adding to what there is, or taking away, needs a second factor proved in the last 15 minutes,
///   by the token or in the same session.
pub struct MfaService {
    store: Arc<dyn Store>,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    config: MfaConfig,
    counters: Counters,
    board: OnceLock<Arc<dyn NoticeBoard>>,
    #[cfg(feature = "webauthn")]
    relying_party: Option<crate::passkeys::RelyingParty>,
}

impl fmt::Debug for MfaService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MfaService").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What becomes of a record after a decision, and what is answered.
enum Decided<T> {
    /// It stays as it was.
    Kept(T),
    /// It is written as it was changed.
    Changed(T),
    /// It goes.
    Removed(T),
}

impl<T> Decided<T> {
    fn map<U>(self, change: impl FnOnce(T) -> U) -> Decided<U> {
        match self {
            Self::Kept(answer) => Decided::Kept(change(answer)),
            Self::Changed(answer) => Decided::Changed(change(answer)),
            Self::Removed(answer) => Decided::Removed(change(answer)),
        }
    }
}

impl MfaService {
    /// A service over this store, which has to be sealed at rest.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] naming the setting that is out of its limits.
    pub fn new(
        store: Arc<dyn Store>,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
        config: MfaConfig,
    ) -> Result<Self> {
        config.check()?;
        Ok(Self {
            store,
            recorder,
            clock,
            #[cfg(feature = "webauthn")]
            relying_party: match &config.passkeys {
                Some(options) => {
                    Some(crate::passkeys::RelyingParty::new(options, &config.totp_issuer)?)
                }
                None => None,
            },
            config,
            counters: Counters::default(),
            board: OnceLock::new(),
        })
    }

    /// A service with every default, shared: by its user's routes and, as
    /// [`SecondFactor`](prov_core::SecondFactor), by whoever signs people in.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn embedded(
        store: Arc<dyn Store>,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>> {
        Self::new(store, recorder, clock, MfaConfig::default()).map(Arc::new)
    }

    /// What was counted on this node since it started, for metrics.
    #[must_use]
    pub fn stats(&self) -> MfaStats {
        self.counters.read()
    }

    /// The factors this user can answer with; empty when none is confirmed.
    ///
    /// # Errors
    /// When the store can't be read: signing in must then fail, not skip the factor.
    pub async fn methods(&self, user: &UserId) -> Result<Vec<FactorMethod>> {
        Ok(self.look(user).await?.methods())
    }

    /// What the caller has: factors and backup codes that are left.
    ///
    /// # Errors
    /// [`codes::FACTOR_NEEDS_PERSON`] for a program; when the store can't be read.
    pub async fn status(&self, context: &SecurityContext) -> Result<MfaStatus> {
        Ok(MfaStatus::of(&self.look(&person(context)?).await?))
    }

    /// The caller's authenticator apps and passkeys, without their secrets.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub async fn devices(&self, context: &SecurityContext) -> Result<Vec<Device>> {
        let factors = self.look(&person(context)?).await?;
        let passkeys = factors.passkeys.iter().map(Device::of_passkey);
        Ok(factors.totp.iter().map(Device::of).chain(passkeys).collect())
    }

    /// The user's record as it is now.
    async fn look(&self, user: &UserId) -> Result<UserFactors> {
        let found = self.store.load::<UserFactors>(user.as_str()).await?;
        let mut factors =
            found.map_or_else(|| UserFactors::none_of(user.clone()), |stored| stored.entity);
        factors.prune(self.clock.now());
        Ok(factors)
    }

    /// Reads the user's record, decides and writes it, again whenever somebody else was faster. What
    /// `decide` answers holds only once it is written.
    async fn decide<T: Send>(
        &self,
        user: &UserId,
        decide: impl Fn(&mut UserFactors, Timestamp) -> Result<Decided<T>> + Send + Sync,
    ) -> Result<T> {
        self.decide_and_tell(user, decide, |_| None).await
    }

    /// As [`decide`](Self::decide), telling the user at the same moment what `news` makes of the answer.
    async fn decide_and_tell<T: Send>(
        &self,
        user: &UserId,
        decide: impl Fn(&mut UserFactors, Timestamp) -> Result<Decided<T>> + Send + Sync,
        news: impl Fn(&T) -> Option<News> + Send + Sync,
    ) -> Result<T> {
        for _ in 0..RACES {
            let (mut factors, expect) = match self.store.load::<UserFactors>(user.as_str()).await? {
                Some(Stored { entity, version }) => (entity, Expect::Version(version)),
                None => (UserFactors::none_of(user.clone()), Expect::Absent),
            };
            let now = self.clock.now();
            factors.prune(now);
            let before = credentials(&factors.passkeys);
            let (answer, batch, after) = match decide(&mut factors, now)? {
                Decided::Kept(answer) => return Ok(answer),
                Decided::Changed(answer) => (
                    answer,
                    Batch::new().with(factors.put(expect)?),
                    credentials(&factors.passkeys),
                ),
                Decided::Removed(answer) => {
                    let batch = Batch::new().delete(UserFactors::key(user.as_str()), expect);
                    (answer, batch, Vec::new())
                }
            };
            let batch = with_owners(batch, user, &before, &after)?;
            let batch = batch.and(self.pinned(user, news(&answer)).await?);
            match self.store.commit(batch).await {
                Ok(_) => return Ok(answer),
                Err(error) if error.is(core_codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(core_codes::CONFLICT).context("lost every race for a user's factors"))
    }

    /// Checks a response by whatever factor it names and uses it up.
    async fn use_up(
        &self,
        caller: &Caller<'_>,
        user: &UserId,
        response: &FactorResponse,
        context: Option<&SecurityContext>,
    ) -> Result<VerifiedFactor> {
        let code = &response.code;
        match response.method {
            FactorMethod::Totp => self.use_up_totp(caller, user, code).await?,
            FactorMethod::BackupCode => {
                self.use_up_backup_code(caller, user, code, context).await.map(drop)?;
            }
            #[cfg(feature = "webauthn")]
            FactorMethod::Webauthn => {
                return self.use_up_passkey(caller, user, code, context).await;
            }
            _ => return Err(codes::FACTOR_METHOD_UNKNOWN.into()),
        }
        // Both are one-time passwords in the words of RFC 8176, section 2.
        Ok(VerifiedFactor::new(response.method, [Amr::Otp, Amr::Mfa]))
    }

    const fn limit(&self) -> Limit {
        Limit {
            attempts: self.config.rate_limit.get() as usize,
            window: self.config.rate_limit_window,
        }
    }

    /// Makes an event durable, as part of the caller's request.
    async fn record(
        &self,
        caller: &Caller<'_>,
        action: Action,
        outcome: Outcome,
        facts: &[(&'static str, serde_json::Value)],
    ) -> Result<()> {
        let mut event = caller.event(&*self.clock, action, outcome);
        for (key, value) in facts {
            event = event.with(key, value.clone());
        }
        self.recorder.record_in(caller.request(), event).await.map(drop)
    }

    /// Records what was refused for want of a recent proof; other errors pass.
    async fn record_refusal<T>(
        &self,
        caller: &Caller<'_>,
        action: Action,
        result: Result<T>,
    ) -> Result<T> {
        if let Err(error) = &result
            && error.kind() == Kind::StepUpRequired
        {
            let missing = if error.is(codes::SIGN_IN_NOT_RECENT) {
                "sign_in_not_recent"
            } else {
                "second_factor_not_recent"
            };
            self.record(caller, action, Outcome::Denied, &[("reason", missing.into())]).await?;
        }
        result
    }

    /// Records a code that did not hold, and says so; passes on what did.
    async fn settle<T>(
        &self,
        caller: &Caller<'_>,
        action: Action,
        method: FactorMethod,
        checked: Checked<T>,
    ) -> Result<T> {
        let kind = method;
        let method = ("method", serde_json::json!(method));
        match checked {
            Checked::Held(answer) => {
                self.counters.count(kind, Became::Held);
                Ok(answer)
            }
            Checked::Rejected(reason) => {
                self.counters.count(kind, Became::Rejected);
                let facts = [method, ("reason", reason.into())];
                self.record(caller, action, Outcome::Failure, &facts).await?;
                Err(codes::FACTOR_REJECTED.into())
            }
            Checked::Limited(until) => {
                self.counters.count(kind, Became::Limited);
                self.tell_of_failures(caller, kind).await?;
                self.record(caller, Action::MFA_LIMITED, Outcome::Denied, &[method]).await?;
                let wait = until.duration_since(self.clock.now()).try_into().unwrap_or_default();
                Err(Error::new(codes::FACTOR_LIMITED).retry_after(wait))
            }
        }
    }
}

/// Notes with a change of a user's passkeys whose they are, so that nobody else can register one of them.
fn with_owners(
    mut batch: Batch,
    user: &UserId,
    before: &[String],
    after: &[String],
) -> Result<Batch> {
    for gone in before.iter().filter(|id| !after.contains(id)) {
        let key = PasskeyOwner::key(PasskeyOwner::of(gone, user).id());
        batch = batch.delete(key, Expect::Any);
    }
    for new in after.iter().filter(|id| !before.contains(id)) {
        batch = batch.with(PasskeyOwner::of(new, user).put(Expect::Absent)?);
    }
    Ok(batch)
}

/// The credential ids of passkeys.
fn credentials(passkeys: &[Passkey]) -> Vec<String> {
    passkeys.iter().map(|passkey| passkey.credential_id.clone()).collect()
}

/// Refuses unless a second factor was proved recently: by the token, or in the same session. Who has
/// none yet proves what they have, recently: a password-only token that leaked must not be enough to
/// bind somebody else's app, which would count as a second factor from then on.
fn require_recent(context: &SecurityContext, factors: &UserFactors, now: Timestamp) -> Result<()> {
    let authentication = context.authentication();
    if factors.is_proved_by(authentication.session.as_ref(), now) {
        return Ok(());
    }
    let (proved, missing) = if factors.has_confirmed() {
        (is_recent(authentication, now, RECENT_SECOND_FACTOR), codes::STEP_UP_REQUIRED)
    } else {
        let at = authentication.authenticated_at;
        (is_within(at, now, RECENT_SECOND_FACTOR), codes::SIGN_IN_NOT_RECENT)
    };
    if proved { Ok(()) } else { Err(missing.into()) }
}

/// The account of the caller.
fn person(context: &SecurityContext) -> Result<UserId> {
    context.principal().id.parse().map_err(|_| codes::FACTOR_NEEDS_PERSON.into())
}
