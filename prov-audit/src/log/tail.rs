//! Following the logs as they grow: this node's own, and the mirrors of the others'.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use prov_core::{Error, Result, codes as core_codes};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::sources::{Of, Source, is_of, short, unknown_log};
use super::{CLASSES, Log, blocking, class_name};
use crate::files::io_error;
use crate::joining::{JoinAlarmKind, JoinedLog};
use crate::leaf::Leaf;
use crate::merkle::leaf_hash;
use crate::question::Question;
use crate::record::{AuditRecord, Place};
use crate::segment::{Record, SegmentCursor};

/// Groups that come faster than this are given together.
const GATHER: Duration = Duration::from_millis(10);

/// How often is looked for logs that are new, and for what is wrong with one.
const LOOK: Duration = Duration::from_secs(1);

/// At most so many events of each log at once.
const AT_ONCE: usize = 256;

/// No place names more logs.
const MOST_LOGS: usize = 1024;

/// Gives events of all joined logs as they become durable here.
#[derive(Debug)]
pub struct Tail {
    log: Arc<Log>,
    question: Option<Question>,
    origin: Option<String>,
    logs: BTreeMap<Arc<str>, Following>,
    /// Where an earlier tail was in logs that are not here.
    elsewhere: BTreeMap<u32, u64>,
    /// What was told to be wrong with each log, or that nothing is.
    told: BTreeMap<String, Option<JoinAlarmKind>>,
    /// Whether it goes on behind an earlier tail, which may have told of what is over by now.
    goes_on: bool,
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Following {
    source: Source,
    next: u64,
    cursor: Option<SegmentCursor>,
    durable: watch::Receiver<u64>,
}

/// Something that a tail gave, and where a new tail goes on behind it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Tailed {
    /// What it is.
    pub news: News,
    /// Where a tail goes on that is to miss nothing, at this node or any other that has joined the logs:
    /// the place in each of them.
    pub next: String,
}

/// What a tail gives.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum News {
    /// An event that matches.
    Event(Box<AuditRecord>),
    /// Events that are not to be had here: they were pruned before they were read.
    Gap {
        /// The log.
        origin: String,
        /// The place of the first.
        from: u64,
        /// Behind the last.
        to: u64,
    },
    /// A joined log with which something is wrong, so that events of it may be missing; or, without an alarm,
    /// one with which nothing is wrong, or no longer.
    Alarm(Box<JoinedLog>),
}

/// What was read of one log.
struct Part {
    name: Arc<str>,
    cursor: Option<SegmentCursor>,
    /// Each with the place behind it.
    found: Vec<(Option<News>, u64)>,
}

impl Log {
    /// A tail of what matches in all joined logs (only those of one node, or the one of that name, with an
    /// `origin`): behind the place that an earlier tail gave ([`Tailed::next`]), or of what comes from now
    /// on. A log that is new is given from its first event. A tail that goes on behind an earlier one says of
    /// every log once whether anything is wrong with it, another only where something is.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] when `after` is no place of a tail;
    /// [`codes::UNKNOWN_LOG`](crate::codes::UNKNOWN_LOG) for an `origin` that is neither known here nor in it.
    pub fn tail(
        self: &Arc<Self>,
        question: Option<Question>,
        origin: Option<String>,
        after: Option<&str>,
    ) -> Result<Tail> {
        let places = after.map(|after| {
            read_place(after).ok_or_else(|| {
                Error::new(core_codes::INVALID_REQUEST)
                    .field("Last-Event-ID", "the id of an event of this stream")
            })
        });
        let elsewhere = places.transpose()?;
        let goes_on = elsewhere.is_some();
        let mut tail = Tail {
            log: Arc::clone(self),
            question,
            origin,
            logs: BTreeMap::new(),
            elsewhere: elsewhere.unwrap_or_default(),
            told: BTreeMap::new(),
            goes_on,
            looked: None,
        };
        tail.adopt(!goes_on);
        if tail.is_of_something() { Ok(tail) } else { Err(unknown_log()) }
    }
}

