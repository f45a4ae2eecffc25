//! The audit layer, around services of every kind.

use std::convert::Infallible;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use prov_audit::AuditLayer;
use prov_core::audit::{
    Action, DecisionRecord, Event, MemoryRecorder, Outcome, Receipt, Recorder, RecorderExt,
};
use prov_core::{
    Authentication, AuthenticationMethod, Clock, Code, Error, Identity, Kind, Principal,
    PrincipalKind, Result, SecurityContext, SystemClock, codes,
};
use prov_http::{EdgeLayer, Route, RouteTable, facts, refuse};
use tower::{Layer, ServiceExt, service_fn};

type Answer = Response<Full<Bytes>>;

fn table() -> Arc<RouteTable> {
    Arc::new(
        RouteTable::new([
            Route::public(Method::GET, "/livez"),
            Route::public(Method::POST, "/login"),
            Route::guarded(Method::GET, "/keys/{id}", "read", "kms-keys"),
        ])
        .unwrap(),
    )
}

/// Sends one request through edge, audit layer and `handler`.
async fn ask(
    recorder: Arc<dyn Recorder>,
    request: (&str, &str),
    handler: impl AsyncFn(Request<()>) -> Answer + Clone + Send,
) -> Answer {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let inner = service_fn(move |request| {
        let handler = handler.clone();
        async move { Ok::<_, Infallible>(handler(request).await) }
    });
    let audited = AuditLayer::new(recorder, Arc::clone(&clock)).layer(inner);
    let edge = EdgeLayer::new(clock).with_routes(table()).layer(audited);
    let request = Request::builder().method(request.0).uri(request.1).body(()).unwrap();
    edge.oneshot(request).await.unwrap()
}

