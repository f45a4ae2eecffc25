//! Revocation: sessions, tokens, everything of a subject, everything at all.

mod record;
mod watchlist;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use prov_core::store::{Batch, Entity, Expect, Key, Store, StoreExt};
use prov_core::{
    Clock, Error, Health, HealthCheck, Identity, Result, SessionId, Timestamp, UserId, codes,
};
use record::{GenerationRecord, RevocationRecord, Target};
use watchlist::Watchlist;

use crate::TokenOptions;
use crate::snapshot::{self, Freshness, Snapshot};

/// How long a revocation of a whole subject is remembered: longer than any token lives.
const RETENTION: Duration = TokenOptions::MAX_LIFETIME.saturating_add(Duration::from_hours(1));

/// What is added to the ends that callers give: tokens are accepted for the leeway after their end.
const SLACK: Duration = Duration::from_mins(1);

/// How often a lost race is run again before the caller is told.
const MAX_RACES: usize = 32;

/// What was revoked, in memory, fed by the store.
///
/// * A revoked **session** or **token** is named until the moment the caller gives, when nothing of it
///   can live any more.
/// * Everything of a **user** made so far is revoked by a *generation*: a counter in the store that
///   rises with every such revocation. Credentials carry the generation they were made in; those of an
///   earlier one than the user's last revocation are refused. No clock is compared, so neither a clock
///   that goes back nor one that runs ahead on another node lets a revoked token live.
///
/// A revocation holds on this node before the call returns, is durable, and reaches the other nodes by
/// [`Revocations::follow`]. Asking takes no I/O, no allocation and well under 100 ns.
#[derive(Debug)]
pub struct Revocations {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    generation: AtomicU64,
    everything_before: AtomicU64,
    users: Watchlist,
    /// When everything of a user was last ended, in seconds since 1970.
    users_ended: Watchlist,
    everything_ended: AtomicU64,
    sessions: Watchlist,
    tokens: Watchlist,
    made: [AtomicU64; 4],
    freshness: Freshness,
}

/// How many revocations this node has made since it started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevocationCounts {
    /// Of sessions.
    pub sessions: u64,
    /// Of single tokens.
    pub tokens: u64,
    /// Of everything of a user.
    pub users: u64,
    /// Of everything of everybody.
    pub everything: u64,
}

impl Revocations {
    /// How long a node goes on that can't hear of revocations by others, unless it is told otherwise.
    pub const USUAL_BOUND: Duration = Duration::from_secs(30);

    /// Reads what was revoked. The bound is [`Revocations::USUAL_BOUND`].
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn open(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        Self::open_with_bound(store, clock, Self::USUAL_BOUND).await
    }

