use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use prov_core::audit::{Action, Actor, Event, Outcome, RetentionClass};
use prov_core::{Error, PrincipalKind, Result, codes as core_codes};
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use super::backoff::Backoff;
use super::cursor::{Place, PlaceFile};
use super::shared::Shared;
use super::{Batch, OnFailure, Receiver, SinkOptions, SinkStatus};
use crate::codes;
use crate::files::io_error;
use crate::leaf::Leaf;
use crate::log::{CLASSES, ExportedLeaf, Log, api_name, blocking, place};
use crate::segment::SegmentCursor;

/// How often at most it is remembered how far a sink is: after a crash this much comes twice.
const REMEMBER: Duration = Duration::from_secs(1);

/// After failing for so long it is said in the log, once.
const TELL_AFTER: Duration = Duration::from_secs(30);

/// One sink of a log: see [the module](crate::sink).
#[derive(Debug)]
pub struct Sink {
    log: Arc<Log>,
    shared: Arc<Shared>,
    inner: Mutex<Inner>,
}

/// What belongs to whoever runs it.
#[derive(Debug)]
struct Inner {
    receiver: Box<dyn Receiver>,
    running: Option<Running>,
}

impl Log {
    /// Adds a sink. It delivers as soon as somebody [runs](Sink::run) it, and goes on where a sink of
    /// its name was.
    ///
    /// # Errors
    /// [`core_codes::INVALID_REQUEST`] for options that make no sense, and a second sink of that name.
    pub async fn add_sink(
        self: &Arc<Self>,
        options: SinkOptions,
        receiver: impl Receiver,
    ) -> Result<Arc<Sink>> {
        options.check()?;
        let shared = Arc::new(Shared::new(options, receiver.kind()));
        // What it still needs is known before anything is pruned.
        let courses = Course::load_all(self, &shared).await?;
        shared.change(|state| state.next = courses.each_ref().map(|course| course.place.next));
        self.sinks.add(&shared)?;
        let inner = Mutex::new(Inner { receiver: Box::new(receiver), running: None });
        Ok(Arc::new(Sink { log: Arc::clone(self), shared, inner }))
    }

    /// How the sinks are.
    #[must_use]
    pub fn sinks(&self) -> Vec<SinkStatus> {
        self.sinks.statuses(CLASSES.map(|class| self.size(class)))
    }
}

/// Where a sink is in one log, and what it is about to deliver.
#[derive(Debug)]
struct Course {
    class: RetentionClass,
    origin: String,
    place: Place,
    cursor: Option<SegmentCursor>,
    durable: watch::Receiver<u64>,
    pending: Option<Batch>,
}

/// What a sink knows while it runs.
#[derive(Debug)]
struct Running {
    started: Timestamp,
    courses: [Course; 2],
    file: PlaceFile,
    saved_at: Instant,
    unsaved: bool,
    failing_since: Option<Instant>,
    told: bool,
    /// Which class is first.
    turn: usize,
}

