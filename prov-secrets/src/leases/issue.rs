//! Issuing: plan, durable intent, engine, durable active lease, audit event, hand-out.

use std::collections::BTreeMap;
use std::time::Duration;

use prov_core::audit::{Action, Event, Outcome, RecorderExt};
use prov_core::store::StoreExt;
use prov_core::{Error, Kind, Result, SecretText, SecurityContext};
use serde_json::{Map, Value};

use super::{Counts, Lane, Leases, check_ttl, later};
use crate::lease::{EndReason, Lease, LeaseId, LeaseState};
use crate::{Effect, IssueRequest, Issued, Plan, PlanInput, Renewal, Wish, codes};

/// What a caller asks for.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Order {
    /// By which role.
    pub role: String,
    /// For how long; `None`: the role's default. More than the role allows is refused, not cut.
    pub ttl: Option<Duration>,
    /// What else the engine is to know.
    pub params: Map<String, Value>,
}

impl Order {
    /// By this role, for its default time.
    #[must_use]
    pub fn by_role(role: impl Into<String>) -> Self {
        Self { role: role.into(), ..Self::default() }
    }

    /// For this long.
    #[must_use]
    pub fn for_ttl(mut self, ttl: Option<Duration>) -> Self {
        self.ttl = ttl;
        self
    }

    /// With these parameters.
    #[must_use]
    pub fn with_params(mut self, params: Map<String, Value>) -> Self {
        self.params = params;
        self
    }
}

/// A credential and its lease. `Debug` shows no secret.
#[derive(Debug)]
#[non_exhaustive]
pub struct Grant {
    /// The lease, active and durable.
    pub lease: Lease,
    /// The credential; it is stored nowhere.
    pub data: BTreeMap<String, SecretText>,
}

/// Ends the lease when the caller goes away before the credential was handed out.
struct Undelivered<'a> {
    leases: &'a Leases,
    lane: &'a Lane,
    id: Option<LeaseId>,
}

impl Undelivered<'_> {
    fn delivered(mut self) {
        self.id = None;
    }
}

impl Drop for Undelivered<'_> {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.lane.abandon(id, self.leases.now());
        }
    }
}

impl Leases {
    /// Issues a credential under a new lease.
    ///
    /// # Errors
    /// What the engine refuses with; [`codes::ENGINE_TIMEOUT`]; the store's and the recorder's own.
    /// Nothing was handed out then, and whatever may exist outside is being revoked.
    pub async fn issue(&self, ctx: &SecurityContext, engine: &str, order: Order) -> Result<Grant> {
        let lane = self.lane(engine)?;
        let now = self.now();
        let id = LeaseId::generate(&*self.clock)?;
        let wish = Wish::new(id, ctx.principal().clone(), order.role, now)
            .for_ttl(order.ttl)
            .with_params(order.params);
        let plan = match self.plan(lane, &wish).await {
            Ok(plan) => plan,
            Err(error) => return Err(self.refused(ctx, lane, &wish, error).await),
        };
        let lease = self.planned_lease(lane, &wish, &plan);
        let undelivered = Undelivered { leases: self, lane, id: Some(lease.id.clone()) };
        self.store.create(&lease).await?;
        lane.schedule(&lease.id, lease.due_at);
        let made = self.make(lane, &lease, plan.input).await;
        let outcome = match made {
            Ok(issued) => self.activate(ctx, lane, &lease, issued, &plan.action).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(grant) => {
                undelivered.delivered();
                Counts::add(&lane.counts.issued);
                Ok(grant)
            }
            Err(error) => Err(self.undo(ctx, lane, &lease, &plan.action, error).await),
        }
    }

    async fn plan(&self, lane: &Lane, wish: &Wish) -> Result<Plan> {
        if let Some(ttl) = wish.ttl {
            check_ttl(ttl)?;
        }
        let plan = lane.engine.plan(wish).await?;
        check_ttl(plan.ttl)?;
        if wish.ttl.is_some_and(|asked| asked != plan.ttl) || plan.max_ttl < plan.ttl {
            return Err(Error::new(codes::ENGINE_BROKEN).context("a plan for another time"));
        }
        Ok(plan)
    }

    /// The first thing that is stored. Where issuing has no effect outside, nothing can be left
    /// behind, and the lease is active from the start: one durable write instead of two.
    fn planned_lease(&self, lane: &Lane, wish: &Wish, plan: &Plan) -> Lease {
        let expires_at = later(wish.asked_at, plan.ttl);
        let overdue = later(wish.asked_at, self.options.issue_timeout.saturating_mul(2));
        let unsettled = later(overdue, self.options.settle);
        let (state, due_at, unsettled_until) = match lane.info.effect {
            Effect::SelfContained => (LeaseState::Active, expires_at, None),
            Effect::Outside => (LeaseState::Intent, overdue, Some(unsettled)),
        };
        Lease {
            id: wish.lease.clone(),
            engine: lane.info.name.clone(),
            role: wish.role.clone(),
            user: wish.requester.id.clone(),
            state,
            created_at: wish.asked_at,
            expires_at,
            max_expires_at: later(wish.asked_at, plan.max_ttl),
            renewable: lane.info.renewal == Renewal::UpToMaximum,
            facts: plan.facts.clone(),
            due_at,
            attempts: 0,
            last_error: None,
            end_reason: None,
            ended_at: None,
            unsettled_until,
            node: self.options.node.clone(),
            forget_at: None,
        }
    }

