//! Reloading with its audit event.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::lock::Mutex;
use prov_core::audit::{Action, Event, Outcome, Recorder, RecorderExt};
use prov_core::{Clock, Error, Result, SecurityContext};

use crate::{CedarEngine, Finding, PolicyEngine, Revision};

/// Reloads a directory into an engine; every set that goes live, and every one that is refused, is
/// an `authz.policy.reload` event, durable before the set decides anything.
#[derive(Debug)]
pub struct PolicyReloader {
    engine: Arc<CedarEngine>,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    directory: PathBuf,
    /// Held over a whole reload, so that an older set can't overtake a newer one; knows which
    /// refusal was recorded last.
    recorded_refusal: Mutex<Option<Vec<Finding>>>,
}

impl PolicyReloader {
    /// Reloads `directory` into `engine`.
    #[must_use]
    pub fn new(
        engine: Arc<CedarEngine>,
        directory: impl Into<PathBuf>,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let directory = directory.into();
        Self { engine, recorder, clock, directory, recorded_refusal: Mutex::new(None) }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Reads the directory and puts it in force if it is valid.
    ///
    /// # Errors
    /// [`POLICIES_INVALID`](crate::codes::POLICIES_INVALID) with file, line and remedy, and the set in
    /// force stays; so it does when the event can't be recorded.
    pub async fn reload(&self, context: &SecurityContext) -> Result<Revision> {
        let mut recorded_refusal = self.recorded_refusal.lock().await;
        self.try_reload(context, &mut recorded_refusal, true).await
    }

    /// As [`reload`](Self::reload), when the files have changed; a refusal that was recorded already
    /// is not recorded again. For watchers and timers.
    ///
    /// # Errors
    /// As [`reload`](Self::reload).
    pub async fn refresh(&self, context: &SecurityContext) -> Result<Revision> {
        let mut recorded_refusal = self.recorded_refusal.lock().await;
        self.try_reload(context, &mut recorded_refusal, false).await
    }

    async fn try_reload(
        &self,
        context: &SecurityContext,
        recorded_refusal: &mut Option<Vec<Finding>>,
        is_asked_for: bool,
    ) -> Result<Revision> {
        let before = self.engine.revision();
        let candidate = match self.engine.candidate(&self.directory) {
            Ok(candidate) => candidate,
            Err(error) => {
                let findings = self.engine.status().last_failure.map(|failure| failure.findings);
                if is_asked_for || *recorded_refusal != findings {
                    self.record_refusal(context, &before, &error).await?;
                    *recorded_refusal = findings;
                }
                return Err(error);
            }
        };
        let after = candidate.revision().clone();
        let is_news = after != before || recorded_refusal.is_some();
        if is_asked_for || is_news {
            let event = self
                .event(context, Outcome::Success, &before)
                .with("revision", after.as_str())
                .with("policies", candidate.policies());
            self.recorder.record_in(context.request(), event).await?;
        }
        *recorded_refusal = None;
        if is_asked_for || is_news || self.engine.status().last_failure.is_some() {
            tracing::info!(revision = %after, "policies reloaded");
            return Ok(self.engine.install(candidate));
        }
        Ok(after)
    }

    async fn record_refusal(
        &self,
        context: &SecurityContext,
        before: &Revision,
        error: &Error,
    ) -> Result<()> {
        tracing::error!(%error, "a policy set was refused; the one in force stays");
        let findings: Vec<_> =
            error.fields().iter().map(|f| format!("{}: {}", f.field, f.message)).collect();
        let event = self.event(context, Outcome::Failure, before).with("findings", findings);
        self.recorder.record_in(context.request(), event).await.map(drop)
    }

    fn event(&self, context: &SecurityContext, outcome: Outcome, before: &Revision) -> Event {
        Event::new(&*self.clock, Action::AUTHZ_POLICY_RELOAD, outcome)
            .in_context(context)
            .on("policies", "live")
            .with("previous_revision", before.as_str())
    }
}
