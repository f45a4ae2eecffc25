//! The policy: who must have a second factor, and by when.

use std::sync::atomic::Ordering;

use prov_core::audit::{Action, Event, Outcome, RecorderExt};
use prov_core::store::{Batch, Entity, Expect, StoreExt};
use prov_core::{
    Enrolment, Result, Role, SecurityContext, TeamName, Timestamp, UserId, duration_text,
};

use super::{Decided, MfaService};
use crate::MfaPolicy;
use crate::policy::PolicyRecord;

impl MfaService {
    /// Who must have a second factor.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn policy(&self) -> Result<MfaPolicy> {
        let found = self.store.load::<PolicyRecord>(PolicyRecord::ID).await?;
        Ok(found.map(|stored| stored.entity.policy).unwrap_or_default())
    }

    /// Sets who must have a second factor. It holds from everybody's next sign-in on, on every node;
    /// whoever is signed in stays so.
    ///
    /// That the caller may do this is for the policies of access to decide, before this is called.
    ///
    /// # Errors
    /// [`INVALID_REQUEST`](prov_core::codes::INVALID_REQUEST) for a grace beyond 90 days; when the store
    /// can't be written.
    pub async fn set_policy(
        &self,
        context: &SecurityContext,
        policy: MfaPolicy,
    ) -> Result<MfaPolicy> {
        policy.check()?;
        let record = PolicyRecord { policy };
        self.store.commit(Batch::new().with(record.put(Expect::Any)?)).await?;
        let policy = record.policy;
        let event = Event::new(&*self.clock, Action::MFA_POLICY_SET, Outcome::Success)
            .in_context(context)
            .on("mfa-policy", PolicyRecord::ID)
            .with("roles", serde_json::json!(policy.roles))
            .with("teams", serde_json::json!(policy.teams))
            .with("grace", duration_text::format(policy.grace));
        self.recorder.record_in(context.request(), event).await?;
        Ok(policy)
    }

    /// Whether a user who has no second factor and signs in must get one. The grace counts from the
    /// first time this is asked and answered with yes.
    ///
    /// # Errors
    /// When the store can't be read or written.
    pub async fn enrolment(
        &self,
        user: &UserId,
        roles: &[Role],
        teams: &[TeamName],
    ) -> Result<Enrolment> {
        let policy = self.policy().await?;
        if !policy.asks(roles, teams) {
            return Ok(Enrolment::NotAsked);
        }
        let decided = self.decide(user, |factors, now| {
            if factors.has_confirmed() {
                return Ok(Decided::Kept(Enrolment::NotAsked));
            }
            let due = now.checked_add(policy.grace).unwrap_or(Timestamp::MAX);
            // A grace that was made shorter holds for those, too, who were given a longer one.
            let (by, known) = match factors.enrol_by {
                Some(by) => (by.min(due), by <= due),
                None => (due, false),
            };
            let answer = if by <= now { Enrolment::Overdue } else { Enrolment::DueBy(by) };
            factors.enrol_by = Some(by);
            Ok(if known { Decided::Kept(answer) } else { Decided::Changed(answer) })
        });
        let answer = decided.await?;
        if answer == Enrolment::Overdue {
            self.counters.overdue.fetch_add(1, Ordering::Relaxed);
        }
        Ok(answer)
    }
}
