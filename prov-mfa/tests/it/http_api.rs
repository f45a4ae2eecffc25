//! The API as a client sees it.

use std::sync::Arc;

use axum::body::Body;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use prov_core::{
    Amr, RequestFacts, SecretText, SecurityContext, SignIn, SignedIn, UserId, VerifiedFactor,
};
use prov_http::Access;
use prov_mfa::api;
use serde_json::{Value, json};
use totp_rs::Totp;
use tower::ServiceExt;

use crate::world::{World, user_of};

/// Opens a session for whoever was proved, and says whose it is.
#[derive(Debug)]
struct Doorkeeper;

#[async_trait::async_trait]
impl SignIn for Doorkeeper {
    async fn sign_in(
        &self,
        user: &UserId,
        factor: &VerifiedFactor,
        _: &RequestFacts,
    ) -> prov_core::Result<SignedIn> {
        let token = format!("{user} {:?}", factor.amr).into();
        let session = "sess_01JQ8ZK3V9M2T4R6X8Y0A1B2C3".parse().unwrap();
        Ok(SignedIn::new(
            token,
            std::time::Duration::from_mins(15),
            SecretText::new("refresh"),
            session,
        ))
    }

    async fn sign_out(&self, _: &SecurityContext, _: &UserId) -> prov_core::Result<()> {
        Ok(())
    }
}

