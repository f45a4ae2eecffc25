use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use prov_core::Clock;
use tower_layer::Layer;

use super::{Authz, Protection};
use crate::PolicyEngine;

type Mapper = Arc<dyn Fn(&Parts) -> Protection + Send + Sync>;

/// Decides every request before its handler sees it.
///
/// Rules:
/// * What a request is comes from the route table ([`MatchedRoute`](prov_http::MatchedRoute), put
///   there by the edge layer), where a guarded route is an action on a part of prov's own API; or from
///   the mapper of an embedding application, which has resources of its own.
/// * A request without a route (and without a mapper) is refused with 403: the mistake is ours, and
///   no reason to let it pass.
/// * Whoever is not signed in gets 401, unless the route is public.
/// * What the policies do not permit gets 403, with the policies that determined it.
/// * The decision, allowed or denied, with what reproduces it, is noted in the request's facts
///   ([`RequestFacts::note_decision`](prov_core::RequestFacts::note_decision)), so that every event
///   that a handler leaves carries it; and it stands in the response's extensions as
///   [`DecisionRecord`](prov_core::audit::DecisionRecord), for layers outside.
///
/// Stands inside the authentication layer. It needs the client's address: without one every decision
/// denies.
///
/// ```
/// use std::sync::Arc;
/// use prov_authz::{AuthzLayer, CedarEngine, CedarOptions, Protection, ResourceEntity};
/// use prov_core::SystemClock;
///
/// let clock = Arc::new(SystemClock::new());
/// let engine = Arc::new(CedarEngine::shipped(clock.clone(), CedarOptions::default())?);
/// // For prov's own routes:
/// let layer = AuthzLayer::new(engine.clone(), clock.clone());
/// // For an application's:
/// let layer = AuthzLayer::with_mapper(engine, clock, |request| match request.uri.path() {
///     "/health" => Protection::Public,
///     "/lockdown" => Protection::permitted("lockdown", ResourceEntity::new("Environment", "production")),
///     _ => Protection::Unknown,
/// });
/// # Ok::<(), prov_core::Error>(())
/// ```
#[derive(Clone)]
pub struct AuthzLayer {
    pub(super) engine: Arc<dyn PolicyEngine>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) mapper: Option<Mapper>,
}

impl AuthzLayer {
    /// Decides by the route table.
    #[must_use]
    pub fn new(engine: Arc<dyn PolicyEngine>, clock: Arc<dyn Clock>) -> Self {
        Self { engine, clock, mapper: None }
    }

    /// Decides by what `mapper` makes of a request, which should answer [`Protection::Unknown`] for
    /// whatever it does not expect.
    #[must_use]
    pub fn with_mapper(
        engine: Arc<dyn PolicyEngine>,
        clock: Arc<dyn Clock>,
        mapper: impl Fn(&Parts) -> Protection + Send + Sync + 'static,
    ) -> Self {
        Self { engine, clock, mapper: Some(Arc::new(mapper)) }
    }
}

impl fmt::Debug for AuthzLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthzLayer")
            .field("engine", &self.engine)
            .field("has_mapper", &self.mapper.is_some())
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for AuthzLayer {
    type Service = Authz<S>;

    fn layer(&self, inner: S) -> Authz<S> {
        Authz { inner, layer: self.clone() }
    }
}