    /// Reads what was revoked. Once [`Revocations::follow`] runs, a node that can't learn of revocations
    /// for longer than `bound` refuses every token with
    /// [`REVOCATIONS_UNKNOWN`](crate::codes::REVOCATIONS_UNKNOWN), until it can again.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn open_with_bound(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        bound: Duration,
    ) -> Result<Arc<Self>> {
        let freshness = Freshness::new(Arc::clone(&clock), bound);
        let revocations = Self {
            store,
            clock,
            generation: AtomicU64::new(0),
            everything_before: AtomicU64::new(0),
            users: Watchlist::default(),
            users_ended: Watchlist::default(),
            everything_ended: AtomicU64::new(0),
            sessions: Watchlist::default(),
            tokens: Watchlist::default(),
            made: [const { AtomicU64::new(0) }; 4],
            freshness,
        };
        revocations.reload().await?;
        Ok(Arc::new(revocations))
    }

    /// Revokes a session: all its tokens, of which none lives longer than `until`.
    ///
    /// # Errors
    /// When the store can't be written; then nothing is revoked.
    pub async fn revoke_session(&self, session: &SessionId, until: Timestamp) -> Result<()> {
        self.revoke(Target::Session(session.as_str().to_owned()), until).await
    }

    /// Revokes one token by its id (`jti`), which ends at `until` anyway.
    ///
    /// # Errors
    /// As [`Revocations::revoke_session`].
    pub async fn revoke_token(&self, token_id: &str, until: Timestamp) -> Result<()> {
        self.revoke(Target::Token(token_id.to_owned()), until).await
    }

    /// Revokes everything of a user made so far; what is made afterwards holds.
    ///
    /// # Errors
    /// As [`Revocations::revoke_session`].
    pub async fn revoke_user(&self, user: &UserId) -> Result<()> {
        self.revoke_generation(Target::User(user.as_str().to_owned())).await
    }

    /// Revokes everything of everybody made so far.
    ///
    /// # Errors
    /// As [`Revocations::revoke_session`].
    pub async fn revoke_all(&self) -> Result<()> {
        self.revoke_generation(Target::Everything).await
    }

    /// How many revocations this node has made: a spike is for somebody to look at.
    #[must_use]
    pub fn counts(&self) -> RevocationCounts {
        let [sessions, tokens, users, everything] = [0, 1, 2, 3]
            .map(|at: usize| self.made.get(at).map_or(0, |n| n.load(Ordering::Relaxed)));
        RevocationCounts { sessions, tokens, users, everything }
    }

    fn count(&self, target: &Target) {
        let at = match target {
            Target::Session(_) => 0,
            Target::Token(_) => 1,
            Target::User(_) => 2,
            Target::Everything => 3,
        };
        if let Some(made) = self.made.get(at) {
            made.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The generation that credentials made now belong to.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// How long a node goes on that can't hear of revocations by others.
    pub(crate) const fn bound(&self) -> Duration {
        self.freshness.bound()
    }

    /// Refuses when what is known may be older than the bound.
    ///
    /// # Errors
    /// [`REVOCATIONS_UNKNOWN`](crate::codes::REVOCATIONS_UNKNOWN): a token that was revoked elsewhere
    /// could hold here.
    pub fn require_known(&self) -> Result<()> {
        if self.freshness.is_within_bound() {
            return Ok(());
        }
        Err(Error::new(crate::codes::REVOCATIONS_UNKNOWN).retry_after(Duration::from_secs(5)))
    }

    /// Whether a credential that names no session, and follows its owner's rights by itself, was made
    /// before everything was revoked.
    pub(crate) fn revokes_all_of(&self, generation: u64) -> bool {
        generation < self.everything_before.load(Ordering::Acquire)
    }

    /// Whether everything of this principal, or of everybody, was ended at or after this moment, or up to
    /// the largest leeway before it: for credentials that others make, who know no generations.
    pub(crate) fn ended_since(&self, principal: &str, made_at: Timestamp) -> bool {
        let leeway = TokenOptions::MAX_LEEWAY.as_secs();
        let made_at = u64::try_from(made_at.as_second()).unwrap_or(0);
        let is_later = |ended: u64| made_at <= ended.saturating_add(leeway);
        let everything = self.everything_ended.load(Ordering::Acquire);
        (everything > 0 && is_later(everything))
            || self.users_ended.floor(principal).is_some_and(is_later)
    }

    /// Whether the credential, its session or everything of its subject was revoked.
    #[must_use]
    pub fn is_revoked(&self, identity: &Identity) -> bool {
        let authentication = &identity.authentication;
        let made_in = authentication.generation;
        made_in < self.everything_before.load(Ordering::Acquire)
            || self.users.floor(&identity.principal.id).is_some_and(|floor| made_in < floor)
            || authentication
                .session
                .as_ref()
                .is_some_and(|session| self.sessions.floor(session.as_str()).is_some())
            || authentication.token_id.as_ref().is_some_and(|id| self.tokens.floor(id).is_some())
    }

    /// Takes over what other nodes revoke, until `shutdown` is ready or the store is gone. Runs on a
    /// tokio runtime with its timer.
    pub async fn follow(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        snapshot::follow(&*self, &*self.store, shutdown).await;
    }

    async fn revoke(&self, target: Target, until: Timestamp) -> Result<()> {
        let until = until.checked_add(SLACK).map_err(out_of_range)?;
        let record = RevocationRecord { target, generation: 0, until };
        self.store.commit(Batch::new().with(record.put(Expect::Any)?)).await?;
        self.apply(&record);
        self.count(&record.target);
        Ok(())
    }

    async fn revoke_generation(&self, target: Target) -> Result<()> {
        let until = self.clock.now().checked_add(RETENTION).map_err(out_of_range)?;
        for _ in 0..MAX_RACES {
            let stored = self.store.load::<GenerationRecord>(GenerationRecord::ID).await?;
            let (known, expect) = stored.map_or((0, Expect::Absent), |stored| {
                (stored.generation, Expect::Version(stored.version))
            });
            let generation = known + 1;
            let record = RevocationRecord { target: target.clone(), generation, until };
            let batch = Batch::new()
                .with(GenerationRecord { generation }.put(expect)?)
                .with(record.put(Expect::Any)?);
            match self.store.commit(batch).await {
                Ok(_) => {
                    self.apply(&record);
                    self.count(&record.target);
                    return Ok(());
                }
                Err(error) if error.is(codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(codes::CONFLICT).context("lost every race for a generation of revocations"))
    }

    /// Takes a record over into memory; never takes anything back.
    fn apply(&self, record: &RevocationRecord) {
        let now = self.clock.monotonic();
        let rest = record.until.duration_since(self.clock.now());
        let keep = now.saturating_add(Duration::try_from(rest).unwrap_or(Duration::ZERO));
        match &record.target {
            Target::Session(id) => self.sessions.add(id, u64::MAX, keep, now),
            Target::Token(id) => self.tokens.add(id, u64::MAX, keep, now),
            Target::User(id) => {
                self.users_ended.add(id, ended_at(record), keep, now);
                self.users.add(id, record.generation, keep, now);
            }
            Target::Everything => {
                self.everything_ended.fetch_max(ended_at(record), Ordering::AcqRel);
                self.everything_before.fetch_max(record.generation, Ordering::AcqRel);
            }
        }
        // Last: whoever reads the new generation also finds what it revokes.
        self.generation.fetch_max(record.generation, Ordering::AcqRel);
    }
}

/// When a revocation by generation was made, in seconds since 1970.
fn ended_at(record: &RevocationRecord) -> u64 {
    let made = record.until.checked_sub(RETENTION).unwrap_or(Timestamp::UNIX_EPOCH);
    u64::try_from(made.as_second()).unwrap_or(0)
}

fn out_of_range(source: jiff::Error) -> Error {
    Error::new(codes::INTERNAL).context("the end of a revocation is out of range").source(source)
}

#[async_trait]
impl Snapshot for Revocations {
    async fn reload(&self) -> Result<()> {
        let generation = self.store.load::<GenerationRecord>(GenerationRecord::ID).await?;
        for record in self.store.load_all::<RevocationRecord>().await? {
            self.apply(&record);
        }
        let known = generation.map_or(0, |stored| stored.generation);
        self.generation.fetch_max(known, Ordering::AcqRel);
        Ok(())
    }

    async fn changed(&self, key: &Key) -> Result<()> {
        if key.kind == RevocationRecord::KIND
            && let Some(record) = self.store.load::<RevocationRecord>(&key.id).await?
        {
            self.apply(&record);
        }
        Ok(())
    }

    fn freshness(&self) -> &Freshness {
        &self.freshness
    }
}

#[async_trait]
impl HealthCheck for Revocations {
    fn component(&self) -> &'static str {
        "revocations"
    }

    async fn health(&self) -> Health {
        if !self.freshness.is_within_bound() {
            Health::down(
                "revocations by other nodes are not heard for too long: tokens are refused",
            )
        } else if !self.freshness.is_in_step() {
            Health::degraded("revocations by other nodes can't be read; those known are in force")
        } else {
            Health::up()
        }
    }
}