/// Sends a request as the layers outside would hand it on, and reads the answer.
async fn send(
    world: &World,
    context: Option<&SecurityContext>,
    method: Method,
    path: &str,
    body: Option<&str>,
) -> (StatusCode, HeaderMap, Value) {
    let (app, _) = api::router(Arc::clone(&world.mfa), Arc::new(Doorkeeper)).split_for_parts();
    let mut request = Request::builder().method(method).uri(format!("/api/v1/mfa{path}"));
    if body.is_some() {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    let mut request = request.body(Body::from(body.unwrap_or_default().to_owned())).unwrap();
    if let Some(context) = context {
        request.extensions_mut().insert(context.clone());
    }
    let (parts, body) = app.oneshot(request).await.unwrap().into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

async fn post(
    world: &World,
    who: &SecurityContext,
    path: &str,
    body: &Value,
) -> (StatusCode, HeaderMap, Value) {
    send(world, Some(who), Method::POST, path, Some(&body.to_string())).await
}

/// An enrolment through the API: the app's id and its arithmetic.
async fn enrolled(world: &World, who: &SecurityContext) -> (String, Totp) {
    let (status, headers, begun) = send(world, Some(who), Method::POST, "/totp/enroll", None).await;
    assert_eq!(
        (status, &headers[CACHE_CONTROL]),
        (StatusCode::CREATED, &"no-store".parse().unwrap())
    );
    let totp = Totp::from_url(begun["otpauth_uri"].as_str().unwrap()).unwrap();
    let id = begun["id"].as_str().unwrap().to_owned();
    let body = json!({"id": id, "code": code(world, &totp)});
    let (status, _, confirmed) = post(world, who, "/totp/verify", &body).await;
    assert_eq!((status, confirmed), (StatusCode::OK, json!({"verified": true, "confirmed": true})));
    world.next_step();
    (id, totp)
}

fn code(world: &World, totp: &Totp) -> String {
    totp.generate(prov_core::Clock::now(&world.clock).as_second().unsigned_abs()).to_string()
}

#[tokio::test]
async fn from_enrolment_to_removal() {
    let world = World::new();
    let alice = world.person();
    let (id, totp) = enrolled(&world, &alice).await;

    let (_, _, made) = send(&world, Some(&alice), Method::POST, "/backup-codes", None).await;
    let codes: Vec<&str> =
        made["codes"].as_array().unwrap().iter().map(|c| c.as_str().unwrap()).collect();
    assert_eq!(codes.len(), 10);
    for (left, code) in (2..10).rev().zip(&codes) {
        let (status, _, used) =
            post(&world, &alice, "/backup-codes/verify", &json!({"code": code})).await;
        assert_eq!((status, &used["remaining"]), (StatusCode::OK, &json!(left)));
        assert_eq!(used["warning"].is_string(), left <= 2);
    }

    let (_, _, status) = send(&world, Some(&alice), Method::GET, "/status", None).await;
    assert_eq!(status["methods"], json!(["totp", "backup_code"]));
    assert!(status["warning"].as_str().unwrap().starts_with("2 backup codes"));
    let (_, _, devices) = send(&world, Some(&alice), Method::GET, "/devices", None).await;
    assert_eq!(devices["items"][0]["id"], json!(id));
    assert_eq!(devices["items"][0]["method"], "totp");

    let stranger = world.session_of(&user_of(&alice), &[Amr::Pwd]);
    let path = format!("/totp/{id}");
    let (status, headers, problem) =
        send(&world, Some(&stranger), Method::DELETE, &path, None).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(problem["code"], "mfa.step_up_required");
    let challenge = headers[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(
        challenge.contains("insufficient_user_authentication")
            && challenge.contains("max_age=\"900\"")
    );
    let proof = json!({"method": "totp", "code": code(&world, &totp)}).to_string();
    let (status, _, _) = send(&world, Some(&stranger), Method::DELETE, &path, Some(&proof)).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (_, _, status) = send(&world, Some(&alice), Method::GET, "/status", None).await;
    assert_eq!((&status["enabled"], &status["backup_codes_remaining"]), (&json!(false), &json!(0)));
}

#[tokio::test]
async fn the_enrolment_shows_the_secret_in_every_form_and_nothing_else_ever_does() {
    let world = World::new();
    let alice = world.person();
    let (_, _, begun) = post(&world, &alice, "/totp/enroll", &json!({"name": "phone"})).await;
    // Sorted: the order of members depends on a feature of serde_json that another crate may turn on.
    let mut keys: Vec<&String> = begun.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(keys, ["expires_at", "id", "otpauth_uri", "qr_png", "qr_svg", "secret"]);
    let secret = begun["secret"].as_str().unwrap();
    assert!(begun["otpauth_uri"].as_str().unwrap().contains(secret));
    assert!(begun["qr_svg"].as_str().unwrap().contains("<svg"));
    assert!(begun["qr_png"].as_str().unwrap().starts_with("data:image/png;base64,iVBOR"));
    for path in ["/devices", "/status"] {
        let (status, _, answer) = send(&world, Some(&alice), Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK);
        assert!(!answer.to_string().contains(secret) && !answer.to_string().contains("otpauth"));
    }
}

#[tokio::test]
async fn the_sixth_wrong_code_is_429_with_retry_after() {
    let world = World::new();
    let alice = world.person();
    let (id, totp) = enrolled(&world, &alice).await;
    let right = code(&world, &totp);
    let wrong = if right == "000000" { "000001" } else { "000000" };
    // Different spellings draw on one budget.
    for spelling in [wrong, "00 00 00", "000-000", "０００００0", wrong] {
        let (status, headers, problem) =
            post(&world, &alice, "/totp/verify", &json!({"id": id, "code": spelling})).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::UNAUTHORIZED, &json!("mfa.factor_rejected"))
        );
        assert_eq!(headers[WWW_AUTHENTICATE], "Bearer realm=\"prov\"");
    }
    let (status, headers, problem) =
        post(&world, &alice, "/totp/verify", &json!({"id": id, "code": right})).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("mfa.factor_limited"))
    );
    assert_eq!(headers[RETRY_AFTER], "300");
}

#[tokio::test]
async fn a_first_app_asks_for_a_proof_that_somebody_without_a_factor_can_give() {
    let world = World::new();
    let stolen = world.person();
    world.clock.advance(std::time::Duration::from_secs(901));
    let (status, headers, problem) =
        send(&world, Some(&stolen), Method::POST, "/totp/enroll", None).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNAUTHORIZED, &json!("mfa.sign_in_not_recent"))
    );
    let challenge = headers[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
    assert!(challenge.contains("max_age=\"900\"") && !challenge.contains("acr"), "{challenge}");
}

