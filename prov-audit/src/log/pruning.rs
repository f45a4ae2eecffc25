//! Keeping events as long as they must be kept, and no longer.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder, RetentionClass};
use prov_core::store::{Batch, Entity, Expect, StoreExt};
use prov_core::{Error, PrincipalKind, Result, SecurityContext, codes as core_codes};

use super::{CLASSES, ExportedLeaf, Log, api_name, blocking};
use crate::codes;
use crate::files::io_error;
use crate::journal::Journal;
use crate::leaf::Leaf;
use crate::merkle::{TILE_WIDTH, range_proof};
use crate::retention::{Archive, Hold, Packed, PruneEnd, Pruned, Retention, StoredRetention};
use crate::segment::{self, SegmentCursor};

/// What may be pruned of a class.
#[derive(Debug)]
struct Found {
    oldest: u64,
    before: u64,
    until: PruneEnd,
    /// The segments that go: where each begins and ends.
    segments: Vec<(u64, u64)>,
}

/// What keeps events.
#[derive(Debug)]
pub(super) struct Keeping {
    class: RetentionClass,
    cutoff: Timestamp,
    holds: Vec<Hold>,
    /// What is at or behind this is not signed, or a sink lacks it.
    limit: u64,
    limited_by_sink: bool,
}

impl Log {
    /// How long events are kept: as the options say, or longer where that was set.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn retention(&self) -> Result<Retention> {
        let stored = self.options.store.load::<StoredRetention>(StoredRetention::ID).await?;
        let options = self.options.retention;
        Ok(stored.map_or(options, |stored| options.or_longer(stored.entity.retention)))
    }

    /// Sets how long events are kept, on every node of the store. Never shorter than the options
    /// say: who may call this may not destroy evidence by it.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for less than that; when it can't be recorded or stored.
    pub async fn set_retention(&self, context: &SecurityContext, wanted: Retention) -> Result<()> {
        wanted.check()?;
        let least = self.options.retention;
        let fields = [
            ("standard", wanted.standard, least.standard),
            ("break_glass", wanted.break_glass, least.break_glass),
        ];
        for (field, wanted, least) in fields {
            if wanted < least {
                let what = format!(
                    "at least `{}`, what the configuration says",
                    prov_core::duration_text::format(least)
                );
                return Err(Error::new(core_codes::INVALID_REQUEST).field(field, what));
            }
        }
        let text = prov_core::duration_text::format;
        let event = Event::new(&*self.options.clock, Action::AUDIT_RETENTION_SET, Outcome::Success)
            .in_context(context)
            .on("audit", "log")
            .with("standard", text(wanted.standard))
            .with("break_glass", text(wanted.break_glass));
        self.record(event).await?;
        context.request().mark_recorded();
        let stored = StoredRetention { retention: wanted };
        self.options.store.commit(Batch::new().with(stored.put(Expect::Any)?)).await.map(drop)
    }

    /// The number of the oldest event that is kept of a class.
    ///
    /// # Errors
    /// When the log's directory can't be read.
    pub async fn oldest(&self, class: RetentionClass) -> Result<u64> {
        let dir = self.journals.of(class).dir().to_owned();
        blocking(move || segment::oldest(&dir).map_err(|e| io_error(e, "listing segments"))).await
    }

    /// Prunes every class as far as its retention, holds and sinks allow, whole segments at a time,
    /// each archived first where that is configured. What goes is said in the log first.
    ///
    /// # Errors
    /// When something can't be read, archived, recorded or removed: what is not removed stays.
    pub async fn prune(&self) -> Result<Vec<Pruned>> {
        let mut all = Vec::new();
        for class in CLASSES {
            all.push(self.prune_class(class).await?);
        }
        Ok(all)
    }

    /// Prunes this often until `shutdown` ends.
    pub async fn keep_pruned(
        self: Arc<Self>,
        every: Duration,
        shutdown: impl Future<Output = ()> + Send,
    ) {
        let pruning = async {
            loop {
                if let Err(error) = self.prune().await {
                    tracing::warn!(?error, "the audit log could not be pruned");
                }
                tokio::time::sleep(every).await;
            }
        };
        tokio::select! {
            () = pruning => {}
            () = shutdown => {}
        }
    }

    async fn prune_class(&self, class: RetentionClass) -> Result<Pruned> {
        let holds = self.holds().await?;
        let found = self.prunable(class, holds.clone()).await?;
        let pruned =
            |to, until| Pruned { log: api_name(class).to_owned(), from: found.oldest, to, until };
        if found.before <= found.oldest {
            // What an index could not take out before.
            #[cfg(feature = "sqlite-index")]
            self.indexes.of(class).prune(found.oldest).await?;
            return Ok(pruned(found.oldest, found.until.clone()));
        }
        if let Some(archive) = &self.options.archive {
            for segment in found.segments.clone() {
                self.archive(class, segment, &**archive).await?;
            }
        }
        // A hold that came meanwhile is not overtaken.
        if self.holds().await? != holds {
            return Ok(pruned(found.oldest, PruneEnd::Age));
        }
        let actor =
            Actor::account(PrincipalKind::System, "system:audit-retention", "audit-retention");
        let event =
            Event::new(&*self.options.clock, Action::AUDIT_RETENTION_PRUNE, Outcome::Success)
                .by(actor)
                .on("audit", "log")
                .with("log", api_name(class))
                .with("from_seq", found.oldest)
                .with("to_seq", found.before)
                .with("archived", self.options.archive.is_some());
        self.record(event).await?;
        let done = self.journals.of(class).prune(found.before, self.options.clock.now()).await;
        // Also when some of it could not be removed.
        #[cfg(feature = "sqlite-index")]
        self.indexes.of(class).prune(found.before).await?;
        done.map(|()| pruned(found.before, found.until))
    }

    /// Looks how far a class may be pruned. Has the segment that is written to left for the next one
    /// when it began long ago, so that it is not kept for ever.
    async fn prunable(&self, class: RetentionClass, holds: Vec<Hold>) -> Result<Found> {
        let journal = Arc::clone(self.journals.of(class));
        let retention = self.retention().await?.of(class);
        let now = self.options.clock.now();
        let ago = |time: Duration| now.checked_sub(time).unwrap_or(Timestamp::MIN);
        if journal.newest_checkpoint().size < journal.durable().size() {
            self.checkpoint(class).await?;
        }
        // Of a tile that is not full a newer checkpoint takes the hashes away.
        let signed = journal.newest_checkpoint().size / TILE_WIDTH as u64 * TILE_WIDTH as u64;
        let needed = self.needed_from(class);
        let limit = needed.map_or(signed, |needed| needed.min(signed));
        let limited_by_sink = needed.is_some_and(|needed| needed < signed);
        let cutoff = ago(retention);
        let keeping = Keeping { class, cutoff, holds, limit, limited_by_sink };
        let long_ago = ago(retention / 12);
        blocking(move || {
            let found = keeping.look(&journal).map_err(|e| io_error(e, "reading old segments"))?;
            if began_before(&journal, long_ago).unwrap_or(false) {
                journal.leave_segment();
            }
            Ok(found)
        })
        .await
    }

    /// From which record on a sink, or another node, still needs a log.
    fn needed_from(&self, class: RetentionClass) -> Option<u64> {
        let by_sinks = self.sinks.needed_from(class);
        #[cfg(feature = "sqlite-index")]
        if let Some(by_others) = self.joining().and_then(|shared| shared.needed_from(class)) {
            return Some(by_sinks.map_or(by_others, |by_sinks| by_sinks.min(by_others)));
        }
        by_sinks
    }

    async fn archive(
        &self,
        class: RetentionClass,
        (first, end): (u64, u64),
        archive: &dyn Archive,
    ) -> Result<()> {
        let journal = Arc::clone(self.journals.of(class));
        let key = journal.key().verifier().clone();
        let packed = blocking(move || {
            let leaves = leaves_between(journal.dir(), first, end)
                .map_err(|e| io_error(e, "reading what is archived"))?;
            let proven =
                journal.prove(None, |tiles, size| range_proof(tiles, &(first..end), 0..size))?;
            Packed::new(class, &leaves, &proven.proof, &proven.checkpoint)
        })
        .await?;
        packed.keep_in(archive, &key, self.ml_dsa_44_key(class)).await
    }
}