impl Sink {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.options.name
    }

    /// Delivers until `shutdown` ends. Run a second time while it runs it waits for its turn.
    pub async fn run(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut inner = tokio::select! {
            inner = self.inner.lock() => inner,
            () = &mut shutdown => return,
        };
        self.shared.running.store(true, Ordering::Release);
        tokio::select! {
            () = self.run_on(&mut inner) => {}
            () = shutdown => {}
        }
        self.shared.stopped();
        if let Some(mut running) = inner.running.take() {
            self.remember(&mut running).await;
        }
    }

    async fn run_on(&self, inner: &mut Inner) {
        let options = &self.shared.options;
        let mut backoff = Backoff::new(options.rest_shortest, options.rest_longest);
        while inner.running.is_none() {
            match Course::load_all(&self.log, &self.shared).await {
                Ok(courses) => {
                    inner.running = Some(Running::new(&self.log, &self.shared, courses));
                }
                Err(error) => self.rest(&mut backoff, &error).await,
            }
        }
        let Inner { receiver, running: Some(running) } = inner else { return };
        loop {
            match self.round(running, &mut **receiver).await {
                Ok(true) => backoff.reset(),
                Ok(false) => running.wait(options.gather).await,
                Err(error) => {
                    self.tell_failing(running, &error).await;
                    self.leave_out(running).await;
                    self.rest(&mut backoff, &error).await;
                }
            }
            if running.is_due() {
                self.remember(running).await;
            }
        }
    }

    async fn remember(&self, running: &mut Running) {
        if let Err(error) = running.save().await {
            tracing::warn!(sink = self.name(), ?error, "where a sink is can't be remembered");
        }
    }

    /// Delivers what there is, one batch of each class; whether there was any.
    async fn round(&self, running: &mut Running, receiver: &mut dyn Receiver) -> Result<bool> {
        let started = running.started;
        for course in &mut running.courses {
            if let Some(oldest) = course.fill(&self.log, &self.shared).await? {
                self.record_gap(course.class, course.place.next, oldest, "pruned").await?;
                self.skip(course, oldest);
                running.unsaved = true;
            }
            let oldest = course.pending.as_ref().and_then(time_of_first);
            self.shared.waits_since(course.class, oldest, started);
        }
        let mut any = false;
        // After a failure the other class has its turn first.
        if running.failing_since.is_some() {
            running.turn = 1 - running.turn;
        }
        for at in [running.turn, 1 - running.turn] {
            let Some(course) = running.courses.get_mut(at) else { continue };
            let Some(batch) = &course.pending else { continue };
            self.deliver(receiver, batch).await?;
            let count = batch.leaves.len() as u64;
            if let Some(last) = batch.leaves.last() {
                course.place = Place::behind(last.seq, &last.hash);
            }
            course.pending = None;
            self.shared.waits_since(course.class, None, started);
            self.delivered(course, count);
            (any, running.unsaved) = (true, true);
        }
        if any {
            self.tell_resumed(running).await;
        }
        Ok(any)
    }

    async fn deliver(&self, receiver: &mut dyn Receiver, batch: &Batch) -> Result<()> {
        let patience = self.shared.options.patience;
        timeout(patience, receiver.deliver(batch)).await.unwrap_or_else(|_| {
            let what = format!("not confirmed within {} s", patience.as_secs_f32());
            Err(Error::new(codes::SINK_FAILED).detail(what))
        })
    }

    fn delivered(&self, course: &Course, count: u64) {
        let (at, next, now) = (place(course.class), course.place.next, self.log.clock().now());
        self.shared.change(|state| {
            if let Some(place) = state.next.get_mut(at) {
                *place = next;
            }
            state.delivered += count;
            (state.failures, state.last_error, state.retry_at) = (0, None, None);
            state.last_delivered = Some(now);
        });
    }

    /// Goes on behind what is left out.
    fn skip(&self, course: &mut Course, to: u64) {
        let (at, from) = (place(course.class), course.place.next);
        // The hash before it is not known; a place without one is compared with nothing.
        course.place = Place { next: to, last: String::new() };
        (course.cursor, course.pending) = (None, None);
        self.shared.change(|state| {
            if let Some(place) = state.next.get_mut(at) {
                *place = to;
            }
            state.left_out += to.saturating_sub(from);
        });
    }

    /// Rests after a failure.
    async fn rest(&self, backoff: &mut Backoff, error: &Error) {
        let rest = backoff.rest();
        let retry_at = self.log.clock().now().checked_add(rest).ok();
        tracing::debug!(sink = self.name(), ?error, ?rest, "a delivery failed");
        self.shared.change(|state| {
            state.failures += 1;
            state.last_error = Some(error.public_detail().to_owned());
            state.retry_at = retry_at;
        });
        sleep(rest).await;
    }

    async fn tell_failing(&self, running: &mut Running, error: &Error) {
        let since = *running.failing_since.get_or_insert_with(Instant::now);
        if running.told || since.elapsed() < TELL_AFTER {
            return;
        }
        tracing::warn!(sink = self.name(), ?error, "a sink of the audit log does not deliver");
        let event = self.event(Action::AUDIT_SINK_FAILING, Outcome::Failure);
        running.told = self.record(event.with("reason", error.public_detail())).await.is_ok();
    }

    async fn tell_resumed(&self, running: &mut Running) {
        let since = running.failing_since.take();
        if std::mem::take(&mut running.told) {
            let outage = since.map_or(0, |since| since.elapsed().as_secs());
            tracing::info!(sink = self.name(), "a sink of the audit log delivers again");
            let event = self.event(Action::AUDIT_SINK_RESUMED, Outcome::Success);
            // A sink that delivers goes on all the same.
            let _ = self.record(event.with("outage_seconds", outage)).await;
        }
    }

    /// Goes on behind what is too old, where that is allowed; never before the log says what.
    async fn leave_out(&self, running: &mut Running) {
        for course in &mut running.courses {
            let since = course.pending.as_ref().and_then(time_of_first);
            let since = since.map(|since| since.max(running.started));
            let late = since.and_then(|since| since.checked_add(self.shared.max_lag()).ok());
            let allowed = self.shared.options.on_failure(course.class) == OnFailure::FailOpen;
            if !allowed || late.is_none_or(|late| self.log.clock().now() <= late) {
                continue;
            }
            let (from, to) = (course.place.next, *course.durable.borrow());
            if self.record_gap(course.class, from, to, "not delivered in time").await.is_err() {
                continue;
            }
            self.skip(course, to);
            running.unsaved = true;
        }
    }

    async fn record_gap(
        &self,
        class: RetentionClass,
        from: u64,
        to: u64,
        reason: &'static str,
    ) -> Result<()> {
        let event = self
            .event(Action::AUDIT_SINK_GAP, Outcome::Failure)
            .with("log", api_name(class))
            .with("from_seq", from)
            .with("to_seq", to)
            .with("reason", reason);
        tracing::warn!(sink = self.name(), from, to, reason, "events are left out of a sink");
        self.record(event).await
    }

    fn event(&self, action: Action, outcome: Outcome) -> Event {
        let actor = Actor::account(PrincipalKind::System, "system:audit-sinks", "audit-sinks");
        Event::new(self.log.clock(), action, outcome).by(actor).on("audit_sink", self.name())
    }

    async fn record(&self, event: Event) -> Result<()> {
        prov_core::audit::Recorder::record(&*self.log, event).await.map(drop)
    }
}

