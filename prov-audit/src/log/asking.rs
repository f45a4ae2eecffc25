//! Answering questions.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use prov_core::audit::{Outcome, RetentionClass};
use prov_core::{Error, Result, codes as core_codes};

use super::read::{LONGEST, unreadable};
use super::{CLASSES, Log, blocking};
use crate::index::{Condition, Hit, Searching, tally, words_of};
use crate::people::folded;
use crate::query::{Counts, Page, Query, ValueCount, is_asked};
use crate::question::{CountBy, Expr, Test};

/// How long counting may take before it answers with what it has.
const COUNTING: Duration = Duration::from_secs(2);

/// At most so many events are read one by one to be counted.
const MOST_READ: usize = 50_000;

/// Where an answer continues: below which record of each class, and the times that were asked for,
/// which may have been relative to the moment of the first answer.
#[derive(Debug, Clone, Copy)]
struct Position {
    before: [u64; 2],
    times: (i64, i64),
}

impl Log {
    /// The events that meet every condition, newest first. Waits, within bounds, until the index
    /// has read everything that is durable at this moment. A page may hold fewer events than asked
    /// for, or none, and still have a cursor: where a question would look at too much at once.
    ///
    /// # Errors
    /// A query that makes no sense; [`codes::INDEX_BEHIND`](crate::codes::INDEX_BEHIND) when the index
    /// needs longer.
    pub async fn query(&self, query: &Query) -> Result<Page> {
        query.check()?;
        let position = self.position(query)?;
        self.caught_up().await?;
        let limit = query.limit.map_or(100, std::num::NonZeroU32::get);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let conditions = self.conditions(query, position.times).await?;
        let (files, vault) = (self.index_files(), Arc::clone(&self.vault));
        let found = blocking(move || {
            let term_of = |action: &str| vault.term("action", action);
            let mut all = Vec::new();
            for (((class, file), condition), before) in
                files.into_iter().zip(conditions).zip(position.before)
            {
                let index = Searching::open(&file, LONGEST, &term_of).map_err(unreadable)?;
                all.push((class, index.search(&condition, before, limit + 1).map_err(unreadable)?));
            }
            Ok(all)
        })
        .await?;
        // Below what was not looked at, the other class can't be put in order.
        let stopped: Vec<(RetentionClass, u64, i64)> = found
            .iter()
            .filter_map(|(c, f)| f.stopped.map(|(seq, time)| (*c, seq, time)))
            .collect();
        let edge = stopped.iter().map(|(_, _, time)| *time).max().unwrap_or(i64::MIN);
        let lists = found.into_iter().map(|(class, found)| {
            found.hits.into_iter().map(|hit| (class, hit)).collect::<VecDeque<_>>()
        });
        let mut hits = merge(lists.collect());
        let whole = hits.len();
        hits.retain(|(_, hit)| hit.time >= edge);
        let more = !stopped.is_empty() || hits.len() > limit || hits.len() < whole;
        hits.truncate(limit);
        let mut next = position;
        for (place, class) in next.before.iter_mut().zip(CLASSES) {
            let last = hits.iter().rev().find(|(of, _)| *of == class).map(|(_, hit)| hit.seq);
            let looked = stopped.iter().find(|(of, ..)| *of == class).map(|(_, seq, _)| *seq);
            let full = hits.len() == limit;
            *place = match (last, looked) {
                (Some(last), Some(looked)) if !full => last.min(looked),
                (None, Some(looked)) if !full => looked,
                (Some(last), _) => last,
                (None, _) => *place,
            };
        }
        let items = self.load(hits).await?;
        let next_cursor = more.then(|| self.write_cursor(query, next));
        Ok(Page { items, next_cursor })
    }

