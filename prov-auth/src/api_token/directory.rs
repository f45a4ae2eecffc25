//! The API tokens in memory, with what their owners may do at this moment.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::hmac;
use hashbrown::HashMap;
use parking_lot::RwLock;
use prov_core::store::{Batch, Entity, Expect, Key, Store, StoreExt, Version};
use prov_core::{
    Attempt, Authentication, AuthenticationMethod, Authenticator, Clock, Error, Identity,
    Presented, Result, Timestamp, UserId,
};

use super::{ApiTokenRecord, ApiTokenUse, is_well_formed};
use crate::snapshot::{self, Freshness, Snapshot};
use crate::user::UserRecord;
use crate::{Revocations, User, codes};

/// How many uses are written at once.
const MOST_PER_BATCH: usize = 256;

/// Knows every API token of the installation, and its owner as they are now: whoever is locked or
/// deleted, or loses a role, takes it from all their tokens at the same moment.
///
/// Asks memory alone. Memory follows the store by [`AuthService::run`](crate::AuthService::run); what
/// this node changes itself holds before the call returns. When a token was last used is kept in memory
/// and written in batches.
pub struct ApiTokens {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    revocations: Arc<Revocations>,
    key: hmac::Key,
    known: RwLock<Known>,
    freshness: Freshness,
}

/// What is in memory.
#[derive(Default)]
struct Known {
    by_digest: HashMap<String, Value>,
    tokens: HashMap<String, Seen<Token>>,
    owners: HashMap<String, Seen<User>>,
    prune_at: usize,
}

/// Of what was deleted nothing later can be read.
const LAST: Version = Version::from_number(u64::MAX);

/// The smallest number of tokens at which deleted ones are looked for.
const PRUNE_FROM: usize = 1024;

/// Something as of a version of its record; nothing, once it was deleted. Ids are never given twice.
struct Seen<T> {
    version: Version,
    what: Option<T>,
}

/// A token that there is.
struct Token {
    record: ApiTokenRecord,
    last_used: Arc<AtomicI64>,
    written: i64,
}

/// A value that is good.
struct Value {
    identity: Arc<Identity>,
    until: Timestamp,
    generation: u64,
    last_used: Arc<AtomicI64>,
}

impl fmt::Debug for ApiTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiTokens").finish_non_exhaustive()
    }
}

impl ApiTokens {
    /// Reads the tokens.
    ///
    /// # Errors
    /// When the store can't be read.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        revocations: Arc<Revocations>,
        key: hmac::Key,
    ) -> Result<Arc<Self>> {
        let freshness = Freshness::new(Arc::clone(&clock), revocations.bound());
        let known = RwLock::default();
        let tokens = Self { store, clock, revocations, key, known, freshness };
        tokens.reload().await?;
        Ok(Arc::new(tokens))
    }

    /// Takes over what other nodes change, until `shutdown` is ready or the store is gone.
    pub(crate) async fn follow(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        snapshot::follow(&*self, &*self.store, shutdown).await;
    }

    /// What is remembered of a value.
    pub(crate) fn digest(&self, value: &str) -> String {
        hex::encode(hmac::sign(&self.key, value.as_bytes()))
    }

    /// Whose API token this is.
    ///
    /// # Errors
    /// [`codes::API_TOKEN_REFUSED`]; [`codes::REVOCATIONS_UNKNOWN`] when it can't be known whether it was
    /// deleted elsewhere.
    pub fn verify(&self, value: &str) -> Result<Arc<Identity>> {
        let refused = |why: &'static str| Error::new(codes::API_TOKEN_REFUSED).context(why);
        if !is_well_formed(value) {
            return Err(refused("not of the form, or the checksum is wrong"));
        }
        self.revocations.require_known()?;
        if !self.freshness.is_within_bound() {
            return Err(codes::REVOCATIONS_UNKNOWN.into());
        }
        let now = self.clock.now();
        let known = self.known.read();
        let found = known.by_digest.get(&self.digest(value)).filter(|found| now < found.until);
        let found = found.ok_or_else(|| refused("unknown, ended, or its owner may not sign in"))?;
        if self.revocations.revokes_all_of(found.generation) {
            return Err(refused("everything was revoked since"));
        }
        found.last_used.fetch_max(now.as_second(), Ordering::Relaxed);
        Ok(Arc::clone(&found.identity))
    }

    /// When a token was last used, as far as this node knows.
    pub(crate) fn last_used(&self, id: &str) -> Option<Timestamp> {
        let known = self.known.read();
        let token = known.tokens.get(id)?.what.as_ref()?;
        let second = token.last_used.load(Ordering::Relaxed);
        (second > 0).then(|| Timestamp::from_second(second).ok()).flatten()
    }

    /// Tokens whose owners are to be told that they end soon.
    pub(crate) fn ending_soon(&self) -> Vec<String> {
        let now = self.clock.now();
        let known = self.known.read();
        let tokens = known.tokens.values().filter_map(|seen| seen.what.as_ref());
        let due = tokens.filter(|token| token.record.is_to_be_reminded_of(now));
        due.map(|token| token.record.id.clone()).collect()
    }

    /// The token that has this value, whether it holds or not.
    pub(crate) fn owner_of(&self, value: &str) -> Option<(String, UserId)> {
        let digest = self.digest(value);
        let known = self.known.read();
        let found = known.tokens.values().filter_map(|seen| seen.what.as_ref()).find(|token| {
            let previous = token.record.previous.as_ref().map(|previous| &previous.digest);
            token.record.digest == digest || previous == Some(&digest)
        });
        found.map(|token| (token.record.id.clone(), token.record.user.clone()))
    }

    /// A token as it was just written or read.
    pub(crate) async fn take(&self, record: ApiTokenRecord, version: Version) -> Result<()> {
        let owner = record.user.clone();
        let is_new = {
            let mut known = self.known.write();
            known.put_token(record, version);
            known.expect_owner(owner.as_str())
        };
        // After the place for the owner was made, so that a change meanwhile is not missed.
        if is_new { self.read_owner(owner.as_str()).await } else { Ok(()) }
    }

    /// A token that was just deleted.
    pub(crate) fn forget(&self, id: &str) {
        self.known.write().drop_token(id);
    }

    /// An account as it was just written.
    pub(crate) fn take_owner(&self, user: &User, version: Version) {
        self.known.write().put_owner(user, version);
    }

    /// An account that was just deleted.
    pub(crate) fn forget_owner(&self, id: &UserId) {
        self.known.write().drop_owner(id.as_str());
    }

    async fn read_owner(&self, id: &str) -> Result<()> {
        match self.store.load::<UserRecord>(id).await? {
            Some(stored) => self.known.write().put_owner(&stored.user, stored.version),
            None => self.known.write().drop_owner(id),
        }
        Ok(())
    }

    /// Writes when tokens were last used, many at once; what was used since is written the next time.
    ///
    /// # Errors
    /// When the store can't be written.
    pub(crate) async fn write_uses(&self) -> Result<()> {
        let due = self.known.read().uses_to_write();
        for some in due.chunks(MOST_PER_BATCH) {
            let mut batch = Batch::new();
            for used in some {
                let before = self.store.load::<ApiTokenUse>(&used.id).await?;
                if before.is_none_or(|before| before.last_used_at < used.last_used_at) {
                    batch = batch.with(used.put(Expect::Any)?);
                }
            }
            self.store.commit(batch).await?;
            self.known.write().uses_written(some);
        }
        Ok(())
    }
}

