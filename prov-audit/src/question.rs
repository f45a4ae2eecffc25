//! The query language.
//!
//! ```text
//! actor:alice and action:deploy and time > 24h
//! outcome:(denied, failure) and not ip:10.0.0.7 and "disk full"
//! action:auth.* from:2026-03-01T00:00:00Z to:1h | count by actor
//! ```
//!
//! Conditions are `field:value`; between two of them `and` may be left out; `or`, `not` and brackets
//! join them; a word or a quoted text alone is looked for in every text of an event. Fields: `actor`,
//! `action`, `outcome`, `resource`, `ip`, `request`, `log`, `text`, `from`, `to`, and `time` with `>`
//! or `<`. A time is RFC 3339, or how long ago. `| count` counts, `| count by FIELD` for each value.

mod lexer;
mod parser;

use std::net::IpAddr;

use jiff::Timestamp;
use prov_core::audit::{Outcome, RetentionClass};
use prov_core::{Error, Result, codes as core_codes};

pub(crate) use self::parser::is_action;
use crate::people::folded;
use crate::query::is_asked;
use crate::record::AuditRecord;

/// A question in the query language, understood.
///
/// ```
/// # fn main() -> prov_core::Result<()> {
/// # use prov_core::Clock;
/// let now = prov_core::SystemClock::new().now();
/// let question = prov_audit::Question::parse("actor:alice and not outcome:success", now)?;
/// assert!(question.counted().is_none());
/// let wrong = prov_audit::Question::parse("acter:alice", now).unwrap_err();
/// assert!(wrong.to_string().contains("`actor`"));
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Question {
    pub(crate) expr: Expr,
    pub(crate) counted: Option<CountBy>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CountBy {
    /// All of them together.
    Nothing,
    /// For each action.
    Action,
    /// For each outcome.
    Outcome,
    /// For each account, by id.
    Actor,
    /// For each resource, as `type:id`.
    Resource,
    /// For each address.
    Ip,
    /// For each hour (UTC).
    Hour,
    /// For each day (UTC).
    Day,
}

/// A condition on an event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Test(Test),
}

/// A condition on one field.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Test {
    Actor(String),
    Action(String),
    Outcome(Outcome),
    Resource(String),
    Ip(IpAddr),
    Request(String),
    Text(String),
    Log(RetentionClass),
    From(Timestamp),
    To(Timestamp),
}

impl Question {
    /// Understands a question; `now` is what relative times are relative to.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] on field `query`, saying where and what was expected.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self> {
        parser::parse(text, now)
    }

    /// What it counts, if it counts.
    #[must_use]
    pub fn counted(&self) -> Option<CountBy> {
        self.counted
    }

    /// Whether an event, as it is read back, is one that is asked for.
    #[must_use]
    pub fn matches(&self, record: &AuditRecord) -> bool {
        self.expr.holds(record)
    }
}

/// A moment, or a time before now.
pub(crate) fn moment(field: &str, text: &str, now: Timestamp) -> Result<Timestamp> {
    let refuse = || {
        Error::new(core_codes::INVALID_REQUEST)
            .field(field, "a time such as `2026-03-02T09:00:00Z`, or how long ago: `24h`")
    };
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let ago = prov_core::duration_text::parse(text).map_err(|_| refuse())?;
    now.checked_sub(ago).map_err(|_| refuse())
}

impl Expr {
    pub(crate) fn holds(&self, record: &AuditRecord) -> bool {
        match self {
            Self::All(all) => all.iter().all(|one| one.holds(record)),
            Self::Any(any) => any.iter().any(|one| one.holds(record)),
            Self::Not(one) => !one.holds(record),
            Self::Test(test) => test.holds(record),
        }
    }
}

impl Test {
    fn holds(&self, record: &AuditRecord) -> bool {
        let request = record.request.as_ref();
        match self {
            Self::Actor(who) => {
                let name = record.actor.name.as_deref().map(folded);
                record.actor.id.as_ref() == Some(who) || name == Some(folded(who))
            }
            Self::Action(action) => was_action(record, action),
            Self::Outcome(outcome) => record.outcome == *outcome,
            Self::Resource(wanted) => record.resource.as_ref().is_some_and(|resource| {
                resource.id == *wanted || format!("{}:{}", resource.kind, resource.id) == *wanted
            }),
            Self::Ip(ip) => request.and_then(|r| r.ip) == Some(ip.to_canonical()),
            Self::Request(id) => {
                request.and_then(|r| r.id.as_ref()).is_some_and(|known| known.as_str() == id)
            }
            Self::Text(text) => {
                let words = crate::index::words_of_record(record);
                crate::index::words_of(text).all(|word| words.contains(&word))
            }
            Self::Log(class) => record.log == *class,
            Self::From(time) => record.time >= *time,
            Self::To(time) => record.time <= *time,
        }
    }
}

fn was_action(record: &AuditRecord, wanted: &str) -> bool {
    if let Some(prefix) = wanted.strip_suffix('*') {
        return record.action.starts_with(prefix);
    }
    if !is_asked(wanted) {
        return record.action == wanted;
    }
    let of = |key: &str| record.context.get(key).and_then(serde_json::Value::as_str);
    let routed = of("asked").and_then(|asked| asked.split(' ').next());
    of("action") == Some(wanted) || routed == Some(wanted)
}
