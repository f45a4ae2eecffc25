use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use prov_core::audit::RetentionClass;
use prov_core::{Error, Result, codes as core_codes};

use super::{OnFailure, SinkLog, SinkOptions, SinkState, SinkStatus};
use crate::codes;
use crate::log::place;

/// What a sink and whoever looks at it share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: SinkOptions,
    kind: &'static str,
    state: Mutex<State>,
    /// For each class: from when on it is too late, in microseconds; never, while nothing waits.
    late: [AtomicI64; 2],
    /// Whether somebody runs it.
    pub(super) running: AtomicBool,
}

/// How a sink is.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    /// For each class: the number of the next event.
    pub(super) next: [u64; 2],
    /// For each class: when the oldest event happened that is being delivered.
    pub(super) oldest: [Option<Timestamp>; 2],
    pub(super) delivered: u64,
    pub(super) left_out: u64,
    pub(super) failures: u64,
    pub(super) last_delivered: Option<Timestamp>,
    pub(super) last_error: Option<String>,
    pub(super) retry_at: Option<Timestamp>,
}

const NEVER: i64 = i64::MAX;

impl Shared {
    pub(super) fn new(options: SinkOptions, kind: &'static str) -> Self {
        let (state, late) = (Mutex::default(), [AtomicI64::new(NEVER), AtomicI64::new(NEVER)]);
        Self { options, kind, state, late, running: AtomicBool::new(false) }
    }

    /// Changes how it is.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock())
    }

    /// The oldest event that waits happened then; `None` when nothing waits. A sink that was just
    /// started has as long as any other.
    pub(super) fn waits_since(
        &self,
        class: RetentionClass,
        since: Option<Timestamp>,
        started: Timestamp,
    ) {
        let late = since.and_then(|since| since.max(started).checked_add(self.max_lag()).ok());
        if let Some(place) = self.late.get(place(class)) {
            place.store(late.map_or(NEVER, Timestamp::as_microsecond), Ordering::Release);
        }
        if let Some(oldest) = self.state.lock().oldest.get_mut(place(class)) {
            *oldest = since;
        }
    }

    pub(super) fn max_lag(&self) -> Duration {
        self.options.max_lag
    }

    /// Nobody runs it any more.
    pub(super) fn stopped(&self) {
        for late in &self.late {
            late.store(NEVER, Ordering::Release);
        }
        self.running.store(false, Ordering::Release);
    }

    fn is_late(&self, class: RetentionClass, now: Timestamp) -> bool {
        self.options.on_failure(class) == OnFailure::FailClosed
            && self
                .late
                .get(place(class))
                .is_some_and(|late| now.as_microsecond() > late.load(Ordering::Acquire))
    }

    fn status(&self, sizes: [u64; 2]) -> SinkStatus {
        let state = self.state.lock().clone();
        let running = self.running.load(Ordering::Acquire);
        let logs = crate::log::CLASSES.map(|class| {
            let of = place(class);
            let next = state.next.get(of).copied().unwrap_or_default();
            let size = sizes.get(of).copied().unwrap_or_default();
            SinkLog {
                log: crate::log::api_name(class).to_owned(),
                on_failure: self.options.on_failure(class),
                next,
                behind: size.saturating_sub(next),
                oldest: state.oldest.get(of).copied().flatten(),
            }
        });
        SinkStatus {
            name: self.options.name.clone(),
            kind: self.kind.to_owned(),
            state: match (running, state.failures) {
                (false, _) => SinkState::Stopped,
                (true, 0) => SinkState::Up,
                (true, _) => SinkState::Failing,
            },
            behind: logs.iter().map(|log| log.behind).sum(),
            logs: logs.into(),
            delivered: state.delivered,
            left_out: state.left_out,
            failures: state.failures,
            last_delivered: state.last_delivered,
            last_error: state.last_error,
            retry_at: state.retry_at,
        }
    }
}

/// The sinks of a log.
#[derive(Debug, Default)]
pub(crate) struct Sinks {
    all: RwLock<Vec<Arc<Shared>>>,
    /// Whether any class of any of them fails closed: then every record looks.
    any_closed: AtomicBool,
}

impl Sinks {
    pub(super) fn add(&self, sink: &Arc<Shared>) -> Result<()> {
        let mut all = self.all.write();
        if all.iter().any(|known| known.options.name == sink.options.name) {
            let what = format!("there are two sinks named `{}`", sink.options.name);
            return Err(Error::new(core_codes::INVALID_REQUEST).detail(what));
        }
        all.push(Arc::clone(sink));
        let options = &sink.options;
        if [options.standard, options.break_glass].contains(&OnFailure::FailClosed) {
            self.any_closed.store(true, Ordering::Release);
        }
        drop(all);
        Ok(())
    }

    /// Refuses what must not be acknowledged because a sink that fails closed is too far behind.
    pub(crate) fn admit(
        &self,
        class: RetentionClass,
        now: impl FnOnce() -> Timestamp,
    ) -> Result<()> {
        if !self.any_closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let now = now();
        let late = self.all.read().iter().any(|sink| sink.is_late(class, now));
        if late {
            return Err(Error::new(codes::SINK_BEHIND).retry_after(Duration::from_secs(5)));
        }
        Ok(())
    }

    /// From which event on a sink still needs what it must get; `None` without such sinks.
    pub(crate) fn needed_from(&self, class: RetentionClass) -> Option<u64> {
        let all = self.all.read();
        let needing =
            all.iter().filter(|sink| sink.options.on_failure(class) != OnFailure::FailOpen);
        needing.map(|sink| sink.state.lock().next.get(place(class)).copied().unwrap_or(0)).min()
    }

    /// How each of them is.
    pub(crate) fn statuses(&self, sizes: [u64; 2]) -> Vec<SinkStatus> {
        self.all.read().iter().map(|sink| sink.status(sizes)).collect()
    }
}
