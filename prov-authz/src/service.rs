//! Questions about decisions, asked by services and people, answered and recorded.

mod answer;
mod lifecycle;
mod parts;
mod question;
mod search;

use std::fmt::Debug;
use std::num::NonZeroU32;
use std::sync::Arc;

pub(crate) use answer::Answered;
use async_trait::async_trait;
use futures_util::future::try_join_all;
pub use lifecycle::Draft;
pub use parts::{FoundEntities, SearchPart};
use prov_core::audit::{Action, Event, Outcome, Recorder, RecorderExt};
use prov_core::{Clock, Error, Principal, Result, SecurityContext, codes as core_codes};
pub use question::{Question, StatedContext};
pub(crate) use search::Found;

use crate::authorize::denial;
use crate::delegation::Delegated;
use crate::{
    AccessRequest, CedarEngine, Circumstances, Decision, EntityRef, Explanation, Inventory,
    PolicyEngine, PolicyReloader, RecordedDecisions, ResourceEntity, Revision, ShadowedEngine,
    codes,
};

/// No batch is larger.
const LARGEST_BATCH: usize = 100;

/// Where principals other than the caller are looked up. Contract: roles and teams are the current
/// ones; a locked or deleted user is none.
#[async_trait]
pub trait PrincipalSource: Debug + Send + Sync + 'static {
    /// The user of this id.
    ///
    /// # Errors
    /// When they can't be looked up.
    async fn principal(&self, id: &str) -> Result<Option<Principal>>;

    /// Up to `limit` users in the order of their ids, after this one. For questions about who may do
    /// something; a source that does not list its users can't be asked that.
    ///
    /// # Errors
    /// [`PRINCIPALS_UNLISTED`](codes::PRINCIPALS_UNLISTED); when they can't be looked up.
    async fn principals(&self, after: Option<&str>, limit: NonZeroU32) -> Result<PrincipalPage> {
        let _ = (after, limit);
        Err(codes::PRINCIPALS_UNLISTED.into())
    }
}

/// A part of all users.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PrincipalPage {
    /// Users, ids ascending; locked ones are left out.
    pub items: Vec<Principal>,
    /// The id after which the next part starts; `None` at the end.
    pub next: Option<String>,
}

impl PrincipalPage {
    /// A part of all users, and where the next one starts.
    #[must_use]
    pub const fn new(items: Vec<Principal>, next: Option<String>) -> Self {
        Self { items, next }
    }
}

/// Answers questions about decisions.
///
/// Anybody may ask about themselves under the circumstances of their own request. Asking about
/// somebody else, or stating circumstances (`mfa_verified`, `ip_address`, `time`) instead of taking
/// those of the request, needs `admin` on `Api::"decisions"`, which the engine itself decides. About
/// somebody else, a second factor counts as absent unless it is stated. Where somebody acts for the
/// caller, what holds for the caller has to hold for both.
#[derive(Debug)]
pub struct DecisionService {
    engine: Arc<CedarEngine>,
    recorder: Arc<dyn Recorder>,
    clock: Arc<dyn Clock>,
    principals: Option<Arc<dyn PrincipalSource>>,
    reloader: Option<Arc<PolicyReloader>>,
    recorded: Option<Arc<dyn RecordedDecisions>>,
    shadow: Option<Arc<ShadowedEngine>>,
    inventory: Option<Arc<Inventory>>,
}

/// What may be done to one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Permitted {
    /// The resource.
    pub resource: EntityRef,
    /// The actions the policies allow on it, sorted.
    pub actions: Vec<String>,
}

