//! Reading events back.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::audit::RetentionClass;
use prov_core::{Error, Result, SubjectRecord, codes as core_codes};
use uuid::Uuid;

use super::proving::inclusion;
use super::sources::{Of, Source};
use super::unindex::unindex;
use super::{Both, Log, blocking, class_name};
use crate::codes;
use crate::files::io_error;
use crate::index::{Condition, Hit, Index, Indexed, Searching, tally};
use crate::journal::Journal;
use crate::leaf::Leaf;
use crate::merkle::leaf_hash;
use crate::note::VerifierKey;
use crate::options::LogOptions;
use crate::people::Vault;
use crate::query::{ActionCount, LogCount, Query, Stats};
use crate::record::{AuditRecord, Place};
use crate::witness::read_cosigned;

/// Opens both indexes. What they need to catch up with the log is taken into memory first.
pub(super) async fn open_indexes(
    options: &LogOptions,
    journals: &Both<Arc<Journal>>,
    vault: &Arc<Vault>,
) -> Result<Both<Index>> {
    if journals.each().iter().any(|(_, journal)| journal.durable().size() > 0) {
        vault.preload().await?;
    }
    let open = |class| {
        let file = options.dir.join("index").join(format!("{}.sqlite", class_name(class)));
        Index::open(file, Indexed::of(journals.of(class)), Arc::clone(vault))
    };
    let indexes = Both {
        standard: open(RetentionClass::Standard)?,
        break_glass: open(RetentionClass::BreakGlass)?,
    };
    // The program may have been stopped before those that were erased were taken out, or the power may have
    // put an index back to what it was before. An index that can't be opened is made anew, without them.
    if let Err(error) =
        unindex(indexes.each().map(|(_, index)| index).into_iter(), vault, &vault.erased().await?)
            .await
    {
        tracing::warn!(?error, "the erased could not be taken out of an audit index");
    }
    Ok(indexes)
}

/// How long one search may take before it answers with what it has.
pub(super) const LONGEST: Duration = Duration::from_millis(500);

/// A proof that an event is in the log: C2SP tlog-proof.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proof {
    /// The leaf it is about, to be hashed by whoever verifies.
    pub leaf: Vec<u8>,
    /// The text of a `.tlog-proof` file.
    pub text: String,
    /// The key that verifies it: of the log that the event is in.
    pub key: VerifierKey,
}

impl Log {
    /// The event of this id, whichever node recorded it.
    ///
    /// # Errors
    /// [`codes::EVENT_NOT_FOUND`]; as [`Log::query`].
    pub async fn event(&self, id: Uuid) -> Result<AuditRecord> {
        let (source, hit) = self.find(id).await?;
        let mut records = self.load(&[source], vec![(0, hit)]).await?;
        records.pop().ok_or_else(|| codes::EVENT_NOT_FOUND.into())
    }

    /// The proof that the event of this id is in the log: under the checkpoint that witnesses cosigned,
    /// if that covers it, else under the newest. One is signed when the newest does not cover the event.
    ///
    /// # Errors
    /// [`codes::EVENT_NOT_FOUND`]; [`codes::DAMAGED`] when the event or tiles can't be read.
    pub async fn proof(&self, id: Uuid) -> Result<Proof> {
        let (source, hit) = self.find(id).await?;
        self.proof_of(source, hit).await
    }

    /// As [`Log::proof`], of a joined log by its name: of another node's in what is here.
    ///
    /// # Errors
    /// [`codes::UNKNOWN_LOG`] for a log that is not joined; [`codes::EVENT_NOT_FOUND`] also for an event that
    /// is in another log; as [`Log::proof`].
    pub async fn joined_proof(&self, origin: &str, id: Uuid) -> Result<Proof> {
        let source = self.source(origin)?;
        self.caught_up().await?;
        let (source, hit) = self.find_in(vec![source], id).await?.ok_or_else(|| {
            Error::new(codes::EVENT_NOT_FOUND).detail("there is no such event in that log")
        })?;
        self.proof_of(source, hit).await
    }

    async fn proof_of(&self, source: Source, hit: Hit) -> Result<Proof> {
        if let Of::Own(journal) = &source.of
            && hit.seq >= journal.newest_checkpoint().size
        {
            self.checkpoint(source.class).await?;
        }
        blocking(move || {
            let record = source.read(hit)?.ok_or(codes::EVENT_NOT_FOUND)?;
            let key = source.key();
            let cosigned = read_cosigned(&source.dir, &key);
            let cosigned = cosigned.map_err(|e| io_error(e, "reading the cosigned checkpoint"))?;
            let cosigned = cosigned.unwrap_or_default().filter(|cosigned| cosigned.size > hit.seq);
            let size = cosigned.as_ref().map(|cosigned| cosigned.size);
            let proven = source.prove(size, |tiles, size| inclusion(tiles, hit.seq, size))?;
            let checkpoint = cosigned.unwrap_or(proven.checkpoint);
            let mut text = format!("c2sp.org/tlog-proof@v1\nindex {}\n", hit.seq);
            for hash in proven.proof {
                text.push_str(&STANDARD.encode(hash));
                text.push('\n');
            }
            text.push('\n');
            text.push_str(&checkpoint.note);
            Ok(Proof { leaf: record.leaf, text, key })
        })
        .await
    }

