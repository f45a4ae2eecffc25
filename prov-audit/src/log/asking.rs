//! Answering questions.

mod paging;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use paging::Joint;
use prov_core::audit::{Outcome, RetentionClass};
use prov_core::{Error, Result, codes as core_codes};

use super::read::LONGEST;
use super::sources::{Source, short};
use super::{CLASSES, Log, blocking, place};
use crate::index::{Condition, Hit, Searching, tally, words_of};
use crate::people::folded;
use crate::query::{Counts, Page, Query, ValueCount, is_asked};
use crate::question::{CountBy, Expr, Test};

/// How long counting may take before it answers with what it has.
const COUNTING: Duration = Duration::from_secs(2);

/// At most so many events are read one by one to be counted.
const MOST_READ: usize = 50_000;

/// Where an answer continues: below which record of each log, and the times that were asked for, which
/// may have been relative to the moment of the first answer. Logs that are not named are not asked.
#[derive(Debug, Clone)]
struct Position {
    before: BTreeMap<Arc<str>, u64>,
    times: (i64, i64),
}

/// A log that is asked, what for, and below which record.
type Asked = (Source, Condition, u64);

impl Log {
    /// The events that meet every condition, newest first, of every node whose log is joined. Waits, within
    /// bounds, until the index has read everything that is durable at this moment. A page may hold fewer
    /// events than asked for, or none, and still have a cursor: where a question would look at too much at
    /// once. All pages of an answer are of the logs as they were when the first was asked for; events of the
    /// same moment stand in the order of their logs' names.
    ///
    /// # Errors
    /// A query that makes no sense; [`codes::UNKNOWN_LOG`](crate::codes::UNKNOWN_LOG) for an origin of which
    /// no log is joined; [`codes::INDEX_BEHIND`](crate::codes::INDEX_BEHIND) when the index needs longer.
    pub async fn query(&self, query: &Query) -> Result<Page> {
        query.check()?;
        let sources = self.sources_at(query.origin.as_deref())?;
        let position = self.position(query, &sources)?;
        self.caught_up().await?;
        let limit = query.limit.map_or(100, std::num::NonZeroU32::get);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let conditions = self.conditions(query, position.times).await?;
        let asked = asked(&sources, &conditions, &position);
        let vault = Arc::clone(&self.vault);
        let found = blocking(move || {
            let term_of = |action: &str| vault.term("action", action);
            let mut all = Vec::new();
            for (source, condition, before) in asked {
                all.push(source.index.ask(|file| {
                    Searching::open(file, LONGEST, &term_of)?.search(&condition, before, limit + 1)
                })?);
            }
            Ok(all)
        })
        .await?;
        let page = Joint::of(found, limit);
        let goes_on = page.goes_on();
        let mut next = position;
        for (source, place) in sources.iter().zip(page.places) {
            next.before.entry(Arc::clone(&source.name)).and_modify(|before| *before = place);
        }
        let items = self.load(&sources, page.hits).await?;
        let next_cursor = goes_on.then(|| self.write_cursor(query, &next));
        Ok(Page { items, next_cursor })
    }

    /// How many events meet every condition, for each value of a field.
    ///
    /// # Errors
    /// As [`Log::query`].
    pub async fn count(&self, query: &Query, by: CountBy) -> Result<Counts> {
        query.check()?;
        let sources = self.sources_at(query.origin.as_deref())?;
        let position = self.position(query, &sources)?;
        self.caught_up().await?;
        let conditions = self.conditions(query, position.times).await?;
        let files = asked(&sources, &conditions, &position);
        let mut counts = match by {
            CountBy::Nothing => self.count_each(files, |_| Ok(vec![String::new()])).await,
            CountBy::Action => {
                let actions = |source: &Source| {
                    let all = source.index.ask(tally)?;
                    Ok(all.into_iter().map(|(action, ..)| action).collect())
                };
                self.count_each(files, actions).await
            }
            CountBy::Outcome => {
                let all = [Outcome::Success, Outcome::Failure, Outcome::Denied];
                let all = all.map(|outcome| outcome.as_str().to_owned());
                self.count_each(files, move |_| Ok(all.clone().into())).await
            }
            other => self.count_read(files, other).await,
        }?;
        if by == CountBy::Nothing {
            counts.counts.clear();
        }
        Ok(counts)
    }

