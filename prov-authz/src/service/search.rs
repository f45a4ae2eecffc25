//! What may somebody do, to which resources may they do it, and who may?
//!
//! A search looks at a bounded number of candidates and says where the next one starts, so that none
//! is ever left out silently and none holds the server up. One event for each search.

use std::num::NonZeroU32;

use prov_core::audit::{Action, Event, Outcome, RecorderExt};
use prov_core::{Result, SecurityContext};

use super::DecisionService;
use crate::delegation::Delegated;
use crate::{
    AccessRequest, Circumstances, EntityRef, PolicyEngine, ResourceEntity, StatedContext, codes,
};

/// No search looks at more candidates before it answers.
const MOST_CANDIDATES: usize = 2_000;
/// So many users are looked up at once.
const USERS_AT_ONCE: NonZeroU32 = NonZeroU32::new(500).unwrap();

/// What was found, and after which candidate the search goes on if it is not over.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) ids: Vec<String>,
    pub(crate) next: Option<String>,
}

impl DecisionService {
    /// The actions a principal may do to one resource, sorted.
    pub(crate) async fn actions_of(
        &self,
        caller: &SecurityContext,
        principal: &EntityRef,
        resource: &ResourceEntity,
        context: &StatedContext,
    ) -> Result<Vec<String>> {
        let about = self.about(caller, Some(principal), context).await?;
        let candidates = self.engine.actions_on(&resource.entity.kind);
        let may = |action: &String| {
            // A fact that only some actions take is no reason not to know about the others.
            let known = self.known_to(action, context);
            self.allows(&about.request(action, resource, &known))
        };
        let actions: Vec<_> = candidates.into_iter().filter(may).collect();
        self.record_search(caller, "actions", &about.principal().id, actions.len()).await?;
        Ok(actions)
    }

    /// Up to `limit` known resources of a type that a principal may do this to, ids ascending.
    pub(crate) async fn resources_for(
        &self,
        caller: &SecurityContext,
        (principal, action, kind): (&EntityRef, &str, &str),
        context: &StatedContext,
        (after, limit): (Option<&str>, usize),
    ) -> Result<Found> {
        let about = self.about(caller, Some(principal), context).await?;
        let entities = self.engine.entities();
        let after = after.map(|id| EntityRef::new(kind.to_owned(), id.to_owned()));
        let page = entities.page(Some(kind), after.as_ref(), MOST_CANDIDATES);
        let more = page.next.map(|entity| entity.id.into_owned());
        let candidates =
            page.items.iter().map(|entity| (entity.id().to_owned(), entity.resource()));
        let may =
            |resource: &ResourceEntity| self.allows(&about.request(action, resource, context));
        let found = found(candidates, limit, more, may);
        self.record_search(caller, "resources", &about.principal().id, found.ids.len()).await?;
        Ok(found)
    }

    /// Up to `limit` users who may do this to a resource, ids ascending; of another type there is
    /// nobody. Needs the permission to speak for others.
    pub(crate) async fn principals_for(
        &self,
        caller: &SecurityContext,
        (kind, action, resource): (&str, &str, &ResourceEntity),
        context: &StatedContext,
        (after, limit): (Option<&str>, usize),
    ) -> Result<Found> {
        self.require_permission(caller).await?;
        if kind != "User" {
            self.record_search(caller, "principals", kind, 0).await?;
            return Ok(Found::default());
        }
        let source = self.principals.as_ref().ok_or(codes::PRINCIPALS_UNKNOWN)?;
        let own = Circumstances::of(caller, &*self.clock);
        let assumed = context.applied_to(Circumstances { mfa_verified: false, ..own })?;
        let (mut all, mut looked_at) = (Found::default(), 0);
        let mut after = after.map(str::to_owned);
        loop {
            let page = source.principals(after.as_deref(), USERS_AT_ONCE).await?;
            looked_at += page.items.len();
            let candidates = page.items.into_iter().map(|user| (user.id.clone(), user));
            let may = |user: &prov_core::Principal| {
                let request =
                    AccessRequest::by(user, assumed, action, resource).with_claims(&context.claims);
                self.allows(&Delegated::nobody(request))
            };
            let part = found(candidates, limit - all.ids.len(), page.next, may);
            all.ids.extend(part.ids);
            all.next = part.next;
            if all.next.is_none() || all.ids.len() >= limit || looked_at >= MOST_CANDIDATES {
                break;
            }
            after.clone_from(&all.next);
        }
        let about = format!("{}/{}", resource.entity.kind, resource.entity.id);
        self.record_search(caller, "principals", &about, all.ids.len()).await?;
        Ok(all)
    }

    /// What can't be asked is not allowed.
    fn allows(&self, request: &Delegated<'_>) -> bool {
        self.engine.check(request.request()).is_ok() && request.decide(&*self.engine).allowed
    }

    /// The context without the claims that an action does not take.
    fn known_to(&self, action: &str, context: &StatedContext) -> StatedContext {
        let mut known = context.clone();
        known.claims = self.engine.moment().claims_for(action, &context.claims);
        known
    }

    async fn record_search(
        &self,
        caller: &SecurityContext,
        question: &'static str,
        about: &str,
        found: usize,
    ) -> Result<()> {
        let event = Event::new(&*self.clock, Action::AUTHZ_DECISION, Outcome::Success)
            .in_context(caller)
            .on("search", about.chars().take(256).collect::<String>())
            .with("question", question)
            .with("found", found)
            .with("entities", self.engine.entities().epoch())
            .with("revision", self.engine.revision().as_str());
        self.recorder.record_in(caller.request(), event).await.map(drop)
    }
}

/// Those of the candidates that may, up to `limit`; and the last candidate that was looked at, unless
/// it was the last there is.
fn found<T>(
    candidates: impl ExactSizeIterator<Item = (String, T)>,
    limit: usize,
    more: Option<String>,
    may: impl Fn(&T) -> bool,
) -> Found {
    let mut ids = Vec::new();
    let mut candidates = candidates;
    while let Some((id, candidate)) = candidates.next() {
        if may(&candidate) {
            ids.push(id.clone());
            if ids.len() >= limit {
                let next = if candidates.len() > 0 { Some(id) } else { more };
                return Found { ids, next };
            }
        }
    }
    Found { ids, next: more }
}
