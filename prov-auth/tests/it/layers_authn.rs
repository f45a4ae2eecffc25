//! The authentication layer before a real tower service.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use prov_auth::codes::{INVALID_TOKEN, TOKEN_FORGED, TOKEN_REVOKED};
use prov_auth::{AuthnLayer, VerificationKeys};
use prov_core::{
    Attempt, Authenticator, Clock, Code, Error, Presented, RequestFacts, SecurityContext, codes,
};
use prov_http::{MatchedRoute, PeerAddr, Refusal, Route};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::token_fixture::Node;

/// Answers with the id of whoever the layer says is asking.
async fn who_am_i(request: Request<Bytes>) -> Result<Response<Bytes>, Infallible> {
    assert!(request.extensions().get::<Arc<RequestFacts>>().is_some());
    let context = request.extensions().get::<SecurityContext>();
    let id = context.map_or("nobody", |context| &context.principal().id).to_owned();
    Ok(Response::new(Bytes::from(id)))
}

async fn ask(node: &Node, request: Request<Bytes>) -> Response<Bytes> {
    let layer = AuthnLayer::new(vec![node.verifier.clone()], Arc::new(node.clock.clone()));
    layer.layer(service_fn(who_am_i)).oneshot(request).await.unwrap()
}

fn request(authorization: &[&str]) -> Request<Bytes> {
    let mut request = Request::get("/api/v1/auth/me").body(Bytes::new()).unwrap();
    for value in authorization {
        request.headers_mut().append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    request
}

fn on_route(mut request: Request<Bytes>, route: Route) -> Request<Bytes> {
    request.extensions_mut().insert(MatchedRoute(Arc::new(route)));
    request
}

fn public(request: Request<Bytes>) -> Request<Bytes> {
    on_route(request, Route::public(Method::GET, "/livez"))
}

fn reason(response: &Response<Bytes>) -> Option<Code> {
    let refusal = response.extensions().get::<Refusal>()?;
    let source = std::error::Error::source(refusal.error())?;
    source.downcast_ref::<Error>().map(Error::code)
}

fn challenge(response: &Response<Bytes>) -> &str {
    response.headers()[WWW_AUTHENTICATE].to_str().unwrap()
}

#[tokio::test]
async fn a_token_that_holds_becomes_a_security_context_on_both_sides() {
    let node = Node::start().await;
    let claims = node.claims();
    let token = node.issue(&claims);
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let response = ask(&node, request(&[&format!("{scheme} {}", token.token.expose())])).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body(), claims.subject.as_str());
        let context = response.extensions().get::<SecurityContext>().unwrap();
        assert_eq!(context.principal().id, claims.subject.as_str());
        assert_eq!(context.request().received_at, node.clock.now());
    }
}

#[tokio::test]
async fn without_an_edge_the_layer_finds_the_facts_itself() {
    let node = Node::start().await;
    let mut asked = request(&[&format!("Bearer {}", node.token())]);
    asked.extensions_mut().insert(PeerAddr("192.0.2.7:4711".parse().unwrap()));
    let response = ask(&node, asked).await;
    let context = response.extensions().get::<SecurityContext>().unwrap();
    let facts = context.request();
    assert_eq!(facts.client, Some("192.0.2.7".parse().unwrap()));
    assert_eq!((facts.method.as_str(), facts.path.as_str()), ("GET", "/api/v1/auth/me"));
}

#[tokio::test]
async fn nothing_presented_is_asked_for() {
    let node = Node::start().await;
    for asked in [
        request(&[]),
        request(&["Basic YTpi"]),
        request(&["Bearer"]),
        request(&[""]),
        request(&["Bearer prov_abc"]),
        on_route(request(&[]), Route::self_service(Method::GET, "/me")),
        on_route(request(&[]), Route::guarded(Method::GET, "/users", "list", "users")),
    ] {
        let response = ask(&node, asked).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(challenge(&response), "Bearer realm=\"prov\"");
        assert!(response.extensions().get::<SecurityContext>().is_none());
        let refusal = response.extensions().get::<Refusal>().unwrap();
        assert!(refusal.error().is(codes::UNAUTHENTICATED));
    }
}

#[tokio::test]
async fn the_client_never_learns_what_is_wrong_and_the_log_does() {
    let node = Node::start().await;
    let (claims, stranger) = (node.claims(), Node::start().await);
    let revoked = node.issue(&claims);
    node.revocations.revoke_session(&claims.session, revoked.expires_at).await.unwrap();
    let forged = ask(&node, request(&[&format!("Bearer {}", stranger.token())])).await;
    let revoked = ask(&node, request(&[&format!("Bearer {}", revoked.token.expose())])).await;
    assert_eq!((reason(&forged), reason(&revoked)), (Some(TOKEN_FORGED), Some(TOKEN_REVOKED)));
    for response in [&forged, &revoked] {
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(challenge(response), "Bearer realm=\"prov\", error=\"invalid_token\"");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(problem["type"], "https://prov.dev/problems/invalid-token");
        assert_eq!(problem["code"], INVALID_TOKEN.name());
        assert!(problem["request_id"].as_str().unwrap().starts_with("req_"));
        let text = String::from_utf8_lossy(response.body()).into_owned();
        assert!(!text.contains("forged") && !text.contains("revoked"), "{text}");
    }
}

#[tokio::test]
async fn two_authorization_headers_are_refused_even_if_both_hold() {
    let node = Node::start().await;
    let bearer = format!("Bearer {}", node.token());
    for second in [bearer.as_str(), "", "Basic YTpi"] {
        let response = ask(&node, request(&[&bearer, second])).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(challenge(&response).contains("invalid_request"));
    }
}