/// When the first event of a batch happened; the beginning of time for one this version can't read.
fn time_of_first(batch: &Batch) -> Option<Timestamp> {
    let first = batch.leaves.first()?;
    Some(Leaf::read(&first.leaf).map_or(Timestamp::UNIX_EPOCH, |leaf| leaf.time))
}

impl Course {
    async fn load_all(log: &Arc<Log>, shared: &Arc<Shared>) -> Result<[Self; 2]> {
        let [first, second] = CLASSES.map(|class| Self::load(log, shared, class));
        Ok([first.await?, second.await?])
    }

    async fn load(log: &Arc<Log>, shared: &Arc<Shared>, class: RetentionClass) -> Result<Self> {
        let file = PlaceFile::new(log.dir(), &shared.options.name);
        let journal = Arc::clone(log.journal(class));
        let origin = journal.key().verifier().name().to_owned();
        let durable = journal.durable().watch();
        let size = *durable.borrow();
        let asked = origin.clone();
        let place = blocking(move || file.load(&asked, journal.dir(), size)).await?;
        Ok(Self { class, origin, place, cursor: None, durable, pending: None })
    }

    /// Reads the next batch, if none waits already. What was to come next may be pruned: then the
    /// number of the oldest event there is.
    async fn fill(&mut self, log: &Log, shared: &Shared) -> Result<Option<u64>> {
        let durable = *self.durable.borrow_and_update();
        if self.pending.is_some() || self.place.next >= durable {
            return Ok(None);
        }
        let (dir, next) = (log.journal(self.class).dir().to_owned(), self.place.next);
        let (cursor, options) = (self.cursor.take(), &shared.options);
        let (events, bytes) = (options.batch_events, options.batch_bytes);
        let (cursor, leaves) = blocking(move || {
            let failed = |e| io_error(e, "reading the log for a sink");
            let mut cursor = match cursor {
                Some(cursor) => cursor,
                None => SegmentCursor::at(&dir, next).map_err(failed)?,
            };
            let begins = cursor.next_seq();
            let (mut leaves, mut size) = (Vec::new(), 0);
            while leaves.len() < events && size < bytes {
                let more = cursor.read(durable, events - leaves.len()).map_err(failed)?;
                if more.is_empty() {
                    break;
                }
                size += more.iter().map(|record| record.leaf.len()).sum::<usize>();
                leaves.extend(more.into_iter().map(|r| ExportedLeaf::new(r.seq, r.leaf)));
            }
            Ok(((begins, cursor), leaves))
        })
        .await?;
        let (begins, cursor) = cursor;
        if begins > next {
            return Ok(Some(begins));
        }
        if leaves.first().is_none_or(|leaf| leaf.seq != next) {
            let what = format!("event {next} of the log can't be read");
            return Err(Error::new(core_codes::INTERNAL).detail(what));
        }
        self.cursor = Some(cursor);
        self.pending = Some(Batch::new(self.origin.clone(), self.class, leaves));
        Ok(None)
    }
}

impl Running {
    fn new(log: &Log, shared: &Shared, courses: [Course; 2]) -> Self {
        Self {
            started: log.clock().now(),
            file: PlaceFile::new(log.dir(), &shared.options.name),
            courses,
            saved_at: Instant::now(),
            unsaved: false,
            failing_since: None,
            told: false,
            turn: 0,
        }
    }

    /// Waits for news, and then for what comes with it. Not longer than until it is time to remember
    /// where the sink is.
    async fn wait(&mut self, gather: Duration) {
        let due = REMEMBER.saturating_sub(self.saved_at.elapsed());
        let longest = if self.unsaved { due } else { Duration::from_hours(1) };
        let [standard, break_glass] = &mut self.courses;
        let news = async {
            tokio::select! {
                changed = standard.durable.changed() => changed,
                changed = break_glass.durable.changed() => changed,
            }
        };
        match timeout(longest, news).await {
            Ok(Ok(())) => sleep(gather).await,
            // The log is gone: whoever runs this ends it.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => {}
        }
    }

    fn is_due(&self) -> bool {
        self.unsaved && self.saved_at.elapsed() >= REMEMBER
    }

    async fn save(&mut self) -> Result<()> {
        if !self.unsaved {
            return Ok(());
        }
        self.saved_at = Instant::now();
        let places: BTreeMap<String, Place> = self
            .courses
            .iter()
            .map(|course| (course.origin.clone(), course.place.clone()))
            .collect();
        let file = self.file.clone();
        blocking(move || file.save(places)).await?;
        self.unsaved = false;
        Ok(())
    }
}
