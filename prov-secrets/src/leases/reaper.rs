//! The reaper: ends what is due, each engine in its own lane, and never gives up.

use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use prov_core::store::StoreExt;
use prov_core::{Result, SecurityContext};

use super::ending::ends_by_itself;
use super::{Lane, Leases, later, until};
use crate::lease::{EndReason, Lease, LeaseId, LeaseState};

/// How many due leases are taken from the index at once.
const BATCH: usize = 256;

impl Leases {
    /// Ends leases when they are due, until `shutdown`. Run it once per process. What it is doing
    /// when it stops is done again after the next start.
    pub async fn run(self: Arc<Self>, shutdown: impl Future<Output = ()> + Send) {
        let lanes = join_all(self.lanes.values().map(|lane| self.work(lane)));
        let taken = self.news.lock().take();
        let news = self.follow(taken.unwrap_or_else(|| self.store.changes()));
        tokio::select! {
            () = shutdown => {}
            _ = lanes => {}
            () = news => {}
        }
    }

    /// Ends what is due now, once, and returns how many leases were looked at: for embedders with a
    /// scheduler of their own, and for tests.
    pub async fn reap(&self) -> usize {
        let passes = self.lanes.values().map(|lane| async {
            let due = lane.take_due(self.now(), usize::MAX);
            let count = due.len();
            self.pursue_all(lane, due).await;
            count
        });
        join_all(passes).await.into_iter().sum()
    }

    async fn work(&self, lane: &Lane) {
        loop {
            let now = self.now();
            let due = lane.take_due(now, BATCH);
            if due.is_empty() {
                let longest = self.options.longest_rest;
                let wait = lane.next_due().map_or(longest, |at| until(at, now).min(longest));
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = lane.woken.notified() => {}
                }
            } else {
                self.pursue_all(lane, due).await;
            }
        }
    }

    async fn pursue_all(&self, lane: &Lane, due: Vec<LeaseId>) {
        let at_once = self.options.revocations_at_once.max(1);
        stream::iter(due)
            .for_each_concurrent(at_once, |id| async move {
                if let Err(error) = self.pursue(lane, &id).await {
                    tracing::warn!(lease = %id, ?error, "a due lease could not be ended");
                    let again = later(self.now(), self.options.backoff(3));
                    lane.schedule(&id, again);
                }
            })
            .await;
    }

    /// Ends one lease if its row says that it is due.
    async fn pursue(&self, lane: &Lane, id: &LeaseId) -> Result<()> {
        let Some(stored) = self.store.load::<Lease>(id.as_str()).await? else {
            lane.note_ended(id);
            return Ok(());
        };
        let now = self.now();
        if stored.state.is_ended() {
            lane.note_ended(id);
            return Ok(());
        }
        let abandoned = lane.is_abandoned(id) && stored.state != LeaseState::Revoking;
        if stored.due_at > now && !abandoned {
            lane.schedule(id, stored.due_at);
            return Ok(());
        }
        let ctx = SecurityContext::system("lease-reaper", &*self.clock)?;
        if ends_by_itself(lane, &stored, now) {
            return self.expire_quietly(&ctx, lane, stored.entity).await;
        }
        let mut claimed = stored.entity.clone();
        let reason = match claimed.state {
            LeaseState::Active if !abandoned => EndReason::Expired,
            _ => EndReason::Abandoned,
        };
        let next = self.next_attempt(claimed.attempts.saturating_add(1));
        claimed.claim(reason, next, &self.options.node)?;
        // Losing this race means that another node, or a caller, is at it.
        self.store.replace(stored.version, &claimed).await?;
        self.note_revocation();
        self.reach(&ctx, claimed).await.map(drop)
    }
}
