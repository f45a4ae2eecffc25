//! Where notices are pinned: how many there are of one kind, and how many are told outside.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prov_core::store::{Batch, Entity, Expect, Scan, Store, StoreExt, Term};
use prov_core::{Clock, News, Notice, NoticeBoard, NoticeId, Result, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::NoticeRecord;
use crate::refresh::later;

/// Notices of one kind that are kept for one user: the oldest ten and the newest ten, so that nobody pushes
/// out what they did first, nor what they did last, by doing it over and over.
const MOST_OF_A_KIND: usize = 20;
/// Notices of one kind that are told outside of one user within a day. Of each kind apart: who causes many of
/// one keeps no other from being told.
const MOST_TOLD_IN_A_DAY: usize = 10;
const DAY: Duration = Duration::from_hours(24);

/// Notices, over one store that every node shares.
#[derive(Debug)]
pub(crate) struct Notices {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Whether anybody tells them outside.
    outside: bool,
    /// Rings when there is a notice to deliver.
    pub(crate) bell: tokio::sync::Notify,
}

/// That a user was told of what one notice is enough for a while.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ToldOnce {
    user: UserId,
    kind: String,
    expires_at: Timestamp,
}

impl ToldOnce {
    /// Finds what a user was told of once.
    pub(crate) fn user_term(user: &UserId) -> Term {
        Term::new("user", user.as_str())
    }
}

impl Entity for ToldOnce {
    const KIND: &'static str = "auth.notice_once";

    fn id(&self) -> String {
        format!("{}.{}", self.user.as_str(), self.kind)
    }

    fn terms(&self) -> Vec<Term> {
        vec![Self::user_term(&self.user)]
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

/// What goes on by itself once it has begun, and how long one notice of it is enough.
fn once_in(news: &News) -> Option<Duration> {
    matches!(news, News::FailedAttempts { .. } | News::SecondFactorFailed { .. }).then_some(DAY)
}

impl Notices {
    /// Notices in this store, which are told outside as well, or not.
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, outside: bool) -> Self {
        Self { store, clock, outside, bell: tokio::sync::Notify::new() }
    }

    /// Every notice of a user.
    pub(crate) async fn of(&self, user: &UserId) -> Result<Vec<NoticeRecord>> {
        let scan = Scan::kind(NoticeRecord::KIND).with_term(NoticeRecord::user_term(user));
        let all = self.store.list_all(scan).await?;
        Ok(all.into_iter().map(|stored| stored.entity).collect())
    }

    /// A notice, and what puts it up.
    pub(crate) async fn write(&self, user: &UserId, news: News) -> Result<(NoticeId, Batch)> {
        let now = self.clock.now();
        let mut same = self.of(user).await?;
        same.retain(|earlier| earlier.notice.news.kind() == news.kind());
        same.sort_by(|a, b| a.notice.id.cmp(&b.notice.id));
        let mut batch = Batch::new();
        let surplus = (same.len() + 1).saturating_sub(MOST_OF_A_KIND);
        let between = same.iter().skip(MOST_OF_A_KIND / 2);
        // What is still to be told outside stays, a few a day.
        for gone in between.filter(|earlier| earlier.delivery.is_none()).take(surplus) {
            batch = batch.delete(NoticeRecord::key(gone.notice.id.as_str()), Expect::Any);
        }
        if let Some(window) = once_in(&news) {
            let (user, kind) = (user.clone(), news.kind().to_owned());
            let told = ToldOnce { user, kind, expires_at: later(now, window) };
            batch = batch.with(told.put(Expect::Absent)?);
        }
        let today = same.iter().filter(|earlier| later(earlier.notice.at, DAY) > now).count();
        let outside = self.outside && today < MOST_TOLD_IN_A_DAY;
        let id = NoticeId::generate(&*self.clock)?;
        let record = NoticeRecord::new(user.clone(), Notice::new(id.clone(), now, news), outside);
        Ok((id, batch.with(record.put(Expect::Absent)?)))
    }
}

#[async_trait]
impl NoticeBoard for Notices {
    async fn pin(&self, user: &UserId, news: News) -> Result<Batch> {
        self.write(user, news).await.map(|(_, batch)| batch)
    }
}
