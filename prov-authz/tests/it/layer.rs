//! The layer in front of a service.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{Method, Request, Response, StatusCode};
use prov_authz::{
    AccessRequest, AuthzLayer, CedarEngine, CedarOptions, PolicyEngine, PolicyFiles, Protection,
    ResourceEntity, SourceFile, codes,
};
use prov_core::audit::{Action, DecisionRecord, Event, MemoryRecorder, Outcome, RecorderExt};
use prov_core::{Identity, Principal, Role, SecurityContext, codes as core_codes};
use prov_http::{MatchedRoute, Refusal, Route};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::world::{clock, context_of, holder, member};

type Answer = Response<Bytes>;

/// The same caller, with a credential that is good for these scopes only.
fn limited(context: &SecurityContext, scopes: &[&str]) -> SecurityContext {
    let identity = Identity {
        principal: context.principal().clone(),
        authentication: context
            .authentication()
            .clone()
            .limited_to(scopes.iter().map(|scope| scope.parse().unwrap())),
    };
    SecurityContext::new(Arc::new(identity), Arc::clone(context.request()))
}

/// Sends a request through the layer to a handler that answers 200.
async fn send(
    layer: &AuthzLayer,
    path: &str,
    route: Option<Route>,
    who: Option<&Principal>,
) -> Answer {
    send_with(layer, path, route, who, None).await
}

async fn send_with(
    layer: &AuthzLayer,
    path: &str,
    route: Option<Route>,
    who: Option<&Principal>,
    limit: Option<&[&str]>,
) -> Answer {
    let handler = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Bytes::from_static(b"done")))
    });
    let mut request = Request::builder().uri(path).body(()).unwrap();
    if let Some(route) = route {
        request.extensions_mut().insert(MatchedRoute(Arc::new(route)));
    }
    if let Some(who) = who {
        let context = limit.map_or_else(
            || context_of(who, false, &*clock()),
            |scopes| limited(&context_of(who, false, &*clock()), scopes),
        );
        request.extensions_mut().insert(Arc::clone(context.request()));
        request.extensions_mut().insert(context);
    }
    layer.layer(handler).ready().await.unwrap().call(request).await.unwrap()
}

fn engine() -> Arc<CedarEngine> {
    Arc::new(CedarEngine::shipped(clock(), CedarOptions::default()).unwrap())
}

fn layer() -> AuthzLayer {
    AuthzLayer::new(engine(), clock())
}

fn users(action: &'static str) -> Route {
    Route::guarded(Method::POST, "/users", action, "users")
}

fn code(answer: &Answer) -> prov_core::Code {
    answer.extensions().get::<Refusal>().unwrap().error().code()
}

