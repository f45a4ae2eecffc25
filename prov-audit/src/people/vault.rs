mod news;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use parking_lot::{Mutex, RwLock};
use prov_core::audit::Actor;
use prov_core::store::{Batch, Entity, Expect, Scan, Store, StoreExt, Term};
use prov_core::{Clock, Error, PrincipalKind, Result, SecretBytes, codes as core_codes, random};
use unicode_normalization::UnicodeNormalization;

use super::cipher::SubjectKey;
use super::subject::{Erasure, LogSecret, MOST_NAMES, Subject};
use super::{PersonalData, Sealed};

/// What became of the sealed part of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Opened {
    /// It was read.
    Clear(PersonalData<'static>),
    /// Its key is destroyed.
    Erased,
}

/// That a key is at hand, and when it ends, if it does.
#[cfg(feature = "sqlite-index")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyAtHand {
    pub(crate) ends: Option<Timestamp>,
}

/// A subject whose key is at hand.
#[derive(Debug)]
struct Known {
    id: String,
    pid: String,
    names: Vec<String>,
    key: SubjectKey,
    expires_at: Option<Timestamp>,
    /// What was sealed last: most events of a subject say the same of it as the one before.
    last: Mutex<Option<SealedBefore>>,
}

/// A sealed part, and what it was made of.
#[derive(Debug)]
struct SealedBefore {
    origin: Arc<str>,
    data: PersonalData<'static>,
    sealed: Arc<Sealed>,
}

#[derive(Debug, Default)]
struct Cache {
    /// The ids of subjects' entities, by kind and account: they are a keyed hash of them.
    ids: HashMap<&'static str, HashMap<String, Arc<str>>>,
    by_id: HashMap<String, Arc<Known>>,
    by_pid: HashMap<String, Arc<Known>>,
    gone: HashSet<String>,
    /// Whose keys were put away because the store could not be asked; they may be had again.
    away: HashSet<String>,
}

impl Cache {
    /// Keeps the key of this pseudonym no longer.
    fn put_away(&mut self, pid: &str) {
        if let Some(known) = self.by_pid.remove(pid)
            && self.by_id.get(&known.id).is_some_and(|current| current.pid == pid)
        {
            self.by_id.remove(&known.id);
        }
    }
}

/// Seals and opens personal data. Keys of subjects seen since the start stay in memory (about one
/// kilobyte each, and what was sealed last), so that recording asks the store for nothing.
pub(crate) struct Vault {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    origin: Arc<str>,
    hashing: hmac::Key,
    unattributed_for: Duration,
    cache: Arc<RwLock<Cache>>,
}

/// At most so many pseudonyms are remembered as gone.
const MOST_GONE: usize = 65_536;

/// Of each kind of account at most so many ids are remembered.
const MOST_IDS: usize = 65_536;

