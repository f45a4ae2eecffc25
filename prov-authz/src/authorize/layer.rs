use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use prov_core::Clock;
use tower_layer::Layer;

use super::{Authz, Protection};
use crate::PolicyEngine;

/// Says what a request is: the port by which an application brings resources of its own to the
/// layer, where a closure is not enough (it looks things up, it is configured, it is tested alone).
///
/// ```
/// use http::request::Parts;
/// use prov_authz::{Protection, ResourceEntity, ResourceMapper};
///
/// #[derive(Debug)]
/// struct Machines;
///
/// impl ResourceMapper for Machines {
///     fn protection(&self, request: &Parts) -> Protection {
///         match request.uri.path().strip_prefix("/machines/") {
///             Some(id) => Protection::permitted("ssh", ResourceEntity::new("Server", id.to_owned())),
///             None => Protection::Unknown,
///         }
///     }
/// }
/// ```
pub trait ResourceMapper: fmt::Debug + Send + Sync + 'static {
    /// What must hold for the request to go on; [`Protection::Unknown`] for what is not expected.
    fn protection(&self, request: &Parts) -> Protection;
}

/// A closure as a mapper.
struct Closure<F>(F);

impl<F> fmt::Debug for Closure<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("closure")
    }
}

impl<F: Fn(&Parts) -> Protection + Send + Sync + 'static> ResourceMapper for Closure<F> {
    fn protection(&self, request: &Parts) -> Protection {
        (self.0)(request)
    }
}

/// Decides every request before its handler sees it.
///
/// Rules:
/// * What a request is comes from the route table ([`MatchedRoute`](prov_http::MatchedRoute), put
///   there by the edge layer), where a guarded route is an action on a part of prov's own API; or from
///   the mapper of an embedding application, which has resources of its own.
/// * A request without a route (and without a mapper) is refused with 403: the mistake is ours, and
///   no reason to let it pass.
/// * Whoever is not signed in gets 401, unless the route is public.
/// * A credential with scopes of which none covers the request gets 403 with the challenge
///   `insufficient_scope`, which names the scope that would do (RFC 6750, section 3.1).
/// * Where somebody acts for the principal, both must be permitted
///   ([`Authentication::actor`](prov_core::Authentication::actor)).
/// * What the policies do not permit gets 403, with the policies that determined it; but 401 with the
///   challenge of RFC 9470 (`insufficient_user_authentication`, `acr_values="mfa"`) where they would
///   permit it to the same person with a second factor, which was decided before it is said.
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
    pub(super) mapper: Option<Arc<dyn ResourceMapper>>,
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
        Self::with_resources(engine, clock, Arc::new(Closure(mapper)))
    }

    /// Decides by what a [`ResourceMapper`] makes of a request.
    #[must_use]
    pub fn with_resources(
        engine: Arc<dyn PolicyEngine>,
        clock: Arc<dyn Clock>,
        mapper: Arc<dyn ResourceMapper>,
    ) -> Self {
        Self { engine, clock, mapper: Some(mapper) }
    }
}

impl fmt::Debug for AuthzLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthzLayer")
            .field("engine", &self.engine)
            .field("mapper", &self.mapper)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for AuthzLayer {
    type Service = Authz<S>;

    fn layer(&self, inner: S) -> Authz<S> {
        Authz { inner, layer: self.clone() }
    }
}
