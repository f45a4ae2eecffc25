use std::time::Duration;

use prov_core::audit::RetentionClass;
use prov_core::{Error, Result, codes as core_codes};
use serde::{Deserialize, Serialize};

/// What happens to events of a class while a sink can't deliver them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "axum", derive(utoipa::ToSchema), schema(as = AuditSinkOnFailure))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnFailure {
    /// They stay in the log, which is not pruned beyond them, and are delivered when that can be done.
    #[default]
    Spool,
    /// As [`OnFailure::Spool`], and when the sink is behind for longer than its `max_lag` nothing new
    /// is acknowledged in that class, but for what prov does by itself, such as revoking.
    FailClosed,
    /// What is older than the sink's `max_lag` while it fails is left out, and an event of its own
    /// (`audit.sink.gap`) says what.
    FailOpen,
}

/// How a sink works.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SinkOptions {
    /// Its name, by which it knows where it was: `a-z`, `0-9`, `-` and `_`, at most 63.
    pub name: String,
    /// What happens to events of the standard class while it fails.
    pub standard: OnFailure,
    /// What happens to events of the break-glass class while it fails.
    pub break_glass: OnFailure,
    /// How old the oldest event may be that is not delivered, before a class that fails closed or
    /// open does so; 1 minute unless set.
    pub max_lag: Duration,
    /// How long one delivery may take; 30 seconds unless set.
    pub patience: Duration,
    /// At most so many events in one delivery; 1,000 unless set.
    pub batch_events: usize,
    /// At most about so many bytes of events in one delivery, and so in memory; 1 MiB unless set.
    pub batch_bytes: usize,
    /// What comes within this goes together; 100 ms unless set.
    pub gather: Duration,
    /// How long it rests after the first failure, twice as long after each further one; 250 ms
    /// unless set.
    pub rest_shortest: Duration,
    /// How long it rests at most; 1 minute unless set.
    pub rest_longest: Duration,
}

impl SinkOptions {
    /// A sink with this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            standard: OnFailure::Spool,
            break_glass: OnFailure::Spool,
            max_lag: Duration::from_mins(1),
            patience: Duration::from_secs(30),
            batch_events: 1000,
            batch_bytes: 1 << 20,
            gather: Duration::from_millis(100),
            rest_shortest: Duration::from_millis(250),
            rest_longest: Duration::from_mins(1),
        }
    }

    /// For events of the standard class.
    #[must_use]
    pub fn standard(mut self, on_failure: OnFailure) -> Self {
        self.standard = on_failure;
        self
    }

    /// For events of the break-glass class.
    #[must_use]
    pub fn break_glass(mut self, on_failure: OnFailure) -> Self {
        self.break_glass = on_failure;
        self
    }

    /// So old the oldest undelivered event may be.
    #[must_use]
    pub fn max_lag(mut self, lag: Duration) -> Self {
        self.max_lag = lag;
        self
    }

    /// One delivery may take so long.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// At most so many events in one delivery.
    #[must_use]
    pub fn batch_events(mut self, events: usize) -> Self {
        self.batch_events = events;
        self
    }

    /// What comes within this goes together.
    #[must_use]
    pub fn gather(mut self, time: Duration) -> Self {
        self.gather = time;
        self
    }

    /// Rests after failures between these.
    #[must_use]
    pub fn rest(mut self, shortest: Duration, longest: Duration) -> Self {
        (self.rest_shortest, self.rest_longest) = (shortest, longest);
        self
    }

    /// What happens to events of a class while it fails.
    #[must_use]
    pub fn on_failure(&self, class: RetentionClass) -> OnFailure {
        match class {
            RetentionClass::BreakGlass => self.break_glass,
            _ => self.standard,
        }
    }

    /// Whether it makes sense.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] saying what does not.
    pub fn check(&self) -> Result<()> {
        let refuse = |what| Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b);
        if !(1..=63).contains(&self.name.len()) || !self.name.bytes().all(plain) {
            return refuse("the name of a sink is 1 to 63 of `a-z`, `0-9`, `-` and `_`");
        }
        if !(1..=10_000).contains(&self.batch_events) {
            return refuse("a sink delivers 1 to 10,000 events at once");
        }
        if !(64 << 10..=16 << 20).contains(&self.batch_bytes) {
            return refuse("a sink delivers 64 KiB to 16 MiB at once");
        }
        if self.max_lag < Duration::from_secs(1) {
            return refuse("`max_lag` of a sink is at least `1s`");
        }
        if self.patience.is_zero() || self.rest_shortest.is_zero() {
            return refuse("a sink needs time to deliver, and to rest after a failure");
        }
        Ok(())
    }
}
