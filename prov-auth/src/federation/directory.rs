//! Issuers, and who of them has an account, in memory and in step with the store.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::{Either, join, select};
use parking_lot::RwLock;
use prov_core::store::{Entity, Key, Store, StoreExt, Version};
use prov_core::{Clock, Error, Result, Timestamp, UserId};

use super::{FederatedIdentity, IssuerRecord, OriginDigests, Provider};
use crate::fetch::Fetch;
use crate::snapshot::{self, Freshness, Snapshot};
use crate::user::UserRecord;
use crate::{Revocations, User, codes};

/// How often it is looked whether keys are due.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Identity providers and the accounts of those who come from them.
#[derive(Debug)]
pub(crate) struct Federation {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) digests: OriginDigests,
    outbound: Option<Arc<dyn Fetch>>,
    known: RwLock<Known>,
    /// The issuers whose tokens are taken.
    pub(super) taking: ArcSwap<Vec<Arc<Provider>>>,
    freshness: Freshness,
}

/// What is in memory.
#[derive(Debug, Default)]
struct Known {
    providers: HashMap<String, Seen<Arc<Provider>>>,
    /// By digest of issuer and subject.
    accounts: HashMap<String, Seen<UserId>>,
    /// Only of those who have a federated account.
    users: HashMap<UserId, Seen<User>>,
}

/// The newest that was seen of a record; nothing when it was deleted.
#[derive(Debug)]
struct Seen<T> {
    version: Version,
    what: Option<T>,
}

/// Later than any: what was deleted never comes back under the same key by an older reading.
const DELETED: Version = Version::from_number(u64::MAX);

fn put<K: Eq + std::hash::Hash, T>(
    map: &mut HashMap<K, Seen<T>>,
    key: K,
    version: Version,
    what: T,
) {
    let seen = map.get(&key).is_some_and(|seen| seen.version >= version);
    if !seen {
        map.insert(key, Seen { version, what: Some(what) });
    }
}

impl Known {
    fn put_issuer(&mut self, record: &IssuerRecord, version: Version) {
        let name = record.issuer.name.clone();
        // An issuer that was removed may be entered again: its name is no id that is never reused.
        let gone = self.providers.get(&name).is_some_and(|seen| seen.what.is_none());
        if gone {
            self.providers.remove(&name);
        }
        put(&mut self.providers, name, version, Arc::new(Provider::new(record)));
    }

    fn drop_issuer(&mut self, name: &str) {
        self.providers.insert(name.to_owned(), Seen { version: DELETED, what: None });
    }

    fn forget_account(&mut self, digest: &str) {
        // May be linked anew, to another account.
        self.accounts.remove(digest);
    }

    fn forget_user(&mut self, id: &UserId) {
        self.users.insert(id.clone(), Seen { version: DELETED, what: None });
    }
}

