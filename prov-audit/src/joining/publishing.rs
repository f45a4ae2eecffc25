//! Passing this node's own logs on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use prov_core::audit::RetentionClass;
use prov_core::store::{Batch, Entity, Expect, Scan, StoreExt, Version};
use prov_core::{Result, codes as core_codes};

use super::part::Refused;
use super::records::{Announced, Follower, PartRecord};
use super::{JoinAlarmKind, Shared, part};
use crate::files::io_error;
use crate::journal::{Journal, Stub};
use crate::log::{Log, blocking};
use crate::merkle::{Hash, tree_root};
use crate::note::{Checkpoint, open};

/// So many parts are there for each node that lacks them: what bounds the store.
const AHEAD: u64 = 32;

/// A node says this often that it is there.
const ALIVE: Duration = Duration::from_secs(15);

/// What of one log is in the store.
#[derive(Debug)]
pub(super) struct Publisher {
    class: RetentionClass,
    said: Option<(Announced, Version)>,
    /// Where each part ends.
    parts: Option<BTreeMap<u64, u64>>,
    followers: Vec<u64>,
    /// After a failure: when it is tried again.
    rest_until: Option<Instant>,
}

impl Publisher {
    pub(super) fn new(class: RetentionClass) -> Self {
        Self { class, said: None, parts: None, followers: Vec::new(), rest_until: None }
    }

    /// Whether the log has grown since it was last passed on.
    pub(super) fn is_due(&self, log: &Log) -> bool {
        if self.rest_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        let newest = log.newest_checkpoint(self.class);
        self.said.as_ref().is_none_or(|(said, _)| {
            said.checkpoint != newest.note || is_old(said, log.clock().now())
        })
    }

    /// Says how far the log is, and has everything in the store that others lack, and no more.
    pub(super) async fn publish(&mut self, log: &Log, shared: &Shared, heard: bool) -> Result<()> {
        // Until it went well.
        self.rest_until = Instant::now().checked_add(shared.options.every);
        let checkpoint = log.newest_checkpoint(self.class);
        if !self.announce(log, shared, &checkpoint).await? {
            return Ok(());
        }
        let name = log.verifier_key(self.class).name();
        if heard {
            let scan = Scan::kind(Follower::KIND).with_prefix(format!("{name}+"));
            let all = log.store().list_all::<Follower>(scan).await?;
            self.followers = all.iter().map(|follower| follower.next).collect();
            let needed = self.followers.iter().min().copied().unwrap_or(u64::MAX);
            shared.set_needed(self.class, needed);
        }
        self.publish_parts(log, name, &checkpoint).await?;
        self.rest_until = None;
        Ok(())
    }

    async fn publish_parts(
        &mut self,
        log: &Log,
        name: &str,
        checkpoint: &Checkpoint,
    ) -> Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => self.parts.insert(known_parts(log, name).await?),
        };
        let count = checkpoint.size.div_ceil(part::WIDTH);
        let windows = self.followers.iter().map(|next| next / part::WIDTH);
        let wanted: BTreeSet<u64> =
            windows.flat_map(|first| first..count.min(first.saturating_add(AHEAD))).collect();
        let gone: Vec<u64> = parts.keys().copied().filter(|part| !wanted.contains(part)).collect();
        for index in gone {
            log.store().remove::<PartRecord>(&PartRecord::id_of(name, index)).await?;
            parts.remove(&index);
        }
        for index in wanted {
            let end = checkpoint.size.min((index + 1) * part::WIDTH);
            if parts.get(&index).is_some_and(|known| *known >= end) {
                continue;
            }
            let (journal, covering) = (Arc::clone(log.journal(self.class)), checkpoint.clone());
            let made = blocking(move || part::make(&journal, &covering, index)).await?;
            log.store().commit(Batch::new().with(made.put(Expect::Any)?)).await?;
            parts.insert(index, end);
        }
        Ok(())
    }

    /// Says how far the log is. `false` when somebody else says so under its name.
    async fn announce(
        &mut self,
        log: &Log,
        shared: &Shared,
        checkpoint: &Checkpoint,
    ) -> Result<bool> {
        let journal = Arc::clone(log.journal(self.class));
        let key = journal.key().verifier().clone();
        let stub = blocking(move || {
            let failed = |e| io_error(e, "reading how far the log is pruned");
            Stub::read(journal.dir(), journal.key().verifier()).map_err(failed)
        });
        let now = log.clock().now();
        let next = Announced {
            log: key.name().to_owned(),
            key: key.to_string(),
            checkpoint: checkpoint.note.clone(),
            pruned: stub.await?.ok().flatten().map(|stub| stub.note),
            at: now,
        };
        if self.said.is_none() {
            let there = log.store().load::<Announced>(key.name()).await?;
            if let Some(there) = there {
                if !self.is_ours(log, &there.entity, checkpoint).await? {
                    let what = "another program publishes another log under this name; give each node \
                                a name of its own";
                    let mut known = shared.own(self.class).lock();
                    known.raise(Refused::new(JoinAlarmKind::SameName, what), now);
                    return Ok(false);
                }
                self.said = Some((there.entity, there.version));
            }
        }
        let is_news = self.said.as_ref().is_none_or(|(said, _)| {
            said.checkpoint != next.checkpoint || said.pruned != next.pruned || is_old(said, now)
        });
        if is_news {
            let expect = self.said.as_ref().map_or(Expect::Absent, |(_, v)| Expect::Version(*v));
            match log.store().commit(Batch::new().with(next.put(expect)?)).await {
                Ok(version) => self.said = Some((next, version)),
                Err(error) => {
                    // Perhaps it was said all the same; perhaps somebody else did. The next time shows.
                    self.said = None;
                    return if error.is(core_codes::CONFLICT) { Ok(false) } else { Err(error) };
                }
            }
        }
        let mut known = shared.own(self.class).lock();
        (known.published, known.time) = (checkpoint.size, Some(now));
        known.clear();
        Ok(true)
    }

    /// Whether what is said in the store was said of the log that is here.
    async fn is_ours(&self, log: &Log, there: &Announced, newest: &Checkpoint) -> Result<bool> {
        let journal = Arc::clone(log.journal(self.class));
        let Some(said) = open(&there.checkpoint, journal.key().verifier()) else {
            return Ok(false);
        };
        if said.size > newest.size {
            return Ok(false);
        }
        blocking(move || Ok(root_at(&journal, said.size)? == said.root)).await
    }
}

fn root_at(journal: &Journal, size: u64) -> Result<Hash> {
    journal.prove(None, |tiles, _| tree_root(tiles, 0, size)).map(|proven| proven.proof)
}

fn is_old(said: &Announced, now: Timestamp) -> bool {
    said.at.checked_add(ALIVE).is_ok_and(|due| due <= now) || said.at > now
}

/// Which parts of a log are in the store from before. Where they end is not looked at: those that are still
/// needed are made again.
async fn known_parts(log: &Log, name: &str) -> Result<BTreeMap<u64, u64>> {
    let mut known = BTreeMap::new();
    let mut scan = Scan::kind(PartRecord::KIND).with_prefix(format!("{name}+"));
    loop {
        let page = log.store().scan(&scan).await?;
        for record in &page.records {
            let index = record.id.rsplit('+').next().and_then(|digits| digits.parse().ok());
            known.extend(index.map(|index: u64| (index, 0)));
        }
        let Some(next) = page.next else { return Ok(known) };
        scan = scan.after(Some(next));
    }
}
