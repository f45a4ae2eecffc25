//! The HTTP endpoints.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use prov_audit::api::{ApiState, router, routes};
use prov_audit::{AuditRecord, Log, Report, VerifierKey, verify_proof};
use prov_core::audit::{Action, Recorder};
use prov_core::{Clock, SecurityContext, SystemClock};
use prov_http::EdgeLayer;
use serde_json::Value;
use tower::{Layer, ServiceExt};

use crate::bench_log::Bench;

struct Api {
    bench: Bench,
    log: Arc<Log>,
}

impl Api {
    async fn new() -> Self {
        let bench = Bench::new();
        let log = Arc::new(bench.open().await);
        Self { bench, log }
    }

    async fn raw(&self, method: &str, path: &str, body: &str) -> (StatusCode, String) {
        ask(&self.log, method, path, body).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, text) = self.raw("GET", path, "").await;
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

/// Asks the endpoints of this log, as an auditor.
pub(crate) async fn ask(
    log: &Arc<Log>,
    method: &str,
    path: &str,
    body: &str,
) -> (StatusCode, String) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let state = ApiState::new(Arc::clone(log), Arc::clone(&clock));
    let (router, _) = router(state).split_for_parts();
    let context = SecurityContext::system("auditor", &*clock).unwrap();
    let service = EdgeLayer::new(clock).layer(router);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .extension(context)
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_route_table_and_the_document_name_the_same_routes() {
    let api = Api::new().await;
    let state = ApiState::new(Arc::clone(&api.log), Arc::new(SystemClock::new()));
    let document = serde_json::to_value(router(state).get_openapi()).unwrap();
    let documented: BTreeSet<String> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |m| format!("{} {path}", m.to_uppercase()))
        })
        .collect();
    let listed: BTreeSet<String> =
        routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    assert_eq!(documented, listed);
    assert!(prov_http::RouteTable::new(routes()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_have_the_shape_clients_rely_on_and_reading_is_recorded() {
    let api = Api::new().await;
    let event = api.bench.event(Action::AUTH_LOGIN, "user_1", "alice");
    let receipt = api.log.record(event).await.unwrap();
    let list = api.get("/api/v1/audit/events?user=alice&action=auth.*&from=1h").await;
    let [item] = list["items"].as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!(item["id"], receipt.id.to_string());
    assert_eq!((&item["seq"], &item["outcome"]), (&0.into(), &"success".into()));
    assert_eq!(item["actor"], serde_json::json!({"kind": "user", "id": "user_1", "name": "alice"}));
    assert_eq!(item["resource"], serde_json::json!({"type": "thing", "id": "thing_1"}));
    assert_eq!(item["request"]["ip"], "203.0.113.77");
    assert_eq!(item["request"]["user_agent"], "CanaryAgent/1.0");
    assert_eq!(item["hash"].as_str().unwrap().len(), 64);
    let one = api.get(&format!("/api/v1/audit/events/{}", receipt.id)).await;
    assert_eq!(&one, item);
    let record: AuditRecord = serde_json::from_value(one).unwrap();
    assert_eq!(record.id, receipt.id);
    let body = r#"{"action": "audit.query", "limit": 1}"#;
    let (status, text) = api.raw("POST", "/api/v1/audit/query", body).await;
    assert_eq!(status, 200, "{text}");
    let reads: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(reads["items"][0]["actor"]["id"], "system:auditor");
    let next = reads["next_cursor"].as_str().unwrap();
    let more = api.get(&format!("/api/v1/audit/events?action=audit.query&cursor={next}")).await;
    assert_eq!(more["items"].as_array().unwrap().len(), 1, "{more}");
    assert_eq!(api.get("/api/v1/audit/stats").await["standard"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn verify_checkpoint_proof_and_export_fit_together_offline() {
    let api = Api::new().await;
    let mut id = String::new();
    for _ in 0..300 {
        let event = api.bench.event(Action::KMS_ENCRYPT, "user_1", "alice");
        id = api.log.record(event).await.unwrap().id.to_string();
    }
    let proof = api.get(&format!("/api/v1/audit/proof/{id}")).await;
    let key: VerifierKey = proof["verifier_key"].as_str().unwrap().parse().unwrap();
    let leaf = STANDARD.decode(proof["leaf"].as_str().unwrap()).unwrap();
    let (index, _) = verify_proof(&leaf, proof["proof"].as_str().unwrap(), &key).unwrap();
    assert_eq!(index, 299);
    let report: Report = serde_json::from_value(api.get("/api/v1/audit/verify").await).unwrap();
    assert!(report.intact && report.records >= 301, "{report:#?}");
    let checkpoint = api.get("/api/v1/audit/checkpoint").await;
    assert_eq!(checkpoint["verifier_key"], key.to_string());
    assert!(
        checkpoint["note"].as_str().unwrap().starts_with(checkpoint["origin"].as_str().unwrap())
    );

    let (status, lines) = api.raw("GET", "/api/v1/audit/export?from_seq=299", "").await;
    assert_eq!(status, 200);
    let first = lines.lines().next().unwrap();
    let raw = first.split_once("\"leaf\":").unwrap().1.strip_suffix('}').unwrap();
    assert_eq!(raw.as_bytes(), leaf, "the leaf stands in the export byte for byte");
    assert!(!lines.contains("alice") && !lines.contains("203.0.113.77"));
    let all = api.get("/api/v1/audit/export?format=json").await;
    assert!(all.as_array().unwrap().len() >= 303);
    let (_, csv) = api.raw("GET", "/api/v1/audit/export?format=csv", "").await;
    assert!(csv.starts_with("log,seq,hash,") && csv.lines().count() >= 304);
    let none = api.get("/api/v1/audit/export?format=json&log=break_glass").await;
    assert_eq!(none, serde_json::json!([]));
    let behind = api.get("/api/v1/audit/export?format=json&from_seq=9000").await;
    assert_eq!(behind, serde_json::json!([]), "from behind the end there is nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_with_a_problem_that_names_the_field() {
    let api = Api::new().await;
    let unknown = format!("/api/v1/audit/events/{}", uuid::Uuid::from_u128(1));
    let proof_elsewhere = format!("/api/v1/audit/proof/{}?origin=nobody", uuid::Uuid::from_u128(1));
    let cases = [
        ("GET", "/api/v1/audit/events?limit=0", "", 400),
        ("GET", "/api/v1/audit/events?limit=1001", "", 400),
        ("GET", "/api/v1/audit/events?limit=-1", "", 400),
        ("GET", "/api/v1/audit/events?who=alice", "", 400),
        ("GET", "/api/v1/audit/events?from=yesterday", "", 400),
        ("GET", "/api/v1/audit/events?from=-5m", "", 400),
        ("GET", "/api/v1/audit/events?ip=nowhere", "", 400),
        ("GET", "/api/v1/audit/events?outcome=maybe", "", 400),
        ("GET", "/api/v1/audit/events?cursor=%00", "", 400),
        ("GET", "/api/v1/audit/events/..%2f..%2fetc", "", 400),
        ("GET", unknown.as_str(), "", 404),
        ("GET", "/api/v1/audit/events?origin=prov.example/audi", "", 404),
        (
            "POST",
            "/api/v1/audit/query",
            r#"{"origin": "prov.example/audi", "query": "| count"}"#,
            404,
        ),
        ("GET", "/api/v1/audit/stats?origin=prov.example/audi", "", 404),
        ("GET", "/api/v1/audit/stream?origin=prov.example/audi", "", 404),
        ("GET", "/api/v1/audit/export?origin=prov.example/audi", "", 404),
        ("GET", "/api/v1/audit/export?format=pdf", "", 400),
        ("GET", "/api/v1/audit/checkpoint?log=other", "", 400),
        ("GET", "/api/v1/audit/proof/inclusion?index=0&size=18446744073709551615", "", 400),
        ("GET", "/api/v1/audit/proof/inclusion?index=18446744073709551615", "", 404),
        ("GET", "/api/v1/audit/proof/inclusion?index=0&origin=nobody", "", 404),
        ("GET", "/api/v1/audit/proof/consistency?from=0&to=70000", "", 400),
        ("GET", "/api/v1/audit/proof/consistency?from=70000", "", 400),
        ("GET", "/api/v1/audit/proof/consistency?from=0&origin=nobody", "", 404),
        ("GET", "/api/v1/audit/proof/range?from=0&to=1&origin=nobody", "", 404),
        ("GET", proof_elsewhere.as_str(), "", 404),
        ("POST", "/api/v1/audit/query", "{", 400),
        ("POST", "/api/v1/audit/query", r#"{"usr": "alice"}"#, 400),
    ];
    for (method, path, body, status) in cases {
        let (got, text) = api.raw(method, path, body).await;
        assert_eq!(got.as_u16(), status, "{method} {path}: {text}");
        let problem: Value = serde_json::from_str(&text).unwrap();
        assert!(problem["type"].as_str().unwrap().starts_with("https://prov.dev/problems/"));
        assert!(status == 404 || problem["errors"][0]["field"].is_string(), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_in_the_body_finds_and_counts() {
    let api = Api::new().await;
    for user in ["alice", "alice", "bob"] {
        api.log.record(api.bench.event(Action::KMS_ENCRYPT, user, user)).await.unwrap();
    }
    let ask = async |body: &str| {
        let (status, text) = api.raw("POST", "/api/v1/audit/query", body).await;
        (status.as_u16(), serde_json::from_str::<Value>(&text).unwrap())
    };
    let (status, found) = ask(r#"{"query": "actor:alice time > 1h", "limit": 1}"#).await;
    assert_eq!((status, found["items"].as_array().unwrap().len()), (200, 1));
    let next = found["next_cursor"].as_str().unwrap();
    let body = format!(r#"{{"query": "actor:alice time > 1h", "cursor": "{next}"}}"#);
    assert_eq!(ask(&body).await.1["items"].as_array().unwrap().len(), 1);
    let body = format!(r#"{{"query": "actor:bob", "cursor": "{next}"}}"#);
    let (status, refused) = ask(&body).await;
    assert_eq!((status, &refused["errors"][0]["field"]), (400, &"cursor".into()));
    let (_, counted) = ask(r#"{"query": "action:kms.* | count by actor"}"#).await;
    assert_eq!(counted["counts"]["total"], 3);
    assert_eq!(counted["counts"]["values"][0], serde_json::json!({"value": "alice", "count": 2}));
    let (status, refused) = ask(r#"{"query": "acter:bob"}"#).await;
    assert_eq!((status, &refused["errors"][0]["field"]), (400, &"query".into()));
    assert_eq!(api.get("/api/v1/audit/events?text=things&user=bob").await["items"][0]["seq"], 2);
}

/// The next event of a stream: its id and its data.
async fn next_event(body: &mut Body) -> (String, Value) {
    let mut text = String::new();
    while !text.ends_with("\n\n") || !text.contains("data: ") {
        let frame = tokio::time::timeout(std::time::Duration::from_secs(10), body.frame());
        let frame = frame.await.expect("nothing came").unwrap().unwrap();
        text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
    }
    let of = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    (of("id: "), serde_json::from_str(&of("data: ")).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_live_tail_gives_what_matches_and_is_taken_up_where_it_broke_off() {
    let api = Api::new().await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let state = ApiState::new(Arc::clone(&api.log), Arc::clone(&clock));
    let (router, _) = router(state.clone()).split_for_parts();
    let context = SecurityContext::system("auditor", &*clock).unwrap();
    let service = EdgeLayer::new(clock).layer(router);
    let open = async |last: Option<&str>| {
        let mut request = Request::builder()
            .uri("/api/v1/audit/stream?query=action%3Akms.%2A")
            .extension(context.clone());
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = service.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        (response.status().as_u16(), response.into_body())
    };
    let event = |user: &str| api.bench.event(Action::KMS_ENCRYPT, user, user);
    api.log.record(event("before")).await.unwrap();
    let (status, mut body) = open(None).await;
    assert_eq!(status, 200);
    api.log.record(api.bench.event(Action::AUTH_LOGIN, "other", "other")).await.unwrap();
    api.log.record(event("first")).await.unwrap();
    let (id, first) = next_event(&mut body).await;
    assert_eq!(first["actor"]["name"], "first", "neither what was before nor what does not match");
    drop(body);
    api.log.record(event("missed")).await.unwrap();
    let (_, mut body) = open(Some(&id)).await;
    assert_eq!(next_event(&mut body).await.1["actor"]["name"], "missed");
    for wrong in ["x", "1", "1.-2", "99999999999999999999.0"] {
        assert_eq!(open(Some(wrong)).await.0, 400, "{wrong}");
    }
    state.end_streams();
    let end = tokio::time::timeout(std::time::Duration::from_secs(5), body.collect()).await;
    assert!(end.is_ok(), "a stopping server ends its tails");
    assert_eq!(open(None).await.0, 503);
}
