//! Sinks: everything arrives, whatever befalls the receiver, and nobody who records notices.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use prov_audit::sink::{Batch, OnFailure, Receiver, Sink, SinkOptions, SinkState, SinkStatus};
use prov_audit::{Log, Query, codes};
use prov_core::audit::{Action, Actor, Event, Outcome, Recorder, RetentionClass};
use prov_core::{Error, PrincipalKind, Result, codes as core_codes};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bench_log::Bench;

/// How a receiver behaves.
const TAKE: u8 = 0;
const REFUSE: u8 = 1;
const STALL: u8 = 2;
const SLOW: u8 = 3;

/// A receiver that keeps what it is given, and behaves as the test says.
#[derive(Debug, Clone, Default)]
struct Fake {
    got: Arc<Mutex<Vec<(String, u64)>>>,
    manner: Arc<AtomicU8>,
    asked: Arc<AtomicUsize>,
    largest: Arc<AtomicUsize>,
}

impl Fake {
    fn that(manner: u8) -> Self {
        let fake = Self::default();
        fake.now(manner);
        fake
    }

    fn now(&self, manner: u8) {
        self.manner.store(manner, Ordering::SeqCst);
    }

    /// The numbers it got of a class, in the order in which they came.
    fn numbers(&self, class: &str) -> Vec<u64> {
        let got = self.got.lock();
        got.iter().filter(|(origin, _)| origin.ends_with(class)).map(|(_, seq)| *seq).collect()
    }
}

#[async_trait]
impl Receiver for Fake {
    fn kind(&self) -> &'static str {
        "fake"
    }

    async fn deliver(&mut self, batch: &Batch) -> Result<()> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.largest.fetch_max(batch.leaves.len(), Ordering::SeqCst);
        match self.manner.load(Ordering::SeqCst) {
            REFUSE => return Err(Error::new(core_codes::UNAVAILABLE).detail("it is away")),
            STALL => std::future::pending().await,
            SLOW => tokio::time::sleep(Duration::from_millis(300)).await,
            _ => {}
        }
        let all = batch.leaves.iter().map(|leaf| (batch.origin.clone(), leaf.seq));
        self.got.lock().extend(all);
        Ok(())
    }
}

/// What runs beside a test until it is told to end.
pub(crate) struct Running {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    pub(crate) fn of(sinks: impl IntoIterator<Item = Arc<Sink>>) -> Self {
        let mut running = Self { stop: watch::Sender::new(false), tasks: JoinSet::new() };
        sinks.into_iter().for_each(|sink| running.add(|stop| sink.run(stop)));
        running
    }

    /// One thing that runs until the future it is given ends.
    pub(crate) fn one<T>(run: impl FnOnce(BoxFuture<'static, ()>) -> T) -> Self
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let mut running = Self::of([]);
        running.add(run);
        running
    }

    fn add<T>(&mut self, run: impl FnOnce(BoxFuture<'static, ()>) -> T)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let mut stopped = self.stop.subscribe();
        self.tasks.spawn(run(Box::pin(async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        })));
    }

    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        self.tasks.join_all().await;
    }
}

/// Waits for something, not for ever.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn options(name: &str) -> SinkOptions {
    let (shortest, longest) = (Duration::from_millis(10), Duration::from_millis(80));
    SinkOptions::new(name).gather(Duration::from_millis(5)).rest(shortest, longest)
}

fn status(log: &Log) -> SinkStatus {
    log.sinks().remove(0)
}