impl Federation {
    /// Reads what is remembered. Nothing is fetched yet.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        revocations: Arc<Revocations>,
        digests: OriginDigests,
        outbound: Option<Arc<dyn Fetch>>,
    ) -> Result<Arc<Self>> {
        let freshness = Freshness::new(Arc::clone(&clock), revocations.bound());
        let (known, taking) = (RwLock::default(), ArcSwap::default());
        let federation =
            Self { store, clock, revocations, digests, outbound, known, taking, freshness };
        federation.reload().await?;
        Ok(Arc::new(federation))
    }

    /// The way out.
    ///
    /// # Errors
    /// [`codes::FEDERATION_UNCONFIGURED`] when there is none.
    pub(crate) fn outbound(&self) -> Result<&dyn Fetch> {
        self.outbound.as_deref().ok_or_else(|| Error::new(codes::FEDERATION_UNCONFIGURED))
    }

    pub(crate) const fn digests(&self) -> &OriginDigests {
        &self.digests
    }

    /// The issuer of this name.
    ///
    /// # Errors
    /// [`codes::ISSUER_UNKNOWN`].
    pub(crate) fn provider(&self, name: &str) -> Result<Arc<Provider>> {
        let known = self.known.read();
        let found = known.providers.get(name).and_then(|seen| seen.what.clone());
        found.ok_or_else(|| Error::new(codes::ISSUER_UNKNOWN))
    }

    /// All issuers, by name.
    pub(crate) fn providers(&self) -> Vec<Arc<Provider>> {
        let known = self.known.read();
        let mut all: Vec<_> =
            known.providers.values().filter_map(|seen| seen.what.clone()).collect();
        all.sort_by(|a, b| a.issuer.name.cmp(&b.issuer.name));
        all
    }

    /// Keeps the issuers whose tokens are taken where every request can see them.
    fn note_taking(&self) {
        let takes = |provider: &Arc<Provider>| provider.issuer.accepted_tokens.is_some();
        self.taking.store(Arc::new(self.providers().into_iter().filter(takes).collect()));
    }

    /// The account of a subject, as it is now.
    pub(super) fn account(&self, digest: &str) -> Option<User> {
        let known = self.known.read();
        let id = known.accounts.get(digest)?.what.as_ref()?;
        known.users.get(id)?.what.clone()
    }

    /// Takes over what was just written here.
    ///
    /// # Errors
    /// When the store can't be read.
    pub(crate) async fn wrote<E: Entity>(&self, id: &str) -> Result<()> {
        self.changed(&E::key(id)).await
    }

    async fn read_user(&self, id: &UserId) -> Result<()> {
        match self.store.load::<UserRecord>(id.as_str()).await? {
            Some(stored) => {
                let mut known = self.known.write();
                put(&mut known.users, id.clone(), stored.version, stored.entity.user);
            }
            None => self.known.write().forget_user(id),
        }
        Ok(())
    }

    /// Follows the store and keeps the keys of issuers fresh whose tokens are taken, until `shutdown` is
    /// ready. Runs on a tokio runtime with its timer.
    pub(crate) async fn follow(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        let end = shutdown.shared();
        join(snapshot::follow(&*self, &*self.store, end.clone()), self.keep_keys(end)).await;
    }

    async fn keep_keys(&self, mut end: impl Future<Output = ()> + Unpin) {
        let Some(fetch) = self.outbound.as_deref() else { return };
        loop {
            for provider in self.taking.load_full().iter() {
                if provider.is_due(self.clock.monotonic()) {
                    // Why not, it has logged itself.
                    let _ = provider.asked_again(fetch, &*self.clock).await;
                }
            }
            let pause = pin!(tokio::time::sleep(LOOK_EVERY));
            if matches!(select(pause, &mut end).await, Either::Right(_)) {
                return;
            }
        }
    }

    /// Whether everything of the account, or of everybody, was ended after a token was made that names
    /// no generation of revocations.
    pub(super) fn was_ended(&self, principal: &str, issued_at: Timestamp) -> bool {
        self.revocations.ended_since(principal, issued_at)
    }
}

#[async_trait]
impl Snapshot for Federation {
    async fn reload(&self) -> Result<()> {
        let issuers = self.store.load_all::<IssuerRecord>().await?;
        let identities = self.store.load_all::<FederatedIdentity>().await?;
        let users: Vec<UserId> = {
            let mut known = self.known.write();
            let gone: Vec<String> = known
                .providers
                .keys()
                .filter(|name| issuers.iter().all(|stored| stored.issuer.name != **name))
                .cloned()
                .collect();
            for name in &gone {
                known.drop_issuer(name);
            }
            for stored in &issuers {
                known.put_issuer(&stored.entity, stored.version);
            }
            let listed: std::collections::HashSet<&str> =
                identities.iter().map(|stored| stored.digest.as_str()).collect();
            known.accounts.retain(|digest, _| listed.contains(digest.as_str()));
            for stored in &identities {
                let (digest, user) = (stored.digest.clone(), stored.user.clone());
                put(&mut known.accounts, digest, stored.version, user);
            }
            identities.iter().map(|stored| stored.user.clone()).collect()
        };
        self.note_taking();
        for user in users {
            self.read_user(&user).await?;
        }
        Ok(())
    }

    async fn changed(&self, key: &Key) -> Result<()> {
        if key.kind == IssuerRecord::KIND {
            match self.store.load::<IssuerRecord>(&key.id).await? {
                Some(stored) => self.known.write().put_issuer(&stored.entity, stored.version),
                None => self.known.write().drop_issuer(&key.id),
            }
            self.note_taking();
        } else if key.kind == FederatedIdentity::KIND {
            match self.store.load::<FederatedIdentity>(&key.id).await? {
                Some(stored) => {
                    let user = stored.user.clone();
                    let digest = stored.digest.clone();
                    put(&mut self.known.write().accounts, digest, stored.version, user.clone());
                    self.read_user(&user).await?;
                }
                None => self.known.write().forget_account(&key.id),
            }
        } else if key.kind == UserRecord::KIND
            && let Ok(id) = key.id.parse::<UserId>()
            && self.known.read().users.contains_key(&id)
        {
            self.read_user(&id).await?;
        }
        Ok(())
    }

    fn freshness(&self) -> &Freshness {
        &self.freshness
    }
}
