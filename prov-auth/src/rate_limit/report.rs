//! Refusals as audit events, without an attacker being able to fill the log with them.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::Extensions;
use parking_lot::Mutex;
use prov_core::audit::{Action, Event, Outcome, Recorder};
use prov_core::{Clock, Result, SecurityContext, codes};
use prov_http::{MatchedRoute, facts};
use tokio::sync::Notify;

use super::bucket::Bucket;

/// An address that goes on asking has one event in this time.
const WINDOW: Duration = Duration::from_mins(1);
/// And no more addresses than this have one; the others are counted.
const EVENTS_IN_A_WINDOW: usize = 100;

/// The refusals that are still to be recorded. Its memory is bounded by the number of events in a
/// window.
#[derive(Debug)]
pub(super) struct Refusals {
    clock: Arc<dyn Clock>,
    noted: Mutex<Noted>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Noted {
    window: u128,
    seen: HashSet<Bucket>,
    waiting: Vec<Event>,
    suppressed: u64,
}

impl Refusals {
    fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, noted: Mutex::default(), news: Notify::new() }
    }

    /// Notes a refusal: the first of an address in a window is to become an event.
    pub(super) fn note(&self, bucket: Bucket, request: &Extensions) {
        let window = self.clock.monotonic().as_millis() / WINDOW.as_millis();
        let mut noted = self.noted.lock();
        if noted.window != window {
            noted.window = window;
            noted.seen.clear();
        }
        if noted.seen.contains(&bucket) {
            return;
        }
        if noted.seen.len().max(noted.waiting.len()) >= EVENTS_IN_A_WINDOW {
            noted.suppressed += 1;
            return;
        }
        noted.seen.insert(bucket);
        noted.waiting.push(self.event(request));
        drop(noted);
        self.news.notify_one();
    }

    fn event(&self, request: &Extensions) -> Event {
        let mut event = Event::new(&*self.clock, Action::API_RATE_LIMITED, Outcome::Failure);
        if let Some(facts) = facts(request) {
            event = event.in_request(facts);
        }
        if let Some(MatchedRoute(route)) = request.get() {
            event = event.on("route", format!("{} {}", route.method, route.path));
        }
        event.with("refusal", codes::RATE_LIMITED.name()).with("window_seconds", WINDOW.as_secs())
    }

    fn waiting(&self) -> Vec<Event> {
        std::mem::take(&mut self.noted.lock().waiting)
    }

    /// The event that says how many refusals have none; only when there are some.
    fn summary(&self) -> Result<Option<Event>> {
        let suppressed = std::mem::take(&mut self.noted.lock().suppressed);
        if suppressed == 0 {
            return Ok(None);
        }
        let context = SecurityContext::system("rate-limit", &*self.clock)?;
        let event = Event::new(&*self.clock, Action::API_RATE_LIMITED, Outcome::Failure);
        Ok(Some(event.in_context(&context).with("suppressed", suppressed)))
    }
}

/// Records that addresses were refused; made by
/// [`RateLimitLayer::reporting_to`](super::RateLimitLayer::reporting_to).
///
/// It works beside the requests, so that refusing stays as cheap as it is: the first refusal of an
/// address in a minute becomes an event `api.rate_limited`, at most 100 in a minute. Refusals of
/// further addresses are counted, and one more event at the end of the minute says how many.
#[derive(Debug)]
#[must_use = "nothing is recorded until it runs"]
pub struct RateLimitReporter {
    refusals: Arc<Refusals>,
    recorder: Arc<dyn Recorder>,
}

impl RateLimitReporter {
    pub(super) fn new(clock: Arc<dyn Clock>, recorder: Arc<dyn Recorder>) -> (Arc<Refusals>, Self) {
        let refusals = Arc::new(Refusals::new(clock));
        (Arc::clone(&refusals), Self { refusals, recorder })
    }

    /// Records until `shutdown` ends, and what is left then.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut window = tokio::time::interval(WINDOW);
        loop {
            let stopped = tokio::select! {
                () = &mut shutdown => true,
                () = self.refusals.news.notified() => { self.record_waiting().await; false }
                _ = window.tick() => { self.record_summary().await; false }
            };
            if stopped {
                self.record_waiting().await;
                self.record_summary().await;
                return;
            }
        }
    }

    async fn record_waiting(&self) {
        for event in self.refusals.waiting() {
            self.record(event).await;
        }
    }

    async fn record_summary(&self) {
        match self.refusals.summary() {
            Ok(Some(event)) => self.record(event).await,
            Ok(None) => {}
            Err(error) => tracing::error!(?error, "counting refusals"),
        }
    }

    /// A refusal grants nothing, so it stands also when it can't be recorded.
    async fn record(&self, event: Event) {
        if let Err(error) = self.recorder.record(event).await {
            tracing::error!(?error, "a refusal for too many requests was not recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use prov_core::ManualClock;
    use prov_core::audit::MemoryRecorder;

    use super::*;

    fn address(number: u32) -> Bucket {
        Bucket::of(Some(IpAddr::V4(Ipv4Addr::from_bits(number))))
    }

    fn reporter() -> (ManualClock, MemoryRecorder, Arc<Refusals>, RateLimitReporter) {
        let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
        let recorder = MemoryRecorder::new();
        let (refusals, reporter) =
            RateLimitReporter::new(Arc::new(clock.clone()), Arc::new(recorder.clone()));
        (clock, recorder, refusals, reporter)
    }

    #[tokio::test]
    async fn an_address_has_one_event_in_a_window() {
        let (clock, recorder, refusals, reporter) = reporter();
        for _ in 0..1000 {
            refusals.note(address(1), &Extensions::new());
            refusals.note(address(2), &Extensions::new());
        }
        reporter.record_waiting().await;
        assert_eq!(recorder.events().len(), 2);
        clock.advance(WINDOW);
        refusals.note(address(1), &Extensions::new());
        reporter.run(std::future::ready(())).await;
        assert_eq!(recorder.events().len(), 3, "and one more in the next, also at the end");
    }

    #[tokio::test]
    async fn addresses_without_number_do_not_fill_the_log() {
        let (_, recorder, refusals, reporter) = reporter();
        for number in 0..10_000 {
            refusals.note(address(number), &Extensions::new());
        }
        assert!(refusals.noted.lock().seen.len() <= EVENTS_IN_A_WINDOW);
        reporter.record_waiting().await;
        assert_eq!(recorder.events().len(), EVENTS_IN_A_WINDOW);
        reporter.record_summary().await;
        let events = recorder.events();
        assert_eq!(events.len(), EVENTS_IN_A_WINDOW + 1);
        assert_eq!(events[EVENTS_IN_A_WINDOW].context["suppressed"], 10_000 - 100);
        reporter.record_summary().await;
        assert_eq!(recorder.events().len(), EVENTS_IN_A_WINDOW + 1, "they are told once");
    }

    #[tokio::test]
    async fn a_log_that_stands_still_lets_nothing_pile_up() {
        let (clock, _, refusals, _reporter) = reporter();
        for window in 0..10 {
            for number in 0..100 {
                refusals.note(address(number), &Extensions::new());
            }
            assert_eq!(refusals.noted.lock().waiting.len(), EVENTS_IN_A_WINDOW, "{window}");
            clock.advance(WINDOW);
        }
        assert_eq!(refusals.noted.lock().suppressed, 900);
    }
}
