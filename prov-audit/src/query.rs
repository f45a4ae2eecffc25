//! Asking the log.

use std::net::IpAddr;
use std::num::NonZeroU32;

use jiff::Timestamp;
use prov_core::audit::{Outcome, RetentionClass};
use prov_core::{Error, RequestId, Result, codes as core_codes};

use crate::index::words_of;
use crate::question::{Expr, Question, Test, is_action};
use crate::record::AuditRecord;

/// Which events: all conditions must hold. Nothing set means everything.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Query {
    /// Who: the id of an account, or a name it is or was known by, or the name that a failed login
    /// claimed. Names are compared without regard to case.
    pub user: Option<String>,
    /// What was done: an action (`auth.login`), all below one (`auth.*`), or in one word an action of
    /// the policies that was decided about (`deploy`).
    pub action: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// To what: an id, or `type:id`.
    pub resource: Option<String>,
    /// From which address.
    pub ip: Option<IpAddr>,
    /// At or after this moment.
    pub from: Option<Timestamp>,
    /// At or before this moment.
    pub to: Option<Timestamp>,
    /// In which request.
    pub request_id: Option<RequestId>,
    /// With all these words, in any text of the event.
    pub text: Option<String>,
    /// What the query language says.
    pub question: Option<Question>,
    /// Only of the logs of this node (`prov.example/audit/a`), or of this log (`…/a/standard`); one that is not
    /// joined is an error.
    pub origin: Option<String>,
    /// At most so many, up to 1000; 100 unless set.
    pub limit: Option<NonZeroU32>,
    /// Continues where an earlier [`Page::next_cursor`] says.
    pub cursor: Option<String>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty;)*) => {
        $($(#[$doc])* #[must_use]
        pub fn $name(mut self, $name: impl Into<$type>) -> Self {
            self.$name = Some($name.into());
            self
        })*
    };
}

impl Query {
    /// Everything, newest first.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        /// By this account or name.
        user: String;
        /// This action, all below `prefix.*`, or what was decided about (`deploy`).
        action: String;
        /// With this outcome.
        outcome: Outcome;
        /// On this resource, an id or `type:id`.
        resource: String;
        /// From this address.
        ip: IpAddr;
        /// At or after this moment.
        from: Timestamp;
        /// At or before this moment.
        to: Timestamp;
        /// In this request.
        request_id: RequestId;
        /// With all these words.
        text: String;
        /// And what the query language says.
        question: Question;
        /// Only of this node, or this log.
        origin: String;
        /// At most so many.
        limit: NonZeroU32;
        /// Continues here.
        cursor: String;
    }

    /// Checks what can be checked without the log.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse =
            |field, what: &str| Err(Error::new(core_codes::INVALID_REQUEST).field(field, what));
        if self.limit.is_some_and(|limit| limit.get() > 1000) {
            return refuse("limit", "at most 1000");
        }
        if self.action.as_ref().is_some_and(|action| !is_action(action)) {
            return refuse("action", "an action such as `auth.login`, `auth.*`, or `deploy`");
        }
        let texts = [
            ("user", &self.user),
            ("resource", &self.resource),
            ("text", &self.text),
            ("origin", &self.origin),
        ];
        for (field, text) in texts {
            let is_fit = |text: &String| (1..=512).contains(&text.len()) && !text.contains('\0');
            if !text.as_ref().is_none_or(is_fit) {
                return refuse(field, "1 to 512 bytes and no NUL");
            }
        }
        if self.text.as_ref().is_some_and(|text| words_of(text).next().is_none()) {
            return refuse("text", "a word of two characters or more");
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) if from > to => refuse("from", "`from` is after `to`"),
            _ => Ok(()),
        }
    }
}

impl Query {
    /// Everything it asks for as one condition.
    pub(crate) fn expr(&self) -> Expr {
        let tests = [
            self.user.clone().map(Test::Actor),
            self.action.clone().map(Test::Action),
            self.outcome.map(Test::Outcome),
            self.resource.clone().map(Test::Resource),
            self.ip.map(Test::Ip),
            self.request_id.as_ref().map(|id| Test::Request(id.to_string())),
            self.text.clone().map(Test::Text),
        ];
        let asked = self.question.iter().map(|question| question.expr.clone());
        Expr::All(tests.into_iter().flatten().map(Expr::Test).chain(asked).collect())
    }
}

/// Whether this is an action of the policies and none of the log: one word.
pub(crate) fn is_asked(action: &str) -> bool {
    let fit = |c: char| c.is_ascii_alphanumeric() || "_-:".contains(c);
    (1..=128).contains(&action.len()) && action.chars().all(fit)
}

/// A part of an answer, newest first.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page<T = AuditRecord> {
    /// The events.
    pub items: Vec<T>,
    /// Where the next page starts; absent at the end. Opaque.
    pub next_cursor: Option<String>,
}

/// How many events there are, for each value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// For each value; the most frequent first. Empty when nothing but the total was asked for.
    pub counts: Vec<ValueCount>,
    /// How many all together.
    pub total: u64,
    /// Whether everything was counted. If not, only the newest were: narrow the question, by time
    /// for instance.
    pub complete: bool,
}

/// How many events have a value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValueCount {
    /// The value; empty when the events have none.
    pub value: String,
    /// How many.
    pub count: u64,
}

/// Counts over whole logs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Each of the logs.
    pub logs: Vec<LogCount>,
    /// How many by action and outcome, most frequent first.
    pub by_action: Vec<ActionCount>,
}

/// How often an action ended in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActionCount {
    /// The action.
    pub action: String,
    /// How it ended: `success`, `failure`, `denied`.
    pub outcome: String,
    /// How often.
    pub count: u64,
}

impl ActionCount {
    pub(crate) fn new(action: String, outcome: String, count: u64) -> Self {
        Self { action, outcome, count }
    }
}

/// How large a log is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogCount {
    /// The log's name.
    pub origin: String,
    /// Its retention class.
    pub class: RetentionClass,
    /// How many events of it are here, those that were pruned included.
    pub events: u64,
    /// How many of them the index has read.
    pub indexed: u64,
}

impl Stats {
    /// How many events of a class, in all the logs.
    #[must_use]
    pub fn events(&self, class: RetentionClass) -> u64 {
        self.logs.iter().filter(|log| log.class == class).map(|log| log.events).sum()
    }

    /// How many events the indexes have read.
    #[must_use]
    pub fn indexed(&self) -> u64 {
        self.logs.iter().map(|log| log.indexed).sum()
    }
}
