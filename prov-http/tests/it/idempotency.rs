//! A request with an `Idempotency-Key` is done once.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use prov_core::store::{MemoryStore, Store};
use prov_core::{
    Authentication, AuthenticationMethod, Clock, Error, Identity, ManualClock, Principal,
    PrincipalKind, RequestFacts, RequestId, SecurityContext, codes as core_codes,
};
use prov_http::{
    IdempotencyLayer, IdempotencyOptions, MatchedRoute, Replayed, Route, codes, refuse,
};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tower::util::BoxCloneSyncService;
use tower::{Layer, ServiceExt, service_fn};

type Served = BoxCloneSyncService<Request<Full<Bytes>>, Response<Full<Bytes>>, Infallible>;

/// A store, and how often a handler was reached.
#[derive(Clone)]
struct World {
    clock: ManualClock,
    store: Arc<dyn Store>,
    done: Arc<AtomicUsize>,
    go: Arc<Notify>,
}

impl World {
    fn new() -> Self {
        let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
        let store = Arc::new(MemoryStore::new(Arc::new(clock.clone())));
        Self { clock, store, done: Arc::default(), go: Arc::default() }
    }

    /// One run of a server of this name: whatever ran before it has ended.
    fn run_of(&self, options: IdempotencyOptions) -> Served {
        let world = self.clone();
        let handler = service_fn(move |request| world.clone().answer(request));
        let clock = Arc::new(self.clock.clone());
        let layer = IdempotencyLayer::new(Arc::clone(&self.store), clock, options).unwrap();
        BoxCloneSyncService::new(layer.layer(handler))
    }

    fn run(&self) -> Served {
        self.run_of(IdempotencyOptions::default())
    }

    async fn answer(
        self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let count = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        let path = request.uri().path().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        Ok(match path.as_str() {
            "/slow" => {
                self.go.notified().await;
                Response::new(Bytes::from_static(b"slow").into())
            }
            "/conflict" => refuse(core_codes::CONFLICT.into(), None),
            "/broken" => refuse(Error::new(core_codes::UNAVAILABLE), None),
            "/large" => Response::new(Bytes::from(vec![b'x'; 64 * 1024]).into()),
            _ => Response::builder()
                .status(StatusCode::CREATED)
                .header("location", format!("/things/{count}"))
                .header("content-type", "text/plain")
                .header("x-request-id", count)
                .body(Full::from(body))
                .unwrap(),
        })
    }

    fn done(&self) -> usize {
        self.done.load(Ordering::SeqCst)
    }
}

fn signed_in(who: &str) -> SecurityContext {
    let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
    let identity = Identity {
        principal: Principal::new(PrincipalKind::User, who, who),
        authentication: Authentication::new(AuthenticationMethod::AccessToken, clock.now()),
    };
    let facts = RequestFacts::new(RequestId::generate(&clock).unwrap(), clock.now());
    SecurityContext::new(Arc::new(identity), Arc::new(facts))
}

fn asked(
    method: Method,
    path: &str,
    key: Option<&str>,
    body: &'static str,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let mut request = request.body(Full::from(Bytes::from_static(body.as_bytes()))).unwrap();
    request.extensions_mut().insert(signed_in("user_1"));
    request
}

fn post(path: &str, key: &str, body: &'static str) -> Request<Full<Bytes>> {
    asked(Method::POST, path, Some(key), body)
}

