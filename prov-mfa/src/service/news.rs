//! Telling users what becomes of their second factors.

use prov_core::store::Batch;
use prov_core::{
    ChangedBy, FactorMethod, News, Result, SecurityContext, UserId, codes as core_codes,
};

use super::{Caller, MfaService};

impl MfaService {
    /// What tells the user, to be written with what is told; nothing where nobody keeps notices.
    pub(super) async fn pinned(&self, user: &UserId, news: Option<News>) -> Result<Batch> {
        match (self.board.get(), news) {
            (Some(board), Some(news)) => board.pin(user, news).await,
            _ => Ok(Batch::new()),
        }
    }

    /// Tells the user that somebody answers wrongly all the time, who must have got past the first step.
    pub(super) async fn tell_of_failures(
        &self,
        caller: &Caller<'_>,
        method: FactorMethod,
    ) -> Result<()> {
        let Some(user) = caller.user() else { return Ok(()) };
        let news = News::second_factor_failed(method, caller.request().client);
        let batch = self.pinned(user, Some(news)).await?;
        if batch.operations().is_empty() {
            return Ok(());
        }
        match self.store.commit(batch).await {
            // They know already.
            Err(error) if error.is(core_codes::CONFLICT) => Ok(()),
            other => other.map(drop),
        }
    }
}

/// That this factor was added.
pub(super) fn added(context: &SecurityContext, factor: FactorMethod, name: &str) -> News {
    News::second_factor_added(factor, name, context.request().client)
}

/// That this factor was taken away.
pub(super) fn removed(context: &SecurityContext, factor: FactorMethod, name: &str) -> News {
    News::second_factor_removed(factor, name, context.request().client)
}

/// That all factors were taken away, by the user or somebody else: where that one sits is not for the user to
/// know.
pub(super) fn reset(context: &SecurityContext, own: bool) -> News {
    let by = if own { ChangedBy::Yourself } else { ChangedBy::Administrator };
    News::second_factors_reset(by, context.request().client.filter(|_| own))
}
