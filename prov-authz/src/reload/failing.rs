//! Refusals: in the status, in the log, in the audit log; each once.

use prov_core::audit::{Action, Event, Outcome, RecorderExt};
use prov_core::{Error, Result, SecurityContext};

use super::{PolicyReloader, State};
use crate::{Finding, PolicyEngine, Revision};

impl PolicyReloader {
    /// A set was refused for these reasons; answers the refusal.
    ///
    /// # Errors
    /// When the event can't be recorded.
    pub(super) async fn failed(
        &self,
        context: &SecurityContext,
        state: &mut State,
        findings: Vec<Finding>,
        is_asked_for: bool,
    ) -> Result<Error> {
        let error = self.refuse(findings);
        self.failed_with(context, state, error, is_asked_for).await
    }

    /// A set was refused with this error, which the status knows already.
    pub(super) async fn failed_with(
        &self,
        context: &SecurityContext,
        state: &mut State,
        error: Error,
        is_asked_for: bool,
    ) -> Result<Error> {
        let findings = self.engine.status().last_failure.map(|failure| failure.findings);
        if is_asked_for || state.recorded_refusal != findings {
            let before = self.engine.revision();
            self.record_refusal(context, Action::AUTHZ_POLICY_RELOAD, &before, &error).await?;
            state.recorded_refusal = findings;
        }
        Ok(error)
    }

    pub(super) async fn record_refusal(
        &self,
        context: &SecurityContext,
        action: Action,
        before: &Revision,
        error: &Error,
    ) -> Result<()> {
        tracing::error!(%error, "a policy set was refused; the one in force stays");
        let event = self.event(context, action, Outcome::Failure, before);
        let event = event.with("findings", reasons(error));
        self.recorder.record_in(context.request(), event).await.map(drop)
    }

    pub(super) fn event(
        &self,
        context: &SecurityContext,
        action: Action,
        outcome: Outcome,
        before: &Revision,
    ) -> Event {
        Event::new(&*self.clock, action, outcome)
            .in_context(context)
            .on("policies", "live")
            .with("previous_revision", before.as_str())
    }
}

/// The fields of a refusal, for an event.
pub(super) fn reasons(error: &Error) -> Vec<String> {
    error.fields().iter().map(|field| format!("{}: {}", field.field, field.message)).collect()
}
