//! How long one decision takes under the shipped policies, path by path, beside plain Cedar: with all
//! its inputs ready, and building everything for each request, as one integrates it at first.
//!
//! `cargo run --release -p prov-authz --example decide_throughput`
#![expect(clippy::print_stdout, reason = "an example prints what it measured")]

use std::collections::HashSet;
use std::convert::Infallible;
use std::future;
use std::hint::black_box;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, PolicySet, Request, Schema,
};
use futures_util::FutureExt;
use http::{Method, Response};
use prov_authz::{
    AccessRequest, AuthzLayer, CedarEngine, CedarOptions, Circumstances, Claims, PolicyEngine,
    PolicyFiles, ResourceEntity,
};
use prov_core::{
    Amr, Authentication, AuthenticationMethod, Clock, Identity, Principal, PrincipalKind,
    RequestFacts, RequestId, Role, SecurityContext, SystemClock, Timestamp,
};
use prov_http::{MatchedRoute, Route};
use serde_json::json;
use tower::{Layer, Service, service_fn};

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let engine = CedarEngine::shipped(Arc::clone(&clock), CedarOptions::default())?;
    let noon: Timestamp = "2026-03-02T12:00:00Z".parse()?;
    let office = Circumstances::new(true, Some([10, 0, 0, 1].into()), noon);
    let ann = Principal::new(PrincipalKind::User, "user_ann", "ann")
        .with_roles([Role::Developer])
        .with_teams(["sre".parse()?]);
    let server = ResourceEntity::new("Server", "web-1")
        .with("hostname", "web-1.example.org")
        .with("workspace", "shop")
        .with("environment", "production");
    let claims = Claims::NONE.with_approval("CHG-4711");
    let deploy = AccessRequest::by(&ann, office, "deploy", &server).with_claims(&claims);
    let part = ResourceEntity::api("kms-data");
    let encrypt = AccessRequest::by(&ann, office, "execute", &part);
    assert!(engine.decide(&deploy).allowed && engine.decide(&encrypt).allowed);

    println!("{} policies, one thread, {}", engine.policies().len(), clock.now());
    println!("{:<52}{:>10}{:>12}", "", "p50 µs", "per second");
    report("prov: deploy on a server, reasons included", 20_000, || {
        black_box(engine.decide(black_box(&deploy)).allowed)
    });
    report("prov: a route of prov's own API", 20_000, || {
        black_box(engine.decide(black_box(&encrypt)).allowed)
    });
    layer(Arc::new(engine), &clock)?;
    let naive = Naive::new()?;
    let (request, all) = naive.inputs()?;
    report("cedar: all policies, all inputs ready", 20_000, || {
        naive.permits(black_box(&request), black_box(&all))
    });
    report("cedar: entities and context from JSON each time", 2_000, || naive.decide(false));
    report("cedar: and the policies parsed each time", 100, || naive.decide(true));
    Ok(())
}

/// Somebody signed in, by a second factor, from the office.
fn signed_in(id: &str, clock: &dyn Clock) -> Result<SecurityContext, prov_core::Error> {
    let principal = Principal::new(PrincipalKind::User, id, "ann")
        .with_roles([Role::Developer])
        .with_teams(["sre".parse()?]);
    let now = clock.now();
    let authentication =
        Authentication::new(AuthenticationMethod::AccessToken, now).with_amr([Amr::Pwd, Amr::Mfa]);
    let facts = RequestFacts::new(RequestId::generate(clock)?, now)
        .from_client(Some([10, 0, 0, 1].into()))
        .for_target("POST", "/api/v1/kms/encrypt");
    let identity = Identity { principal, authentication };
    Ok(SecurityContext::new(Arc::new(identity), Arc::new(facts)))
}

/// A whole call through the layer, and the same request without it.
fn layer(engine: Arc<CedarEngine>, clock: &Arc<dyn Clock>) -> Outcome {
    let context = signed_in("user_ann", &**clock)?;
    let route = Route::guarded(Method::POST, "/api/v1/kms/encrypt", "execute", "kms-data");
    let route = MatchedRoute(Arc::new(route));
    let request = || {
        let mut request = http::Request::new(());
        request.extensions_mut().insert(route.clone());
        request.extensions_mut().insert(Arc::clone(context.request()));
        request.extensions_mut().insert(context.clone());
        request
    };
    let mut bare = service_fn(|_: http::Request<()>| {
        future::ready(Ok::<_, Infallible>(Response::new(bytes::Bytes::new())))
    });
    let passed = |answer: Option<Result<Response<bytes::Bytes>, Infallible>>| {
        answer.is_some_and(|answer| answer.is_ok_and(|answer| answer.status().is_success()))
    };
    report("a service without the layer, request built", 20_000, || {
        passed(bare.call(request()).now_or_never())
    });
    let mut guarded = AuthzLayer::new(engine, Arc::clone(clock)).layer(bare);
    report("the same through the layer", 20_000, || passed(guarded.call(request()).now_or_never()));
    Ok(())
}

