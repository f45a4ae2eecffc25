//! Prolonging a lease.

use std::time::Duration;

use prov_core::audit::{Action, Event, Outcome, RecorderExt};
use prov_core::store::StoreExt;
use prov_core::{Error, Result, SecurityContext};

use super::{Counts, Leases, check_ttl, later};
use crate::codes;
use crate::lease::{Lease, LeaseId, LeaseState};

impl Leases {
    /// Prolongs a lease to `ttl` from now. The outside system is told first: if this process dies in
    /// between, the credential ends with its lease, too early rather than too late.
    ///
    /// # Errors
    /// [`codes::LEASE_ENDED`], [`codes::LEASE_NOT_RENEWABLE`], [`codes::LEASE_TTL_REFUSED`] when that
    /// would be beyond its maximum; what the engine refuses with.
    pub async fn renew(&self, ctx: &SecurityContext, id: &LeaseId, ttl: Duration) -> Result<Lease> {
        check_ttl(ttl)?;
        let lease = self.load(id).await?;
        let now = self.now();
        if lease.state != LeaseState::Active || lease.expires_at <= now {
            return Err(lease.ended_error());
        }
        if !lease.renewable {
            return Err(codes::LEASE_NOT_RENEWABLE.into());
        }
        let wanted = later(now, ttl);
        if wanted > lease.max_expires_at {
            return Err(Error::new(codes::LEASE_TTL_REFUSED).detail(format!(
                "this lease may live until {}; ask for less, or for a new credential",
                lease.max_expires_at
            )));
        }
        let lane = self.lane(&lease.engine)?;
        let handle = lease.handle();
        let renewing = lane.engine.renew(&handle, ttl);
        let ends = tokio::time::timeout(self.options.issue_timeout, renewing)
            .await
            .map_err(|_| Error::new(codes::ENGINE_TIMEOUT))??
            .min(wanted);
        let prolong = |row: &mut Lease| row.prolong(ends);
        let stored = self.store.update::<Lease>(id.as_str(), &prolong).await?;
        let renewed = stored.ok_or(codes::LEASE_UNKNOWN)?.entity;
        lane.unschedule(id, lease.due_at);
        lane.schedule(id, renewed.due_at);
        let event = Event::new(&*self.clock, Action::SECRET_LEASE_RENEW, Outcome::Success)
            .in_context(ctx)
            .on("lease", id.as_str())
            .with("engine", renewed.engine.clone())
            .with("expires_at", renewed.expires_at.to_string());
        self.recorder.record_in(ctx.request(), event).await?;
        Counts::add(&lane.counts.renewed);
        Ok(renewed)
    }
}