/// Records so many events of the standard class.
pub(crate) async fn record(bench: &Bench, log: &Log, count: usize) {
    let all = (0..count).map(|_| log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")));
    for recorded in futures_util::future::join_all(all).await {
        recorded.unwrap();
    }
}

/// The same, and a checkpoint over them.
pub(crate) async fn record_and_sign(bench: &Bench, log: &Log, count: usize) {
    record(bench, log, count).await;
    log.checkpoint(RetentionClass::Standard).await.unwrap();
}

/// An event of the break-glass class.
fn emergency(bench: &Bench) -> Event {
    bench.event(Action::custom("break_glass.request").unwrap(), "user_1", "alice")
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_once_in_order_and_goes_on_after_a_restart() {
    let bench = Bench::new();
    let fake = Fake::default();
    for round in 1..=3_u64 {
        let log = Arc::new(bench.open().await);
        // Some before it runs, some while it does; over several segments and batches.
        record(&bench, &log, 300).await;
        log.record(emergency(&bench)).await.unwrap();
        let small = options("copy").batch_events(64);
        let running = Running::of([log.add_sink(small, fake.clone()).await.unwrap()]);
        record(&bench, &log, 200).await;
        until("all of it", || fake.numbers("standard").len() as u64 >= 500 * round).await;
        until("of both classes", || fake.numbers("break-glass").len() as u64 >= round).await;
        running.stop().await;
        let status = status(&log);
        assert_eq!((status.state, status.behind), (SinkState::Stopped, 0));
        assert_eq!(status.delivered, 501);
        log.close().await.unwrap();
    }
    assert_eq!(fake.numbers("standard"), (0..1500).collect::<Vec<_>>());
    assert_eq!(fake.numbers("break-glass"), [0, 1, 2]);
    assert!(fake.largest.load(Ordering::SeqCst) <= 64, "no batch is larger than was said");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_seen_and_made_up_for() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let fake = Fake::that(REFUSE);
    let running = Running::of([log.add_sink(options("siem"), fake.clone()).await.unwrap()]);
    record(&bench, &log, 700).await;
    until("failures", || status(&log).failures >= 4).await;
    let seen = status(&log);
    assert_eq!((seen.state, seen.behind), (SinkState::Failing, 700));
    assert_eq!(seen.last_error.as_deref(), Some("it is away"));
    assert!(seen.retry_at.is_some() && seen.logs[0].oldest.is_some(), "{seen:?}");
    fake.now(TAKE);
    until("all of it", || status(&log).behind == 0).await;
    let seen = status(&log);
    assert_eq!((seen.state, seen.failures, seen.last_error), (SinkState::Up, 0, None));
    assert_eq!(fake.numbers("standard"), (0..700).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_hangs_is_given_up_and_tried_again() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let fake = Fake::that(STALL);
    let hasty = options("siem").patience(Duration::from_millis(100));
    let running = Running::of([log.add_sink(hasty, fake.clone()).await.unwrap()]);
    record(&bench, &log, 10).await;
    until("a second try", || fake.asked.load(Ordering::SeqCst) >= 2).await;
    assert_eq!(status(&log).last_error.as_deref(), Some("not confirmed within 0.1 s"));
    fake.now(TAKE);
    until("all of it", || fake.numbers("standard").len() == 10).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_receiver() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let fake = Fake::that(STALL);
    let running = Running::of([log.add_sink(options("siem"), fake.clone()).await.unwrap()]);
    record(&bench, &log, 1).await;
    until("a try", || fake.asked.load(Ordering::SeqCst) == 1).await;
    let start = Instant::now();
    running.stop().await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    assert!(log.close().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_fails_closed_acknowledges_nothing_its_receiver_lacks_for_long() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let fake = Fake::that(REFUSE);
    let strict = options("siem").break_glass(OnFailure::FailClosed).max_lag(Duration::from_secs(1));
    let running = Running::of([log.add_sink(strict, fake.clone()).await.unwrap()]);
    log.record(emergency(&bench)).await.unwrap();
    let start = Instant::now();
    let refused = loop {
        match log.record(emergency(&bench)).await {
            Err(error) => break error,
            Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
        assert!(start.elapsed() < Duration::from_secs(20), "never refused");
    };
    assert!(start.elapsed() >= Duration::from_millis(500), "{:?}", start.elapsed());
    assert!(refused.is(codes::SINK_BEHIND) && refused.retry_after_hint().is_some(), "{refused:?}");
    // The other class goes on, and so does what prov must do by itself.
    log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
    let own = Actor::account(PrincipalKind::System, "system:lease-reaper", "lease-reaper");
    log.record(emergency(&bench).by(own)).await.unwrap();
    fake.now(TAKE);
    until("all of it", || status(&log).behind == 0).await;
    log.record(emergency(&bench)).await.unwrap();
    // Nobody runs it: then nothing is late.
    fake.now(REFUSE);
    running.stop().await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    log.record(emergency(&bench)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_fails_open_says_what_was_left_out() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let fake = Fake::that(REFUSE);
    let lax = options("siem").standard(OnFailure::FailOpen).max_lag(Duration::from_secs(1));
    let running = Running::of([log.add_sink(lax, fake.clone()).await.unwrap()]);
    record(&bench, &log, 25).await;
    log.record(emergency(&bench)).await.unwrap();
    until("a gap", || status(&log).left_out > 0).await;
    fake.now(TAKE);
    until("the rest", || status(&log).behind == 0).await;
    let gaps = log.query(&Query::new().action("audit.sink.gap")).await.unwrap().items;
    let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert_eq!(
        (gap.outcome, gap.resource.as_ref().unwrap().id.as_str()),
        (Outcome::Failure, "siem")
    );
    assert_eq!((&gap.context["from_seq"], &gap.context["to_seq"]), (&0.into(), &25.into()));
    assert_eq!(gap.context["log"], "standard");
    assert_eq!(fake.numbers("standard").first(), Some(&25), "the event that says so comes next");
    assert_eq!(fake.numbers("break-glass"), [0], "the other class lacks nothing");
    running.stop().await;
}

/// The place that a sink remembers.
fn remembered(dir: &Path) -> std::path::PathBuf {
    dir.join("sinks/copy.json")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_in_another_log_or_no_place_at_all_means_the_beginning() {
    let (bench, other) = (Bench::new(), Bench::new());
    for bench in [&bench, &other] {
        let log = Arc::new(bench.open().await);
        record(bench, &log, 50).await;
        let running = Running::of([log.add_sink(options("copy"), Fake::default()).await.unwrap()]);
        until("all of it", || status(&log).behind == 0).await;
        running.stop().await;
        log.close().await.unwrap();
    }
    let good = std::fs::read(remembered(bench.dir.path())).unwrap();
    let foreign = std::fs::read(remembered(other.dir.path())).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    let ahead = text.replace("\"next\":50", "\"next\":5000").into_bytes();
    for (place, expected) in [
        (good, 0),
        (foreign, 50),
        (ahead, 50),
        (b"{}".to_vec(), 50),
        (b"\xff\x00 nonsense".to_vec(), 50),
    ] {
        std::fs::write(remembered(bench.dir.path()), &place).unwrap();
        let log = Arc::new(bench.open().await);
        let sink = log.add_sink(options("copy"), Fake::default()).await.unwrap();
        assert_eq!(status(&log).behind, expected, "{}", String::from_utf8_lossy(&place));
        drop(sink);
        log.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_plain_and_unique() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    log.add_sink(options("copy"), Fake::default()).await.unwrap();
    for name in ["copy", "", "../copy", "Copy", "a/b", "a b", &"x".repeat(64)] {
        assert!(log.add_sink(options(name), Fake::default()).await.is_err(), "{name}");
    }
}

/// The median and the 99th percentile of recording, many at once.
async fn measured(bench: &Bench, log: &Log) -> (Duration, Duration) {
    let mut times = Vec::new();
    for _ in 0..40 {
        let all = (0..32).map(|_| async {
            let start = Instant::now();
            log.record(bench.event(Action::KMS_ENCRYPT, "user_1", "alice")).await.unwrap();
            start.elapsed()
        });
        times.extend(futures_util::future::join_all(all).await);
    }
    times.sort_unstable();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}

fn median(mut of: Vec<Duration>) -> Duration {
    of.sort_unstable();
    of[of.len() / 2]
}

/// Prints both; how much they may differ here is generous, because other tests run beside this one.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_a_stalled_and_a_slow_receiver_slow_no_acknowledgement() {
    let bench = Bench::new();
    let log = Arc::new(bench.open().await);
    let mut sinks = Vec::new();
    for (name, manner) in [("dead", REFUSE), ("stalled", STALL), ("slow", SLOW)] {
        sinks.push(log.add_sink(options(name), Fake::that(manner)).await.unwrap());
    }
    let (mut with, mut without) = (Vec::new(), Vec::new());
    measured(&bench, &log).await;
    for _ in 0..9 {
        without.push(measured(&bench, &log).await);
        let running = Running::of(sinks.iter().map(Arc::clone));
        with.push(measured(&bench, &log).await);
        running.stop().await;
    }
    let of = |all: &[(Duration, Duration)], p99: bool| {
        median(all.iter().map(|(p50, last)| if p99 { *last } else { *p50 }).collect())
    };
    let (before, after) = (of(&without, false), of(&with, false));
    println!("p50 {before:?} without sinks, {after:?} with a dead, a stalled and a slow one");
    println!("p99 {:?} without, {:?} with", of(&without, true), of(&with, true));
    assert!(after < before.mul_f64(1.5), "{before:?} became {after:?}");
    assert!(status(&log).failures > 0, "the dead one was tried");
}
