//! The endpoints.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use prov_kms::{Kms, api};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::house::House;

struct Client {
    router: axum::Router,
    house: House,
}

impl Client {
    async fn new() -> Self {
        let house = House::new();
        let router = api::router(Arc::new(house.kms().await)).into();
        Self { router, house }
    }

    async fn send(&self, method: Method, path: &str, body: Option<String>) -> (StatusCode, Value) {
        let mut request = Request::new(body.map_or_else(Body::empty, Body::from));
        *request.method_mut() = method;
        *request.uri_mut() = format!("/api/v1/kms{path}").parse().unwrap();
        let json = http::HeaderValue::from_static("application/json");
        request.headers_mut().insert(http::header::CONTENT_TYPE, json);
        request.extensions_mut().insert(self.house.caller());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, None).await
    }
}

#[tokio::test]
async fn what_is_encrypted_decrypts_with_either_spelling_of_the_context() {
    let client = Client::new().await;
    let body = json!({"plaintext": "aGVsbG8=", "context": "env=prod,service=api"});
    let (status, sealed) = client.post("/encrypt", body).await;
    assert_eq!(status, StatusCode::OK, "{sealed}");
    assert_eq!((&sealed["key_id"], &sealed["key_version"]), (&json!("default"), &json!(1)));
    assert_eq!(sealed["backend"], "local");
    let ciphertext = &sealed["ciphertext"];
    for context in [json!("service=api,env=prod"), json!({"env": "prod", "service": "api"})] {
        let body = json!({"ciphertext": ciphertext, "context": context});
        let (status, opened) = client.post("/decrypt", body).await;
        assert_eq!((status, opened), (StatusCode::OK, json!({"plaintext": "aGVsbG8="})));
    }
    let wrong = [
        json!({"ciphertext": ciphertext, "context": "env=dev"}),
        json!({"ciphertext": ciphertext}),
        json!({"ciphertext": "prov:v1:local:nobody:1:AAAA", "context": "env=prod"}),
        json!({"ciphertext": "nonsense"}),
    ];
    let mut answers = Vec::new();
    for body in wrong {
        let (status, mut problem) = client.post("/decrypt", body).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("kms.decryption_failed"))
        );
        problem["request_id"].take();
        answers.push(problem);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "one answer to all: {answers:?}");
}

#[tokio::test]
async fn data_keys_and_rewrapping() {
    let client = Client::new().await;
    let (_, made) = client.post("/generate-key", json!({"key_spec": "AES_128"})).await;
    assert_eq!(made["plaintext"].as_str().unwrap().len(), 24, "16 bytes");
    let (_, opened) = client.post("/decrypt", json!({"ciphertext": made["ciphertext"]})).await;
    assert_eq!(opened["plaintext"], made["plaintext"]);
    let (status, key) = client.post("/keys/default/rotate", json!(null)).await;
    assert_eq!((status, &key["key_version"]), (StatusCode::OK, &json!(2)));
    let (_, anew) = client.post("/rewrap", json!({"ciphertext": made["ciphertext"]})).await;
    assert_eq!(anew["key_version"], 2);
    let (_, opened) = client.post("/decrypt", json!({"ciphertext": anew["ciphertext"]})).await;
    assert_eq!(opened["plaintext"], made["plaintext"]);
}