impl Tail {
    /// What comes next, as soon as there is anything. May be empty: events came, and none matched. Dropped
    /// before it is ready it loses nothing.
    ///
    /// # Errors
    /// When a record can't be read.
    pub async fn next(&mut self) -> Result<Vec<Tailed>> {
        loop {
            let news = self.look();
            if !news.is_empty() {
                return Ok(news);
            }
            if self.logs.values().any(Following::has_more) {
                break;
            }
            if self.wait().await {
                sleep(GATHER).await;
            }
        }
        let names: Vec<Arc<str>> = self.logs.keys().cloned().collect();
        let mut parts = Vec::new();
        for name in names {
            parts.push(self.part(name).await?);
        }
        // Nothing is waited for from here on: whoever drops this has all of it or nothing.
        let mut given = Vec::new();
        for part in parts {
            for (news, next) in part.found {
                if let Some(following) = self.logs.get_mut(&part.name) {
                    following.next = next;
                }
                let next = news.is_some().then(|| self.place());
                given.extend(news.zip(next).map(|(news, next)| Tailed { news, next }));
            }
            if let Some(following) = self.logs.get_mut(&part.name) {
                following.cursor = part.cursor;
            }
        }
        Ok(given)
    }

    /// Whether what is asked for is followed, or may be soon: a log that is refused as yet, or one that an
    /// earlier tail was in, at another node. A name that was mistyped would be waited for in vain.
    fn is_of_something(&self) -> bool {
        let Some(origin) = &self.origin else { return true };
        let names = CLASSES.map(|class| format!("{origin}/{}", class_name(class)));
        let mut names = names.iter().chain([origin]);
        !self.logs.is_empty()
            || names.any(|name| self.elsewhere.contains_key(&short(name)))
            || self.log.joined().iter().any(|log| is_of(&log.origin, origin))
    }

    /// Follows the logs that are here: from now on, or from where an earlier tail was.
    fn adopt(&mut self, begins_now: bool) {
        for source in self.log.sources() {
            let is_asked = self.origin.as_ref().is_none_or(|origin| is_of(&source.name, origin));
            if !is_asked || self.logs.contains_key(&source.name) {
                continue;
            }
            let known = self.elsewhere.remove(&short(&source.name));
            let size = source.durable().size();
            let next = match (known, &source.of) {
                _ if begins_now => size,
                (None, _) => 0,
                // Nobody knows more of the own log than this node.
                (Some(known), Of::Own(_)) => known.min(size),
                // Another node may have got more of it already.
                (Some(known), Of::Peer(_)) => known,
            };
            let durable = source.durable().watch();
            let following = Following { next, cursor: None, durable, source };
            self.logs.insert(Arc::clone(&following.source.name), following);
        }
    }