    /// Counts values whose terms are in the index: nothing is read but the index.
    async fn count_each(
        &self,
        asked: Vec<Asked>,
        values: impl Fn(&Source) -> Result<Vec<String>> + Send + 'static,
    ) -> Result<Counts> {
        let vault = Arc::clone(&self.vault);
        blocking(move || {
            let term_of = |action: &str| vault.term("action", action);
            let (mut sums, mut complete) = (BTreeMap::new(), true);
            for (source, condition, _) in asked {
                let mut values = values(&source)?;
                values.sort();
                values.dedup();
                let each: Vec<Condition> = values
                    .iter()
                    .map(|value| match value.as_str() {
                        "" => Condition::All(Vec::new()),
                        "success" | "failure" | "denied" => {
                            Condition::public(vault.term("outcome", value))
                        }
                        action => Condition::public(vault.term("action", action)),
                    })
                    .collect();
                let (counts, stopped) = source.index.ask(|file| {
                    Searching::open(file, COUNTING, &term_of)?.count(&condition, &each)
                })?;
                complete &= stopped.is_none();
                for (value, count) in values.into_iter().zip(counts) {
                    *sums.entry(value).or_insert(0) += count;
                }
            }
            Ok(counts_of(sums, complete))
        })
        .await
    }

    /// Counts what stands in the events themselves: the newest that match, so many at most.
    async fn count_read(&self, asked: Vec<Asked>, by: CountBy) -> Result<Counts> {
        let sources: Vec<Source> = asked.iter().map(|(source, ..)| source.clone()).collect();
        let vault = Arc::clone(&self.vault);
        let found = blocking(move || {
            let term_of = |action: &str| vault.term("action", action);
            let mut all = Vec::new();
            for (source, condition, _) in asked {
                all.push(source.index.ask(|file| {
                    let index = Searching::open(file, COUNTING, &term_of)?;
                    index.search(&condition, u64::MAX, MOST_READ)
                })?);
            }
            Ok(all)
        })
        .await?;
        let complete = found.iter().all(|f| f.stopped.is_none() && f.hits.len() < MOST_READ);
        let hits: Vec<(usize, Hit)> = found
            .into_iter()
            .enumerate()
            .flat_map(|(of, found)| found.hits.into_iter().map(move |hit| (of, hit)))
            .collect();
        let mut sums = BTreeMap::new();
        if let CountBy::Hour | CountBy::Day = by {
            for (_, hit) in hits {
                *sums.entry(period(hit.time, by)).or_insert(0) += 1;
            }
            return Ok(counts_of(sums, complete));
        }
        for some in hits.chunks(1000) {
            for record in self.load(&sources, some.to_vec()).await? {
                let request = record.request.as_ref();
                let value = match by {
                    CountBy::Actor => record.actor.id,
                    CountBy::Resource => record.resource.map(|r| format!("{}:{}", r.kind, r.id)),
                    _ => request.and_then(|r| r.ip).map(|ip| ip.to_string()),
                };
                *sums.entry(value.unwrap_or_default()).or_insert(0) += 1;
            }
        }
        Ok(counts_of(sums, complete))
    }

    /// What is asked for, as conditions of the index of each class.
    async fn conditions(&self, query: &Query, (from, to): (i64, i64)) -> Result<[Condition; 2]> {
        let expr = query.expr();
        let mut names = BTreeMap::new();
        self.resolve(&expr, &mut names).await?;
        let mut conditions = CLASSES.map(|class| self.condition(&expr, class, &names));
        if (from, to) != (i64::MIN, i64::MAX) {
            conditions = conditions.map(|c| Condition::All(vec![Condition::Between(from, to), c]));
        }
        Ok(conditions)
    }

    /// Asks the store which pseudonyms the names in a question stand for.
    async fn resolve(&self, expr: &Expr, names: &mut BTreeMap<String, Vec<i64>>) -> Result<()> {
        let mut open = vec![expr];
        while let Some(expr) = open.pop() {
            match expr {
                Expr::All(some) | Expr::Any(some) => open.extend(some),
                Expr::Not(one) => open.push(one),
                Expr::Test(Test::Actor(who)) => {
                    let pids = self.vault.pids_of_name(who).await?;
                    let terms = pids.iter().map(|pid| self.vault.term("pid", pid)).collect();
                    names.insert(who.clone(), terms);
                }
                Expr::Test(_) => {}
            }
        }
        Ok(())
    }

    fn condition(
        &self,
        expr: &Expr,
        class: RetentionClass,
        names: &BTreeMap<String, Vec<i64>>,
    ) -> Condition {
        let all = |all: &[Expr]| all.iter().map(|e| self.condition(e, class, names)).collect();
        let test = match expr {
            Expr::All(some) => return Condition::All(all(some)),
            Expr::Any(some) => return Condition::Any(all(some)),
            Expr::Not(one) => return Condition::Not(Box::new(self.condition(one, class, names))),
            Expr::Test(test) => test,
        };
        let term = |kind, value: &str| self.vault.term(kind, value);
        match test {
            Test::Actor(who) => {
                let mut public = names.get(who).cloned().unwrap_or_default();
                public.push(term("actor", who));
                Condition::Has { public, personal: vec![term("name", &folded(who))] }
            }
            Test::Action(action) => match action.strip_suffix('*') {
                Some(prefix) => Condition::ActionBelow(prefix.to_owned()),
                None if is_asked(action) => Condition::public(term("asked", action)),
                None => Condition::public(term("action", action)),
            },
            Test::Outcome(outcome) => Condition::public(term("outcome", outcome.as_str())),
            Test::Resource(id) => Condition::public(term("resource", id)),
            Test::Ip(ip) => {
                let personal = vec![term("ip", &ip.to_canonical().to_string())];
                Condition::Has { public: Vec::new(), personal }
            }
            Test::Request(id) => Condition::public(term("request", id)),
            Test::Text(wanted) => Condition::All(
                words_of(wanted)
                    .map(|word| {
                        let term = term("word", &word);
                        Condition::Has { public: vec![term], personal: vec![term] }
                    })
                    .collect(),
            ),
            Test::Log(of) if *of == class => Condition::All(Vec::new()),
            Test::Log(_) => Condition::never(),
            Test::From(time) => Condition::Between(time.as_microsecond(), i64::MAX),
            Test::To(time) => Condition::Between(i64::MIN, time.as_microsecond()),
        }
    }

