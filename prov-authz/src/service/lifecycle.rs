//! What may be asked about the life of the policies.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use prov_core::audit::{Action, Event, Outcome, RecorderExt};
use prov_core::{Error, Result, SecurityContext, codes as core_codes};

use super::DecisionService;
use crate::cedar::Trial;
use crate::replay::{Earlier, Rebuilt, compare};
use crate::{
    Candidate, HistoryPage, KeptSet, PolicyDiff, PolicyFiles, PolicyHistory, PolicyReloader,
    PolicySource, RecordedDecision, ShadowReport, ShadowedEngine, Simulation, Window, codes,
};

/// No simulation looks at more decisions.
const MOST_REPLAYED: u32 = 10_000;
/// After so many decisions the others on this thread get their turn.
const TURN: u64 = 64;

/// What a simulation is to try, and on what.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Draft {
    /// The set; the one in force when absent.
    pub files: Option<PolicyFiles>,
    /// The decisions.
    pub window: Window,
    /// At most so many of them, newest first; at most 10,000.
    pub limit: NonZeroU32,
}

impl Draft {
    /// The set in force on these decisions.
    #[must_use]
    pub const fn of_live(window: Window, limit: NonZeroU32) -> Self {
        Self { files: None, window, limit }
    }

    /// This set instead.
    #[must_use]
    pub fn trying(mut self, files: PolicyFiles) -> Self {
        self.files = Some(files);
        self
    }
}

impl DecisionService {
    /// The sets that were in force, newest first.
    ///
    /// # Errors
    /// [`HISTORY_ABSENT`](codes::HISTORY_ABSENT) when none are kept.
    pub async fn history(&self, after: Option<String>, limit: NonZeroU32) -> Result<HistoryPage> {
        self.kept_sets()?.list(after, limit).await
    }

    /// One of them, with its files.
    ///
    /// # Errors
    /// [`NOT_FOUND`](core_codes::NOT_FOUND) for a number that is not kept; as
    /// [`history`](Self::history).
    pub async fn kept(&self, number: u64) -> Result<(KeptSet, PolicyFiles)> {
        let history = self.kept_sets()?;
        let set = history.required(number).await?;
        let files = history.files(&set).await?;
        Ok((set, files))
    }

    /// What differs between two kept sets; to the one in force when `to` is absent.
    ///
    /// # Errors
    /// As [`kept`](Self::kept).
    pub async fn diff(&self, from: u64, to: Option<u64>) -> Result<PolicyDiff> {
        let to = to.or(self.engine.status().number).ok_or(codes::HISTORY_ABSENT)?;
        self.kept_sets()?.diff(from, to).await
    }

    /// Goes back to a kept set; see [`PolicyReloader::rollback`].
    ///
    /// # Errors
    /// As that.
    pub async fn rollback(
        &self,
        caller: &SecurityContext,
        number: u64,
        reason: Option<&str>,
    ) -> Result<KeptSet> {
        check_reason(reason)?;
        self.reloader()?.rollback(caller, number, reason).await
    }

    /// Puts uploaded policies in force; see [`PolicyReloader::upload`].
    ///
    /// # Errors
    /// As that.
    pub async fn upload(
        &self,
        caller: &SecurityContext,
        files: PolicyFiles,
        reason: Option<&str>,
    ) -> Result<KeptSet> {
        check_reason(reason)?;
        self.reloader()?.upload(caller, files, reason).await
    }

    /// Makes recorded decisions again, by a draft or by the set in force, and says what would change.
    /// Changes nothing.
    ///
    /// # Errors
    /// [`DECISIONS_UNRECORDED`](codes::DECISIONS_UNRECORDED) when no records are offered here;
    /// [`POLICIES_INVALID`](codes::POLICIES_INVALID) when the draft could not go live; when the
    /// records can't be read or the event can't be recorded.
    pub async fn simulate(&self, caller: &SecurityContext, draft: &Draft) -> Result<Simulation> {
        let recorded = self.recorded.as_ref().ok_or(codes::DECISIONS_UNRECORDED)?;
        let candidate = draft.files.as_ref().map(|files| self.candidate(files)).transpose()?;
        let trial = candidate.map(Candidate::on_trial);
        let limit = u64::from(draft.limit.get().min(MOST_REPLAYED));
        let mut total = Simulation::default();
        // Every event of a request carries the decision that let it pass.
        let mut seen = HashSet::new();
        let mut cursor = None;
        loop {
            let page = recorded.recorded(draft.window, cursor.as_deref()).await?;
            for item in &page.items {
                if !seen.insert(item.record.id.clone()) {
                    continue;
                }
                if total.considered == limit {
                    total.is_cut = true;
                    break;
                }
                self.replay(item, trial.as_ref(), &mut total);
                if total.considered.is_multiple_of(TURN) {
                    yield_now().await;
                }
            }
            cursor = page.next;
            if cursor.is_none() || total.is_cut {
                break;
            }
        }
        let event = Event::new(&*self.clock, Action::AUTHZ_POLICY_SIMULATE, Outcome::Success)
            .in_context(caller)
            .on("policies", if trial.is_some() { "draft" } else { "live" })
            .with("considered", total.considered)
            .with("newly_allowed", total.newly_allowed)
            .with("newly_denied", total.newly_denied);
        self.recorder.record_in(caller.request(), event).await?;
        Ok(total)
    }