/// Prints the median of single calls and the rate over all of them.
fn report(what: &str, calls: usize, mut call: impl FnMut() -> bool) {
    for _ in 0..calls / 10 {
        assert!(call(), "the request must be allowed");
    }
    let mut times: Vec<Duration> = Vec::with_capacity(calls);
    let start = Instant::now();
    for _ in 0..calls {
        let before = Instant::now();
        black_box(call());
        times.push(before.elapsed());
    }
    let rate = f64::from(u32::try_from(calls).unwrap_or(u32::MAX)) / start.elapsed().as_secs_f64();
    times.sort_unstable();
    let median = times.get(calls / 2).copied().unwrap_or_default();
    println!("{what:<52}{:>10.1}{rate:>12.0}", median.as_secs_f64() * 1e6);
}

/// Cedar as its documentation shows it.
struct Naive {
    schema: Schema,
    text: String,
    policies: PolicySet,
}

impl Naive {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let files = PolicyFiles::shipped();
        let (schema, _) = Schema::from_cedarschema_str(&files.schema.text)?;
        let texts: Vec<_> = files.policies.iter().map(|file| file.text.as_str()).collect();
        let text = texts.join("\n");
        let policies = PolicySet::from_str(&text)?;
        Ok(Self { schema, text, policies })
    }

    fn decide(&self, parse_policies: bool) -> bool {
        self.try_decide(parse_policies).unwrap_or(false)
    }

    fn try_decide(&self, parse_policies: bool) -> Result<bool, Box<dyn std::error::Error>> {
        let (request, entities) = self.inputs()?;
        if !parse_policies {
            return Ok(self.permits(&request, &entities));
        }
        let parsed = PolicySet::from_str(&self.text)?;
        Ok(permits(&parsed, &request, &entities))
    }

    fn permits(&self, request: &Request, entities: &Entities) -> bool {
        permits(&self.policies, request, entities)
    }

    fn inputs(&self) -> Result<(Request, Entities), Box<dyn std::error::Error>> {
        let uid = |kind: &str, id: &str| {
            let uid = json!({"type": format!("Provisioning::{kind}"), "id": id});
            EntityUid::from_json(uid).map_err(Box::new)
        };
        let action = uid("Action", "deploy")?;
        let context = json!({
            "mfa_verified": true, "ip_address": "10.0.0.1",
            "time": "2026-03-02T12:00:00Z", "approval_id": "CHG-4711",
        });
        let context = Context::from_json_value(context, Some((&self.schema, &action)))?;
        let (ann, server) = (uid("User", "user_ann")?, uid("Server", "web-1")?);
        let request = Request::new(ann, action, server, context, Some(&self.schema))?;
        Ok((request, Entities::from_json_value(entities(), Some(&self.schema))?))
    }
}

fn permits(policies: &PolicySet, request: &Request, entities: &Entities) -> bool {
    let response = Authorizer::new().is_authorized(request, policies, entities);
    let reasons: HashSet<_> = response.diagnostics().reason().collect();
    response.decision() == Decision::Allow && !reasons.is_empty()
}

fn entities() -> serde_json::Value {
    let uid = |kind: &str, id: &str| json!({"type": format!("Provisioning::{kind}"), "id": id});
    json!([
        {"uid": uid("Team", "sre"), "attrs": {"id": "sre", "name": "sre"}, "parents": []},
        {"uid": uid("Role", "viewer"), "attrs": {}, "parents": []},
        {"uid": uid("Role", "developer"), "attrs": {}, "parents": [uid("Role", "viewer")]},
        {"uid": uid("User", "user_ann"), "attrs": {"id": "user_ann", "username": "ann"},
         "parents": [uid("Team", "sre"), uid("Role", "developer")]},
        {"uid": uid("Server", "web-1"),
         "attrs": {"id": "web-1", "hostname": "web-1.example.org", "workspace": "shop",
                   "environment": "production"},
         "parents": [uid("Environment", "production"), uid("Workspace", "shop")]},
    ])
}