    /// A cursor says where each log continues, and which question of which log it belongs to.
    fn write_cursor(&self, query: &Query, position: &Position) -> String {
        let (from, to) = position.times;
        let mut place = format!("{from}.{to}");
        for (name, before) in &position.before {
            let _ = write!(place, ".{:08x}-{before}", short(name));
        }
        // Times are the cursor's own: relative ones would be others by now.
        let asked = format!("{:?}", without_times(query.expr()));
        let of = query.origin.as_deref().unwrap_or_default();
        let bound = format!("{}\n{asked}\n{of}\n{place}", self.options.origin);
        format!("{:016x}.{place}", self.vault.term("cursor", &bound).cast_unsigned())
    }

    fn position(&self, query: &Query, sources: &[Source]) -> Result<Position> {
        let Some(cursor) = query.cursor.as_deref() else {
            let from = query.from.map_or(i64::MIN, Timestamp::as_microsecond);
            let to = query.to.map_or(i64::MAX, Timestamp::as_microsecond);
            // Not how many are indexed: an index that is made anew at this moment has fewer, and is waited for.
            let before =
                sources.iter().map(|source| (Arc::clone(&source.name), source.durable().size()));
            return Ok(Position { before: before.collect(), times: (from, to) });
        };
        let position = read_cursor(cursor, sources);
        position.filter(|position| self.write_cursor(query, position) == cursor).ok_or_else(|| {
            Error::new(core_codes::INVALID_REQUEST).field(
                "cursor",
                "not a cursor of this question to this log; take `next_cursor` of an earlier answer",
            )
        })
    }
}

/// What each log is asked for. Those that a position does not name are asked for nothing.
fn asked(sources: &[Source], conditions: &[Condition; 2], position: &Position) -> Vec<Asked> {
    let of = |source: &Source| {
        let before = position.before.get(&source.name).copied().unwrap_or_default();
        let condition = conditions.get(place(source.class)).cloned();
        (source.clone(), condition.unwrap_or_else(Condition::never), before)
    };
    sources.iter().map(of).collect()
}

fn read_cursor(cursor: &str, sources: &[Source]) -> Option<Position> {
    let mut parts = cursor.split('.').skip(1);
    let times = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let mut before = BTreeMap::new();
    for part in parts {
        let (log, place) = part.split_once('-')?;
        let log = u32::from_str_radix(log, 16).ok()?;
        let source = sources.iter().find(|source| short(&source.name) == log)?;
        before.insert(Arc::clone(&source.name), place.parse().ok()?);
    }
    Some(Position { before, times })
}

/// A condition in which every time is the same.
fn without_times(expr: Expr) -> Expr {
    let all = |all: Vec<Expr>| all.into_iter().map(without_times).collect();
    match expr {
        Expr::All(some) => Expr::All(all(some)),
        Expr::Any(some) => Expr::Any(all(some)),
        Expr::Not(one) => Expr::Not(Box::new(without_times(*one))),
        Expr::Test(Test::From(_)) => Expr::Test(Test::From(Timestamp::UNIX_EPOCH)),
        Expr::Test(Test::To(_)) => Expr::Test(Test::To(Timestamp::UNIX_EPOCH)),
        Expr::Test(test) => Expr::Test(test),
    }
}

fn counts_of(sums: BTreeMap<String, u64>, complete: bool) -> Counts {
    let total = sums.values().sum();
    let mut counts: Vec<ValueCount> = sums
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(value, count)| ValueCount { value, count })
        .collect();
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.value.cmp(&b.value)));
    Counts { counts, total, complete }
}

/// The hour or day of a moment.
fn period(microseconds: i64, by: CountBy) -> String {
    let time =
        Timestamp::from_microsecond(microseconds).unwrap_or_default().to_zoned(TimeZone::UTC);
    let day = time.date();
    if by == CountBy::Day { day.to_string() } else { format!("{day}T{:02}:00Z", time.hour()) }
}
