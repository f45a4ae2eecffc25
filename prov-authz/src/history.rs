//! The sets that were in force, kept in the store: who put each there, when, from where; to compare,
//! to go back to, and to start on when nothing better can be read.

mod difference;
mod kept;

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;

pub use difference::{ChangedPolicy, PolicyDiff};
pub(crate) use kept::{Head, Pin, Text, Upkeep};
pub use kept::{KeptFile, KeptSet, SetOrigin};
use prov_core::store::{Batch, Entity, Expect, Scan, Store, StoreExt, Stored};
#[cfg(feature = "watch")]
use prov_core::store::{Change, Changes};
use prov_core::{Error, Result, codes};

use crate::load::Compiled;
use crate::{PolicyFiles, SourceFile};

/// How many sets are kept unless told otherwise.
const KEPT: u32 = 100;
/// A record that was changed by another node is read again this many times.
const ATTEMPTS: usize = 16;

/// The kept sets, shared by every node over the same store.
#[derive(Debug)]
pub struct PolicyHistory {
    store: Arc<dyn Store>,
    keep: NonZeroU32,
}

/// A page of the history, newest first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HistoryPage {
    /// The sets.
    pub items: Vec<KeptSet>,
    /// Where the next page starts; absent at the end.
    pub next: Option<String>,
}