#[tokio::test]
async fn public_routes_pass_and_self_service_needs_somebody() {
    let public = || Some(Route::public(Method::GET, "/livez"));
    let own = || Some(Route::self_service(Method::GET, "/me"));
    let viewer = holder(Role::Viewer);
    assert_eq!(send(&layer(), "/livez", public(), None).await.status(), StatusCode::OK);
    assert_eq!(send(&layer(), "/me", own(), Some(&viewer)).await.status(), StatusCode::OK);
    let anonymous = send(&layer(), "/me", own(), None).await;
    assert_eq!(anonymous.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(code(&anonymous), core_codes::UNAUTHENTICATED);
}

#[tokio::test]
async fn a_guarded_route_is_decided_and_the_decision_travels_outwards() {
    let allowed = send(&layer(), "/users", Some(users("create")), Some(&holder(Role::Admin))).await;
    assert_eq!(allowed.status(), StatusCode::OK);
    let record = allowed.extensions().get::<DecisionRecord>().unwrap();
    assert_eq!((record.allowed, record.policies.as_slice()), (true, &["api-admin".to_owned()][..]));

    let denied = send(&layer(), "/users", Some(users("create")), Some(&holder(Role::Viewer))).await;
    assert_eq!(denied.status(), StatusCode::FORBIDDEN);
    assert_eq!(code(&denied), codes::ACCESS_DENIED);
    let record = denied.extensions().get::<DecisionRecord>().unwrap();
    assert_eq!((record.allowed, record.policies.len()), (false, 0));
    let body = String::from_utf8(denied.body().to_vec()).unwrap();
    assert!(body.contains("no policy permits `create` on `Api` `users`"), "{body}");

    let audit = member(&["audit"]).with_roles([Role::Admin]);
    let forbidden = send(&layer(), "/users", Some(users("create")), Some(&audit)).await;
    let body = String::from_utf8(forbidden.body().to_vec()).unwrap();
    assert!(body.contains("denied by `audit-modifies-nothing`"), "{body}");
}

/// What a handler records by itself, before any layer outside sees the answer.
#[tokio::test]
async fn whatever_a_permitted_request_records_carries_the_decision_and_what_reproduces_it() {
    let recorder = MemoryRecorder::new();
    let inside = recorder.clone();
    let handler = service_fn(move |request: Request<()>| {
        let recorder = inside.clone();
        async move {
            let context = request.extensions().get::<SecurityContext>().unwrap();
            let event = Event::new(&*clock(), Action::USER_CREATE, Outcome::Success);
            recorder.record_in(context.request(), event.in_context(context)).await.unwrap();
            Ok::<_, Infallible>(Response::new(Bytes::new()))
        }
    });
    let admin = holder(Role::Admin).with_teams(["developers".parse().unwrap()]);
    let mut request = Request::new(());
    request.extensions_mut().insert(MatchedRoute(Arc::new(users("create"))));
    request.extensions_mut().insert(context_of(&admin, true, &*clock()));
    layer().layer(handler).oneshot(request).await.unwrap();
    let events = recorder.events();
    let decision = events[0].decision.as_ref().unwrap();
    assert_eq!((decision.allowed, &*decision.policies), (true, &["api-admin".to_owned()][..]));
    assert_eq!(decision.revision, engine().revision().as_str());
    let asked = serde_json::to_value(&decision.asked).unwrap();
    let expected = serde_json::json!({
        "principal": {
            "kind": "user", "id": "user_ann", "roles": ["admin"], "teams": ["developers"]
        },
        "action": "create",
        "resource": {"type": "Api", "id": "users"},
        "mfa_verified": true,
        "time": crate::world::NOON,
    });
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_guarded_route_without_anybody_is_refused() {
    let answer = send(&layer(), "/users", Some(users("create")), None).await;
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.extensions().get::<DecisionRecord>().is_none());
}

#[tokio::test]
async fn a_request_without_a_route_is_refused_even_for_an_administrator() {
    let answer = send(&layer(), "/users", None, Some(&holder(Role::Admin))).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(code(&answer), codes::ROUTE_UNGUARDED);
}

#[tokio::test]
async fn an_action_the_schema_does_not_know_is_denied_for_everybody() {
    let answer = send(&layer(), "/users", Some(users("explode")), Some(&holder(Role::Admin))).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    let error = answer.extensions().get::<Refusal>().unwrap().error().to_string();
    assert!(error.contains("could not be decided"), "{error}");
}

#[tokio::test]
async fn an_application_maps_requests_to_its_own_resources() {
    let layer = AuthzLayer::with_mapper(engine(), clock(), |request| match request.uri.path() {
        "/health" => Protection::Public,
        "/profile" => Protection::SignedIn,
        "/lockdown" => {
            Protection::permitted("lockdown", ResourceEntity::new("Environment", "production"))
        }
        _ => Protection::Unknown,
    });
    let (security, sre) = (member(&["security"]), member(&["sre"]));
    let status = async |path, who| send(&layer, path, None, who).await.status();
    assert_eq!(status("/health", None).await, StatusCode::OK);
    assert_eq!(status("/profile", None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(status("/lockdown", Some(&security)).await, StatusCode::OK);
    assert_eq!(status("/lockdown", Some(&sre)).await, StatusCode::FORBIDDEN);
    assert_eq!(status("/other", Some(&security)).await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_credential_with_scopes_is_good_for_what_they_cover_and_its_owner_may_do() {
    let (admin, viewer) = (holder(Role::Admin), holder(Role::Viewer));
    let ask = async |who, action, scopes: &[&str]| {
        let layer = layer();
        let answer = send_with(&layer, "/users", Some(users(action)), Some(who), Some(scopes));
        let answer = answer.await;
        (answer.status() != StatusCode::OK).then(|| code(&answer))
    };
    for scopes in [&["list:users"][..], &["*:users"], &["list:*"], &["x:y", "*:*"]] {
        assert_eq!(ask(&admin, "list", scopes).await, None, "{scopes:?}");
        // The scope covers it, the owner may not: the policies have the last word.
        assert_eq!(ask(&viewer, "list", scopes).await, Some(codes::ACCESS_DENIED), "{scopes:?}");
    }
    for scopes in [&[][..], &["create:users"], &["list:audit"], &["list:user"]] {
        assert_eq!(
            ask(&admin, "list", scopes).await,
            Some(codes::SCOPE_INSUFFICIENT),
            "{scopes:?}"
        );
    }
}

#[tokio::test]
async fn where_anybody_signed_in_may_come_a_credential_with_scopes_needs_the_routes_own() {
    let admin = holder(Role::Admin);
    let own = || Route::self_service(Method::GET, "/me");
    let ask = async |route, scopes: &[&str]| {
        send_with(&layer(), "/me", Some(route), Some(&admin), Some(scopes)).await
    };
    assert_eq!(code(&ask(own(), &["*:*"]).await), codes::SCOPE_INSUFFICIENT);
    let opened = || own().with_scope("read", "account");
    assert_eq!(ask(opened(), &["read:account"]).await.status(), StatusCode::OK);
    assert_eq!(code(&ask(opened(), &["read:users"]).await), codes::SCOPE_INSUFFICIENT);
    let public = Route::public(Method::GET, "/livez");
    assert_eq!(ask(public, &[]).await.status(), StatusCode::OK);
}

/// RFC 6750, section 3.1: whoever lacks a scope is told so, and which one would do.
#[tokio::test]
async fn a_refusal_for_lack_of_a_scope_names_the_scope_that_would_do() {
    let (admin, viewer) = (holder(Role::Admin), holder(Role::Viewer));
    let told = async |who, route, scopes: &[&str]| {
        let layer = layer();
        let answer = send_with(&layer, "/users", Some(route), Some(who), Some(scopes)).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let header = answer.headers().get(WWW_AUTHENTICATE);
        header.map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(
        told(&admin, users("list"), &["read:users"]).await.unwrap(),
        "Bearer realm=\"prov\", error=\"insufficient_scope\", scope=\"list:users\""
    );
    let own = Route::self_service(Method::GET, "/users");
    assert_eq!(
        told(&admin, own, &["*:*"]).await.unwrap(),
        "Bearer realm=\"prov\", error=\"insufficient_scope\"",
        "no scope would do"
    );
    // What the policies deny is another matter, which no scope mends.
    assert_eq!(told(&viewer, users("list"), &["*:*"]).await, None);
}

#[tokio::test]
async fn scopes_name_an_applications_resources_with_their_kind() {
    let layer = AuthzLayer::with_mapper(engine(), clock(), |_| {
        Protection::permitted("lockdown", ResourceEntity::new("Environment", "production"))
    });
    let admin = holder(Role::Admin);
    for (scope, covered) in [
        ("lockdown:Environment/production", true),
        ("lockdown:production", false),
        ("lockdown:Environment/staging", false),
    ] {
        let answer = send_with(&layer, "/x", None, Some(&admin), Some(&[scope])).await;
        let beyond =
            answer.status() != StatusCode::OK && code(&answer) == codes::SCOPE_INSUFFICIENT;
        assert_eq!(beyond, !covered, "{scope}");
    }
}

/// The shipped set, where users are made by those who have proved a second factor.
fn with_second_factor() -> AuthzLayer {
    let mut files = PolicyFiles::shipped();
    let text = r#"
        @id("users-mfa") @description("users are made with a second factor")
        forbid (principal, action == Provisioning::Action::"create", resource == Provisioning::Api::"users")
        unless { context.mfa_verified };
    "#;
    files.policies.push(SourceFile::new("users.cedar", text));
    let engine = CedarEngine::from_files(&files, clock(), CedarOptions::default()).unwrap();
    AuthzLayer::new(Arc::new(engine), clock())
}

#[tokio::test]
async fn what_a_second_factor_would_mend_is_refused_with_the_challenge_of_rfc_9470() {
    let layer = with_second_factor();
    let (admin, viewer) = (holder(Role::Admin), holder(Role::Viewer));
    let refused = send(&layer, "/users", Some(users("create")), Some(&admin)).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(code(&refused), codes::SECOND_FACTOR_WANTED);
    let challenge = refused.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.starts_with("Bearer error=\"insufficient_user_authentication\""));
    assert!(challenge.ends_with("acr_values=\"mfa\""), "{challenge}");
    let record = refused.extensions().get::<DecisionRecord>().unwrap();
    assert_eq!((record.allowed, &*record.policies[0]), (false, "users-mfa"));
    let body = String::from_utf8(refused.body().to_vec()).unwrap();
    assert!(body.contains("denied by `users-mfa`"), "{body}");

    // A route that says how recent says so in the challenge.
    let recent = users("create").with_second_factor(Duration::from_mins(5));
    let refused = send(&layer, "/users", Some(recent), Some(&admin)).await;
    let challenge = refused.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.ends_with("acr_values=\"mfa\", max_age=\"300\""), "{challenge}");

    // Whom a second factor does not help is not sent for one.
    let refused = send(&layer, "/users", Some(users("create")), Some(&viewer)).await;
    assert_eq!((refused.status(), code(&refused)), (StatusCode::FORBIDDEN, codes::ACCESS_DENIED));
    assert!(!refused.headers().contains_key(WWW_AUTHENTICATE));
    let scopes = Some(&["create:users"][..]);
    let by_token = send_with(&layer, "/users", Some(users("create")), Some(&admin), scopes).await;
    assert_eq!(by_token.status(), StatusCode::FORBIDDEN);
}

#[test]
fn what_is_supposed_leaves_no_trace_in_the_statistics() {
    let engine = engine();
    let admin = holder(Role::Admin);
    let context = context_of(&admin, true, &*clock());
    let users = ResourceEntity::api("users");
    let asked = AccessRequest::new(&context, &*clock(), "create", &users);
    let decision = engine.suppose(&asked);
    assert!(decision.allowed);
    assert_eq!(engine.stats().allowed, 0);
    assert!(engine.decide(&asked).allowed);
    assert_eq!(engine.stats().allowed, 1);
}