impl Vault {
    /// Loads the hashing key of the log, or makes it.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        origin: &str,
        unattributed_for: Duration,
    ) -> Result<Self> {
        let secret = secret(&*store, "hashing").await?;
        let hashing = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
        let origin = origin.into();
        Ok(Self { store, clock, origin, hashing, unattributed_for, cache: Arc::default() })
    }

    /// The same keys, for the events of the log of this origin: what another node sealed.
    #[cfg(feature = "sqlite-index")]
    pub(crate) fn for_origin(&self, origin: &str) -> Self {
        Self {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            origin: origin.into(),
            hashing: self.hashing.clone(),
            unattributed_for: self.unattributed_for,
            cache: Arc::clone(&self.cache),
        }
    }

    /// Seals what is personal; `None` when nothing is.
    pub(crate) async fn seal(
        &self,
        actor: &Actor,
        time: Timestamp,
        data: &PersonalData<'_>,
    ) -> Result<Option<Arc<Sealed>>> {
        if !self.seals(actor, data) {
            return Ok(None);
        }
        let known = self.subject_of(actor, time).await?;
        self.seal_with(&known, data).map(Some)
    }

    /// As [`Vault::seal`], with what is in memory; `None` when the subject's key is not, or the store
    /// has yet to learn this name of it.
    pub(crate) fn seal_at_once(
        &self,
        actor: &Actor,
        time: Timestamp,
        data: &PersonalData<'_>,
    ) -> Result<Option<Arc<Sealed>>> {
        self.at_hand(actor, time)
            .filter(|known| known.has(actor))
            .map(|known| self.seal_with(&known, data))
            .transpose()
    }

    /// As [`Vault::seal`], with what is in memory; `None` when nothing is sealed, or the subject's key
    /// is not there.
    pub(crate) fn seal_at_hand(
        &self,
        actor: &Actor,
        time: Timestamp,
        data: &PersonalData<'_>,
    ) -> Result<Option<Arc<Sealed>>> {
        let known = self.at_hand(actor, time).filter(|_| self.seals(actor, data));
        let Some(known) = known else { return Ok(None) };
        self.seal_with(&known, data).map(Some)
    }

    /// Whether there is anything to seal.
    #[expect(clippy::unused_self, reason = "what is sealed is the vault's decision")]
    pub(crate) fn seals(&self, actor: &Actor, data: &PersonalData<'_>) -> bool {
        !data.is_empty() && actor.kind != PrincipalKind::System
    }

    fn seal_with(&self, known: &Known, data: &PersonalData<'_>) -> Result<Arc<Sealed>> {
        let mut last = known.last.lock();
        if let Some(last) = &*last
            && last.origin == self.origin
            && last.data == *data
        {
            return Ok(Arc::clone(&last.sealed));
        }
        let ct = known.key.seal(&self.origin, data)?;
        let sealed = Arc::new(Sealed { pid: known.pid.clone(), ct });
        let (origin, data) = (Arc::clone(&self.origin), data.to_owned());
        *last = Some(SealedBefore { origin, data, sealed: Arc::clone(&sealed) });
        Ok(sealed)
    }

    /// Opens a sealed part, asking the store for a key that is not at hand.
    pub(crate) async fn open_sealed(&self, sealed: &Sealed) -> Result<Opened> {
        if let Some(opened) = self.open_at_hand(sealed) {
            return Ok(opened);
        }
        let term = Term::new(Subject::PID, &sealed.pid);
        match self.store.find::<Subject>(term).await? {
            Some(found) => {
                self.remember(&found.entity)?;
            }
            None => self.forget(&sealed.pid),
        }
        Ok(self.open_at_hand(sealed).unwrap_or(Opened::Erased))
    }

    /// Opens a sealed part with what is in memory; `None` when its key is not.
    pub(crate) fn open_at_hand(&self, sealed: &Sealed) -> Option<Opened> {
        let cache = self.cache.read();
        if cache.gone.contains(&sealed.pid) {
            return Some(Opened::Erased);
        }
        let known = Arc::clone(cache.by_pid.get(&sealed.pid)?);
        drop(cache);
        if !known.lives(&*self.clock) {
            return Some(Opened::Erased);
        }
        Some(known.key.open(&self.origin, &sealed.ct).map_or(Opened::Erased, Opened::Clear))
    }

    /// Whether the key of a pseudonym was put away and may be had again.
    #[cfg(feature = "sqlite-index")]
    pub(crate) fn lacks(&self, pid: &str) -> bool {
        self.cache.read().away.contains(pid)
    }

    /// The key of a pseudonym, if it is at hand and still good.
    #[cfg(feature = "sqlite-index")]
    pub(crate) fn key_at_hand(&self, pid: &str) -> Option<KeyAtHand> {
        let cache = self.cache.read();
        let known = cache.by_pid.get(pid).filter(|_| !cache.gone.contains(pid))?;
        known.lives(&*self.clock).then_some(KeyAtHand { ends: known.expires_at })
    }

    /// The time that keys end by.
    #[cfg(feature = "sqlite-index")]
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Takes every key into memory, for rebuilding the index.
    #[cfg(feature = "sqlite-index")]
    pub(crate) async fn preload(&self) -> Result<()> {
        for stored in self.store.load_all::<Subject>().await? {
            self.remember(&stored.entity)?;
        }
        Ok(())
    }

    /// The pseudonyms of the accounts that are or were known by this name.
    pub(crate) async fn pids_of_name(&self, name: &str) -> Result<Vec<String>> {
        let scan = Scan::kind(Subject::KIND).with_term(Term::new(Subject::NAME, folded(name)));
        let all = self.store.list_all::<Subject>(scan).await?;
        Ok(all.into_iter().map(|stored| stored.entity.pid).collect())
    }

    /// The pseudonym of an account; `None` when the log knows no such account.
    pub(crate) async fn pid_of(&self, kind: PrincipalKind, actor: &str) -> Result<Option<String>> {
        let stored = self.store.load::<Subject>(&self.subject_id(kind, actor)).await?;
        Ok(stored.map(|stored| stored.entity.pid))
    }

    /// Destroys the key of an account and returns its pseudonym; `None` when the log knows no such
    /// account.
    pub(crate) async fn erase(&self, kind: PrincipalKind, actor: &str) -> Result<Option<String>> {
        let id = self.subject_id(kind, actor);
        let Some(stored) = self.store.load::<Subject>(&id).await? else { return Ok(None) };
        let pid = stored.entity.pid;
        let erasure = Erasure { pid: pid.clone(), erased_at: self.clock.now() };
        let batch =
            Batch::new().delete(Subject::key(&*id), Expect::Any).with(erasure.put(Expect::Any)?);
        self.store.commit(batch).await?;
        self.forget(&pid);
        Ok(Some(pid))
    }

    /// Takes the keys of these pseudonyms into memory, for the index, which asks nobody.
    #[cfg(feature = "sqlite-index")]
    pub(crate) async fn have_at_hand(&self, pids: impl IntoIterator<Item = String>) -> Result<()> {
        for pid in pids {
            let is_known = {
                let cache = self.cache.read();
                cache.by_pid.contains_key(&pid) || cache.gone.contains(&pid)
            };
            if is_known {
                continue;
            }
            match self.store.find::<Subject>(Term::new(Subject::PID, &pid)).await? {
                Some(found) => drop(self.remember(&found.entity)?),
                None => self.forget(&pid),
            }
        }
        Ok(())
    }

    /// A keyed hash of something that is looked up, as a number for the index.
    #[cfg(feature = "sqlite-index")]
    pub(crate) fn term(&self, kind: &str, value: &str) -> i64 {
        let hash = self.hash(kind, value);
        i64::from_be_bytes(hash.first_chunk().copied().unwrap_or_default())
    }

    async fn subject_of(&self, actor: &Actor, time: Timestamp) -> Result<Arc<Known>> {
        match self.at_hand(actor, time) {
            Some(known) if known.has(actor) => Ok(known),
            _ => {
                let (kind, account) = subject_of(actor, time);
                let id = self.hashed(kind, &account);
                self.load_or_create(&id, actor, name_of(actor).map(Cow::into_owned)).await
            }
        }
    }

    /// The subject of an event, where its key is in memory.
    fn at_hand(&self, actor: &Actor, time: Timestamp) -> Option<Arc<Known>> {
        let (kind, account) = subject_of(actor, time);
        let cache = self.cache.read();
        let known = if let Some(id) = cache.ids.get(kind).and_then(|ids| ids.get(&*account)) {
            cache.by_id.get(&**id).cloned()
        } else {
            drop(cache);
            let id = self.hashed(kind, &account);
            self.cache.read().by_id.get(&*id).cloned()
        };
        known.filter(|known| known.lives(&*self.clock))
    }

    /// Another task, also of another node, may create the same subject, or erase it: whoever comes
    /// second takes what the first made.
    async fn load_or_create(
        &self,
        id: &str,
        actor: &Actor,
        name: Option<String>,
    ) -> Result<Arc<Known>> {
        for _ in 0..8 {
            let written = if let Some(mut stored) = self.store.load::<Subject>(id).await? {
                let known = name.as_ref().is_none_or(|name| stored.names.contains(name));
                if known || stored.names.len() >= MOST_NAMES {
                    match self.remember(&stored.entity)? {
                        Some(known) => return Ok(known),
                        None => continue,
                    }
                }
                stored.entity.names.extend(name.clone());
                self.store.replace(stored.version, &stored.entity).await.map(|_| stored.entity)
            } else {
                let subject = self.fresh(id, actor, name.clone())?;
                self.store.create(&subject).await.map(|_| subject)
            };
            match written {
                Ok(subject) => {
                    // Once a day, for the strangers of that day.
                    if subject.expires_at.is_some() {
                        self.drop_ended();
                    }
                    if let Some(known) = self.remember(&subject)? {
                        return Ok(known);
                    }
                }
                Err(error) if error.is(core_codes::CONFLICT) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(core_codes::CONFLICT).context("creating the key of a subject"))
    }

    fn fresh(&self, id: &str, actor: &Actor, name: Option<String>) -> Result<Subject> {
        let now = self.clock.now();
        let ends = actor.id.is_none().then(|| now.checked_add(self.unattributed_for).ok());
        Ok(Subject {
            id: id.to_owned(),
            pid: hex::encode(random::bytes::<16>()?),
            actor: actor.id.clone(),
            names: name.into_iter().collect(),
            key: SecretBytes::taken_from(&mut random::bytes::<32>()?),
            created_at: now,
            expires_at: ends.flatten(),
        })
    }

    /// Keeps a key at hand; `None` when the subject was erased after it was read.
    fn remember(&self, subject: &Subject) -> Result<Option<Arc<Known>>> {
        let known = Arc::new(Known {
            id: subject.id.clone(),
            pid: subject.pid.clone(),
            names: subject.names.clone(),
            key: SubjectKey::new(&subject.key)?,
            expires_at: subject.expires_at,
            last: Mutex::default(),
        });
        let mut cache = self.cache.write();
        if cache.gone.contains(&known.pid) {
            return Ok(None);
        }
        cache.away.remove(&known.pid);
        if let Some(before) = cache.by_id.insert(known.id.clone(), Arc::clone(&known))
            && before.pid != known.pid
        {
            cache.by_pid.remove(&before.pid);
        }
        cache.by_pid.insert(known.pid.clone(), Arc::clone(&known));
        Ok(Some(known))
    }

    /// Keeps no key whose time is over.
    fn drop_ended(&self) {
        let mut cache = self.cache.write();
        cache.by_pid.retain(|_, known| known.lives(&*self.clock));
        cache.by_id.retain(|_, known| known.lives(&*self.clock));
    }

    /// Remembers that a subject is erased.
    fn forget(&self, pid: &str) {
        let mut cache = self.cache.write();
        cache.put_away(pid);
        cache.away.remove(pid);
        if cache.gone.len() >= MOST_GONE {
            cache.gone.clear();
        }
        cache.gone.insert(pid.to_owned());
    }

    fn subject_id(&self, kind: PrincipalKind, account: &str) -> Arc<str> {
        self.hashed(kind_name(kind), account)
    }

    /// The keyed hash as text, remembered: the same few accounts do most of what is done.
    fn hashed(&self, kind: &'static str, value: &str) -> Arc<str> {
        if let Some(id) = self.cache.read().ids.get(kind).and_then(|ids| ids.get(value)) {
            return Arc::clone(id);
        }
        let id: Arc<str> = hex::encode(self.hash(kind, value)).into();
        let mut cache = self.cache.write();
        let ids = cache.ids.entry(kind).or_default();
        if ids.len() >= MOST_IDS {
            ids.clear();
        }
        ids.insert(value.to_owned(), Arc::clone(&id));
        id
    }

    fn hash(&self, kind: &str, value: &str) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.hashing);
        context.update(kind.as_bytes());
        context.update(&[0]);
        context.update(value.as_bytes());
        context.sign().as_ref().to_vec()
    }
}