fn leaves_between(dir: &Path, first: u64, end: u64) -> std::io::Result<Vec<ExportedLeaf>> {
    let mut cursor = SegmentCursor::at(dir, first)?;
    let mut leaves = Vec::new();
    loop {
        let more = cursor.read(end, usize::MAX)?;
        if more.is_empty() {
            return Ok(leaves);
        }
        leaves.extend(more.into_iter().map(|record| ExportedLeaf::new(record.seq, record.leaf)));
    }
}

/// Whether the segment that is written to began before this.
fn began_before(journal: &Journal, moment: Timestamp) -> std::io::Result<bool> {
    let Some(active) = segment::list(journal.dir())?.pop() else { return Ok(false) };
    let first = SegmentCursor::at(journal.dir(), active)?.read(journal.durable().size(), 1)?;
    let first = first.first().and_then(|record| Leaf::read(&record.leaf));
    Ok(first.is_some_and(|leaf| leaf.time < moment))
}

/// Clocks of nodes may differ by so much.
#[cfg(feature = "sqlite-index")]
const SKEW: Duration = Duration::from_hours(24);

#[cfg(feature = "sqlite-index")]
impl Keeping {
    /// What keeps events in the mirror of another node's log.
    pub(super) async fn of_mirror(log: &Log, class: RetentionClass) -> Result<Self> {
        let age = log.retention().await?.of(class).saturating_sub(SKEW);
        let cutoff = log.options.clock.now().checked_sub(age).unwrap_or(Timestamp::MIN);
        let holds = log.holds().await?;
        Ok(Self { class, cutoff, holds, limit: u64::MAX, limited_by_sink: false })
    }

