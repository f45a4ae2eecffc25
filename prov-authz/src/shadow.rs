//! A candidate tried beside the set in force: off the path of requests, on every so-manieth of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;
use prov_core::{Error, Result, Timestamp, codes};
use serde::Serialize;

use crate::cedar::Trial;
use crate::replay::{Earlier, Rebuilt, Simulation, compare};
use crate::{AccessRequest, Candidate, CedarEngine, Decision, PolicyEngine, Revision};

/// Requests that wait to be tried; further ones are not, and are counted.
const WAITING: usize = 1024;
/// Unless told otherwise, one request in so many is tried: to copy it costs about as much as to
/// decide it, and trying it as much again, so that both together stay below five hundredths.
pub(crate) const ONE_IN: u64 = 64;

/// Decides as the engine does, and has a candidate decide the same beside it.
///
/// What is asked through it is what is compared; give it to the layer in the engine's place.
#[derive(Debug)]
pub struct ShadowedEngine {
    engine: Arc<CedarEngine>,
    shadow: ArcSwapOption<Shadow>,
}

/// A candidate that is being tried.
#[derive(Debug)]
struct Shadow {
    revision: Revision,
    policies: usize,
    since: Timestamp,
    one_in: u64,
    seen: AtomicU64,
    passed_over: AtomicU64,
    found: Arc<Mutex<Simulation>>,
    queue: Option<SyncSender<Tried>>,
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

/// A request with its answer.
struct Tried {
    request: Rebuilt,
    decision: Decision,
}

/// What became of a trial.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct ShadowReport {
    /// The candidate.
    pub revision: Revision,
    /// The number of its policies.
    pub policies: usize,
    /// Since when it is tried.
    pub since: Timestamp,
    /// One decision in so many is tried.
    pub one_in: u64,
    /// Decisions made since then.
    pub seen: u64,
    /// Decisions that were to be tried and were not, because too many waited.
    pub passed_over: u64,
    /// What differs, on this node.
    pub found: Simulation,
}

impl ShadowedEngine {
    /// Over this engine, with no candidate yet.
    #[must_use]
    pub fn new(engine: Arc<CedarEngine>) -> Self {
        Self { engine, shadow: ArcSwapOption::empty() }
    }

    /// Begins to try a candidate on one decision in `one_in`, in the place of the one before.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(crate) fn start(&self, candidate: Candidate, now: Timestamp, one_in: u64) -> Result<()> {
        let (queue, waiting) = sync_channel(WAITING);
        let (revision, policies) = (candidate.revision().clone(), candidate.policies());
        let trial = candidate.on_trial();
        let found: Arc<Mutex<Simulation>> = Arc::default();
        let stop: Arc<AtomicBool> = Arc::default();
        let (engine, kept, ended) =
            (Arc::clone(&self.engine), Arc::clone(&found), Arc::clone(&stop));
        let worker = std::thread::Builder::new()
            .name("policy-shadow".to_owned())
            .spawn(move || try_all(&engine, &trial, &waiting, &kept, &ended))
            .map_err(|e| Error::new(codes::INTERNAL).context("a thread for a trial").source(e))?;
        let shadow = Shadow {
            revision,
            policies,
            since: now,
            one_in: one_in.max(1),
            seen: AtomicU64::new(0),
            passed_over: AtomicU64::new(0),
            found,
            queue: Some(queue),
            stop,
            worker: Some(worker),
        };
        self.shadow.store(Some(Arc::new(shadow)));
        Ok(())
    }

    /// Ends the trial, and answers what became of it.
    pub(crate) fn stop(&self) -> Option<ShadowReport> {
        self.shadow.swap(None).map(|shadow| shadow.report())
    }

    /// What became of the trial so far; `None` when there is none.
    #[must_use]
    pub fn report(&self) -> Option<ShadowReport> {
        self.shadow.load().as_ref().map(|shadow| shadow.report())
    }

    /// The engine that decides.
    #[must_use]
    pub const fn engine(&self) -> &Arc<CedarEngine> {
        &self.engine
    }
}

impl Shadow {
    fn offer(&self, request: &AccessRequest<'_>, decision: &Decision) {
        let number = self.seen.fetch_add(1, Ordering::Relaxed);
        let Some(queue) = self.queue.as_ref().filter(|_| number.is_multiple_of(self.one_in)) else {
            return;
        };
        let tried = Tried { request: Rebuilt::copy(request), decision: decision.clone() };
        if queue.try_send(tried).is_err() {
            self.passed_over.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn report(&self) -> ShadowReport {
        ShadowReport {
            revision: self.revision.clone(),
            policies: self.policies,
            since: self.since,
            one_in: self.one_in,
            seen: self.seen.load(Ordering::Relaxed),
            passed_over: self.passed_over.load(Ordering::Relaxed),
            found: self.found.lock().clone(),
        }
    }
}

/// Ends the thread: it works off nothing more.
impl Drop for Shadow {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(self.queue.take());
        if let Some(worker) = self.worker.take()
            && worker.join().is_err()
        {
            tracing::error!("the trial of a policy set broke");
        }
    }
}

fn try_all(
    engine: &CedarEngine,
    trial: &Trial,
    waiting: &Receiver<Tried>,
    found: &Mutex<Simulation>,
    stop: &AtomicBool,
) {
    while let Ok(Tried { request, decision }) = waiting.recv() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let now = request.decide(|request| engine.decide_with(trial, request));
        let id = decision.decision_id.to_string();
        let earlier = Earlier {
            id: &id,
            allowed: decision.allowed,
            policies: &decision.determining_policies,
        };
        let mut found = found.lock();
        found.considered += 1;
        compare(&mut found, &request, earlier, &now);
    }
}

impl PolicyEngine for ShadowedEngine {
    fn decide(&self, request: &AccessRequest<'_>) -> Decision {
        let decision = self.engine.decide(request);
        if let Some(shadow) = &*self.shadow.load() {
            shadow.offer(request, &decision);
        }
        decision
    }

    fn check(&self, request: &AccessRequest<'_>) -> Result<()> {
        self.engine.check(request)
    }

    fn revision(&self) -> Revision {
        self.engine.revision()
    }

    fn suppose(&self, request: &AccessRequest<'_>) -> Decision {
        self.engine.suppose(request)
    }
}
