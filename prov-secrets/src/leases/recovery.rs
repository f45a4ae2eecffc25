//! What a start finds, and what other nodes write meanwhile.

use prov_core::Result;
use prov_core::store::{Change, Changes, Entity, Scan, StoreExt, Stored};

use super::Leases;
use crate::codes;
use crate::lease::{EndReason, Lease, LeaseState, terms};

impl Leases {
    /// Fills the index from the store. What this node was issuing or ending belongs to a process that
    /// is dead: it is due now, and ended as soon as [`run`](Self::run) or [`reap`](Self::reap) works.
    pub(super) async fn recover(&self) -> Result<()> {
        let mut scan = Scan::kind(Lease::KIND).with_term(terms::live());
        loop {
            let page = self.store.list::<Lease>(&scan).await?;
            for stored in page.items {
                self.adopt(stored).await?;
            }
            let Some(next) = page.next else { return Ok(()) };
            scan = scan.after(Some(next));
        }
    }

    async fn adopt(&self, stored: Stored<Lease>) -> Result<()> {
        let under_way = matches!(stored.state, LeaseState::Intent | LeaseState::Revoking);
        let lease = if under_way && stored.node == self.options.node {
            self.take_up(stored.entity).await?
        } else {
            stored.entity
        };
        self.follow_up(&lease);
        Ok(())
    }

    /// Marks what was under way for revocation. The engine may still be at work on a call of the dead
    /// process: an intent is not settled yet.
    async fn take_up(&self, lease: Lease) -> Result<Lease> {
        let now = self.now();
        tracing::warn!(lease = %lease.id, engine = %lease.engine, "left behind by a dead process");
        let claim = |row: &mut Lease| {
            if row.state == LeaseState::Intent {
                row.unsettled_until = Some(super::later(now, self.options.settle));
            }
            row.claim(EndReason::Abandoned, now, &self.options.node)
        };
        match self.store.update::<Lease>(lease.id.as_str(), &claim).await {
            Ok(stored) => Ok(stored.map_or(lease, |stored| stored.entity)),
            // Somebody else has ended it meanwhile.
            Err(error) if error.is(codes::LEASE_ENDED) => self.load(&lease.id).await,
            Err(error) => Err(error),
        }
    }

    /// Puts a live lease into the index.
    fn follow_up(&self, lease: &Lease) {
        match self.lane(&lease.engine) {
            Ok(lane) if !lease.state.is_ended() => lane.schedule(&lease.id, lease.due_at),
            Ok(_) => {}
            Err(_) => {
                tracing::error!(lease = %lease.id, engine = %lease.engine, "its engine is not installed");
            }
        }
    }

    /// Keeps the index up to date with what other nodes write. Ends never: a store that is gone has
    /// no news, and its leases are still due.
    pub(super) async fn follow(&self, mut news: Changes) {
        while let Some(change) = news.next().await {
            let outcome = match change {
                Change::Changed(key) if key.kind == Lease::KIND => self.refresh(&key.id).await,
                Change::Changed(_) => Ok(()),
                Change::Missed => self.reload().await,
            };
            if let Err(error) = outcome {
                tracing::warn!(?error, "news of a lease could not be read");
            }
        }
        std::future::pending::<()>().await;
    }

    async fn refresh(&self, id: &str) -> Result<()> {
        if let Some(stored) = self.store.load::<Lease>(id).await? {
            if stored.end_reason.is_some() {
                self.note_revocation();
            }
            self.follow_up(&stored);
        }
        Ok(())
    }

    async fn reload(&self) -> Result<()> {
        self.note_revocation();
        let mut scan = Scan::kind(Lease::KIND).with_term(terms::live());
        loop {
            let page = self.store.list::<Lease>(&scan).await?;
            page.items.iter().for_each(|stored| self.follow_up(stored));
            let Some(next) = page.next else { return Ok(()) };
            scan = scan.after(Some(next));
        }
    }
}
