//! What is recorded of a request.

use std::sync::Arc;

use http::{Extensions, Method, StatusCode};
use prov_core::audit::{Action, DecisionRecord, Event, Outcome};
use prov_core::{Kind, RequestFacts, SecurityContext, codes as core_codes};
use prov_http::{Access, MatchedRoute, Refusal, Replayed};

use super::AuditLayer;

/// What is known of a request while it is being answered.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) route: Option<MatchedRoute>,
    pub(super) layer: AuditLayer,
    pub(super) facts: Arc<RequestFacts>,
}

impl Described {
    /// The event of an answered request; `None` when none is needed.
    pub(super) fn answered(&self, status: StatusCode, said: &Extensions) -> Option<Event> {
        if self.facts.is_recorded() || self.is_public_read(status) {
            return None;
        }
        let refusal = said.get::<Refusal>();
        let mut event = self.event(action_of(refusal), outcome_of(status));
        if let Some(context) = said.get::<SecurityContext>() {
            event = event.in_context(context).in_request(&self.facts);
        }
        if let Some(decision) = said.get::<DecisionRecord>() {
            event = event.decided(decision.clone());
        }
        if let Some(refusal) = refusal {
            event = event.with("refusal", refusal.error().code().name());
        }
        if let Some(id) = self.facts.found() {
            event = event.with("found", id);
        }
        if said.get::<Replayed>().is_some() {
            event = event.with("replayed", true);
        }
        Some(event.with("status", status.as_u16()))
    }

    /// The event of a request whose client went away before the answer; `None` when a handler
    /// recorded it.
    pub(super) fn aborted(&self) -> Option<Event> {
        if self.facts.is_recorded() {
            return None;
        }
        Some(self.event(Action::API_REQUEST, Outcome::Failure).with("aborted", true))
    }

    fn event(&self, action: Action, outcome: Outcome) -> Event {
        let mut event = Event::new(&*self.layer.clock, action, outcome).in_request(&self.facts);
        if let Some(MatchedRoute(route)) = &self.route {
            event = event.on("route", format!("{} {}", route.method, route.path));
            if let Access::Guarded { action, resource } = &route.access {
                event = event.with("asked", format!("{action} {resource}"));
            }
        }
        event
    }

    fn is_public_read(&self, status: StatusCode) -> bool {
        let public = self.route.as_ref().is_some_and(|matched| matched.0.access == Access::Public);
        let read = [Method::GET.as_str(), Method::HEAD.as_str()].contains(&&*self.facts.method);
        public && read && !status.is_client_error() && !status.is_server_error()
    }
}

fn outcome_of(status: StatusCode) -> Outcome {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Outcome::Denied,
        status if status.is_client_error() || status.is_server_error() => Outcome::Failure,
        _ => Outcome::Success,
    }
}

/// A request without any credential is refused as well, but no token of it.
fn action_of(refusal: Option<&Refusal>) -> Action {
    match refusal.map(|refusal| (refusal.error().kind(), refusal.error().code())) {
        Some((Kind::RateLimited, _)) => Action::API_RATE_LIMITED,
        Some((Kind::Unauthenticated, code)) if code != core_codes::UNAUTHENTICATED => {
            Action::AUTH_TOKEN_REFUSED
        }
        _ => Action::API_REQUEST,
    }
}