impl Known {
    /// Whether the time of the key is not over.
    fn lives(&self, clock: &dyn Clock) -> bool {
        self.expires_at.is_none_or(|end| end > clock.now())
    }

    /// Whether the subject is looked up by the name that the actor has.
    fn has(&self, actor: &Actor) -> bool {
        name_of(actor).is_none_or(|name| {
            self.names.len() >= MOST_NAMES || self.names.iter().any(|known| *known == name)
        })
    }
}

/// Whose subject an event is of: the account, or the day of those nobody knows.
fn subject_of(actor: &Actor, time: Timestamp) -> (&'static str, Cow<'_, str>) {
    match &actor.id {
        Some(account) => (kind_name(actor.kind), account.into()),
        None => ("unattributed", day_of(time).into()),
    }
}

fn kind_name(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "user",
        PrincipalKind::Workload => "workload",
        _ => "other",
    }
}

/// The name that the subject of an event is looked up by.
fn name_of(actor: &Actor) -> Option<Cow<'_, str>> {
    let name = actor.id.as_ref().and(actor.name.as_ref())?;
    Some(folded(name.expose()))
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A 32-byte secret of the log, made when there is none.
pub(crate) async fn secret(store: &dyn Store, id: &str) -> Result<SecretBytes> {
    for _ in 0..2 {
        if let Some(found) = store.load::<LogSecret>(id).await? {
            return Ok(found.entity.bytes);
        }
        let bytes = SecretBytes::taken_from(&mut random::bytes::<32>()?);
        match store.create(&LogSecret { id: id.to_owned(), bytes: bytes.clone() }).await {
            Ok(_) => return Ok(bytes),
            Err(error) if error.is(core_codes::CONFLICT) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::new(core_codes::CONFLICT).context("creating a secret of the audit log"))
}

/// Names are compared without regard to case, and to how their characters are put together
/// (NFKC).
pub(crate) fn folded(name: &str) -> Cow<'_, str> {
    // What most names are has no other forms.
    if name.is_ascii() {
        let is_folded = !name.bytes().any(|byte| byte.is_ascii_uppercase());
        return if is_folded { name.into() } else { name.to_ascii_lowercase().into() };
    }
    name.nfkc().collect::<String>().to_lowercase().into()
}

fn day_of(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).date().to_string()
}
