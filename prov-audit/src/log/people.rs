//! Erasing a person from the log.

use prov_core::audit::{Action, Event, Outcome, Recorder};
use prov_core::{PrincipalKind, Result, SecurityContext};
#[cfg(feature = "sqlite-index")]
use prov_core::{SubjectData, SubjectRecord, UserId};

use super::Log;

impl Log {
    /// Destroys the key under which the personal data of an account is sealed in the log, and what
    /// the index knows of it. Every proof still holds; the personal parts read as erased, also in
    /// copies of the log made earlier. Later events of the account get a new key and pseudonym.
    ///
    /// Returns whether the log knew the account. That it begins is recorded first, and that it is
    /// done or failed afterwards: no key is destroyed without an event.
    ///
    /// # Errors
    /// [`codes::HELD`](crate::codes::HELD) while a legal hold keeps the account; that it was tried is
    /// recorded. When it can't be recorded that it begins, or the store can't be written: then nothing is
    /// erased. When the end can't be recorded: the key is destroyed, and
    /// [`follow`](Self::follow) takes what is left out of the index. When the index is read for so long
    /// (five seconds) that traces of keyed hashes are left in its files: the key is destroyed, the traces go
    /// as soon as it is not read, and health says so until then.
    pub async fn erase_subject(
        &self,
        context: &SecurityContext,
        kind: PrincipalKind,
        actor: &str,
    ) -> Result<bool> {
        let Some(pid) = self.vault.pid_of(kind, actor).await? else { return Ok(false) };
        let event = |action, outcome| {
            Event::new(&*self.options.clock, action, outcome)
                .in_context(context)
                .on("audit_subject", &pid)
        };
        if let Some(hold) = self.hold_on(actor).await? {
            let denied = event(Action::AUDIT_SUBJECT_ERASE, Outcome::Denied);
            self.record(denied.with("hold", hold.id.as_str())).await?;
            context.request().mark_recorded();
            return Err(super::pruning::held(&hold));
        }
        self.record(event(Action::AUDIT_SUBJECT_ERASE_BEGIN, Outcome::Success)).await?;
        let erased = self.vault.erase(kind, actor).await;
        let outcome = if erased.is_ok() { Outcome::Success } else { Outcome::Failure };
        // At once: a second call finds nobody to erase, and would record nothing.
        let told = self.record(event(Action::AUDIT_SUBJECT_ERASE, outcome)).await;
        let erased = erased?;
        told?;
        context.request().mark_recorded();
        #[cfg(feature = "sqlite-index")]
        self.unindex_all(&[pid]).await?;
        Ok(erased.is_some())
    }
}

#[cfg(feature = "sqlite-index")]
#[async_trait::async_trait]
impl SubjectData for Log {
    fn holder(&self) -> &'static str {
        "prov-audit"
    }

    /// The events of the account as far as their personal part can be read, newest first.
    async fn export(&self, subject: &UserId) -> Result<Vec<SubjectRecord>> {
        self.events_of(subject.as_str()).await
    }

    async fn erase(&self, context: &SecurityContext, subject: &UserId) -> Result<u64> {
        let known = self.erase_subject(context, PrincipalKind::User, subject.as_str()).await?;
        Ok(u64::from(known))
    }
}