    fn replay(&self, item: &RecordedDecision, trial: Option<&Trial>, total: &mut Simulation) {
        total.considered += 1;
        let Some(rebuilt) = Rebuilt::of(item) else {
            total.incomplete += 1;
            return;
        };
        let record = &item.record;
        let earlier =
            Earlier { id: &record.id, allowed: record.allowed, policies: &record.policies };
        let live = rebuilt.decide(|request| self.engine.decide_uncounted(request));
        let has_same_entities = live.record().entities == record.entities;
        total.inexact += u64::from(!(rebuilt.is_exact && has_same_entities));
        let is_same_set = live.revision.as_str() == record.revision;
        total.unreproduced += u64::from(is_same_set && !earlier.is_as(&live));
        let now = match trial {
            Some(trial) => rebuilt.decide(|request| self.engine.decide_with(trial, request)),
            None => live,
        };
        compare(total, &rebuilt, earlier, &now);
    }

    /// Begins to try a set beside the one in force, on one decision in `one_in`; in the place of the
    /// one that was tried before. On this node, until it ends or [`stop_shadow`](Self::stop_shadow).
    ///
    /// # Errors
    /// [`SHADOW_ABSENT`](codes::SHADOW_ABSENT) when nothing is tried here;
    /// [`POLICIES_INVALID`](codes::POLICIES_INVALID) when the set could not go live; when the event
    /// can't be recorded.
    pub async fn start_shadow(
        &self,
        caller: &SecurityContext,
        files: &PolicyFiles,
        one_in: Option<NonZeroU32>,
    ) -> Result<ShadowReport> {
        let shadow = self.shadow()?;
        let candidate = self.candidate(files)?;
        let event = Event::new(&*self.clock, Action::AUTHZ_POLICY_SHADOW, Outcome::Success)
            .in_context(caller)
            .on("policies", "shadow")
            .with("revision", candidate.revision().as_str());
        self.recorder.record_in(caller.request(), event).await?;
        let one_in = one_in.map_or(crate::shadow::ONE_IN, |one_in| u64::from(one_in.get()));
        shadow.start(candidate, self.clock.now(), one_in)?;
        self.shadow_report()
    }

    /// What became of the trial so far.
    ///
    /// # Errors
    /// [`NOT_FOUND`](core_codes::NOT_FOUND) when none is going on.
    pub fn shadow_report(&self) -> Result<ShadowReport> {
        self.shadow()?.report().ok_or_else(no_trial)
    }

    /// Ends the trial.
    ///
    /// # Errors
    /// As [`shadow_report`](Self::shadow_report); when the event can't be recorded.
    pub async fn stop_shadow(&self, caller: &SecurityContext) -> Result<ShadowReport> {
        let report = self.shadow_report()?;
        let event = Event::new(&*self.clock, Action::AUTHZ_POLICY_SHADOW, Outcome::Success)
            .in_context(caller)
            .on("policies", "shadow")
            .with("ended", report.revision.as_str());
        self.recorder.record_in(caller.request(), event).await?;
        self.shadow()?.stop().ok_or_else(no_trial)
    }

    /// A draft as it would go live: with the options of this server, and signed or not, because it
    /// decides nothing.
    fn candidate(&self, files: &PolicyFiles) -> Result<Candidate> {
        let checked = files.check_limits();
        let set = checked
            .and_then(|()| self.engine.compile(&Arc::new(files.clone()), self.engine.options()));
        let set = set.map_err(|findings| crate::load::refusal(&findings))?;
        self.engine.candidate_of(set, PolicySource::BuiltIn)
    }

    fn reloader(&self) -> Result<&Arc<PolicyReloader>> {
        self.reloader.as_ref().ok_or_else(|| codes::POLICIES_BUILT_IN.into())
    }

    fn kept_sets(&self) -> Result<&PolicyHistory> {
        let reloader = self.reloader.as_ref();
        let history = reloader.and_then(|reloader| reloader.history());
        history.ok_or_else(|| codes::HISTORY_ABSENT.into())
    }

    fn shadow(&self) -> Result<&Arc<ShadowedEngine>> {
        self.shadow.as_ref().ok_or_else(|| codes::SHADOW_ABSENT.into())
    }
}

fn no_trial() -> Error {
    Error::new(core_codes::NOT_FOUND).detail("no policy set is being tried")
}

/// A reason is for people: 1 to 512 characters in lines that can be printed.
fn check_reason(reason: Option<&str>) -> Result<()> {
    let is_fit = |text: &str| {
        (1..=512).contains(&text.chars().count()) && !text.chars().any(char::is_control)
    };
    if reason.is_none_or(is_fit) {
        return Ok(());
    }
    let message = "1 to 512 characters without control characters";
    Err(Error::new(core_codes::INVALID_REQUEST).field("reason", message))
}

/// Lets others on this thread have their turn.
async fn yield_now() {
    let mut is_second = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut is_second, true) {
            return std::task::Poll::Ready(());
        }
        context.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