#[tokio::test]
async fn a_public_route_takes_anybody_and_attaches_what_holds() {
    let node = Node::start().await;
    let bearer = format!("Bearer {}", node.token());
    let known = ask(&node, public(request(&[&bearer]))).await;
    assert!(known.body().starts_with(b"user_"));
    for asked in [
        request(&[]),
        request(&["Bearer nonsense"]),
        request(&[&bearer, &bearer]),
        request(&["x y"]),
    ] {
        let response = ask(&node, public(asked)).await;
        assert_eq!((response.status(), response.body().as_ref()), (StatusCode::OK, &b"nobody"[..]));
        assert!(response.extensions().get::<SecurityContext>().is_none());
    }
}

#[tokio::test]
async fn a_context_smuggled_in_from_outside_is_removed() {
    let node = Node::start().await;
    let mut asked = public(request(&[]));
    let smuggled = SecurityContext::system("smuggler", &node.clock).unwrap();
    asked.extensions_mut().insert(smuggled);
    assert_eq!(ask(&node, asked).await.body().as_ref(), b"nobody");
}

#[tokio::test]
async fn odd_headers_are_refused_without_a_panic() {
    let node = Node::start().await;
    let mut asked = request(&[]);
    let bytes = HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap();
    asked.headers_mut().insert(AUTHORIZATION, bytes);
    assert_eq!(ask(&node, asked).await.status(), StatusCode::UNAUTHORIZED);
    let long = format!("Bearer {}", "A".repeat(60_000));
    for value in [long.as_str(), "Bearer  ", "Bearer ..", "Bearer \t", " Bearer x"] {
        assert_eq!(ask(&node, request(&[value])).await.status(), StatusCode::UNAUTHORIZED);
    }
}

/// Knows credentials of its own scheme, and whether it can decide at all.
#[derive(Debug)]
struct Other(fn() -> Attempt);

impl Authenticator for Other {
    fn scheme(&self) -> &'static str {
        "Other"
    }

    fn authenticate(&self, presented: &Presented<'_>) -> Attempt {
        match presented.authorization {
            Some(value) if value.starts_with("Other") => (self.0)(),
            _ => Attempt::NotRequested,
        }
    }
}

#[tokio::test]
async fn authenticators_are_asked_in_order_and_their_other_failures_pass() {
    let node = Node::start().await;
    let away = Arc::new(Other(|| Attempt::Refused(Error::new(codes::UNAVAILABLE))));
    let layer = AuthnLayer::new(vec![away, node.verifier.clone()], Arc::new(node.clock.clone()));
    let mut service = layer.layer(service_fn(who_am_i));
    let response = service.call(request(&["Other x"])).await.unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let bearer = format!("Bearer {}", node.token());
    assert_eq!(service.call(request(&[&bearer])).await.unwrap().status(), StatusCode::OK);
    let nothing = service.call(request(&[])).await.unwrap();
    assert_eq!(challenge(&nothing), "Other realm=\"prov\", Bearer realm=\"prov\"");
}

#[tokio::test]
async fn the_published_keys_are_enough_to_verify() {
    let node = Node::start().await;
    let keys = VerificationKeys::from_jwks(&node.keys.jwks()).unwrap();
    let payload = keys.open(&node.token()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(claims["preferred_username"], "alice");
}

/// What lasts longer than a session is not made with a token that somebody merely found: RFC 9470.
#[tokio::test]
async fn a_route_that_asks_for_a_recent_sign_in_challenges_an_older_one() {
    use std::time::Duration;

    let node = Node::start().await;
    let route = || {
        Route::self_service(Method::POST, "/tokens").with_recent_sign_in(Duration::from_mins(10))
    };
    let mut claims = node.claims();
    claims.authenticated_at = node.clock.now();
    let ask_after = async |minutes: u64| {
        node.clock.advance(Duration::from_mins(minutes));
        let token = node.issue(&claims);
        let asked = request(&[&format!("Bearer {}", token.token.expose())]);
        ask(&node, on_route(asked, route())).await
    };
    assert_eq!(ask_after(0).await.status(), StatusCode::OK);
    assert_eq!(ask_after(9).await.status(), StatusCode::OK);
    let refused = ask_after(2).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let told = challenge(&refused);
    assert!(told.contains("error=\"insufficient_user_authentication\""), "{told}");
    assert!(told.contains("max_age=\"600\""), "{told}");
    let refusal = refused.extensions().get::<Refusal>().unwrap();
    assert!(refusal.error().is(prov_auth::codes::RECENT_SIGN_IN_REQUIRED));
    // A token made now of a sign-in long ago is no recent sign-in; who proves themselves again passes.
    let mut again = claims.clone();
    again.authenticated_at = node.clock.now();
    let token = node.issue(&again);
    let asked = request(&[&format!("Bearer {}", token.token.expose())]);
    assert_eq!(ask(&node, on_route(asked, route())).await.status(), StatusCode::OK);
}

/// Every route that hands out what outlives a session asks for a recent sign-in.
#[cfg(feature = "axum")]
#[test]
fn api_tokens_are_made_after_a_recent_sign_in_only() {
    let routes = prov_auth::api::routes();
    let asks = |path: &str| {
        let of_path = |route: &&Route| route.path == path && route.method == Method::POST;
        routes.iter().find(of_path).and_then(|route| route.signed_in_within)
    };
    for path in ["/api/v1/auth/tokens", "/api/v1/auth/tokens/{id}/rotate"] {
        assert_eq!(asks(path), Some(std::time::Duration::from_mins(15)), "{path}");
    }
}