impl Known {
    fn put_token(&mut self, record: ApiTokenRecord, version: Version) {
        let before = self.tokens.get(&record.id);
        if before.is_some_and(|seen| seen.version > version) {
            return;
        }
        let (last_used, written) = before
            .and_then(|seen| seen.what.as_ref())
            .map_or_else(Default::default, |token| (Arc::clone(&token.last_used), token.written));
        let id = record.id.clone();
        self.remove_values(&id);
        let what = Some(Token { record, last_used, written });
        self.tokens.insert(id.clone(), Seen { version, what });
        self.add_values(&id);
    }

    fn drop_token(&mut self, id: &str) {
        self.remove_values(id);
        if self.tokens.len() >= self.prune_at.max(PRUNE_FROM) {
            self.tokens.retain(|_, seen| seen.what.is_some());
            self.prune_at = self.tokens.len().saturating_mul(2);
        }
        // Whoever is about to put back what they read a moment ago finds a later version.
        self.tokens.insert(id.to_owned(), Seen { version: LAST, what: None });
    }

    /// Makes a place for somebody who owns a token; says whether there was none.
    fn expect_owner(&mut self, id: &str) -> bool {
        let is_new = !self.owners.contains_key(id);
        if is_new {
            let nothing = Seen { version: Version::from_number(0), what: None };
            self.owners.insert(id.to_owned(), nothing);
        }
        is_new
    }

    /// Only of those who own a token; of others nothing is kept.
    fn put_owner(&mut self, user: &User, version: Version) {
        let id = user.id.as_str();
        if self.owners.get(id).is_some_and(|seen| seen.version <= version) {
            self.owners.insert(id.to_owned(), Seen { version, what: Some(user.clone()) });
            self.rebuild_values_of(id);
        }
    }

    fn drop_owner(&mut self, id: &str) {
        if self.owners.contains_key(id) {
            self.owners.insert(id.to_owned(), Seen { version: LAST, what: None });
            self.rebuild_values_of(id);
        }
    }

    fn tokens_of<'k>(&'k self, owner: &'k str) -> impl Iterator<Item = &'k Token> {
        let tokens = self.tokens.values().filter_map(|seen| seen.what.as_ref());
        tokens.filter(move |token| token.record.user.as_str() == owner)
    }

    fn rebuild_values_of(&mut self, owner: &str) {
        let ids: Vec<String> = self.tokens_of(owner).map(|token| token.record.id.clone()).collect();
        for id in ids {
            self.remove_values(&id);
            self.add_values(&id);
        }
    }