#[tokio::test]
async fn keys_are_made_shown_disabled_and_enabled() {
    let client = Client::new().await;
    let (status, key) = client.post("/keys", json!({"key_id": "tenant-1"})).await;
    assert_eq!((status, &key["state"]), (StatusCode::CREATED, &json!("enabled")));
    let (status, _) = client.post("/keys", json!({"key_id": "tenant-1"})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    client.post("/keys/tenant-1/disable", json!(null)).await;
    let (_, shown) = client.get("/keys/tenant-1").await;
    assert_eq!(shown["state"], "disabled");
    let body = json!({"plaintext": "", "key_id": "tenant-1"});
    let (status, problem) = client.post("/encrypt", body.clone()).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("kms.key_disabled")));
    client.post("/keys/tenant-1/enable", json!(null)).await;
    assert_eq!(client.post("/encrypt", body).await.0, StatusCode::OK);
    let (_, page) = client.get("/keys?limit=1").await;
    let cursor = page["next_cursor"].as_str().unwrap();
    let (_, rest) = client.get(&format!("/keys?limit=1&cursor={cursor}")).await;
    assert_eq!(
        (&page["items"][0]["key_id"], &rest["items"][0]["key_id"]),
        (&json!("default"), &json!("tenant-1"))
    );
    assert_eq!(client.get("/keys/nobody").await.0, StatusCode::NOT_FOUND);
    assert_eq!(client.get("/health").await.0, StatusCode::OK);
    assert_eq!(client.get("/status").await.1["backend"], "local");
    let (_, backends) = client.get("/backends").await;
    assert_eq!(
        backends["items"][0]["capabilities"],
        json!(["rotation", "decryption", "authentication"])
    );
}

#[tokio::test]
async fn bad_input_is_refused_with_the_field_named_and_nothing_of_it_quoted() {
    let client = Client::new().await;
    let cases = [
        ("/encrypt", json!({"plaintext": "aGVsbG8"}), "plaintext"),
        ("/encrypt", json!({"plaintext": "aGVsbG9="}), "plaintext"),
        ("/encrypt", json!({"plaintext": "aGVs bG8="}), "plaintext"),
        ("/encrypt", json!({"plaintext": "_-__"}), "plaintext"),
        ("/encrypt", json!({"plaintext": 7}), "plaintext"),
        ("/encrypt", json!({}), "body"),
        ("/encrypt", json!({"plaintext": "", "extra": 1}), "extra"),
        ("/encrypt", json!({"plaintext": "", "context": "a=b,a=b"}), "context"),
        ("/encrypt", json!({"plaintext": "", "context": {"a": 1}}), "context"),
        ("/encrypt", json!({"plaintext": "", "context": {"a": "\0"}}), "context"),
        ("/encrypt", json!({"plaintext": "", "key_id": "../x"}), "key_id"),
        ("/generate-key", json!({"key_spec": "DES"}), "key_spec"),
        ("/keys", json!({"key_id": "Upper"}), "key_id"),
    ];
    for (path, body, field) in cases {
        let (status, problem) = client.post(path, body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path} {body}");
        let named = problem["errors"][0]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{path} {body}: {problem}");
        assert!(!problem.to_string().contains("aGVs"), "{problem}");
    }
    let twice = r#"{"plaintext":"","context":{"a":"b","a":"c"}}"#.to_owned();
    assert_eq!(client.send(Method::POST, "/encrypt", Some(twice)).await.0, StatusCode::BAD_REQUEST);
    for id in ["..%2Fx", "A", "a%00"] {
        assert_eq!(client.get(&format!("/keys/{id}")).await.0, StatusCode::BAD_REQUEST, "{id}");
    }
    let large = json!({"plaintext": "A".repeat(1024 * 1024)});
    assert_eq!(client.post("/encrypt", large).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let above = json!({"plaintext": "AAAA".repeat(Kms::MAX_PLAINTEXT / 3 + 1)});
    assert_eq!(client.post("/encrypt", above).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

/// The largest plaintext makes the round through both bodies.
#[tokio::test]
async fn the_largest_plaintext_fits_both_ways() {
    let client = Client::new().await;
    let plain = "AAAA".repeat(Kms::MAX_PLAINTEXT / 3);
    let (status, sealed) = client.post("/encrypt", json!({"plaintext": plain})).await;
    assert_eq!(status, StatusCode::OK);
    let (status, opened) =
        client.post("/decrypt", json!({"ciphertext": sealed["ciphertext"]})).await;
    assert_eq!((status, opened["plaintext"].as_str()), (StatusCode::OK, Some(&*plain)));
}
