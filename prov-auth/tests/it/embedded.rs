//! The service in one call.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use prov_auth::{AuthService, LoginOutcome};
use prov_core::audit::MemoryRecorder;
use prov_core::store::MemoryStore;
use prov_core::{Clock, ManualClock, RequestFacts, RequestId, SecretText, SecurityContext};
use tower::{Layer, ServiceExt, service_fn};

use crate::user_fixture::{Factors, PASSWORD};

async fn embedded(clock: &Arc<dyn Clock>, factors: &Arc<Factors>) -> Arc<AuthService> {
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let recorder = Arc::new(MemoryRecorder::new());
    let factors = factors.clone();
    AuthService::embedded("board.example", factors, store, recorder, clock.clone()).await.unwrap()
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at("2026-03-02T09:00:00Z".parse().unwrap()))
}

async fn sign_in(auth: &AuthService, clock: &dyn Clock) -> LoginOutcome {
    let facts = RequestFacts::new(RequestId::generate(clock).unwrap(), clock.now());
    auth.login("admin", &SecretText::new(PASSWORD), &facts).await.unwrap()
}

/// Who a request with this token is, behind the service's own layer.
async fn asked(auth: &AuthService, token: Option<&str>) -> (StatusCode, Bytes) {
    let hello = service_fn(async |request: Request<Bytes>| {
        let context = request.extensions().get::<SecurityContext>().unwrap();
        Ok::<_, Infallible>(Response::new(Bytes::from(context.principal().name.clone())))
    });
    let mut request = Request::new(Bytes::new());
    if let Some(token) = token {
        request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    }
    let response = auth.authn_layer().layer(hello).oneshot(request).await.unwrap();
    (response.status(), response.into_body())
}

#[tokio::test]
async fn its_layer_knows_its_own_tokens_and_no_others() {
    let clock = clock();
    let nobody = Arc::new(Factors::default());
    let (one, other) = (embedded(&clock, &nobody).await, embedded(&clock, &nobody).await);
    one.bootstrap_admin("admin", &SecretText::new(PASSWORD)).await.unwrap();
    let LoginOutcome::Tokens(tokens) = sign_in(&one, &*clock).await else { panic!("no factor") };
    let token = tokens.access_token.expose();
    assert_eq!(asked(&one, Some(token)).await, (StatusCode::OK, Bytes::from("admin")));
    assert_eq!(asked(&one, None).await.0, StatusCode::UNAUTHORIZED);
    // Same issuer and audience, other keys.
    assert_eq!(asked(&other, Some(token)).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn it_asks_for_the_second_factor_it_was_given() {
    let clock = clock();
    let factors = Arc::new(Factors::default());
    let auth = embedded(&clock, &factors).await;
    let admin = auth.bootstrap_admin("admin", &SecretText::new(PASSWORD)).await.unwrap();
    factors.enroll(&admin.id);
    assert!(matches!(sign_in(&auth, &*clock).await, LoginOutcome::MfaRequired { .. }));
}
