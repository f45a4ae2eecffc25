//! What users are told of that nobody does just now: attempts in vain, and what ends soon.

use prov_core::audit::Action;
use prov_core::store::{Batch, Entity, Expect, StoreExt};
use prov_core::{News, NoticeId, Result, SecurityContext, UserId, codes as core_codes};

use super::AuthService;
use crate::api_token::ApiTokenRecord;
use crate::login::Guessed;
use crate::user::UserRecord;

impl AuthService {
    /// Tells users at whose accounts so many passwords were wrong on this node that guessing is slowed: once
    /// a day, on all nodes together. [`run`](Self::run) does it by itself.
    ///
    /// # Errors
    /// When the store or the log can't be written; who was not told is told the next time.
    pub async fn tell_of_attempts(&self) -> Result<()> {
        let mut waiting = self.guesses.take().into_iter();
        while let Some((user, guessed)) = waiting.next() {
            if let Err(error) = self.tell_of_guesses(&user, guessed).await {
                self.guesses.note(&user, guessed);
                waiting.for_each(|(user, guessed)| self.guesses.note(&user, guessed));
                return Err(error);
            }
        }
        Ok(())
    }

    async fn tell_of_guesses(&self, user: &UserId, guessed: Guessed) -> Result<()> {
        let news = News::failed_attempts(guessed.attempts, guessed.ip);
        self.tell(user, news, Batch::new()).await
    }

    /// Tells somebody who has just signed in what else was tried at their account.
    pub(super) async fn tell_of_attempts_at(&self, user: &UserId) -> Result<()> {
        match self.guesses.take_of(user) {
            Some(guessed) => self.tell_of_guesses(user, guessed).await,
            None => Ok(()),
        }
    }

    /// Tells a user, together with `also`: not when one notice is enough and there is one, nor when the
    /// account changes or ends at this moment.
    pub(super) async fn tell(&self, user: &UserId, news: News, also: Batch) -> Result<()> {
        let kind = news.kind();
        let Some(account) = self.store().load::<UserRecord>(user.as_str()).await? else {
            return Ok(());
        };
        let (notice, batch) = self.notices.write(user, news).await?;
        let still = Expect::Version(account.version);
        match self
            .store()
            .commit(batch.and(also).check(UserRecord::key(user.as_str()), still))
            .await
        {
            Ok(_) => self.told(user, &notice, kind).await,
            Err(error) if error.is(core_codes::CONFLICT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn told(&self, user: &UserId, notice: &NoticeId, kind: &'static str) -> Result<()> {
        self.notices.bell.notify_one();
        let context = SecurityContext::system("notices", self.clock())?;
        let event = self
            .event_on_user(&context, Action::AUTH_NOTICE_PIN, user.as_str())
            .with("notice", notice.as_str())
            .with("kind", kind);
        self.record(context.request(), event).await
    }

    /// Reminds the owners of API tokens that end within 7 days, or within the last quarter of their life where
    /// that is shorter; once for each value, on all nodes together. Of tokens that live less than a day nobody
    /// is reminded. [`run`](Self::run) does it by itself.
    ///
    /// # Errors
    /// When the store or the log can't be read or written.
    pub async fn remind_of_api_tokens(&self) -> Result<()> {
        for id in self.api_tokens.ending_soon() {
            let Some(found) = self.store().load::<ApiTokenRecord>(&id).await? else { continue };
            // Another node may have been first, or the token have a new value.
            if !found.is_to_be_reminded_of(self.clock().now()) {
                self.api_tokens.take(found.entity, found.version).await?;
                continue;
            }
            let news = News::api_token_ends(found.name.as_str(), found.expires_at);
            let record = ApiTokenRecord { reminded: true, ..found.entity.clone() };
            let also = Batch::new().with(record.put(Expect::Version(found.version))?);
            self.tell(&found.user, news, also).await?;
            if let Some(now) = self.store().load::<ApiTokenRecord>(&id).await? {
                self.api_tokens.take(now.entity, now.version).await?;
            }
        }
        Ok(())
    }
}
