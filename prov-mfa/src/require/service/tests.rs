use std::convert::Infallible;
use std::sync::Arc;

use http::{Method, StatusCode};
use prov_core::{
    Amr, Authentication, AuthenticationMethod, Clock, Identity, ManualClock, Principal,
    PrincipalKind, RequestFacts, RequestId, Timestamp,
};
use prov_http::Refusal;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use super::*;

const QUARTER: Duration = Duration::from_mins(15);

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_second(1_000_000).unwrap())
}

/// Somebody who proved who they are so many seconds ago.
fn caller(amr: &[Amr], seconds_ago: i64) -> SecurityContext {
    let clock = clock();
    let at = Timestamp::from_second(1_000_000 - seconds_ago).unwrap();
    let identity = Identity {
        principal: Principal::new(PrincipalKind::User, "user_x", "alice"),
        authentication: Authentication::new(AuthenticationMethod::AccessToken, at)
            .with_amr(amr.iter().copied()),
    };
    let facts = RequestFacts::new(RequestId::generate(&clock).unwrap(), clock.now());
    SecurityContext::new(Arc::new(identity), Arc::new(facts))
}

fn request(route: Option<Route>, context: Option<SecurityContext>) -> Request<()> {
    let mut request = Request::new(());
    if let Some(route) = route {
        request.extensions_mut().insert(MatchedRoute(Arc::new(route)));
    }
    if let Some(context) = context {
        request.extensions_mut().insert(context);
    }
    request
}

async fn answer(layer: RequireMfaLayer, request: Request<()>) -> Response<Bytes> {
    let inner =
        service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    ServiceBuilder::new().layer(layer).service(inner).oneshot(request).await.unwrap()
}

fn guarded() -> Route {
    Route::guarded(Method::POST, "/deploy", "execute", "deployments")
}

const BOTH: &[Amr] = &[Amr::Pwd, Amr::Otp, Amr::Mfa];

#[tokio::test]
async fn a_route_that_asks_gets_a_recent_factor_or_a_challenge() {
    let layer = RequireMfaLayer::new(Arc::new(clock()));
    let asking = || Some(guarded().with_second_factor(QUARTER));
    for (amr, seconds_ago, status) in [
        (BOTH, 0, StatusCode::OK),
        (BOTH, 900, StatusCode::OK),
        (BOTH, 901, StatusCode::UNAUTHORIZED),
        (&[Amr::Pwd][..], 0, StatusCode::UNAUTHORIZED),
        (&[Amr::Pwd, Amr::Otp][..], 0, StatusCode::UNAUTHORIZED),
    ] {
        let response =
            answer(layer.clone(), request(asking(), Some(caller(amr, seconds_ago)))).await;
        assert_eq!(response.status(), status, "{amr:?} {seconds_ago} s ago");
    }
    let refused = answer(layer, request(asking(), Some(caller(&[Amr::Pwd], 0)))).await;
    let header = refused.headers()[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(header.contains("error=\"insufficient_user_authentication\""), "{header}");
    assert!(header.contains("max_age=\"900\"") && header.contains("acr_values=\"mfa\""));
    assert!(refused.extensions().get::<Refusal>().unwrap().error().is(codes::STEP_UP_REQUIRED));
    let problem: prov_core::Problem = serde_json::from_slice(refused.body()).unwrap();
    assert_eq!(problem.kind, "https://prov.dev/problems/step-up-required");
}

#[tokio::test]
async fn a_route_that_does_not_ask_takes_any_caller_but_nobody() {
    let layer = RequireMfaLayer::new(Arc::new(clock()));
    let known = answer(layer.clone(), request(Some(guarded()), Some(caller(&[Amr::Pwd], 0)))).await;
    assert_eq!(known.status(), StatusCode::OK);
    for route in [Some(guarded()), None] {
        let nobody = answer(layer.clone(), request(route, None)).await;
        assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(nobody.headers()[WWW_AUTHENTICATE], "Bearer");
    }
}

#[tokio::test]
async fn always_asks_everywhere_but_on_public_routes() {
    let layer = RequireMfaLayer::new(Arc::new(clock())).always(QUARTER);
    let public = || Route::public(Method::GET, "/livez");
    let cases = [
        (Some(public()), None, StatusCode::OK),
        (Some(guarded()), Some(caller(&[Amr::Pwd], 0)), StatusCode::UNAUTHORIZED),
        (None, Some(caller(&[Amr::Pwd], 0)), StatusCode::UNAUTHORIZED),
        (None, Some(caller(BOTH, 60)), StatusCode::OK),
        // A public route that asks for a factor itself gets what it asks for.
        (Some(public().with_second_factor(QUARTER)), None, StatusCode::UNAUTHORIZED),
    ];
    for (route, context, status) in cases {
        let shown = format!("{route:?}");
        assert_eq!(
            answer(layer.clone(), request(route, context)).await.status(),
            status,
            "{shown}"
        );
    }
}

#[tokio::test]
async fn the_stricter_of_route_and_layer_holds() {
    let hour = Duration::from_hours(1);
    for (route, layer) in [(QUARTER, hour), (hour, QUARTER)] {
        let layer = RequireMfaLayer::new(Arc::new(clock())).always(layer);
        let asking = guarded().with_second_factor(route);
        let response = answer(layer, request(Some(asking), Some(caller(BOTH, 1000)))).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let header = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(header.contains("max_age=\"900\""), "{header}");
    }
}

#[test]
fn what_passes_costs_no_allocation() {
    use futures_util::FutureExt;
    use tower_layer::Layer;

    let inner = service_fn(|_: Request<()>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Bytes::new())))
    });
    let mut service = RequireMfaLayer::new(Arc::new(clock())).always(QUARTER).layer(inner);
    let passing = || request(Some(guarded().with_second_factor(QUARTER)), Some(caller(BOTH, 60)));
    let (first, counted) = (passing(), passing());
    assert!(service.call(first).now_or_never().is_some());
    let mut status = None;
    let cost = allocation_counter::measure(|| {
        status = service.call(counted).now_or_never().map(|answer| answer.map(|r| r.status()));
    });
    assert_eq!(status, Some(Ok(StatusCode::OK)));
    assert_eq!(cost.count_total, 0);
    let refused = allocation_counter::measure(|| {
        drop(service.call(request(None, None)).now_or_never());
    });
    assert!(refused.count_total > 0, "the counter counts");
}