    async fn make(&self, lane: &Lane, lease: &Lease, input: PlanInput) -> Result<Issued> {
        let request = IssueRequest::new(
            lease.handle(),
            lease.user.clone(),
            lease.created_at,
            lease.expires_at,
        )
        .with_input(input);
        let issuing = lane.engine.issue(&request);
        let issued = tokio::time::timeout(self.options.issue_timeout, issuing)
            .await
            .map_err(|_| Error::new(codes::ENGINE_TIMEOUT))??;
        if issued.expires_at <= lease.created_at {
            return Err(Error::new(codes::ENGINE_BROKEN).context("a credential that has ended"));
        }
        Ok(issued)
    }

    async fn activate(
        &self,
        ctx: &SecurityContext,
        lane: &Lane,
        lease: &Lease,
        issued: Issued,
        action: &Action,
    ) -> Result<Grant> {
        let active = match lane.info.effect {
            Effect::SelfContained => lease.clone(),
            Effect::Outside => {
                let ends = issued.expires_at.min(lease.expires_at);
                let change = |row: &mut Lease| row.activate(ends, &issued.facts);
                let stored = self.store.update::<Lease>(lease.id.as_str(), &change).await?;
                stored.ok_or(codes::LEASE_UNKNOWN)?.entity
            }
        };
        lane.unschedule(&lease.id, lease.due_at);
        lane.schedule(&active.id, active.due_at);
        let event = Event::new(&*self.clock, action.clone(), Outcome::Success)
            .in_context(ctx)
            .on("lease", active.id.as_str())
            .with("engine", active.engine.clone())
            .with("role", active.role.clone())
            .with("expires_at", active.expires_at.to_string());
        let event = with_facts(event, &active.facts);
        self.recorder.record_in(ctx.request(), event).await?;
        Ok(Grant { lease: active, data: issued.data })
    }

    /// Ends what may exist after a failure, and leaves a trace of it. What can't be ended now is
    /// ended by the reaper: the lease stays on record until it is.
    async fn undo(
        &self,
        ctx: &SecurityContext,
        lane: &Lane,
        lease: &Lease,
        action: &Action,
        error: Error,
    ) -> Error {
        Counts::add(&lane.counts.failures);
        if let Err(later) = self.end(ctx, &lease.id, EndReason::Abandoned).await {
            tracing::warn!(lease = %lease.id, error = ?later, "not yet revoked after a failure");
        }
        let event = Event::new(&*self.clock, action.clone(), Outcome::Failure)
            .in_context(ctx)
            .on("lease", lease.id.as_str())
            .with("engine", lease.engine.clone())
            .with("role", lease.role.clone())
            .with("error", error.code().name());
        self.note(ctx, event).await;
        error.context(format!("issuing under {}", lease.id))
    }

    /// Records a denial; a request that makes no sense is none.
    async fn refused(
        &self,
        ctx: &SecurityContext,
        lane: &Lane,
        wish: &Wish,
        error: Error,
    ) -> Error {
        let outcome = match error.kind() {
            Kind::Denied => Outcome::Denied,
            Kind::InvalidRequest | Kind::NotFound => return error,
            _ => Outcome::Failure,
        };
        let event = Event::new(&*self.clock, Action::SECRET_ISSUE, outcome)
            .in_context(ctx)
            .on("secret-engine", lane.info.name.clone())
            .with("role", role_for_audit(&wish.role))
            .with("error", error.code().name());
        self.note(ctx, event).await;
        error
    }

    /// Records that something was not done. The caller is refused either way.
    async fn note(&self, ctx: &SecurityContext, event: Event) {
        if let Err(error) = self.recorder.record_in(ctx.request(), event).await {
            tracing::error!(?error, "a failure could not be recorded");
        }
    }
}

/// Numbers, and texts that name no person: what identifies the credential.
fn with_facts(event: Event, facts: &Map<String, Value>) -> Event {
    const NAMED: [&str; 4] = ["serial", "fingerprint", "certificate_type", "key_type"];
    NAMED.into_iter().fold(event, |event, name| match facts.get(name) {
        Some(value) => event.with(name, value.clone()),
        None => event,
    })
}

/// What was given as a role is anything the caller liked to send.
fn role_for_audit(role: &str) -> String {
    role.chars().filter(char::is_ascii_graphic).take(64).collect()
}
