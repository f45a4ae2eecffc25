//! How this service leaves its events.

use prov_core::audit::{Action, Actor, Event, Outcome, RecorderExt};
use prov_core::{Error, Kind, PrincipalKind, RequestFacts, Result, SecurityContext};

use super::AuthService;
use crate::{User, Username};

impl AuthService {
    /// An event of something that was done.
    pub(super) fn event(&self, action: Action) -> Event {
        Event::new(self.clock(), action, Outcome::Success)
    }

    /// An event of something that `context` did to the user `id`.
    pub(super) fn event_on_user(
        &self,
        context: &SecurityContext,
        action: Action,
        id: &str,
    ) -> Event {
        self.event(action).in_context(context).on("user", id)
    }

    /// Makes the event durable.
    pub(super) async fn record(&self, request: &RequestFacts, event: Event) -> Result<()> {
        self.parts.recorder.record_in(request, event).await.map(drop)
    }

    /// Makes the event durable, as a failure if the result is one, and passes the result on.
    pub(super) async fn conclude<T>(
        &self,
        request: &RequestFacts,
        event: Event,
        result: Result<T>,
    ) -> Result<T> {
        let event = match &result {
            Ok(_) => event,
            Err(error) => failed(event, error),
        };
        self.record(request, event).await?;
        result
    }
}

/// The event of a failure: refused ones are told from those that did not work.
pub(super) fn failed(mut event: Event, error: &Error) -> Event {
    event.outcome = match error.kind() {
        Kind::Denied | Kind::RateLimited => Outcome::Denied,
        _ => Outcome::Failure,
    };
    event.with("code", error.code().name())
}

/// A user who is not, or not yet, authenticated by the request.
pub(super) fn account(user: &User) -> Actor {
    Actor::account(PrincipalKind::User, user.id.as_str(), user.username.as_str())
}

/// Somebody who claims a name.
pub(super) fn claimant(name: &Username) -> Actor {
    Actor::unauthenticated(Some(name.as_str()))
}