    /// Counts over all joined logs, or those of one node, or the one of that name.
    ///
    /// # Errors
    /// As [`Log::query`].
    pub async fn stats(&self, origin: Option<&str>) -> Result<Stats> {
        self.caught_up().await?;
        let sources = self.sources_at(origin)?;
        let logs: Vec<LogCount> = sources
            .iter()
            .map(|source| LogCount {
                origin: source.name.to_string(),
                class: source.class,
                events: source.durable().size(),
                indexed: source.indexed,
            })
            .collect();
        let counts = blocking(move || {
            let mut counts: BTreeMap<(String, String), u64> = BTreeMap::new();
            for source in sources {
                for (action, outcome, count) in source.index.ask(tally)? {
                    *counts.entry((action, outcome)).or_default() += count;
                }
            }
            Ok(counts)
        });
        let counts = counts.await?.into_iter();
        let mut by_action: Vec<ActionCount> = counts
            .map(|((action, outcome), count)| ActionCount::new(action, outcome, count))
            .collect();
        by_action.sort_by_key(|one| Reverse(one.count));
        Ok(Stats { logs, by_action })
    }

    /// Makes the index anew from the log. Queries wait for it as far as their patience goes.
    ///
    /// # Errors
    /// When the keys of subjects can't be read, or the log is closed.
    pub async fn rebuild_index(&self) -> Result<()> {
        self.vault.preload().await?;
        for (_, index) in self.indexes.each() {
            index.rebuild().await?;
        }
        for peer in self.peers() {
            peer.index.rebuild().await?;
        }
        Ok(())
    }

    /// Everything a person's account did that can still be read.
    pub(super) async fn events_of(&self, account: &str) -> Result<Vec<SubjectRecord>> {
        let mut query = Query::new().user(account);
        let mut found = Vec::new();
        loop {
            let page = self.query(&query).await?;
            for record in page.items.into_iter().filter(|record| !record.erased) {
                let data = serde_json::to_value(&record).map_err(|e| {
                    Error::new(core_codes::INTERNAL).context("exporting an event").source(e)
                })?;
                found.push(SubjectRecord::new("audit.event", record.id.to_string(), data));
            }
            if page.next_cursor.is_none() {
                return Ok(found);
            }
            query.cursor = page.next_cursor;
        }
    }

    pub(super) async fn caught_up(&self) -> Result<()> {
        for (_, index) in self.indexes.each() {
            index.caught_up(self.options.index_patience).await?;
        }
        for peer in self.peers() {
            peer.index.caught_up(self.options.index_patience).await?;
        }
        Ok(())
    }

    async fn find(&self, id: Uuid) -> Result<(Source, Hit)> {
        self.caught_up().await?;
        let mut sources = self.sources();
        // No other node can put an event of its own in the place of one that was recorded here.
        sources.sort_by_key(|source| matches!(source.of, Of::Peer(_)));
        let found = self.find_in(sources, id).await?;
        found.ok_or_else(|| codes::EVENT_NOT_FOUND.into())
    }

    /// The event of this id, in the first of these logs that has it.
    async fn find_in(&self, sources: Vec<Source>, id: Uuid) -> Result<Option<(Source, Hit)>> {
        let wanted = Condition::public(self.vault.term("id", &id.to_string()));
        blocking(move || {
            for source in sources {
                let found = source.index.ask(|file| {
                    Searching::open(file, LONGEST, &|_| 0)?.search(&wanted, u64::MAX, 1)
                })?;
                if let Some(hit) = found.hits.first() {
                    return Ok(Some((source, *hit)));
                }
                if found.stopped.is_some() {
                    return Err(Error::new(codes::INDEX_BEHIND)
                        .detail("looking for the event takes too long at the moment; try again"));
                }
            }
            Ok(None)
        })
        .await
    }

    /// Reads leaves and opens their personal parts. Each hit is with the place of its log in the list. What was
    /// pruned meanwhile is left out.
    pub(super) async fn load(
        &self,
        sources: &[Source],
        hits: Vec<(usize, Hit)>,
    ) -> Result<Vec<AuditRecord>> {
        let read_from = sources.to_vec();
        let leaves = blocking(move || {
            let mut leaves = Vec::with_capacity(hits.len());
            for (of, hit) in hits {
                let Some(source) = read_from.get(of) else { continue };
                let Some(record) = source.read(hit)? else { continue };
                leaves.push((of, hit.seq, hex::encode(leaf_hash(&record.leaf)), record.leaf));
            }
            Ok(leaves)
        })
        .await?;
        let mut records = Vec::with_capacity(leaves.len());
        for (of, seq, hash, leaf) in leaves {
            let Some(source) = sources.get(of) else { continue };
            let leaf = Leaf::read(&leaf)
                .ok_or_else(|| Error::new(codes::DAMAGED).context("a leaf of another format"))?;
            let opened = match &leaf.subject {
                Some(sealed) => Some(source.vault.open_sealed(sealed).await?),
                None => None,
            };
            let place = Place { origin: source.name.to_string(), log: source.class, seq, hash };
            records.push(AuditRecord::new(place, leaf, opened));
        }
        Ok(records)
    }
}
