use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use prov_core::{Error, Problem, SystemClock, codes};
use prov_http::{
    EdgeLayer, KeepBody, MatchedRoute, PeerAddr, Route, RouteTable, TrustedProxies, refuse,
};
use tower::{Layer, Service, ServiceExt, service_fn};

type Answer = Result<Response<Bytes>, Infallible>;

fn edge() -> EdgeLayer {
    let routes = RouteTable::new([
        Route::public(Method::GET, "/fine"),
        Route::public(Method::GET, "/refused"),
        Route::public(Method::GET, "/foreign"),
        Route::public(Method::GET, "/kept"),
        Route::public(Method::GET, "/fine/echo").echoing_request_id(),
        Route::public(Method::GET, "/refused/echo").echoing_request_id(),
    ]);
    EdgeLayer::new(Arc::new(SystemClock::new()))
        .with_routes(Arc::new(routes.unwrap()))
        .trusting(TrustedProxies::new(["127.0.0.0/8"]).unwrap())
}

/// Answers in three ways: well, with a refusal, and with somebody else's plain-text error.
async fn handler(request: Request<()>) -> Answer {
    let facts = prov_http::facts(request.extensions()).cloned().unwrap();
    assert!(request.extensions().get::<MatchedRoute>().is_some());
    Ok(match request.uri().path().trim_end_matches("/echo") {
        "/fine" => Response::new(Bytes::from(facts.client.unwrap().to_string())),
        "/refused" => refuse(Error::new(codes::CONFLICT).field("name", "is taken"), None),
        "/kept" => {
            let mut response = Response::new(Bytes::from_static(b"store: down"));
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.extensions_mut().insert(KeepBody);
            response
        }
        _ => {
            let mut response = Response::new(Bytes::from_static(b"oops, at /srv/secret/path"));
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            response
        }
    })
}

async fn ask(method: Method, path: &str) -> Response<Bytes> {
    let mut request = Request::builder().method(method).uri(path).body(()).unwrap();
    request.extensions_mut().insert(PeerAddr(SocketAddr::from(([127, 0, 0, 1], 5555))));
    request.headers_mut().insert("x-forwarded-for", "203.0.113.7".parse().unwrap());
    request.headers_mut().insert("x-request-id", "req_forged".parse().unwrap());
    let mut service = edge().layer(service_fn(handler));
    service.ready().await.unwrap().call(request).await.unwrap()
}

fn problem(response: &Response<Bytes>) -> Problem {
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn a_good_answer_passes_with_the_real_client_and_an_id_of_ours() {
    let response = ask(Method::GET, "/fine").await;
    assert_eq!(response.body(), "203.0.113.7");
    let id = response.headers()["x-request-id"].to_str().unwrap();
    assert!(id.starts_with("req_") && id != "req_forged", "{id}");
}

#[tokio::test]
async fn a_route_that_says_so_carries_the_clients_id_back_and_keeps_its_own_in_problems() {
    let fine = ask(Method::GET, "/fine/echo").await;
    assert_eq!(fine.headers()["x-request-id"], "req_forged");
    let refused = ask(Method::GET, "/refused/echo").await;
    assert_eq!(refused.headers()["x-request-id"], "req_forged");
    let id = problem(&refused).request_id.unwrap();
    assert!(id.as_str() != "req_forged", "{id}");
}

#[tokio::test]
async fn a_refusal_names_the_request_and_the_field() {
    let response = ask(Method::GET, "/refused").await;
    let problem = problem(&response);
    assert_eq!((problem.status, problem.code.as_str()), (409, "core.conflict"));
    assert_eq!(problem.instance.as_deref(), Some("/refused"));
    let id = problem.request_id.unwrap();
    assert_eq!(response.headers()["x-request-id"].to_str().unwrap(), id.as_str());
    assert_eq!(problem.errors[0].field, "name");
}

#[tokio::test]
async fn an_error_of_somebody_elses_becomes_a_problem_without_its_text() {
    let response = ask(Method::GET, "/foreign").await;
    assert_eq!(problem(&response).status, 422);
    assert!(!String::from_utf8_lossy(response.body()).contains("secret"));
}

#[tokio::test]
async fn an_answer_that_asks_to_be_kept_is_kept() {
    let response = ask(Method::GET, "/kept").await;
    assert_eq!((response.status().as_u16(), &response.body()[..]), (503, &b"store: down"[..]));
}

#[tokio::test]
async fn what_is_not_in_the_table_does_not_exist() {
    assert_eq!(problem(&ask(Method::GET, "/hidden").await).status, 404);
    let response = ask(Method::POST, "/fine").await;
    assert_eq!(problem(&response).status, 405);
    assert_eq!(response.headers()["allow"], "GET");
}
