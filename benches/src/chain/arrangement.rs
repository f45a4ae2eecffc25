//! The handler behind more and more layers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::request::Parts;
use http::{Method, Request, Response};
use prov_audit::AuditLayer;
use prov_auth::{AuthnLayer, RateLimitLayer};
use prov_authz::{AuthzLayer, Claims, Protection, ResourceEntity};
use prov_http::{EdgeLayer, Route, RouteTable};
use prov_mfa::RequireMfaLayer;
use tower::util::BoxCloneSyncService;
use tower_layer::{Layer, Stack};

use super::house::{House, LONG};
use crate::Failure;

/// What a request is handed to. Every arrangement is boxed once, bare axum as well.
pub(super) type Served = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The path of the one handler.
pub(super) const PATH: &str = "/status";

/// Which token a request brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// One that was seen before.
    Known,
    /// One that nobody has seen yet.
    Fresh,
}

/// One line of the table.
pub(super) struct Arrangement {
    pub(super) name: &'static str,
    pub(super) token: Token,
    pub(super) in_flight: usize,
    /// Whether each request leaves a durable event.
    pub(super) audited: bool,
    pub(super) service: Served,
}

/// All of them, in the order of the table.
pub(super) fn all(house: &House, in_flight: usize) -> Result<Vec<Arrangement>, Failure> {
    use Decision::{Deployment, OwnApi};
    use Token::{Fresh, Known};
    let line = |name, token, in_flight, service| Arrangement {
        name,
        token,
        in_flight,
        audited: false,
        service,
    };
    let audited = |name, token, in_flight, service| Arrangement {
        audited: true,
        ..line(name, token, in_flight, service)
    };
    let part = Layers::new(house)?;
    Ok(vec![
        line("bare axum", Known, 1, boxed(handler())),
        line("+ edge", Known, 1, part.edge()),
        line("+ rate limit", Known, 1, part.limited()),
        line("+ authentication, known token", Known, 1, part.authenticated(house)?),
        line("+ authentication, fresh token", Fresh, 1, part.authenticated(house)?),
        line("+ second factor, known token", Known, 1, part.with_factor(house)?),
        line("+ policies, own API, known token", Known, 1, part.decided(house, OwnApi)?),
        line(NO_AUDIT_KNOWN, Known, 1, part.decided(house, Deployment)?),
        line(NO_AUDIT_FRESH, Fresh, 1, part.decided(house, Deployment)?),
        audited("+ durable audit, own API, known token", Known, 1, part.whole(house, OwnApi)?),
        line("bare axum", Known, in_flight, boxed(handler())),
        audited("whole chain, own API, known token", Known, in_flight, part.whole(house, OwnApi)?),
        audited(WHOLE_KNOWN, Known, in_flight, part.whole(house, Deployment)?),
        audited(WHOLE_FRESH, Fresh, in_flight, part.whole(house, Deployment)?),
    ])
}

/// The rows that budgets are held against: more is claimed, and more policies have a say.
pub(super) const NO_AUDIT_KNOWN: &str = "+ policies, a deployment, known token";
pub(super) const NO_AUDIT_FRESH: &str = "+ policies, a deployment, fresh token";
pub(super) const WHOLE_KNOWN: &str = "whole chain, a deployment, known token";
pub(super) const WHOLE_FRESH: &str = "whole chain, a deployment, fresh token";

/// What is decided.
#[derive(Debug, Clone, Copy)]
enum Decision {
    /// A route of prov's own API.
    OwnApi,
    /// A deployment to a resource of the application, with attributes and a claim.
    Deployment,
}

/// A deployment to production, in an emergency so that no business hours change the figures.
fn deployment(_: &Parts) -> Protection {
    let server = ResourceEntity::new("Server", "web-1")
        .with("hostname", "web-1.example.org")
        .with("workspace", "shop")
        .with("environment", "production");
    let claims = Box::new(Claims::default().with_approval("EMERGENCY-4711"));
    Protection::Permitted { action: "deploy".into(), resource: Box::new(server), claims }
}

fn handler() -> Router {
    Router::new().route(PATH, get(async || "all systems nominal\n"))
}

fn boxed<S>(service: S) -> Served
where
    S: tower::Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    BoxCloneSyncService::new(service)
}

/// The layers that need no token verifier of their own.
struct Layers {
    edge: EdgeLayer,
    limit: RateLimitLayer,
    audit: AuditLayer,
    mfa: RequireMfaLayer,
    own_api: AuthzLayer,
    deploying: AuthzLayer,
}

impl Layers {
    fn new(house: &House) -> Result<Self, Failure> {
        let clock = || house.clock.clone();
        let route = Route::guarded(Method::GET, PATH, "read", "status").with_second_factor(LONG);
        let table = Arc::new(RouteTable::new([route])?);
        Ok(Self {
            edge: EdgeLayer::new(clock()).with_routes(table),
            limit: RateLimitLayer::new("1000000/s".parse()?, clock()),
            audit: AuditLayer::new(house.log.clone(), clock()),
            mfa: RequireMfaLayer::new(clock()),
            own_api: AuthzLayer::new(house.engine.clone(), clock()),
            deploying: AuthzLayer::with_mapper(house.engine.clone(), clock(), deployment),
        })
    }

    /// A layer whose verifier has seen no token yet.
    fn authn(house: &House) -> Result<AuthnLayer, Failure> {
        Ok(AuthnLayer::new(vec![house.verifier()?], house.clock.clone()))
    }

    /// Edge and rate limit, around the rest.
    fn outer(&self) -> Stack<RateLimitLayer, EdgeLayer> {
        Stack::new(self.limit.clone(), self.edge.clone())
    }

    fn edge(&self) -> Served {
        boxed(self.edge.layer(handler()))
    }

    fn limited(&self) -> Served {
        boxed(self.outer().layer(handler()))
    }

    fn authenticated(&self, house: &House) -> Result<Served, Failure> {
        Ok(boxed(self.outer().layer(Self::authn(house)?.layer(handler()))))
    }

    fn with_factor(&self, house: &House) -> Result<Served, Failure> {
        let inner = self.mfa.layer(handler());
        Ok(boxed(self.outer().layer(Self::authn(house)?.layer(inner))))
    }

    fn authz(&self, decision: Decision) -> &AuthzLayer {
        match decision {
            Decision::OwnApi => &self.own_api,
            Decision::Deployment => &self.deploying,
        }
    }

    fn decided(&self, house: &House, decision: Decision) -> Result<Served, Failure> {
        let inner = self.mfa.layer(self.authz(decision).layer(handler()));
        Ok(boxed(self.outer().layer(Self::authn(house)?.layer(inner))))
    }

    fn whole(&self, house: &House, decision: Decision) -> Result<Served, Failure> {
        let inner = self.mfa.layer(self.authz(decision).layer(handler()));
        let guarded = Self::authn(house)?.layer(inner);
        Ok(boxed(self.outer().layer(self.audit.layer(guarded))))
    }
}
