//! The life of the set in force: read, checked, kept, put in force, taken back; with its audit events.

mod failing;
mod opening;
mod reading;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::lock::Mutex;
use prov_core::audit::{Action, Event, Outcome, Recorder, RecorderExt};
use prov_core::{Clock, Error, Result, SecurityContext, Timestamp};

pub use opening::PolicyLife;

use crate::history::{Pin, SetOrigin, Upkeep};
use crate::source::Unready;
use crate::{
    Candidate, CedarEngine, CedarOptions, Finding, KeptSet, PolicyEngine, PolicyFiles,
    PolicyHistory, Revision, TrustRoot, codes,
};

/// Where an engine's policies come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyFeed {
    /// A directory of `schema.cedarschema` and `*.cedar`: plain, mounted by Kubernetes, or in a git
    /// checkout.
    Directory(PathBuf),
    /// The store: what was uploaded last, on every node. Until then the shipped set.
    Store,
}

/// Puts policy sets in force and takes them back. Every set that goes live, and every one that is
/// refused, leaves an event, durable before the set decides anything.
///
/// * A set goes live when it can be read as it stood at one moment, is signed by those who must sign
///   it (with a [`TrustRoot`]), is not older than a signed one before it, and is valid.
/// * With a [`PolicyHistory`] it is kept first; every node over the same store sees the same history.
/// * [`rollback`](Self::rollback) goes back to a kept set and holds it: the directory is passed over
///   until its content changes, or until somebody asks for [`reload`](Self::reload).
#[derive(Debug)]
pub struct PolicyReloader {
    engine: Arc<CedarEngine>,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    feed: PolicyFeed,
    options: CedarOptions,
    history: Option<PolicyHistory>,
    trust: Option<TrustRoot>,
    /// Held over a whole change, so that an older set can't overtake a newer one.
    state: Mutex<State>,
}

/// What one look leaves for the next.
#[derive(Debug, Default)]
struct State {
    /// The refusal that was recorded last.
    recorded_refusal: Option<Vec<Finding>>,
    /// Since when the directory has been changing.
    busy_since: Option<Timestamp>,
    /// Version and content of the newest signed bundle this process saw.
    newest_bundle: Option<(u64, String)>,
}

/// A set that may go live, with what is to be kept of it.
#[derive(Debug)]
struct Next {
    candidate: Candidate,
    bundle: Option<(u64, String)>,
}

impl PolicyReloader {
    /// Reloads `directory` into `engine`, which decides by that directory already. It keeps no
    /// history and asks for no signatures; see [`open`](Self::open).
    #[must_use]
    pub fn new(
        engine: Arc<CedarEngine>,
        directory: impl Into<PathBuf>,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (feed, options) = (PolicyFeed::Directory(directory.into()), engine.options().clone());
        let (history, trust, state) = (None, None, Mutex::default());
        Self { engine, recorder, clock, feed, options, history, trust, state }
    }

    /// The engine that is kept up.
    #[must_use]
    pub const fn engine(&self) -> &Arc<CedarEngine> {
        &self.engine
    }