    /// How many events meet every condition, for each value of a field.
    ///
    /// # Errors
    /// As [`Log::query`].
    pub async fn count(&self, query: &Query, by: CountBy) -> Result<Counts> {
        query.check()?;
        let position = self.position(query)?;
        self.caught_up().await?;
        let conditions = self.conditions(query, position.times).await?;
        let files = self.index_files().into_iter().map(|(_, file)| file).zip(conditions).collect();
        let mut counts = match by {
            CountBy::Nothing => self.count_each(files, |_| vec![String::new()]).await,
            CountBy::Action => {
                let actions = |file: &PathBuf| {
                    let all = tally(file).unwrap_or_default();
                    all.into_iter().map(|(action, ..)| action).collect()
                };
                self.count_each(files, actions).await
            }
            CountBy::Outcome => {
                let all = [Outcome::Success, Outcome::Failure, Outcome::Denied];
                self.count_each(files, move |_| all.map(|o| o.as_str().to_owned()).into()).await
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
        files: Vec<(PathBuf, Condition)>,
        values: impl Fn(&PathBuf) -> Vec<String> + Send + 'static,
    ) -> Result<Counts> {
        let vault = Arc::clone(&self.vault);
        blocking(move || {
            let term_of = |action: &str| vault.term("action", action);
            let (mut sums, mut complete) = (BTreeMap::new(), true);
            for (file, condition) in files {
                let mut values = values(&file);
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
                let index = Searching::open(&file, COUNTING, &term_of).map_err(unreadable)?;
                let (counts, stopped) = index.count(&condition, &each).map_err(unreadable)?;
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
    async fn count_read(&self, files: Vec<(PathBuf, Condition)>, by: CountBy) -> Result<Counts> {
        let vault = Arc::clone(&self.vault);
        let found = blocking(move || {
            let term_of = |action: &str| vault.term("action", action);
            let mut all = Vec::new();
            for ((file, condition), class) in files.into_iter().zip(CLASSES) {
                let index = Searching::open(&file, COUNTING, &term_of).map_err(unreadable)?;
                let found = index.search(&condition, u64::MAX, MOST_READ).map_err(unreadable)?;
                all.push((class, found));
            }
            Ok(all)
        })
        .await?;
        let complete = found.iter().all(|(_, f)| f.stopped.is_none() && f.hits.len() < MOST_READ);
        let hits: Vec<(RetentionClass, Hit)> = found
            .into_iter()
            .flat_map(|(class, found)| found.hits.into_iter().map(move |hit| (class, hit)))
            .collect();
        let mut sums = BTreeMap::new();
        if let CountBy::Hour | CountBy::Day = by {
            for (_, hit) in hits {
                *sums.entry(period(hit.time, by)).or_insert(0) += 1;
            }
            return Ok(counts_of(sums, complete));
        }
        for some in hits.chunks(1000) {
            for record in self.load(some.to_vec()).await? {
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

    /// A cursor says where each class continues, and which question of which log it belongs to.
    fn write_cursor(&self, query: &Query, position: Position) -> String {
        let Position { before: [standard, break_glass], times: (from, to) } = position;
        let place = format!("{standard}.{break_glass}.{from}.{to}");
        // Times are the cursor's own: relative ones would be others by now.
        let asked = format!("{:?}", without_times(query.expr()));
        let bound = format!("{}\n{asked}\n{place}", self.options.origin);
        format!("{:016x}.{place}", self.vault.term("cursor", &bound).cast_unsigned())
    }

    fn position(&self, query: &Query) -> Result<Position> {
        let Some(cursor) = query.cursor.as_deref() else {
            let from = query.from.map_or(i64::MIN, Timestamp::as_microsecond);
            let to = query.to.map_or(i64::MAX, Timestamp::as_microsecond);
            return Ok(Position { before: [u64::MAX; 2], times: (from, to) });
        };
        let parts: Vec<&str> = cursor.splitn(6, '.').collect();
        if let [_, standard, break_glass, from, to] = parts.as_slice()
            && let (Ok(standard), Ok(break_glass)) = (standard.parse(), break_glass.parse())
            && let (Ok(from), Ok(to)) = (from.parse(), to.parse())
        {
            let position = Position { before: [standard, break_glass], times: (from, to) };
            if self.write_cursor(query, position) == cursor {
                return Ok(position);
            }
        }
        Err(Error::new(core_codes::INVALID_REQUEST).field(
            "cursor",
            "not a cursor of this question to this log; take `next_cursor` of an earlier answer",
        ))
    }
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

/// Joins the lists of the classes, the newer event first.
fn merge(mut lists: Vec<VecDeque<(RetentionClass, Hit)>>) -> Vec<(RetentionClass, Hit)> {
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