    /// Looks, now and then, for logs that are new and what is wrong with one.
    fn look(&mut self) -> Vec<Tailed> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Vec::new();
        }
        self.looked = Some(Instant::now());
        self.adopt(false);
        let is_asked =
            |log: &JoinedLog| self.origin.as_ref().is_none_or(|origin| is_of(&log.origin, origin));
        let joined: Vec<JoinedLog> = self.log.joined().into_iter().filter(is_asked).collect();
        let mut news = Vec::new();
        for log in joined {
            let now = log.alarm.as_ref().map(|alarm| alarm.kind);
            let told = self.told.insert(log.origin.clone(), now);
            let is_news = told.map_or(now.is_some() || self.goes_on, |told| told != now);
            if is_news {
                let next = self.place();
                news.push(Tailed { news: News::Alarm(Box::new(log)), next });
            }
        }
        news
    }

    /// Waits until a log has grown, or it is time to look again. Whether one has.
    async fn wait(&mut self) -> bool {
        let changes = self.logs.values_mut().map(|following| Box::pin(following.durable.changed()));
        let changes: Vec<_> = changes.collect();
        if changes.is_empty() {
            sleep(LOOK).await;
            return false;
        }
        match timeout(LOOK, select_all(changes)).await {
            Ok((Ok(()), ..)) => true,
            // A log that is not written any more.
            Ok((Err(_), ..)) => {
                sleep(LOOK).await;
                false
            }
            Err(_) => false,
        }
    }

    /// Reads the next of a log, and says so where something is missing.
    async fn part(&mut self, name: Arc<str>) -> Result<Part> {
        let Some(following) = self.logs.get_mut(&name) else {
            return Ok(Part { name, cursor: None, found: Vec::new() });
        };
        let (begins, source) = (following.next, following.source.clone());
        let (cursor, records) = following.read().await?;
        let mut found = Vec::new();
        let first = records.first().map(|record| record.seq);
        let first = first.or(cursor.as_ref().map(SegmentCursor::next_seq)).unwrap_or(begins);
        if first > begins {
            let gap = News::Gap { origin: name.to_string(), from: begins, to: first };
            found.push((Some(gap), first));
        }
        for Record { seq, leaf, .. } in records {
            let event = match Leaf::read(&leaf) {
                Some(read) => Some(self.event(&source, seq, &leaf, read).await?),
                None => None,
            };
            let matching = event.filter(|event| {
                self.question.as_ref().is_none_or(|question| question.matches(event))
            });
            found.push((matching.map(|event| News::Event(Box::new(event))), seq + 1));
        }
        Ok(Part { name, cursor, found })
    }

    async fn event(
        &self,
        source: &Source,
        seq: u64,
        bytes: &[u8],
        leaf: Leaf<'_>,
    ) -> Result<AuditRecord> {
        let opened = match &leaf.subject {
            Some(sealed) => Some(source.vault.open_sealed(sealed).await?),
            None => None,
        };
        let hash = hex::encode(leaf_hash(bytes));
        let place = Place { origin: source.name.to_string(), log: source.class, seq, hash };
        Ok(AuditRecord::new(place, leaf, opened))
    }

    /// Where each log goes on, those included that are not here.
    fn place(&self) -> String {
        let here = self.logs.values().map(|one| (short(&one.source.name), one.next));
        let all: BTreeMap<u32, u64> =
            here.chain(self.elsewhere.iter().map(|(log, next)| (*log, *next))).collect();
        let mut place = String::new();
        for (log, next) in all {
            let dot = if place.is_empty() { "" } else { "." };
            let _ = write!(place, "{dot}{log:08x}-{next}");
        }
        place
    }
}

/// A place as [`Tail::place`] writes it.
fn read_place(text: &str) -> Option<BTreeMap<u32, u64>> {
    let mut places = BTreeMap::new();
    for part in text.split('.') {
        let (log, next) = part.split_once('-').filter(|(log, _)| log.len() == 8)?;
        let log = u32::from_str_radix(log, 16).ok()?;
        let next = next.parse().ok().filter(|number: &u64| number.to_string() == next)?;
        if places.len() == MOST_LOGS || places.insert(log, next).is_some() {
            return None;
        }
    }
    Some(places)
}

impl Following {
    fn has_more(&self) -> bool {
        self.next < *self.durable.borrow()
    }

    /// The next records, and what reads those behind them.
    async fn read(&mut self) -> Result<(Option<SegmentCursor>, Vec<Record>)> {
        let durable = *self.durable.borrow_and_update();
        if self.next >= durable {
            return Ok((self.cursor.take(), Vec::new()));
        }
        let (dir, next, cursor) = (self.source.dir.clone(), self.next, self.cursor.take());
        blocking(move || {
            let read = |mut cursor: SegmentCursor| {
                let records = cursor.read(durable, AT_ONCE)?;
                Ok((Some(cursor), records))
            };
            // What it was about to read may have been pruned: then from what is left on.
            let read_on = cursor.and_then(|cursor| read(cursor).ok());
            let read = match read_on {
                Some(read) => Ok(read),
                None => SegmentCursor::at(&dir, next).and_then(read),
            };
            read.map_err(|e: std::io::Error| io_error(e, "reading the end of a log"))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::read_place;

    #[test]
    fn a_place_is_read_as_it_is_written_and_nothing_else_is() {
        let place = read_place("00000001-7.deadbeef-0").unwrap();
        assert_eq!(place.into_iter().collect::<Vec<_>>(), [(1, 7), (0xdead_beef, 0)]);
        for wrong in ["", "7", "1-7", "00000001-", "00000001-07", "00000001--1", "0000000g-1"] {
            assert!(read_place(wrong).is_none(), "{wrong}");
        }
        assert!(read_place("00000001-7.00000001-8").is_none());
        assert!(read_place("00000001-18446744073709551616").is_none());
        let many: Vec<String> = (0..1025).map(|log| format!("{log:08x}-1")).collect();
        assert!(read_place(&many.join(".")).is_none());
    }
}