    /// The directory, when the policies come from one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match &self.feed {
            PolicyFeed::Directory(directory) => Some(directory),
            PolicyFeed::Store => None,
        }
    }

    /// The kept sets, when there are any.
    #[must_use]
    pub const fn history(&self) -> Option<&PolicyHistory> {
        self.history.as_ref()
    }

    /// Reads the policies again and puts them in force if they may be; ends a rollback.
    ///
    /// # Errors
    /// [`POLICIES_INVALID`](codes::POLICIES_INVALID) with file, line and remedy, and the set in force
    /// stays; so it does when the event can't be recorded or the set can't be kept;
    /// [`POLICIES_BUSY`](codes::POLICIES_BUSY) while the directory is being changed.
    pub async fn reload(&self, context: &SecurityContext) -> Result<Revision> {
        let mut state = self.state.lock().await;
        if self.step(context, &mut state, true).await? {
            return Ok(self.engine.revision());
        }
        Err(codes::POLICIES_BUSY.into())
    }

    /// As [`reload`](Self::reload), when something has changed; a refusal that was recorded already
    /// is not recorded again, a rollback holds, and a directory that is being changed is left alone.
    /// For watchers and timers.
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub async fn refresh(&self, context: &SecurityContext) -> Result<Revision> {
        let mut state = self.state.lock().await;
        self.step(context, &mut state, false).await?;
        Ok(self.engine.revision())
    }

    /// Goes back to a kept set, whole: schema, policies and corporate networks. It stays in force on
    /// every node until the directory changes (or the next upload), across restarts.
    ///
    /// # Errors
    /// [`NOT_FOUND`](prov_core::codes::NOT_FOUND) for a number that is not kept;
    /// [`HISTORY_ABSENT`](codes::HISTORY_ABSENT) when no sets are kept;
    /// [`POLICIES_INVALID`](codes::POLICIES_INVALID) when the set is not signed as the trust root
    /// asks; when the event can't be recorded.
    pub async fn rollback(
        &self,
        context: &SecurityContext,
        number: u64,
        reason: Option<&str>,
    ) -> Result<KeptSet> {
        let mut state = self.state.lock().await;
        let history = self.kept_sets()?;
        let set = history.required(number).await?;
        let before = self.engine.revision();
        let next = match self.kept_candidate(&set).await {
            Ok(next) => next,
            Err(error) => {
                self.record_refusal(context, Action::AUTHZ_POLICY_ROLLBACK, &before, &error)
                    .await?;
                return Err(error);
            }
        };
        let mut upkeep = Upkeep::new(SetOrigin::Rollback, context, self.clock.now());
        upkeep.same_as = Some(set.same_as.unwrap_or(number));
        upkeep.reason = reason.map(str::to_owned);
        upkeep.pin = Some(Pin { passed_over: self.content_of_directory() });
        let event = self
            .event(context, Action::AUTHZ_POLICY_ROLLBACK, Outcome::Success, &before)
            .with("number", number);
        self.go_live(context, &mut state, next, event, Some(upkeep)).await?;
        let live = history.head().await?.map_or(0, |head| head.live);
        history.required(live).await
    }

    /// Puts uploaded policies in force on every node over the store. With a directory, that is what
    /// counts, and uploads are refused.
    ///
    /// # Errors
    /// As [`reload`](Self::reload); [`POLICIES_ELSEWHERE`](codes::POLICIES_ELSEWHERE) when the
    /// policies come from a directory.
    pub async fn upload(
        &self,
        context: &SecurityContext,
        mut files: PolicyFiles,
        reason: Option<&str>,
    ) -> Result<KeptSet> {
        // The revision is that of the files in the order of their names, as in a directory.
        files.policies.sort_by(|a, b| a.name.cmp(&b.name));
        if self.feed != PolicyFeed::Store {
            return Err(codes::POLICIES_ELSEWHERE.into());
        }
        let mut state = self.state.lock().await;
        let history = self.kept_sets()?;
        let before = self.engine.revision();
        let head = self.head().await?;
        let newest = head.and_then(|head| head.bundle).max(state.newest_bundle.clone());
        let next = files
            .check_limits()
            .and_then(|()| self.admit(files, newest.as_ref(), None))
            .map_err(|findings| self.refuse(findings));
        let next = match next {
            Ok(next) => next,
            Err(error) => {
                self.record_refusal(context, Action::AUTHZ_POLICY_UPLOAD, &before, &error).await?;
                return Err(error);
            }
        };
        let mut upkeep = Upkeep::new(SetOrigin::Upload, context, self.clock.now());
        upkeep.reason = reason.map(str::to_owned);
        let event = self.event(context, Action::AUTHZ_POLICY_UPLOAD, Outcome::Success, &before);
        self.go_live(context, &mut state, next, event, Some(upkeep)).await?;
        let live = history.head().await?.map_or(0, |head| head.live);
        history.required(live).await
    }

    /// Records, keeps, puts in force: in this order.
    async fn go_live(
        &self,
        context: &SecurityContext,
        state: &mut State,
        next: Next,
        event: Event,
        upkeep: Option<Upkeep>,
    ) -> Result<Revision> {
        let Next { mut candidate, bundle } = next;
        let (action, before) = (event.action.clone(), self.engine.revision());
        let event = event
            .with("revision", candidate.revision().as_str())
            .with("policies", candidate.policies());
        self.recorder.record_in(context.request(), with_provenance(event, &candidate)).await?;
        if let (Some(history), Some(mut upkeep)) = (&self.history, upkeep) {
            upkeep.bundle.clone_from(&bundle);
            let is_pinned = upkeep.pin.is_some();
            let number = match history.keep(candidate.compiled(), &upkeep).await {
                Ok(number) => number,
                Err(error) => {
                    self.record_refusal(context, action, &before, &error).await?;
                    return Err(error);
                }
            };
            let provenance = candidate.provenance_mut();
            (provenance.number, provenance.is_pinned) = (Some(number), is_pinned);
        }
        state.newest_bundle = state.newest_bundle.take().max(bundle);
        state.recorded_refusal = None;
        tracing::info!(revision = %candidate.revision(), "policies put in force");
        let wanted = candidate.revision().clone();
        let live = self.engine.install(candidate);
        if live == wanted {
            return Ok(live);
        }
        // What was entered into the inventory meanwhile does not go with it; the status says what.
        Err(codes::POLICIES_INVALID.into())
    }

    /// Whether the last look found the directory being changed.
    #[cfg(feature = "watch")]
    pub(crate) async fn is_waiting(&self) -> bool {
        self.state.lock().await.busy_since.is_some()
    }

    fn kept_sets(&self) -> Result<&PolicyHistory> {
        self.history.as_ref().ok_or_else(|| codes::HISTORY_ABSENT.into())
    }

    /// Puts a refusal in the status, and makes an error of it.
    fn refuse(&self, findings: Vec<Finding>) -> Error {
        self.engine.note_refusal(findings)
    }
}

fn with_provenance(mut event: Event, candidate: &Candidate) -> Event {
    let provenance = &candidate.compiled().provenance;
    if let Some(commit) = &provenance.commit {
        event = event.with("commit", commit.as_str());
    }
    if let Some(version) = provenance.bundle_version {
        event = event.with("bundle_version", version);
    }
    event
}
