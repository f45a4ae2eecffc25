//! The HTTP API.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use prov_http::{Access, RouteTable};
use prov_secrets::api::{SecretsState, router, routes};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::world::{SshWorld, caller};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti a@b";

struct Api {
    world: SshWorld,
    router: Router,
}

fn state(world: &SshWorld) -> SecretsState {
    SecretsState::new(Arc::clone(&world.leases), Arc::clone(&world.ssh))
}

impl Api {
    async fn new() -> Self {
        let world = SshWorld::on_this_machine().await;
        let router = router(state(&world)).into();
        Self { world, router }
    }

    async fn send(&self, method: Method, path: &str, body: Body) -> (StatusCode, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("content-type", "application/json");
        let mut request = request.body(body).unwrap();
        request.extensions_mut().insert(caller("user_1", "alice"));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let (status, bytes) = self.send(method, path, body).await;
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn routes_and_documented_paths_are_the_same_set() {
    let world = SshWorld::on_this_machine().await;
    let document = serde_json::to_value(router(state(&world)).get_openapi()).unwrap();
    let mut documented = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys().filter(|key| *key != "parameters") {
            documented.insert((method.to_uppercase(), path.clone()));
        }
    }
    let table = RouteTable::new(routes()).unwrap();
    let listed: BTreeSet<_> =
        table.iter().map(|r| (r.method.as_str().to_owned(), r.path.to_string())).collect();
    assert_eq!(listed, documented);
    let public: Vec<_> =
        table.iter().filter(|r| r.access == Access::Public).map(|r| r.path.as_ref()).collect();
    assert_eq!(public, ["/api/v1/ssh/ca", "/api/v1/ssh/krl"]);
}

#[tokio::test]
async fn signing_answers_in_the_shape_clients_rely_on() {
    let api = Api::new().await;
    let body = json!({"public_key": KEY, "principals": ["alice"], "ttl": "1hr",
        "extensions": ["permit-pty"], "source_address": "10.0.0.0/8"});
    let (status, answer) = api.call(Method::POST, "/api/v1/ssh/sign", body).await;
    assert_eq!(status, 200, "{answer}");
    // Sorted: the order of members depends on a feature of serde_json that another crate may turn on.
    let mut fields: Vec<_> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["certificate", "key_id", "lease_id", "serial", "valid_before"]);
    let id = answer["lease_id"].as_str().unwrap();
    let path = format!("/api/v1/ssh/keys/{id}");
    let (_, shown) = api.call(Method::GET, &path, Value::Null).await;
    assert_eq!(shown["facts"]["serial"], answer["serial"]);
    let (_, list) = api.call(Method::GET, "/api/v1/ssh/keys?limit=1", Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    let (status, revoked) = api.call(Method::DELETE, &path, Value::Null).await;
    assert_eq!((status, &revoked["state"]), (StatusCode::OK, &json!("revoked")));
    let actions: Vec<_> = api.world.recorder.events().into_iter().map(|e| e.action).collect();
    assert_eq!(actions.last().unwrap().as_str(), "ssh.certificate.revoke");
    let (_, figures) = api.call(Method::GET, "/api/v1/ssh/stats", Value::Null).await;
    assert_eq!((&figures["revoked_listed"], &figures["leases"]["issued"]), (&json!(1), &json!(1)));
    let (_, krl) = api.send(Method::GET, "/api/v1/ssh/krl", Body::empty()).await;
    assert!(krl.starts_with(b"SSHKRL\n\0"));
}

#[tokio::test]
async fn pairs_hosts_and_authority_keys_are_served() {
    let api = Api::new().await;
    let (status, pair) = api.call(Method::POST, "/api/v1/ssh/keys", json!({"ttl": "10m"})).await;
    assert_eq!(status, 201, "{pair}");
    assert!(pair["private_key"].as_str().unwrap().starts_with("-----BEGIN OPENSSH"));
    let path = format!("/api/v1/ssh/keys/{}", pair["lease_id"].as_str().unwrap());
    let (_, shown) = api.call(Method::GET, &path, Value::Null).await;
    assert!(!shown.to_string().contains("PRIVATE"), "never again");
    let host = json!({"public_key": KEY, "hostnames": ["web.example.org"], "ttl": "7d"});
    let (status, answer) = api.call(Method::POST, "/api/v1/ssh/host/sign", host).await;
    assert_eq!(status, 200, "{answer}");
    let (_, ca) = api.call(Method::GET, "/api/v1/ssh/ca", Value::Null).await;
    assert!(ca["user"][0]["public_key"].as_str().unwrap().starts_with("ssh-ed25519 "));
    assert_ne!(ca["user"], ca["host"]);
}

#[tokio::test]
async fn leases_are_generated_listed_and_revoked() {
    let api = Api::new().await;
    let path = "/api/v1/secrets/ssh/generate";
    let (status, secret) =
        api.call(Method::POST, path, json!({"role": "default", "ttl": "15m"})).await;
    assert_eq!(status, 201, "{secret}");
    assert_eq!((&secret["lease_duration"], &secret["renewable"]), (&json!(900), &json!(false)));
    assert!(secret["data"]["certificate"].is_string());
    let id = secret["lease_id"].as_str().unwrap();
    let renew = format!("/api/v1/secrets/leases/{id}/renew");
    let (status, problem) = api.call(Method::POST, &renew, json!({"ttl": "1h"})).await;
    assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("secrets.lease_not_renewable")));
    let query = "/api/v1/secrets/leases?engine=ssh&user=user_1&state=active";
    let (_, list) = api.call(Method::GET, query, Value::Null).await;
    assert_eq!(list["items"][0]["lease_id"], id);
    let (_, lease) =
        api.call(Method::POST, &format!("/api/v1/secrets/leases/{id}/revoke"), Value::Null).await;
    assert_eq!(lease["state"], "revoked");
    api.call(Method::POST, path, json!({})).await;
    let (_, report) = api
        .call(Method::POST, "/api/v1/secrets/leases/revoke-user", json!({"user": "user_1"}))
        .await;
    assert_eq!((&report["revoked"], &report["pending"]), (&json!(1), &json!(0)));
    api.call(Method::POST, path, json!({})).await;
    let (_, report) = api
        .call(
            Method::POST,
            "/api/v1/secrets/leases/revoke-prefix",
            json!({"prefix": "ssh/default/"}),
        )
        .await;
    assert_eq!(report["leases"].as_array().unwrap().len(), 1);
    let (_, figures) = api.call(Method::GET, "/api/v1/secrets/stats", Value::Null).await;
    assert_eq!(figures["engines"][0]["revoked"], 3);
    let (_, engines) = api.call(Method::GET, "/api/v1/secrets/engines", Value::Null).await;
    assert_eq!(engines["items"][0]["expiry"], "native");
}

