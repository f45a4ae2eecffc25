//! Questions that are answered in any case: what can't be decided is denied.

use prov_core::audit::{Action, Event, Outcome, RecorderExt};
use prov_core::id::is_id;
use prov_core::{Error, Kind, Result, SecurityContext};

use super::DecisionService;
use crate::{Decision, Question};

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Answered {
    /// It was decided.
    Decided(Decision),
    /// It can't be decided, which counts as a denial.
    Failed(Error),
}

impl DecisionService {
    /// As [`authorize`](Self::authorize), but what the policies can't speak of, and a principal that
    /// nobody knows, are denied and recorded instead of refused.
    pub(crate) async fn answer(
        &self,
        caller: &SecurityContext,
        asked: &Question,
    ) -> Result<Answered> {
        match self.authorize(caller, asked).await {
            Ok(decision) => Ok(Answered::Decided(decision)),
            Err(error) if matches!(error.kind(), Kind::InvalidRequest | Kind::NotFound) => {
                self.record_unanswerable(caller, asked, &error).await?;
                Ok(Answered::Failed(error))
            }
            Err(error) => Err(error),
        }
    }

    /// Records a question that was answered with a denial because it can't be decided.
    pub(crate) async fn record_unanswerable(
        &self,
        caller: &SecurityContext,
        asked: &Question,
        error: &Error,
    ) -> Result<()> {
        let resource = &asked.resource.entity;
        let mut event = Event::new(&*self.clock, Action::AUTHZ_DECISION, Outcome::Denied)
            .in_context(caller)
            .on(short(&resource.kind), short(&resource.id))
            .with("action", short(&asked.action))
            .with("refusal", error.code().name())
            .with("revision", crate::PolicyEngine::revision(&*self.engine).as_str());
        // Somebody whom nobody knows may be called by a name.
        let principal = asked.principal.as_ref().filter(|asked| is_id(&asked.id));
        if let Some(principal) = principal {
            event = event.with("principal", short(&principal.id));
        }
        self.recorder.record_in(caller.request(), event).await.map(drop)
    }
}

/// What a stranger wrote, cut to what an event has room for.
fn short(text: &str) -> String {
    text.chars().take(128).collect()
}
