//! Who an event is about, with or without a security context: while somebody signs in there is none.

use prov_core::audit::{Action, Actor, Event, Outcome};
use prov_core::{Clock, RequestFacts, SecurityContext, UserId};

/// On whose behalf, in which request, about whose factors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller<'a> {
    user: Option<&'a UserId>,
    by: By<'a>,
}

#[derive(Debug, Clone, Copy)]
enum By<'a> {
    Context(&'a SecurityContext),
    SigningIn(&'a RequestFacts),
}

impl<'a> Caller<'a> {
    /// Whoever the context names, about the factors of `user`.
    pub(super) const fn known(context: &'a SecurityContext, user: &'a UserId) -> Self {
        Self { user: Some(user), by: By::Context(context) }
    }

    /// Somebody who says to be `user` and is about to prove it.
    pub(super) const fn signing_in(user: &'a UserId, request: &'a RequestFacts) -> Self {
        Self { user: Some(user), by: By::SigningIn(request) }
    }

    /// Somebody of whom nothing is known.
    #[cfg(feature = "webauthn")]
    pub(super) const fn nobody(request: &'a RequestFacts) -> Self {
        Self { user: None, by: By::SigningIn(request) }
    }

    /// Whose factors it is about, if that is known.
    pub(super) const fn user(&self) -> Option<&'a UserId> {
        self.user
    }

    pub(super) fn request(&self) -> &'a RequestFacts {
        match self.by {
            By::Context(context) => context.request(),
            By::SigningIn(request) => request,
        }
    }

    /// An event on the user's account.
    pub(super) fn event(&self, clock: &dyn Clock, action: Action, outcome: Outcome) -> Event {
        let mut event = Event::new(clock, action, outcome);
        if let Some(user) = self.user {
            event = event.on("user", user.as_str());
        }
        match self.by {
            By::Context(context) => event.in_context(context),
            By::SigningIn(_) => {
                let mut actor = Actor::unauthenticated(None);
                actor.id = self.user.map(|user| user.as_str().to_owned());
                event.by(actor)
            }
        }
    }
}
