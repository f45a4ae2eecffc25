//! Ending one lease: claim durably, revoke outside, record, finish.

use std::sync::atomic::Ordering;

use prov_core::audit::{Action, Event, Outcome, RecorderExt};
use prov_core::store::StoreExt;
use prov_core::{Error, PrincipalKind, Result, SecurityContext, Timestamp};

use super::{Counts, Lane, Leases, later};
use crate::lease::{EndReason, Lease, LeaseId, LeaseState};
use crate::{Effect, codes};

impl Leases {
    /// Revokes a lease. The answer tells its state: `revoked`, or `revoking` when the outside system
    /// did not do it yet; it is then tried until it does. An ended lease stays as it is.
    ///
    /// # Errors
    /// [`codes::LEASE_UNKNOWN`]; or the revocation could not be made durable or recorded.
    pub async fn revoke(&self, ctx: &SecurityContext, id: &LeaseId) -> Result<Lease> {
        self.end(ctx, id, EndReason::Revoked).await
    }

    /// How many revocations this node knows of; what is made from them is stale when it has risen.
    #[must_use]
    pub fn revocation_count(&self) -> u64 {
        self.revocations.load(Ordering::Acquire)
    }

    pub(crate) fn note_revocation(&self) {
        self.revocations.fetch_add(1, Ordering::AcqRel);
    }

    /// Ends a lease for this reason, once.
    pub(super) async fn end(
        &self,
        ctx: &SecurityContext,
        id: &LeaseId,
        reason: EndReason,
    ) -> Result<Lease> {
        let next = self.next_attempt(1);
        let claim = |lease: &mut Lease| lease.claim(reason, next, &self.options.node);
        match self.store.update::<Lease>(id.as_str(), &claim).await {
            Ok(Some(stored)) => {
                self.note_revocation();
                self.reach(ctx, stored.entity).await
            }
            Ok(None) => Err(codes::LEASE_UNKNOWN.into()),
            Err(error) if error.is(codes::LEASE_ENDED) => self.load(id).await,
            Err(error) => Err(error),
        }
    }

    /// When the next attempt may start if this process dies during this one.
    pub(super) fn next_attempt(&self, attempts: u32) -> Timestamp {
        let wait = self.options.revoke_timeout.saturating_add(self.options.backoff(attempts));
        later(self.now(), wait)
    }

    /// Carries out a claimed attempt.
    pub(super) async fn reach(&self, ctx: &SecurityContext, lease: Lease) -> Result<Lease> {
        let Ok(lane) = self.lane(&lease.engine) else {
            // Its engine is not installed here: the lease waits, in the open, for a node that has it.
            return Ok(lease);
        };
        lane.schedule(&lease.id, lease.due_at);
        let handle = lease.handle();
        let revoking = lane.engine.revoke(&handle);
        match tokio::time::timeout(self.options.revoke_timeout, revoking).await {
            Ok(Ok(())) => self.succeeded(ctx, lane, lease).await,
            Ok(Err(error)) => self.failed(ctx, lane, lease, error).await,
            Err(_) => self.failed(ctx, lane, lease, codes::ENGINE_TIMEOUT.into()).await,
        }
    }

    async fn succeeded(&self, ctx: &SecurityContext, lane: &Lane, lease: Lease) -> Result<Lease> {
        let now = self.now();
        // The event comes first: if it can't be recorded, the lease stays and is ended again.
        if lease.is_settled(now) || !is_background(ctx) {
            let event = ending_event(self, lane, ctx, &lease, Outcome::Success);
            self.recorder.record_in(ctx.request(), event).await?;
        }
        let forget_at = self.options.forget_at(now, lease.expires_at);
        let finish = |row: &mut Lease| {
            row.finish(now, forget_at);
            Ok(())
        };
        let stored = self.store.update::<Lease>(lease.id.as_str(), &finish).await?;
        let ended = stored.map_or(lease.clone(), |stored| stored.entity);
        lane.unschedule(&lease.id, lease.due_at);
        if ended.state.is_ended() {
            lane.note_ended(&ended.id);
            let expired = ended.state == LeaseState::Expired;
            Counts::add(if expired { &lane.counts.expired } else { &lane.counts.revoked });
        } else {
            lane.schedule(&ended.id, ended.due_at);
        }
        self.note_revocation();
        Ok(ended)
    }

    async fn failed(
        &self,
        ctx: &SecurityContext,
        lane: &Lane,
        lease: Lease,
        error: Error,
    ) -> Result<Lease> {
        tracing::warn!(lease = %lease.id, attempts = lease.attempts, ?error, "not revoked yet");
        lane.note_failure(&lease.id);
        let code = error.code().name();
        let next = later(self.now(), self.options.backoff(lease.attempts));
        let postpone = |row: &mut Lease| {
            row.postpone(next, code);
            Ok(())
        };
        let stored = self.store.update::<Lease>(lease.id.as_str(), &postpone).await?;
        lane.unschedule(&lease.id, lease.due_at);
        lane.schedule(&lease.id, next);
        // One event per caller and one for the first failure in the background, not one per attempt.
        if lease.attempts <= 1 || !is_background(ctx) {
            let event = ending_event(self, lane, ctx, &lease, Outcome::Failure).with("error", code);
            self.recorder.record_in(ctx.request(), event).await?;
        }
        Ok(stored.map_or(lease, |stored| stored.entity))
    }

    /// A lease of a self-contained engine whose time is over: nothing to do outside, one write.
    pub(super) async fn expire_quietly(
        &self,
        ctx: &SecurityContext,
        lane: &Lane,
        mut lease: Lease,
    ) -> Result<()> {
        lease.end_reason = Some(EndReason::Expired);
        let event = ending_event(self, lane, ctx, &lease, Outcome::Success);
        self.recorder.record_in(ctx.request(), event).await?;
        let now = self.now();
        let forget_at = self.options.forget_at(now, lease.expires_at);
        let finish = |row: &mut Lease| {
            row.claim(EndReason::Expired, row.due_at, &self.options.node)?;
            row.finish(now, forget_at);
            Ok(())
        };
        self.store.update::<Lease>(lease.id.as_str(), &finish).await?;
        lane.note_ended(&lease.id);
        Counts::add(&lane.counts.expired);
        Ok(())
    }
}

/// Whether a lease can end without a word to the outside.
pub(super) fn ends_by_itself(lane: &Lane, lease: &Lease, now: Timestamp) -> bool {
    lane.info.effect == Effect::SelfContained
        && lease.state == LeaseState::Active
        && lease.expires_at <= now
}

fn is_background(ctx: &SecurityContext) -> bool {
    ctx.principal().kind == PrincipalKind::System
}

fn ending_event(
    leases: &Leases,
    lane: &Lane,
    ctx: &SecurityContext,
    lease: &Lease,
    outcome: Outcome,
) -> Event {
    let action = match lease.end_reason {
        Some(EndReason::Expired) => Action::SECRET_LEASE_EXPIRE,
        _ => lane.info.revoke_action.clone(),
    };
    let event = Event::new(&*leases.clock, action, outcome)
        .in_context(ctx)
        .on("lease", lease.id.as_str())
        .with("engine", lease.engine.clone())
        .with("role", lease.role.clone())
        .with("holder", lease.user.clone())
        .with("attempts", lease.attempts);
    match lease.facts.get("serial") {
        Some(serial) => event.with("serial", serial.clone()),
        None => event,
    }
}