#[tokio::test]
async fn bad_bodies_are_problems_that_name_the_field() {
    let world = World::new();
    let alice = world.person();
    let (id, _) = enrolled(&world, &alice).await;
    let long = "1".repeat(1000);
    for (path, body, field) in [
        ("/totp/verify", json!({"id": id, "code": ""}), "code"),
        ("/totp/verify", json!({"id": id, "code": long}), "code"),
        ("/totp/verify", json!({"id": id, "code": "12345\u{0}"}), "code"),
        ("/totp/verify", json!({"id": id, "code": 123_456}), "code"),
        ("/totp/verify", json!({"id": id, "code": "123456", "user": "x"}), "user"),
        ("/totp/enroll", json!({"name": "\u{0}"}), "name"),
        ("/backup-codes/verify", json!({"code": "ü"}), "code"),
    ] {
        let (status, headers, problem) = post(&world, &alice, path, &body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(problem["errors"][0]["field"], field, "{body}");
    }
    let (status, _, _) =
        send(&world, Some(&alice), Method::POST, "/totp/verify", Some("{\"id\":")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    for (id, wanted) in
        [("totp_x", 404), ("..%2f..%2fetc", 404), ("totp_01ARZ3NDEKTSV4RRFFQ69G5FAV", 404)]
    {
        let path = format!("/totp/{id}");
        let (status, _, _) = send(&world, Some(&alice), Method::DELETE, &path, None).await;
        assert_eq!(status.as_u16(), wanted, "{id}");
    }
}

#[tokio::test]
async fn an_administrator_resets_a_user_and_nobody_gets_in_without_a_context() {
    let world = World::new();
    let (admin, alice) = (world.person(), world.person());
    enrolled(&world, &alice).await;
    let path = format!("/users/{}/reset", user_of(&alice));
    let (status, _, removed) = send(&world, Some(&admin), Method::POST, &path, None).await;
    assert_eq!(
        (status, removed),
        (StatusCode::OK, json!({"totp_devices": 1, "passkeys": 0, "backup_codes": 0}))
    );
    let (status, _, _) = send(&world, Some(&admin), Method::POST, "/users/alice/reset", None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    for route in api::routes().into_iter().filter(|route| route.access != Access::Public) {
        let path = route.path.replace("{id}", user_of(&alice).as_str());
        let path = path.strip_prefix("/api/v1/mfa").unwrap();
        let body =
            Some("{\"id\": \"x\", \"code\": \"123456\"}").filter(|_| path.ends_with("verify"));
        let (status, _, _) = send(&world, None, route.method, path, body).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
}

#[tokio::test]
async fn in_the_whole_chain_the_layer_reads_the_route_and_the_challenge_reaches_the_client() {
    let world = World::new();
    let alice = world.person();
    let stepped_up = world.session_of(&user_of(&alice), &[Amr::Pwd, Amr::Otp, Amr::Mfa]);
    let clock: Arc<dyn prov_core::Clock> = Arc::new(world.clock.clone());
    let asking = api::routes()
        .into_iter()
        .map(|route| route.with_second_factor(std::time::Duration::from_mins(5)));
    let table = Arc::new(prov_http::RouteTable::new(asking).unwrap());
    let (api, _) = api::router(Arc::clone(&world.mfa), Arc::new(Doorkeeper)).split_for_parts();
    let mut answers = Vec::new();
    for context in [alice, stepped_up] {
        let chain = tower::ServiceBuilder::new()
            .layer(prov_http::EdgeLayer::new(Arc::clone(&clock)).with_routes(Arc::clone(&table)))
            .map_request(move |mut request: Request<Body>| {
                request.extensions_mut().insert(context.clone());
                request
            })
            .layer(prov_mfa::RequireMfaLayer::new(Arc::clone(&clock)))
            .service(api.clone());
        let request = Request::get("/api/v1/mfa/status").body(Body::empty()).unwrap();
        answers.push(chain.oneshot(request).await.unwrap());
    }
    assert_eq!(answers[0].status(), StatusCode::UNAUTHORIZED);
    let challenge = answers[0].headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.contains("max_age=\"300\""), "{challenge}");
    let body = answers.remove(0).into_body().collect().await.unwrap().to_bytes();
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["instance"], "/api/v1/mfa/status");
    assert!(problem["request_id"].as_str().unwrap().starts_with("req_"));
    assert_eq!(answers[0].status(), StatusCode::OK);
}
