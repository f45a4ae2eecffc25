//! Reading events back.

use std::collections::VecDeque;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use prov_core::audit::RetentionClass;
use prov_core::{Error, Result, SubjectRecord, codes as core_codes};
use uuid::Uuid;

use super::{Both, CLASSES, Log, blocking, class_name};
use crate::codes;
use crate::files::io_error;
use crate::index::{Filter, Hit, Index, Search, by_id, search, tally};
use crate::journal::Journal;
use crate::leaf::Leaf;
use crate::merkle::leaf_hash;
use crate::options::LogOptions;
use crate::people::{Vault, folded};
use crate::query::{ActionCount, Page, Query, Stats, is_asked};
use crate::record::AuditRecord;
use crate::segment::read_record;

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
    Ok(Both {
        standard: open(RetentionClass::Standard)?,
        break_glass: open(RetentionClass::BreakGlass)?,
    })
}

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
    /// The events that meet every condition, newest first. Waits, within bounds, until the index
    /// has read everything that is durable at this moment.
    ///
    /// # Errors
    /// A query that makes no sense; [`codes::INDEX_BEHIND`] when the index needs longer.
    pub async fn query(&self, query: &Query) -> Result<Page> {
        query.check()?;
        let before = self.read_cursor(query.cursor.as_deref())?;
        self.caught_up().await?;
        let limit = query.limit.map_or(100, std::num::NonZeroU32::get);
        let wanted = self.search_for(query, limit + 1).await?;
        let (files, vault) = (self.index_files(), Arc::clone(&self.vault));
        let found = blocking(move || {
            let term_of = |action: &str| vault.term("action", action);
            let mut lists = Vec::new();
            for ((class, file), before) in files.into_iter().zip(before) {
                let wanted = Search { before, ..wanted.clone() };
                let hits = search(&file, &wanted, &term_of).map_err(unreadable)?;
                lists.push(hits.into_iter().map(move |hit| (class, hit)).collect());
            }
            Ok(lists)
        })
        .await?;
        self.page(merge(found), limit, before).await
    }

    /// The event of this id.
    ///
    /// # Errors
    /// [`codes::EVENT_NOT_FOUND`]; as [`Log::query`].
    pub async fn event(&self, id: Uuid) -> Result<AuditRecord> {
        let (class, hit) = self.find(id).await?;
        let mut records = self.load(vec![(class, hit)]).await?;
        records.pop().ok_or_else(|| codes::EVENT_NOT_FOUND.into())
    }

    /// The proof that the event of this id is in the log, under the newest checkpoint; one is
    /// signed when the newest does not cover the event.
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
            let (hashes, checkpoint) = journal.prove(hit.seq)?;
            let mut text = format!("c2sp.org/tlog-proof@v1\nindex {}\n", hit.seq);
            for hash in hashes {
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

    async fn caught_up(&self) -> Result<()> {
        for (_, index) in self.indexes.each() {
            index.caught_up(self.options.index_patience).await?;
        }
        Ok(())
    }

    async fn find(&self, id: Uuid) -> Result<(RetentionClass, Hit)> {
        self.caught_up().await?;
        let files = self.index_files();
        blocking(move || {
            for (class, file) in files {
                if let Some(hit) = by_id(&file, id).map_err(unreadable)? {
                    return Ok((class, hit));
                }
            }
            Err(codes::EVENT_NOT_FOUND.into())
        })
        .await
    }

    async fn search_for(&self, query: &Query, limit: u32) -> Result<Search> {
        let term = |kind, value: &str| self.vault.term(kind, value);
        let public = |term| Filter { public: vec![term], personal: Vec::new() };
        let mut filters = Vec::new();
        if let Some(user) = &query.user {
            let mut who = vec![term("actor", user)];
            let pids = self.vault.pids_of_name(user).await?;
            who.extend(pids.iter().map(|pid| term("pid", pid)));
            filters.push(Filter { public: who, personal: vec![term("name", &folded(user))] });
        }
        let prefix = query.action.as_deref().and_then(|action| action.strip_suffix('*'));
        if let (Some(action), None) = (&query.action, prefix) {
            let kind = if is_asked(action) { "asked" } else { "action" };
            filters.push(public(term(kind, action)));
        }
        filters.extend(query.outcome.map(|outcome| public(term("outcome", outcome.as_str()))));
        filters.extend(query.resource.as_ref().map(|id| public(term("resource", id))));
        filters.extend(query.request_id.as_ref().map(|id| public(term("request", id.as_str()))));
        filters.extend(query.ip.map(|ip| Filter {
            public: Vec::new(),
            personal: vec![term("ip", &ip.to_canonical().to_string())],
        }));
        Ok(Search {
            filters,
            action_prefix: prefix.map(str::to_owned),
            times: (
                query.from.map_or(i64::MIN, jiff::Timestamp::as_microsecond),
                query.to.map_or(i64::MAX, jiff::Timestamp::as_microsecond),
            ),
            before: u64::MAX,
            limit,
        })
    }

    async fn page(
        &self,
        mut hits: Vec<(RetentionClass, Hit)>,
        limit: u32,
        mut before: [u64; 2],
    ) -> Result<Page> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = hits.len() > limit;
        hits.truncate(limit);
        for (place, class) in before.iter_mut().zip(CLASSES) {
            if let Some((_, last)) = hits.iter().rev().find(|(of, _)| *of == class) {
                *place = last.seq;
            }
        }
        let items = self.load(hits).await?;
        Ok(Page { items, next_cursor: more.then(|| self.write_cursor(before)) })
    }

    /// Reads leaves and opens their personal parts.
    async fn load(&self, hits: Vec<(RetentionClass, Hit)>) -> Result<Vec<AuditRecord>> {
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
                Some(sealed) => Some(self.vault.open_sealed(leaf.id, sealed).await?),
                None => None,
            };
            records.push(AuditRecord::new(class, seq, hash, leaf, opened));
        }
        Ok(records)
    }

    fn index_files(&self) -> [(RetentionClass, std::path::PathBuf); 2] {
        self.indexes.each().map(|(class, index)| (class, index.file().to_owned()))
    }

    /// A cursor says where each class continues, and whose it is.
    fn write_cursor(&self, before: [u64; 2]) -> String {
        let [standard, break_glass] = before;
        let whose = self.vault.term("cursor", &self.options.origin).cast_unsigned();
        format!("{whose:x}.{standard}.{break_glass}")
    }

    fn read_cursor(&self, cursor: Option<&str>) -> Result<[u64; 2]> {
        let Some(cursor) = cursor else { return Ok([u64::MAX; 2]) };
        let mut parts = cursor.splitn(3, '.').skip(1).map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(standard)), Some(Ok(break_glass)))
                if self.write_cursor([standard, break_glass]) == cursor =>
            {
                Ok([standard, break_glass])
            }
            _ => Err(Error::new(core_codes::INVALID_REQUEST).field(
                "cursor",
                "not a cursor of this log; take `next_cursor` of an earlier answer",
            )),
        }
    }
}

/// Joins the lists of the classes, the newer event first.
fn merge(lists: Vec<Vec<(RetentionClass, Hit)>>) -> Vec<(RetentionClass, Hit)> {
    let mut lists: Vec<VecDeque<_>> = lists.into_iter().map(VecDeque::from).collect();
    let mut merged = Vec::new();
    loop {
        let newest = lists
            .iter_mut()
            .filter(|list| !list.is_empty())
            .max_by_key(|list| list.front().map(|(_, hit): &(RetentionClass, Hit)| hit.time));
        let Some(next) = newest.and_then(VecDeque::pop_front) else { return merged };
        merged.push(next);
    }
}

fn unreadable(error: rusqlite::Error) -> Error {
    Error::new(codes::INDEX_BEHIND).context("reading the audit index").source(error)
}