impl PolicyHistory {
    /// The sets kept in this store: the newest hundred.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, keep: NonZeroU32::new(KEPT).unwrap_or(NonZeroU32::MIN) }
    }

    /// Keeps this many sets.
    #[must_use]
    pub const fn keeping(mut self, sets: NonZeroU32) -> Self {
        self.keep = sets;
        self
    }

    /// The kept sets, newest first.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn list(&self, after: Option<String>, limit: NonZeroU32) -> Result<HistoryPage> {
        let scan = Scan::kind(KeptSet::KIND).after(after).limit(limit);
        let page = self.store.list::<KeptSet>(&scan).await?;
        let items = page.items.into_iter().map(|stored| stored.entity).collect();
        Ok(HistoryPage { items, next: page.next })
    }

    /// One kept set; `None` when there is none of this number any more.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn find(&self, number: u64) -> Result<Option<KeptSet>> {
        Ok(self.store.load::<KeptSet>(&KeptSet::id_of(number)).await?.map(|stored| stored.entity))
    }

    /// The files of a kept set.
    ///
    /// # Errors
    /// [`STORE_CORRUPT`](codes::STORE_CORRUPT) when a text is missing or is not what was kept.
    pub async fn files(&self, set: &KeptSet) -> Result<PolicyFiles> {
        let mut policies = Vec::with_capacity(set.files.len());
        for file in &set.files {
            policies.push(SourceFile::new(file.name.clone(), self.text(file).await?));
        }
        let files = PolicyFiles::new(self.text(&set.schema).await?, policies);
        let entities = self.text_of(set.entities.as_ref()).await?;
        let bundle = self.text_of(set.bundle.as_ref()).await?;
        Ok(files.with_entities(entities).with_bundle(bundle))
    }

    async fn text_of(&self, file: Option<&KeptFile>) -> Result<Option<String>> {
        match file {
            Some(file) => self.text(file).await.map(Some),
            None => Ok(None),
        }
    }

    async fn text(&self, file: &KeptFile) -> Result<String> {
        let mut whole = String::new();
        for digest in &file.parts {
            let stored = self.store.load::<Text>(digest).await?;
            let part = stored.map(|stored| stored.entity).filter(|text| text.is_of(digest));
            let part = part.ok_or_else(|| {
                Error::new(codes::STORE_CORRUPT)
                    .context(format!("the policy file `{}` is not what was kept", file.name))
            })?;
            whole.push_str(&part.text);
        }
        Ok(whole)
    }

    /// What differs from one kept set to another, by policy.
    ///
    /// # Errors
    /// [`NOT_FOUND`](codes::NOT_FOUND) for a number that is not kept.
    pub async fn diff(&self, from: u64, to: u64) -> Result<PolicyDiff> {
        let (from, to) = (self.required(from).await?, self.required(to).await?);
        Ok(PolicyDiff::between(&self.files(&from).await?, &self.files(&to).await?))
    }

    pub(crate) async fn required(&self, number: u64) -> Result<KeptSet> {
        self.find(number).await?.ok_or_else(|| {
            Error::new(codes::NOT_FOUND)
                .detail(format!("no policy set of the number {number} is kept"))
        })
    }

    /// Waits until another set may be in force; for ever when the store is gone.
    #[cfg(feature = "watch")]
    pub(crate) async fn changed(&self, changes: &mut Changes) {
        loop {
            match changes.next().await {
                Some(Change::Changed(key)) if key.kind == Head::KIND => return,
                Some(Change::Changed(_)) => {}
                Some(Change::Missed) => return,
                None => std::future::pending().await,
            }
        }
    }

    /// News of the store, for [`changed`](Self::changed).
    #[cfg(feature = "watch")]
    pub(crate) fn changes(&self) -> Changes {
        self.store.changes()
    }

    /// Which set is in force, and what is pinned.
    pub(crate) async fn head(&self) -> Result<Option<Stored<Head>>> {
        self.store.load::<Head>(Head::ID).await
    }

    /// Keeps a set as the newest one and the one in force, and answers its number.
    pub(crate) async fn keep(&self, set: &Compiled, upkeep: &Upkeep) -> Result<u64> {
        for _ in 0..ATTEMPTS {
            let head = self.head().await?;
            match self.try_keep(set, upkeep, head).await {
                Err(error) if error.is(codes::CONFLICT) => {}
                other => return other,
            }
        }
        Err(Error::new(codes::CONFLICT).context("16 lost races for the history of policies"))
    }

    async fn try_keep(
        &self,
        set: &Compiled,
        upkeep: &Upkeep,
        head: Option<Stored<Head>>,
    ) -> Result<u64> {
        let before = head.as_ref().map(|stored| stored.entity.clone()).unwrap_or_default();
        let expect = head.map_or(Expect::Absent, |stored| Expect::Version(stored.version));
        let number = before.newest + 1;
        let kept = KeptSet::of(number, set, upkeep);
        // What the newest set is made of is there: whoever deletes texts deletes them against the
        // head they saw, and that is expected to stand.
        let there = self.find(before.newest).await?.map(|newest| newest.digests());
        let there = there.unwrap_or_default();
        let mut batch = Batch::new();
        for text in Text::all_of(&set.files) {
            if !there.contains(&text.digest()) {
                batch = batch.with(text.put(Expect::Any)?);
            }
        }
        let next = before.followed_by(number, upkeep);
        batch = batch.with(kept.put(Expect::Any)?);
        batch = batch.with(next.put(expect)?);
        self.store.commit(batch).await?;
        // The set is kept; that an old one is not yet gone is no reason to say otherwise.
        if let Err(error) = self.prune().await
            && !error.is(codes::CONFLICT)
        {
            tracing::warn!(?error, "deleting old policy sets");
        }
        Ok(number)
    }

    /// Deletes sets beyond the number that is kept, and texts that no set has any more.
    async fn prune(&self) -> Result<()> {
        let Some(head) = self.head().await? else { return Ok(()) };
        let sets = self.store.load_all::<KeptSet>().await?;
        let keep = self.keep.get() as usize;
        if sets.len() <= keep {
            return Ok(());
        }
        // Newest first; the one in force is never among those that go.
        let (kept, gone): (Vec<_>, Vec<_>) = sets
            .into_iter()
            .enumerate()
            .partition(|(at, set)| *at < keep || set.number == head.live);
        let used: HashSet<_> = kept.iter().flat_map(|(_, set)| set.digests()).collect();
        let head_stays = Expect::Version(head.version);
        let mut batch = Batch::new().check(Head::key(Head::ID), head_stays);
        for (_, set) in &gone {
            let key = KeptSet::key(KeptSet::id_of(set.number));
            batch = batch.delete(key, Expect::Any);
        }
        let unused: HashSet<_> = gone.iter().flat_map(|(_, set)| set.digests()).collect();
        for digest in unused.difference(&used) {
            batch = batch.delete(Text::key(digest.clone()), Expect::Any);
        }
        self.store.commit(batch).await.map(drop)
    }
}
