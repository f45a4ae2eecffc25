//! Reading events back.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::audit::RetentionClass;
use prov_core::{Error, Result, SubjectRecord, codes as core_codes};
use uuid::Uuid;

use super::proving::inclusion;
use super::unindex::unindex;
use super::{Both, Log, blocking, class_name};
use crate::codes;
use crate::files::io_error;
use crate::index::{Condition, Hit, Index, Searching, tally};
use crate::journal::Journal;
use crate::leaf::Leaf;
use crate::merkle::leaf_hash;
use crate::options::LogOptions;
use crate::people::Vault;
use crate::query::{ActionCount, Query, Stats};
use crate::record::AuditRecord;
use crate::segment::read_record;
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
        Index::open(file, Arc::clone(journals.of(class)), Arc::clone(vault))
    };
    let indexes = Both {
        standard: open(RetentionClass::Standard)?,
        break_glass: open(RetentionClass::BreakGlass)?,
    };
    // The program may have been stopped before those that were erased were taken out, or the power may have
    // put an index back to what it was before. An index that can't be opened is made anew, without them.
    if let Err(error) = unindex(&indexes, vault, &vault.erased().await?).await {
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
}

impl Log {
    /// The event of this id.
    ///
    /// # Errors
    /// [`codes::EVENT_NOT_FOUND`]; as [`Log::query`].
    pub async fn event(&self, id: Uuid) -> Result<AuditRecord> {
        let (class, hit) = self.find(id).await?;
        let mut records = self.load(vec![(class, hit)]).await?;
        records.pop().ok_or_else(|| codes::EVENT_NOT_FOUND.into())
    }

    /// The proof that the event of this id is in the log: under the checkpoint that witnesses cosigned,
    /// if that covers it, else under the newest. One is signed when the newest does not cover the event.
    ///
    /// # Errors
    /// [`codes::EVENT_NOT_FOUND`]; [`codes::DAMAGED`] when tiles can't be read.
    pub async fn proof(&self, id: Uuid) -> Result<Proof> {
        let (class, hit) = self.find(id).await?;
        if hit.seq >= self.newest_checkpoint(class).size {
            self.checkpoint(class).await?;
        }
        let journal = Arc::clone(self.journals.of(class));
        blocking(move || {
            let record = read_record(journal.dir(), hit.seq, hit.segment, hit.place)
                .map_err(|e| io_error(e, "reading a record"))?;
            let cosigned = read_cosigned(journal.dir(), journal.key().verifier());
            let cosigned = cosigned.map_err(|e| io_error(e, "reading the cosigned checkpoint"))?;
            let cosigned = cosigned.unwrap_or_default().filter(|cosigned| cosigned.size > hit.seq);
            let size = cosigned.as_ref().map(|cosigned| cosigned.size);
            let proven = journal.prove(size, |tiles, size| inclusion(tiles, hit.seq, size))?;
            let checkpoint = cosigned.unwrap_or(proven.checkpoint);
            let mut text = format!("c2sp.org/tlog-proof@v1\nindex {}\n", hit.seq);
            for hash in proven.proof {
                text.push_str(&STANDARD.encode(hash));
                text.push('\n');
            }
            text.push('\n');
            text.push_str(&checkpoint.note);
            Ok(Proof { leaf: record.leaf, text })
        })
        .await
    }

    /// Counts over the whole log.
    ///
    /// # Errors
    /// As [`Log::query`].
    pub async fn stats(&self) -> Result<Stats> {
        self.caught_up().await?;
        let files = self.index_files();
        let mut counts = blocking(move || {
            let mut counts = Vec::new();
            for (_, file) in files {
                counts.extend(tally(&file).map_err(unreadable)?);
            }
            Ok(counts)
        })
        .await?;
        counts.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.0.cmp(&b.0)));
        let by_action =
            counts.into_iter().map(|(action, outcome, n)| ActionCount::new(action, outcome, n));
        let sizes = (self.size(RetentionClass::Standard), self.size(RetentionClass::BreakGlass));
        let indexed = self.indexes.each().iter().map(|(_, index)| index.position()).sum();
        Ok(Stats::new(sizes, indexed, by_action.collect()))
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
        Ok(())
    }

    async fn find(&self, id: Uuid) -> Result<(RetentionClass, Hit)> {
        self.caught_up().await?;
        let wanted = Condition::public(self.vault.term("id", &id.to_string()));
        let files = self.index_files();
        blocking(move || {
            for (class, file) in files {
                let found = Searching::open(&file, LONGEST, &|_| 0)
                    .and_then(|index| index.search(&wanted, u64::MAX, 1))
                    .map_err(unreadable)?;
                if let Some(hit) = found.hits.first() {
                    return Ok((class, *hit));
                }
            }
            Err(codes::EVENT_NOT_FOUND.into())
        })
        .await
    }

    /// Reads leaves and opens their personal parts.
    pub(super) async fn load(&self, hits: Vec<(RetentionClass, Hit)>) -> Result<Vec<AuditRecord>> {
        let dirs = self.journals.each().map(|(class, journal)| (class, journal.dir().to_owned()));
        let leaves = blocking(move || {
            let mut leaves = Vec::with_capacity(hits.len());
            for (class, hit) in hits {
                let Some((_, dir)) = dirs.iter().find(|(of, _)| *of == class) else { continue };
                let record = read_record(dir, hit.seq, hit.segment, hit.place).map_err(|e| {
                    let what = format!("record {} of the audit log can't be read", hit.seq);
                    Error::new(codes::DAMAGED).detail(what).source(e)
                })?;
                let leaf = Leaf::read(&record.leaf).ok_or_else(|| {
                    Error::new(codes::DAMAGED).context("a leaf of another format")
                })?;
                leaves.push((class, hit.seq, hex::encode(leaf_hash(&record.leaf)), leaf));
            }
            Ok(leaves)
        })
        .await?;
        let mut records = Vec::with_capacity(leaves.len());
        for (class, seq, hash, leaf) in leaves {
            let opened = match &leaf.subject {
                Some(sealed) => Some(self.vault.open_sealed(sealed).await?),
                None => None,
            };
            records.push(AuditRecord::new(class, seq, hash, leaf, opened));
        }
        Ok(records)
    }

    pub(super) fn index_files(&self) -> [(RetentionClass, std::path::PathBuf); 2] {
        self.indexes.each().map(|(class, index)| (class, index.file().to_owned()))
    }
}

pub(super) fn unreadable(error: rusqlite::Error) -> Error {
    Error::new(codes::INDEX_BEHIND).context("reading the audit index").source(error)
}
