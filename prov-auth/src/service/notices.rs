//! Telling users what happened to their account.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{Either, select};
use prov_core::audit::Action;
use prov_core::store::{Entity, Scan, StoreExt, Stored};
use prov_core::{
    Addressee, Notice, Notifier, Result, SecurityContext, UserId, codes as core_codes,
};

use super::AuthService;
use super::events::failed;
use super::own_account::own_id;
use crate::codes;
use crate::notice::{NoticeRecord, ToldOnce};

/// How often it is looked whether notices are waiting, besides whenever there is a new one.
const LOOK_EVERY: Duration = Duration::from_secs(15);

impl AuthService {
    /// What the caller was told of their account within the last 90 days, newest first.
    ///
    /// # Errors
    /// When the caller is no user, or the store can't be read.
    pub async fn notices(&self, context: &SecurityContext) -> Result<Vec<Notice>> {
        let records = self.notices.of(&own_id(context)?).await?;
        let mut all: Vec<_> = records.into_iter().map(|record| record.notice).collect();
        all.sort_by(|a, b| b.id.cmp(&a.id));
        Ok(all)
    }

    /// Forgets what a user was told; returns how many notices there were.
    pub(super) async fn forget_notices_of(&self, user: &UserId) -> Result<u64> {
        let told = self.remove_all::<NoticeRecord>(NoticeRecord::user_term(user)).await?;
        let once = self.remove_all::<ToldOnce>(ToldOnce::user_term(user)).await?;
        Ok(told + once)
    }

    /// Hands the notices that are due to whoever delivers them, each with its event. [`run`](Self::run)
    /// does it by itself, on every node: each notice is tried by one of them at a time, and may be
    /// delivered twice when a node ends just then.
    ///
    /// # Errors
    /// When the store can't be read or written. A notice that can't be delivered is tried again later,
    /// for three days, and leaves those behind it for the next call.
    pub async fn deliver_notices(&self) -> Result<()> {
        let Some(notifier) = &self.parts.notifier else { return Ok(()) };
        let mut scan = Scan::kind(NoticeRecord::KIND).with_term(NoticeRecord::waiting());
        loop {
            let page = self.store().list::<NoticeRecord>(&scan).await?;
            for waiting in page.items {
                if !self.deliver(&**notifier, waiting).await? {
                    return Ok(());
                }
            }
            let Some(next) = page.next else { return Ok(()) };
            scan = scan.after(Some(next));
        }
    }

    /// Tries one notice; whether the next is worth trying.
    async fn deliver(
        &self,
        notifier: &dyn Notifier,
        waiting: Stored<NoticeRecord>,
    ) -> Result<bool> {
        let Stored { entity: mut record, version } = waiting;
        let now = self.clock().now();
        if !record.claim(now) {
            return Ok(true);
        }
        let version = match self.store().replace(version, &record).await {
            Ok(version) => version,
            // Another node was first.
            Err(error) if error.is(core_codes::CONFLICT) => return Ok(true),
            Err(error) => return Err(error),
        };
        let told = match self.addressee(&record.user).await? {
            Some(to) => notifier.notify(&to, &record.notice).await,
            None => Err(codes::USER_UNKNOWN.into()),
        };
        let context = SecurityContext::system("notices", self.clock())?;
        let event = self
            .event_on_user(&context, Action::AUTH_NOTICE_DELIVER, record.user.as_str())
            .with("notice", record.notice.id.as_str())
            .with("kind", record.notice.news.kind());
        let event = match told {
            Ok(()) => {
                self.counters.notices_delivered.fetch_add(1, Ordering::Relaxed);
                event
            }
            Err(error) => {
                tracing::warn!(?error, notice = %record.notice.id, "a notice can't be delivered");
                if !record.is_given_up(now) && !error.is(codes::USER_UNKNOWN) {
                    return Ok(false);
                }
                self.counters.notices_given_up.fetch_add(1, Ordering::Relaxed);
                failed(event, &error)
            }
        };
        self.record(context.request(), event).await?;
        record.delivery = None;
        match self.store().replace(version, &record).await {
            // The user is gone, with their notices.
            Err(error) if !error.is(core_codes::CONFLICT) => Err(error),
            _ => Ok(true),
        }
    }

    async fn addressee(&self, user: &UserId) -> Result<Option<Addressee>> {
        match self.load_user(user).await {
            Ok(stored) => {
                let (id, name) = (stored.user.id.clone(), stored.user.username.as_str());
                Ok(Some(Addressee::new(id, name, stored.user.email.clone())))
            }
            Err(error) if error.is(codes::USER_UNKNOWN) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Delivers until `end`; what was begun is finished.
    pub(super) async fn keep_delivering(&self, mut end: impl Future<Output = ()> + Unpin) {
        loop {
            if let Err(error) = self.tell_of_attempts().await {
                tracing::warn!(?error, "users can't be told of attempts at their accounts");
            }
            if let Err(error) = self.deliver_notices().await {
                tracing::warn!(?error, "notices can't be delivered");
            }
            let (pause, news) =
                (pin!(tokio::time::sleep(LOOK_EVERY)), pin!(self.notices.bell.notified()));
            if let Either::Right(_) = select(select(pause, news), &mut end).await {
                return;
            }
        }
    }
}