    /// Whether one of the events before `before`, which is where a segment begins, is kept.
    pub(super) fn keeps_any_before(&self, dir: &Path, before: u64) -> std::io::Result<bool> {
        let mut segments = segment::list(dir)?;
        segments.retain(|first| *first <= before);
        for (first, end) in segments.iter().copied().zip(segments.iter().copied().skip(1)) {
            if self.keeps(dir, (first, end))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Keeping {
    fn look(&self, journal: &Journal) -> std::io::Result<Found> {
        let segments = segment::list(journal.dir())?;
        let oldest = segments.first().copied().unwrap_or_default();
        let mut found =
            Found { oldest, before: oldest, until: PruneEnd::Age, segments: Vec::new() };
        for (first, end) in segments.iter().copied().zip(segments.iter().copied().skip(1)) {
            if end > self.limit {
                if self.limited_by_sink {
                    found.until = PruneEnd::Sink;
                }
                break;
            }
            if let Some(until) = self.keeps(journal.dir(), (first, end))? {
                found.until = until;
                break;
            }
            found.before = end;
            found.segments.push((first, end));
        }
        Ok(found)
    }

    /// What keeps a segment, if anything does.
    fn keeps(&self, dir: &Path, (first, end): (u64, u64)) -> std::io::Result<Option<PruneEnd>> {
        let mut cursor = SegmentCursor::at(dir, first)?;
        loop {
            let records = cursor.read(end, usize::MAX)?;
            if records.is_empty() {
                return Ok(None);
            }
            for record in records {
                let leaf = Leaf::read(&record.leaf);
                if leaf.as_ref().is_none_or(|leaf| leaf.time >= self.cutoff) {
                    return Ok(Some(PruneEnd::Age));
                }
                let hold = self.holds.iter().find(|hold| hold.keeps(self.class, leaf.as_ref()));
                if let Some(hold) = hold {
                    return Ok(Some(PruneEnd::Hold(hold.id.clone())));
                }
            }
        }
    }
}

/// Says that an account is held, as an error.
pub(super) fn held(hold: &Hold) -> Error {
    Error::new(codes::HELD).detail(format!("`{}` keeps this account: release it first", hold.id))
}

#[cfg(test)]
#[cfg(feature = "sqlite-index")]
mod tests;