fn answer(status: u16) -> Answer {
    let mut response = Response::new(Full::from("body"));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

#[tokio::test]
async fn an_answered_request_is_recorded_with_who_what_and_the_decision() {
    let recorder = MemoryRecorder::new();
    let response = ask(Arc::new(recorder.clone()), ("GET", "/keys/7?secret=x"), async |request| {
        let clock = SystemClock::new();
        let facts = Arc::clone(facts(request.extensions()).unwrap());
        let principal = Principal::new(PrincipalKind::User, "user_1", "alice");
        let authentication = Authentication::new(AuthenticationMethod::AccessToken, clock.now());
        let identity = Arc::new(Identity { principal, authentication });
        let mut response = answer(200);
        response.extensions_mut().insert(SecurityContext::new(identity, facts));
        response.extensions_mut().insert(DecisionRecord::new("d_1", true, vec![], "r_1"));
        response
    })
    .await;
    assert_eq!(response.status(), 200);
    let events = recorder.events();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((event.action.as_str(), event.outcome), ("api.request", Outcome::Success));
    assert_eq!(event.actor.id.as_deref(), Some("user_1"));
    assert_eq!(event.decision.as_ref().unwrap().id, "d_1");
    // What callers write into a path may name somebody.
    assert_eq!(event.target, Some(("GET".to_owned(), "/keys/{id}".to_owned())));
    assert_eq!(event.resource.as_ref().unwrap().id, "GET /keys/{id}");
    assert_eq!(event.context["status"], 200);
    assert_eq!(event.context["asked"], "read kms-keys");
}

#[tokio::test]
async fn the_decision_noted_in_the_facts_is_recorded_whoever_records() {
    let decision = || DecisionRecord::new("dec_1", true, vec!["p".to_owned()], "r_1");
    let recorder = MemoryRecorder::new();
    ask(Arc::new(recorder.clone()), ("GET", "/keys/7"), async move |request| {
        facts(request.extensions()).unwrap().note_decision(decision());
        answer(200)
    })
    .await;
    let inside = recorder.clone();
    ask(Arc::new(recorder.clone()), ("GET", "/keys/7"), async move |request| {
        let facts = facts(request.extensions()).unwrap();
        facts.note_decision(decision());
        let event = Event::new(&SystemClock::new(), Action::KMS_DECRYPT, Outcome::Success);
        inside.record_in(facts, event).await.unwrap();
        answer(200)
    })
    .await;
    let events = recorder.events();
    assert_eq!(events.len(), 2);
    for event in events {
        assert_eq!(event.decision, Some(decision()), "{}", event.action);
    }
}

#[tokio::test]
async fn refusals_are_recorded_by_their_kind() {
    const EXPIRED: Code = Code::new("auth.token_expired", Kind::Unauthenticated, "expired");
    const STEP_UP: Code = Code::new("mfa.step_up", Kind::StepUpRequired, "again");
    let cases = [
        (codes::UNAUTHENTICATED, "api.request", Outcome::Denied),
        (EXPIRED, "auth.token.refused", Outcome::Denied),
        (STEP_UP, "api.request", Outcome::Denied),
        (codes::DENIED, "api.request", Outcome::Denied),
        (codes::RATE_LIMITED, "api.rate_limited", Outcome::Failure),
        (codes::INVALID_REQUEST, "api.request", Outcome::Failure),
        (codes::INTERNAL, "api.request", Outcome::Failure),
    ];
    for (code, action, outcome) in cases {
        let recorder = MemoryRecorder::new();
        let shared: Arc<dyn Recorder> = Arc::new(recorder.clone());
        let response = ask(shared, ("GET", "/keys/7"), async move |request| {
            refuse(Error::new(code), facts(request.extensions()).map(AsRef::as_ref))
        })
        .await;
        assert_eq!(response.status().as_u16(), code.kind().status());
        let event = &recorder.events()[0];
        assert_eq!((event.action.as_str(), event.outcome), (action, outcome), "{code}");
        assert_eq!(event.context["refusal"], code.name());
        assert_eq!(event.actor.id, None);
    }
}

#[tokio::test]
async fn public_reads_and_what_a_handler_recorded_are_not_recorded_again() {
    let cases = [("GET", "/livez", 200, 0), ("GET", "/livez", 503, 1), ("POST", "/login", 200, 1)];
    for (method, path, status, count) in cases {
        let recorder = MemoryRecorder::new();
        let shared: Arc<dyn Recorder> = Arc::new(recorder.clone());
        ask(shared, (method, path), async move |_| answer(status)).await;
        assert_eq!(recorder.events().len(), count, "{method} {path} {status}");
    }
    let recorder = MemoryRecorder::new();
    let inside = recorder.clone();
    ask(Arc::new(recorder.clone()), ("POST", "/login"), async move |request| {
        let event = Event::new(&SystemClock::new(), Action::AUTH_LOGIN, Outcome::Success);
        let facts = facts(request.extensions()).unwrap();
        inside.record_in(facts, event).await.unwrap();
        answer(200)
    })
    .await;
    assert_eq!(recorder.events().len(), 1);
    assert_eq!(recorder.events()[0].action, Action::AUTH_LOGIN);
}

/// A log that can't.
#[derive(Debug)]
struct Failing(Code);

#[async_trait]
impl Recorder for Failing {
    async fn record(&self, _: Event) -> Result<Receipt> {
        Err(Error::new(self.0).context("/var/lib/prov/audit"))
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_answered() {
    for code in [codes::STORAGE_FULL, codes::INTERNAL] {
        let response =
            ask(Arc::new(Failing(code)), ("GET", "/keys/7"), async |_| answer(200)).await;
        assert_eq!(response.status(), 503, "{code}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(!text.contains("/var/lib") && !text.contains("\"body\""), "{text}");
    }
}

#[tokio::test]
async fn without_an_edge_layer_it_refuses() {
    let layer = AuditLayer::new(Arc::new(MemoryRecorder::new()), Arc::new(SystemClock::new()));
    let inner = service_fn(async |_: Request<()>| Ok::<_, Infallible>(answer(200)));
    let response = layer.layer(inner).oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.status(), 500);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_an_event_that_says_so() {
    let recorder = MemoryRecorder::new();
    let shared: Arc<dyn Recorder> = Arc::new(recorder.clone());
    let never = ask(shared, ("GET", "/keys/7"), async |_| {
        std::future::pending::<()>().await;
        answer(200)
    });
    let waited = tokio::time::timeout(std::time::Duration::from_millis(20), never).await;
    assert!(waited.is_err());
    let events = recorder.events();
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event.context["aborted"], true);
    assert_eq!(event.outcome, Outcome::Failure);
}