/// Status, and the body as text.
async fn sent(service: &Served, request: Request<Full<Bytes>>) -> (Response<()>, String) {
    let response = service.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

/// A refusal with this status and code.
async fn refused(
    service: &Served,
    request: Request<Full<Bytes>>,
    status: u16,
    code: &str,
) -> Response<()> {
    let (response, body) = sent(service, request).await;
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (response.status().as_u16(), problem["code"].as_str()),
        (status, Some(code)),
        "{body}"
    );
    response
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_nothing_is_done() {
    let world = World::new();
    let service = world.run();
    let (first, body) = sent(&service, post("/things", "k1", "a thing")).await;
    assert_eq!((first.status(), body.as_str()), (StatusCode::CREATED, "a thing"));
    assert!(first.extensions().get::<Replayed>().is_none());
    // Also in the quotes the draft asks for, and by the next run of the server.
    for service in [service, world.run()] {
        for key in ["k1", "\"k1\""] {
            let (again, body) = sent(&service, post("/things", key, "a thing")).await;
            assert_eq!((again.status(), body.as_str()), (StatusCode::CREATED, "a thing"));
            assert_eq!(again.headers()["location"], "/things/1");
            assert_eq!(again.headers()["content-type"], "text/plain");
            assert_eq!(again.headers()["idempotency-replayed"], "true");
            assert!(!again.headers().contains_key("x-request-id"), "each exchange has its own");
            assert!(again.extensions().get::<Replayed>().is_some());
        }
    }
    assert_eq!(world.done(), 1);
}

#[tokio::test]
async fn a_key_belongs_to_its_caller_method_and_path() {
    let world = World::new();
    let service = world.run();
    sent(&service, post("/things", "k", "x")).await;
    sent(&service, post("/others", "k", "x")).await;
    sent(&service, asked(Method::PUT, "/things", Some("k"), "x")).await;
    let mut of_another = post("/things", "k", "x");
    of_another.extensions_mut().insert(signed_in("user_2"));
    let (answer, _) = sent(&service, of_another).await;
    assert!(!answer.headers().contains_key("idempotency-replayed"));
    assert_eq!(world.done(), 4, "each was done");
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let world = World::new();
    let service = world.run();
    sent(&service, post("/things", "k", "x")).await;
    let reused = codes::IDEMPOTENCY_KEY_REUSED.name();
    refused(&service, post("/things", "k", "y"), 422, reused).await;
    refused(&service, post("/things?force=true", "k", "x"), 422, reused).await;
    let mut other_type = post("/things", "k", "x");
    other_type.headers_mut().insert("content-type", "text/html".parse().unwrap());
    refused(&service, other_type, 422, reused).await;
    assert_eq!(world.done(), 1);
}

#[tokio::test]
async fn while_the_first_runs_a_second_is_told_to_wait() {
    let world = World::new();
    let service = world.run();
    let mut first = JoinSet::new();
    first.spawn(service.clone().oneshot(post("/slow", "k", "x")));
    while world.done() == 0 {
        tokio::task::yield_now().await;
    }
    let running = codes::IDEMPOTENT_REQUEST_RUNNING.name();
    let answer = refused(&service, post("/slow", "k", "x"), 409, running).await;
    assert_eq!(answer.headers()["retry-after"], "1");
    // Another server knows it from the store.
    let elsewhere = world.run_of(IdempotencyOptions::default().on_node("b"));
    let answer = refused(&elsewhere, post("/slow", "k", "x"), 409, running).await;
    assert_eq!(answer.headers()["retry-after"], "60");
    world.go.notify_one();
    assert_eq!(first.join_next().await.unwrap().unwrap().unwrap().status(), 200);
    for service in [service, elsewhere] {
        assert_eq!(sent(&service, post("/slow", "k", "x")).await.1, "slow");
    }
    assert_eq!(world.done(), 1);
}

#[tokio::test]
async fn of_many_at_once_one_is_done() {
    let world = World::new();
    let services = [world.run(), world.run_of(IdempotencyOptions::default().on_node("b"))];
    let all = (0..64).map(|n| services[n % 2].clone().oneshot(post("/things", "k", "x")));
    for answer in futures_util::future::join_all(all).await {
        let status = answer.unwrap().status();
        assert!([StatusCode::CREATED, StatusCode::CONFLICT].contains(&status), "{status}");
    }
    assert_eq!(world.done(), 1);
}

#[tokio::test]
async fn what_was_cut_off_is_never_done_again() {
    let world = World::new();
    let unknown = codes::IDEMPOTENT_OUTCOME_UNKNOWN.name();
    let first = world.run();
    let mut cut = Box::pin(first.clone().oneshot(post("/slow", "k", "x")));
    while world.done() == 0 {
        let _ = futures_util::poll!(&mut cut);
    }
    drop(cut);
    refused(&first, post("/slow", "k", "x"), 409, unknown).await;
    // After a restart as well, at once; another server waits until nobody can be at it any more.
    refused(&world.run(), post("/slow", "k", "x"), 409, unknown).await;
    let elsewhere = world.run_of(IdempotencyOptions::default().on_node("b"));
    let running = codes::IDEMPOTENT_REQUEST_RUNNING.name();
    refused(&elsewhere, post("/slow", "k", "x"), 409, running).await;
    world.clock.advance(Duration::from_secs(61));
    refused(&elsewhere, post("/slow", "k", "x"), 409, unknown).await;
    assert_eq!(world.done(), 1);
}

#[tokio::test]
async fn a_server_error_leaves_the_outcome_unknown_and_a_refusal_frees_the_key() {
    let world = World::new();
    let service = world.run();
    assert_eq!(sent(&service, post("/broken", "k", "x")).await.0.status(), 503);
    let unknown = codes::IDEMPOTENT_OUTCOME_UNKNOWN.name();
    refused(&service, post("/broken", "k", "x"), 409, unknown).await;
    assert_eq!(world.done(), 1);
    for _ in 0..2 {
        refused(&service, post("/conflict", "k", "x"), 409, core_codes::CONFLICT.name()).await;
    }
    assert_eq!(world.done(), 3, "nothing had been done, so it was tried again");
}

#[tokio::test]
async fn a_secret_is_not_kept_for_a_repetition() {
    let world = World::new();
    let service = world.run();
    let secret = || {
        let mut request = post("/things", "k", "hunter2-hunter2");
        let route = Route::self_service(Method::POST, "/things").with_secret_answer();
        request.extensions_mut().insert(MatchedRoute(Arc::new(route)));
        request
    };
    assert_eq!(sent(&service, secret()).await.1, "hunter2-hunter2");
    let withheld = codes::IDEMPOTENT_ANSWER_WITHHELD.name();
    refused(&service, secret(), 409, withheld).await;
    assert_eq!(world.done(), 1);
}

#[tokio::test]
async fn nothing_of_a_secret_answer_is_in_the_store() {
    let world = World::new();
    let service = world.run();
    let mut request = post("/things", "k", "hunter2-hunter2");
    let route = Route::self_service(Method::POST, "/things").with_secret_answer();
    request.extensions_mut().insert(MatchedRoute(Arc::new(route)));
    sent(&service, request).await;
    let scan = prov_core::store::Scan::kind("http.keyed_request");
    let records = world.store.scan(&scan).await.unwrap().records;
    assert_eq!(records.len(), 1);
    let text = String::from_utf8_lossy(&records[0].value).into_owned();
    assert!(text.contains("\"secret\"") && !text.contains("aHVudGVy"), "{text}");
    assert!(!records[0].id.contains("user_1"), "{}", records[0].id);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_kept() {
    let world = World::new();
    let service = world.run();
    assert_eq!(sent(&service, post("/large", "k", "x")).await.1.len(), 64 * 1024);
    refused(&service, post("/large", "k", "x"), 409, codes::IDEMPOTENT_ANSWER_WITHHELD.name())
        .await;
    assert_eq!(world.done(), 1);
}

#[tokio::test]
async fn without_key_caller_or_effect_every_request_is_done() {
    let world = World::new();
    let service = world.run();
    for _ in 0..2 {
        sent(&service, asked(Method::POST, "/things", None, "x")).await;
        sent(&service, asked(Method::GET, "/things", Some("k"), "")).await;
        let mut of_nobody = post("/things", "k", "x");
        of_nobody.extensions_mut().remove::<SecurityContext>();
        sent(&service, of_nobody).await;
        let mut harmless = post("/things", "k", "x");
        let route = Route::self_service(Method::POST, "/things").without_effect();
        harmless.extensions_mut().insert(MatchedRoute(Arc::new(route)));
        sent(&service, harmless).await;
    }
    assert_eq!(world.done(), 8);
}

#[tokio::test]
async fn keys_end_and_are_bounded_in_number_and_size() {
    let world = World::new();
    let service =
        world.run_of(IdempotencyOptions::default().with_keys_per_caller(2).with_max_body(4));
    for key in ["a", "b", "a"] {
        assert_eq!(sent(&service, post("/things", key, "x")).await.0.status(), 201);
    }
    let too_many = codes::TOO_MANY_IDEMPOTENCY_KEYS.name();
    let answer = refused(&service, post("/things", "c", "x"), 429, too_many).await;
    assert!(answer.headers().contains_key("retry-after"));
    refused(&service, post("/things", "a", "xxxxx"), 413, core_codes::TOO_LARGE.name()).await;
    let invalid = codes::IDEMPOTENCY_KEY_INVALID.name();
    refused(&service, post("/things", "\"", "x"), 400, invalid).await;
    assert_eq!(world.done(), 2);
    world.clock.advance(Duration::from_hours(25));
    assert_eq!(sent(&service, post("/things", "a", "y")).await.0.status(), 201, "its day is over");
    assert_eq!(world.done(), 3);
}