#[tokio::test]
async fn roles_are_created_set_listed_and_deleted() {
    let api = Api::new().await;
    let roles = "/api/v1/secrets/roles";
    let role = json!({"name": "ops", "teams": ["sre"], "allowed_principals": ["deploy"],
        "max_ttl": "8h", "force_command": "/usr/bin/uptime"});
    assert_eq!(api.call(Method::POST, roles, role.clone()).await.0, 201);
    assert_eq!(api.call(Method::POST, roles, role.clone()).await.0, 409);
    let path = format!("{roles}/ops");
    let (_, shown) = api.call(Method::GET, &path, Value::Null).await;
    assert_eq!(shown["default_principals"], json!(["deploy"]));
    let mut wider = shown;
    wider["max_ttl"] = json!("24h");
    assert_eq!(api.call(Method::PUT, &path, wider.clone()).await.0, 200);
    wider["name"] = json!("other");
    assert_eq!(api.call(Method::PUT, &path, wider).await.0, 400);
    let (_, list) = api.call(Method::GET, roles, Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    assert_eq!(api.call(Method::DELETE, &path, Value::Null).await.0, 204);
    assert_eq!(api.call(Method::DELETE, &path, Value::Null).await.0, 404);
    assert_eq!(api.call(Method::DELETE, &format!("{roles}/default"), Value::Null).await.0, 409);
}

#[tokio::test]
async fn bad_input_is_a_problem_that_stores_nothing() {
    let api = Api::new().await;
    let sign = "/api/v1/ssh/sign";
    let bad = [
        json!({}),
        json!({"public_key": 7}),
        json!({"public_key": KEY, "ttl": "-5m"}),
        json!({"public_key": KEY, "ttl": "99999999999999d"}),
        json!({"public_key": KEY, "ttl": 3600}),
        json!({"public_key": KEY, "principals": ["a,b"]}),
        json!({"public_key": KEY, "principals": ["a\nb"]}),
        json!({"public_key": KEY, "principals": ["a\u{0}"]}),
        json!({"public_key": KEY, "principals": vec!["alice"; 33]}),
        json!({"public_key": KEY, "extensions": ["permit-everything"]}),
        json!({"public_key": KEY, "source_address": "anywhere"}),
        json!({"public_key": KEY, "critical_options": {}}),
        json!({"public_key": KEY, "force_command": "id"}),
        json!([]),
    ];
    for body in bad {
        let (status, problem) = api.call(Method::POST, sign, body.clone()).await;
        assert_eq!(status, 400, "{body}: {problem}");
    }
    let (status, _) = api.send(Method::POST, sign, Body::from(vec![0xff, 0xfe])).await;
    assert_eq!(status, 400);
    for path in
        ["/api/v1/secrets/leases/x", "/api/v1/ssh/keys/..%2F..", "/api/v1/secrets/leases?limit=0"]
    {
        assert_eq!(api.call(Method::GET, path, Value::Null).await.0, 400, "{path}");
    }
    let body = json!({"role": "default"});
    assert_eq!(api.call(Method::POST, "/api/v1/secrets/nowhere/generate", body).await.0, 404);
    let body = json!({"public_key": KEY, "role": "nobody"});
    assert_eq!(api.call(Method::POST, sign, body).await.0, 404);
    let (_, list) = api.call(Method::GET, "/api/v1/secrets/leases", Value::Null).await;
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn without_a_security_context_nothing_is_signed() {
    let api = Api::new().await;
    let body = json!({"public_key": KEY}).to_string();
    let request = Request::post("/api/v1/ssh/sign").header("content-type", "application/json");
    let request = request.body(Body::from(body)).unwrap();
    let response = api.router.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 401);
}
