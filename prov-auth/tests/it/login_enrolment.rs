//! Those who must have a second factor and have none.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request, Response, StatusCode};
use prov_auth::{Introspection, StepUp, TokenSet, codes};
use prov_core::{Amr, Clock, Enrolment, FactorMethod, SecurityContext, SignIn, VerifiedFactor};
use prov_http::{MatchedRoute, Refusal, Route};
use tower::{Layer, ServiceExt, service_fn};

use crate::user_fixture::{House, code};

async fn overdue() -> (House, TokenSet) {
    let house = House::new().await;
    house.user("alice", &[]).await;
    *house.factors.enrolment.lock() = Some(Enrolment::Overdue);
    let tokens = house.login("alice").await;
    assert_eq!(tokens.enrolment, Enrolment::Overdue);
    (house, tokens)
}

/// What the layer makes of the tokens on a route: the status, and whether anybody was there.
async fn ask(house: &House, tokens: &TokenSet, route: Option<Route>) -> (StatusCode, Option<bool>) {
    let inner = service_fn(async |request: Request<Bytes>| {
        let known = request.extensions().get::<SecurityContext>().is_some();
        let mut response = Response::new(Bytes::new());
        response.extensions_mut().insert(known);
        Ok::<_, Infallible>(response)
    });
    let bearer = format!("Bearer {}", tokens.access_token.expose());
    let mut request = Request::get("/x").header(AUTHORIZATION, bearer).body(Bytes::new()).unwrap();
    if let Some(route) = route {
        request.extensions_mut().insert(MatchedRoute(Arc::new(route)));
    }
    let layer = house.service.authn_layer();
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    if let Some(refusal) = response.extensions().get::<Refusal>() {
        assert!(refusal.error().is(codes::ENROLMENT_REQUIRED), "{:?}", refusal.error());
    }
    (response.status(), response.extensions().get::<bool>().copied())
}

#[tokio::test]
async fn their_session_is_good_for_enrolling_and_for_nothing_else() {
    let (house, tokens) = overdue().await;
    let own = || Route::self_service(Method::GET, "/x");
    let refused = (StatusCode::FORBIDDEN, None);
    assert_eq!(ask(&house, &tokens, Some(own())).await, refused);
    assert_eq!(
        ask(&house, &tokens, Some(Route::guarded(Method::GET, "/x", "a", "b"))).await,
        refused
    );
    assert_eq!(ask(&house, &tokens, None).await, refused, "a route that nobody knows");
    let enrolling = own().during_enrolment();
    assert_eq!(ask(&house, &tokens, Some(enrolling)).await, (StatusCode::OK, Some(true)));
    let public = Route::public(Method::GET, "/x");
    assert_eq!(ask(&house, &tokens, Some(public)).await, (StatusCode::OK, Some(false)));
    let refreshed = house.refresh(&tokens).await.unwrap();
    assert_eq!(ask(&house, &refreshed, Some(own())).await, refused, "refreshing gains nothing");
}

#[tokio::test]
async fn nobody_else_takes_their_tokens() {
    let (house, tokens) = overdue().await;
    let payload = tokens.access_token.expose().split('.').nth(1).unwrap().to_owned();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, payload);
    let claims: serde_json::Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    let audience = claims["aud"].as_str().unwrap();
    assert!(audience.ends_with("#enrolment"), "{claims}");
    house.user("bob", &[]).await;
    *house.factors.enrolment.lock() = None;
    let bob = house.login("bob").await;
    let asked = house.service.introspect(&house.context(&bob), &tokens.access_token).await;
    assert!(matches!(asked.unwrap(), Introspection::Inactive));
}

#[tokio::test]
async fn proving_the_new_factor_makes_the_session_whole() {
    let (house, tokens) = overdue().await;
    let context = house.context(&tokens);
    assert!(context.authentication().enrolment_only);
    house.factors.enroll(&context.principal().id.parse().unwrap());
    let raised = house.service.step_up(&context, StepUp::Factor(code("right"))).await.unwrap();
    assert!(!house.context(&raised).authentication().enrolment_only);
    let refreshed = house.refresh(&tokens).await.unwrap();
    let context = house.context(&refreshed);
    assert!(context.is_multi_factor() && !context.authentication().enrolment_only);
}

#[tokio::test]
async fn within_the_grace_they_are_told_and_hindered_in_nothing() {
    let house = House::new().await;
    house.user("alice", &[]).await;
    let by = house.clock.now();
    *house.factors.enrolment.lock() = Some(Enrolment::DueBy(by));
    let tokens = house.login("alice").await;
    assert_eq!(tokens.enrolment, Enrolment::DueBy(by));
    let own = Route::self_service(Method::GET, "/x");
    assert_eq!(ask(&house, &tokens, Some(own)).await, (StatusCode::OK, Some(true)));
}

#[tokio::test]
async fn a_passkey_signs_in_whom_it_may_and_nobody_else() {
    let house = House::new().await;
    let alice = house.user("alice", &[]).await;
    let factor = VerifiedFactor::new(FactorMethod::Webauthn, [Amr::Hwk, Amr::User, Amr::Mfa]);
    let from = house.mark();
    let signed_in = house.service.sign_in(&alice.id, &factor, &house.facts()).await.unwrap();
    assert_eq!(house.events(from), ["auth.login success"]);
    let identity = house.verifier.verify(signed_in.access_token.expose()).unwrap();
    assert_eq!(identity.authentication.amr, [Amr::Hwk, Amr::User, Amr::Mfa]);
    let admin = house.context(&house.login("alice").await);
    house.service.sign_out(&admin, &alice.id).await.unwrap();
    assert!(house.verifier.verify(signed_in.access_token.expose()).is_err());

    let boss = house.user("boss", &[prov_core::Role::Admin]).await;
    let boss = house.service.sign_in(&boss.id, &factor, &house.facts()).await.unwrap();
    let boss = house.verifier.verify(boss.access_token.expose()).unwrap();
    let boss = SecurityContext::new(boss, Arc::new(house.facts()));
    house.service.lock_user(&boss, &alice.id).await.unwrap();
    let from = house.mark();
    let error = house.service.sign_in(&alice.id, &factor, &house.facts()).await.unwrap_err();
    assert!(error.is(codes::INVALID_CREDENTIALS));
    assert_eq!(house.events(from), ["auth.login failure"]);
    let nobody = prov_core::UserId::generate(&house.clock).unwrap();
    let error = house.service.sign_in(&nobody, &factor, &house.facts()).await.unwrap_err();
    assert!(error.is(codes::INVALID_CREDENTIALS));
}
