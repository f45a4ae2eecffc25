//! Following the log as it grows.

use std::sync::Arc;
use std::time::Duration;

use prov_core::Result;
use prov_core::audit::RetentionClass;
use tokio::sync::watch;

use super::{CLASSES, Log, blocking};
use crate::files::io_error;
use crate::leaf::Leaf;
use crate::merkle::leaf_hash;
use crate::question::Question;
use crate::record::{AuditRecord, Place};
use crate::segment::SegmentCursor;

/// Groups that come faster than this are given together.
const GATHER: Duration = Duration::from_millis(10);

/// At most so many events at once.
const AT_ONCE: usize = 256;

/// Gives events as they become durable.
#[derive(Debug)]
pub struct Tail {
    log: Arc<Log>,
    question: Option<Question>,
    classes: [Following; 2],
}

#[derive(Debug)]
struct Following {
    class: RetentionClass,
    next: u64,
    cursor: Option<SegmentCursor>,
    durable: watch::Receiver<u64>,
}

/// An event that a tail gave, and where a new tail goes on behind it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tailed {
    /// The event.
    pub record: AuditRecord,
    /// The numbers of the next event of each class: standard, break-glass.
    pub next: [u64; 2],
}

impl Log {
    /// A tail of what matches: from these numbers on (standard, break-glass), or of what is recorded
    /// from now on.
    #[must_use]
    pub fn tail(self: &Arc<Self>, question: Option<Question>, from: Option<[u64; 2]>) -> Tail {
        let of = |(at, class): (usize, RetentionClass)| {
            let durable = self.journals.of(class).durable();
            let size = durable.size();
            let from = from.as_ref().and_then(|from| from.get(at)).copied();
            let next = from.map_or(size, |from| from.min(size));
            Following { class, next, cursor: None, durable: durable.watch() }
        };
        let [first, second] = CLASSES;
        let classes = [of((0, first)), of((1, second))];
        Tail { log: Arc::clone(self), question, classes }
    }
}

impl Tail {
    /// The next events, as soon as there are any. May be empty: events came, and none matched.
    ///
    /// # Errors
    /// When a record can't be read.
    pub async fn next(&mut self) -> Result<Vec<Tailed>> {
        while self.classes.iter().all(|f| f.next >= *f.durable.borrow()) {
            let [standard, break_glass] = &mut self.classes;
            let changed = tokio::select! {
                changed = standard.durable.changed() => changed,
                changed = break_glass.durable.changed() => changed,
            };
            if changed.is_err() {
                return Ok(Vec::new());
            }
            tokio::time::sleep(GATHER).await;
        }
        let mut found = Vec::new();
        for at in 0..self.classes.len() {
            let Some(following) = self.classes.get_mut(at) else { continue };
            let class = following.class;
            for (seq, leaf) in following.read(&self.log).await? {
                let Some(place) = self.classes.get_mut(at) else { continue };
                place.next = seq + 1;
                let Some(read) = Leaf::read(&leaf) else { continue };
                let opened = match &read.subject {
                    Some(sealed) => Some(self.log.vault.open_sealed(sealed).await?),
                    None => None,
                };
                let hash = hex::encode(leaf_hash(&leaf));
                let origin = self.log.verifier_key(class).name().to_owned();
                let place = Place { origin, log: class, seq, hash };
                let record = AuditRecord::new(place, read, opened);
                if self.question.as_ref().is_none_or(|question| question.matches(&record)) {
                    found.push(Tailed { record, next: self.classes.each_ref().map(|f| f.next) });
                }
            }
        }
        Ok(found)
    }
}

impl Following {
    async fn read(&mut self, log: &Log) -> Result<Vec<(u64, Vec<u8>)>> {
        let durable = *self.durable.borrow_and_update();
        if self.next >= durable {
            return Ok(Vec::new());
        }
        let (dir, next, cursor) =
            (log.journals.of(self.class).dir().to_owned(), self.next, self.cursor.take());
        let (cursor, records) = blocking(move || {
            let failed = |e| io_error(e, "reading the end of the log");
            let mut cursor = match cursor {
                Some(cursor) => cursor,
                None => SegmentCursor::at(&dir, next).map_err(failed)?,
            };
            let records = cursor.read(durable, AT_ONCE).map_err(failed)?;
            Ok((cursor, records))
        })
        .await?;
        self.cursor = Some(cursor);
        Ok(records.into_iter().map(|record| (record.seq, record.leaf)).collect())
    }
}