    fn remove_values(&mut self, id: &str) {
        let Some(token) = self.tokens.get(id).and_then(|seen| seen.what.as_ref()) else { return };
        self.by_digest.remove(&token.record.digest);
        if let Some(previous) = &token.record.previous {
            self.by_digest.remove(&previous.digest);
        }
    }

    /// The values of a token hold while its owner could sign in.
    fn add_values(&mut self, id: &str) {
        let Some(token) = self.tokens.get(id).and_then(|seen| seen.what.as_ref()) else { return };
        let record = &token.record;
        let owner = self.owners.get(record.user.as_str()).and_then(|seen| seen.what.as_ref());
        let Some(owner) = owner.filter(|user| !user.locked && !user.must_change_password) else {
            return;
        };
        let value = |until: Timestamp| {
            let how = Authentication::new(AuthenticationMethod::ApiToken, record.created_at)
                .by_token(record.id.as_str(), until)
                .in_generation(record.generation)
                .limited_to(record.scopes.iter().cloned());
            Value {
                identity: Arc::new(Identity { principal: owner.principal(), authentication: how }),
                until,
                generation: record.generation,
                last_used: Arc::clone(&token.last_used),
            }
        };
        let mut values = vec![(record.digest.clone(), value(record.expires_at))];
        if let Some(previous) = &record.previous {
            values.push((previous.digest.clone(), value(previous.until)));
        }
        self.by_digest.extend(values);
    }

    fn uses_to_write(&self) -> Vec<ApiTokenUse> {
        let tokens = self.tokens.values().filter_map(|seen| seen.what.as_ref());
        tokens
            .filter_map(|token| {
                let second = token.last_used.load(Ordering::Relaxed);
                let last_used_at = Timestamp::from_second(second).ok()?;
                (second > token.written).then(|| ApiTokenUse {
                    id: token.record.id.clone(),
                    last_used_at,
                    expires_at: token.record.expires_at,
                })
            })
            .collect()
    }

    fn uses_written(&mut self, uses: &[ApiTokenUse]) {
        for used in uses {
            let token = self.tokens.get_mut(&used.id).and_then(|seen| seen.what.as_mut());
            if let Some(token) = token {
                token.written = used.last_used_at.as_second();
            }
        }
    }

    /// Forgets tokens that ended longer ago than any reader could still be about to put them back.
    fn prune(&mut self, now: Timestamp) {
        const LATE: Duration = Duration::from_hours(1);
        let ended: Vec<String> = self
            .tokens
            .iter()
            .filter_map(|(id, seen)| {
                let end = seen.what.as_ref()?.record.expires_at.checked_add(LATE).ok()?;
                (end < now).then(|| id.clone())
            })
            .collect();
        for id in ended {
            self.remove_values(&id);
            self.tokens.remove(&id);
        }
    }
}

#[async_trait]
impl Snapshot for ApiTokens {
    async fn reload(&self) -> Result<()> {
        let before: Vec<String> = self.known.read().tokens.keys().cloned().collect();
        let stored = self.store.load_all::<ApiTokenRecord>().await?;
        let mut owners: Vec<String> =
            stored.iter().map(|token| token.user.as_str().to_owned()).collect();
        owners.sort_unstable();
        owners.dedup();
        {
            let mut known = self.known.write();
            let gone = before.iter().filter(|id| stored.iter().all(|token| token.id != **id));
            gone.for_each(|id| known.drop_token(id));
            for token in stored {
                known.expect_owner(token.user.as_str());
                known.put_token(token.entity, token.version);
            }
            known.prune(self.clock.now());
        }
        for owner in owners {
            self.read_owner(&owner).await?;
        }
        Ok(())
    }

    async fn changed(&self, key: &Key) -> Result<()> {
        if key.kind == ApiTokenRecord::KIND {
            match self.store.load::<ApiTokenRecord>(&key.id).await? {
                Some(stored) => self.take(stored.entity, stored.version).await?,
                None => self.forget(&key.id),
            }
        } else if key.kind == UserRecord::KIND && self.known.read().owners.contains_key(&*key.id) {
            self.read_owner(&key.id).await?;
        }
        Ok(())
    }

    fn freshness(&self) -> &Freshness {
        &self.freshness
    }
}

impl Authenticator for ApiTokens {
    fn scheme(&self) -> &'static str {
        "Bearer"
    }

    fn authenticate(&self, presented: &Presented<'_>) -> Attempt {
        let Some((scheme, value)) = presented.authorization.and_then(|text| text.split_once(' '))
        else {
            return Attempt::NotRequested;
        };
        let value = value.trim_start_matches(' ');
        if !scheme.eq_ignore_ascii_case("Bearer") || !value.starts_with("prov_") {
            return Attempt::NotRequested;
        }
        match self.verify(value) {
            Ok(identity) => Attempt::Authenticated(identity),
            Err(error) => Attempt::Refused(error),
        }
    }
}