impl DecisionService {
    /// A service that can be asked about the caller, over policies that are not reloaded.
    #[must_use]
    pub fn new(
        engine: Arc<CedarEngine>,
        recorder: Arc<dyn Recorder>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            engine,
            recorder,
            clock,
            principals: None,
            reloader: None,
            recorded: None,
            shadow: None,
            inventory: None,
        }
    }

    /// That can be asked about others as well.
    #[must_use]
    pub fn with_principals(mut self, principals: Arc<dyn PrincipalSource>) -> Self {
        self.principals = Some(principals);
        self
    }

    /// That can reload the policies.
    #[must_use]
    pub fn with_reloader(mut self, reloader: Arc<PolicyReloader>) -> Self {
        self.reloader = Some(reloader);
        self
    }

    /// That can make recorded decisions again.
    #[must_use]
    pub fn with_recorded(mut self, recorded: Arc<dyn RecordedDecisions>) -> Self {
        self.recorded = Some(recorded);
        self
    }

    /// That can try a set beside the one in force.
    #[must_use]
    pub fn with_shadow(mut self, shadow: Arc<ShadowedEngine>) -> Self {
        self.shadow = Some(shadow);
        self
    }

    /// That can enter resources into this inventory, which is one of the same engine.
    #[must_use]
    pub fn with_inventory(mut self, inventory: Arc<Inventory>) -> Self {
        self.inventory = Some(inventory);
        self
    }

    /// The inventory that can be changed.
    ///
    /// # Errors
    /// [`codes::INVENTORY_KEPT_ELSEWHERE`] when there is none.
    pub fn inventory(&self) -> Result<&Arc<Inventory>> {
        self.inventory.as_ref().ok_or_else(|| codes::INVENTORY_KEPT_ELSEWHERE.into())
    }

    /// The engine that decides.
    #[must_use]
    pub const fn engine(&self) -> &Arc<CedarEngine> {
        &self.engine
    }

    /// Decides; the decision is in the audit log before it is answered.
    ///
    /// # Errors
    /// [`INVALID_REQUEST`](core_codes::INVALID_REQUEST) naming the fields the policies can't speak
    /// of; [`ACCESS_DENIED`](codes::ACCESS_DENIED) for questions the caller may not ask;
    /// [`NOT_FOUND`](core_codes::NOT_FOUND) for an unknown principal; when the event can't be recorded.
    pub async fn authorize(&self, caller: &SecurityContext, asked: &Question) -> Result<Decision> {
        let about = self.about(caller, asked.principal.as_ref(), &asked.context).await?;
        let request = about.request(&asked.action, &asked.resource, &asked.context);
        self.engine.check(request.request())?;
        let decision = match &self.shadow {
            Some(shadow) => request.decide(&**shadow),
            None => request.decide(&*self.engine),
        };
        self.record(caller, &request, &decision).await?;
        Ok(decision)
    }

    /// Decides up to 100 questions. One that can't be asked refuses all of them.
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize), fields prefixed with `requests[…]`; too many or no questions.
    pub async fn authorize_all(
        &self,
        caller: &SecurityContext,
        asked: &[Question],
    ) -> Result<Vec<Decision>> {
        within_limit("requests", asked.len())?;
        let answers = asked.iter().enumerate().map(|(at, question)| async move {
            self.authorize(caller, question).await.map_err(|e| prefixed(e, "requests", at))
        });
        try_join_all(answers).await
    }

    /// Decides and explains.
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize).
    pub async fn explain(&self, caller: &SecurityContext, asked: &Question) -> Result<Explanation> {
        let about = self.about(caller, asked.principal.as_ref(), &asked.context).await?;
        let request = about.request(&asked.action, &asked.resource, &asked.context);
        let mut explanation = self.engine.explain(request.request())?;
        if let (true, Some(by_actor)) = (explanation.decision.allowed, request.by_actor()) {
            explanation = self.engine.explain(&by_actor)?;
        }
        self.record(caller, &request, &explanation.decision).await?;
        Ok(explanation)
    }

    /// What a principal may do to each of up to 100 resources. Leaves one event for all of them.
    ///
    /// # Errors
    /// As [`authorize`](Self::authorize), fields prefixed with `resources[…]`.
    pub async fn permissions(
        &self,
        caller: &SecurityContext,
        principal: Option<&EntityRef>,
        resources: &[ResourceEntity],
        context: &StatedContext,
    ) -> Result<Vec<Permitted>> {
        within_limit("resources", resources.len())?;
        // A malformed claim is refused; it is not one that no action takes.
        context.claims.check()?;
        let about = self.about(caller, principal, context).await?;
        let mut all = Vec::with_capacity(resources.len());
        for (at, resource) in resources.iter().enumerate() {
            let permitted = self
                .permitted(&about, resource, context)
                .map_err(|error| prefixed(error, "resources", at))?;
            all.push(permitted);
        }
        let event = Event::new(&*self.clock, Action::AUTHZ_DECISION, Outcome::Success)
            .in_context(caller)
            .on("user", &about.principal().id)
            .with("question", "permissions")
            .with("resources", resources.len())
            .with("revision", self.engine.revision().as_str());
        self.recorder.record_in(caller.request(), event).await?;
        Ok(all)
    }

    /// Reads the policy directory again and puts it in force if it is valid.
    ///
    /// # Errors
    /// As [`PolicyReloader::reload`]; [`POLICIES_BUILT_IN`](codes::POLICIES_BUILT_IN) when there is
    /// no directory.
    pub async fn reload(&self, caller: &SecurityContext) -> Result<Revision> {
        match &self.reloader {
            Some(reloader) => reloader.reload(caller).await,
            None => Err(codes::POLICIES_BUILT_IN.into()),
        }
    }

    fn permitted(
        &self,
        about: &About<'_>,
        resource: &ResourceEntity,
        context: &StatedContext,
    ) -> Result<Permitted> {
        let candidates = self.engine.actions_on(&resource.entity.kind);
        // An unknown type has no actions; the check then says so.
        let probe = candidates.first().map_or("read", String::as_str);
        self.engine.check(about.request(probe, resource, &StatedContext::default()).request())?;
        let is_allowed = |action: &String| {
            let request = about.request(action, resource, context);
            // A fact that only some actions take is no reason not to know about the others.
            self.engine.check(request.request()).is_ok() && request.decide(&*self.engine).allowed
        };
        let actions = candidates.into_iter().filter(is_allowed).collect();
        Ok(Permitted { resource: resource.entity.clone(), actions })
    }

    /// Who is asked about, under which circumstances; refuses what the caller may not ask.
    async fn about<'a>(
        &self,
        caller: &'a SecurityContext,
        principal: Option<&EntityRef>,
        stated: &StatedContext,
    ) -> Result<About<'a>> {
        let other = principal.filter(|p| p.kind != "User" || p.id != caller.principal().id);
        if other.is_some() || stated.states_circumstances() {
            self.require_permission(caller).await?;
        }
        let own = Circumstances::of(caller, &*self.clock);
        let Some(other) = other else {
            return Ok(About::Caller(caller, stated.applied_to(own)?));
        };
        if other.kind != "User" {
            return Err(Error::new(core_codes::INVALID_REQUEST)
                .field("principal.type", "only a `User` can be asked about"));
        }
        let source = self.principals.as_ref().ok_or(codes::PRINCIPALS_UNKNOWN)?;
        let found = source.principal(&other.id).await?.ok_or_else(|| {
            Error::new(core_codes::NOT_FOUND).field("principal.id", "there is no user of this id")
        })?;
        let assumed = Circumstances { mfa_verified: false, ..own };
        Ok(About::Other(found, stated.applied_to(assumed)?))
    }

    /// Speaking for others needs `admin` on `Api::"decisions"`; a refusal is recorded.
    async fn require_permission(&self, caller: &SecurityContext) -> Result<()> {
        let decisions = ResourceEntity::api("decisions");
        let request = AccessRequest::new(caller, &*self.clock, "admin", &decisions);
        let request = Delegated::of(caller, request);
        let decision = request.decide(&*self.engine);
        if decision.allowed {
            return Ok(());
        }
        self.record(caller, &request, &decision).await?;
        let why = "`principal`, `mfa_verified`, `ip_address` and `time` are for those who may speak \
                   for others";
        let denied = denial(&decision, request.request().action, &decisions);
        Err(Error::new(denied.code()).detail(format!("{why}: {}", denied.public_detail())))
    }

    async fn record(
        &self,
        caller: &SecurityContext,
        delegated: &Delegated<'_>,
        decision: &Decision,
    ) -> Result<()> {
        let outcome = if decision.allowed { Outcome::Success } else { Outcome::Denied };
        let request = delegated.request();
        let resource = &request.resource.entity;
        let mut asked = delegated.asked();
        asked.address_stated = request.circumstances.address != caller.request().client;
        let mut event = Event::new(&*self.clock, Action::AUTHZ_DECISION, outcome)
            .in_context(caller)
            .on(resource.kind.as_ref(), resource.id.as_ref())
            .with("action", request.action)
            .decided(decision.record().about(asked));
        if request.principal.id != caller.principal().id {
            event = event.with("principal", request.principal.id.as_str());
        }
        self.recorder.record_in(caller.request(), event).await.map(drop)
    }
}

/// Who is asked about.
enum About<'a> {
    Caller(&'a SecurityContext, Circumstances),
    Other(Principal, Circumstances),
}

impl About<'_> {
    fn principal(&self) -> &Principal {
        match self {
            Self::Caller(context, _) => context.principal(),
            Self::Other(principal, _) => principal,
        }
    }

    fn request<'r>(
        &'r self,
        action: &'r str,
        resource: &'r ResourceEntity,
        context: &'r StatedContext,
    ) -> Delegated<'r> {
        let (Self::Caller(_, circumstances) | Self::Other(_, circumstances)) = self;
        let request = AccessRequest::by(self.principal(), *circumstances, action, resource)
            .with_claims(&context.claims);
        match self {
            Self::Caller(context, _) => Delegated::of(context, request),
            Self::Other(..) => Delegated::nobody(request),
        }
    }
}

fn within_limit(field: &str, count: usize) -> Result<()> {
    if (1..=LARGEST_BATCH).contains(&count) {
        return Ok(());
    }
    let message = format!("from 1 to {LARGEST_BATCH} in one request");
    Err(Error::new(core_codes::INVALID_REQUEST).field(field, message))
}

/// The error with its fields under the item they belong to.
fn prefixed(error: Error, list: &str, at: usize) -> Error {
    if error.fields().is_empty() {
        return error;
    }
    let moved = Error::new(error.code());
    let fields = error.fields().to_vec();
    fields.into_iter().fold(moved.source(error), |moved, field| {
        moved.field(format!("{list}[{at}].{}", field.field), field.message)
    })
}
