//! The HTTP API behind its layer.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use prov_authz::{
    AuthzLayer, CedarEngine, CedarOptions, DecisionService, Inventory, PolicyReloader, api,
};
use prov_core::audit::{MemoryRecorder, Recorder};
use prov_core::store::MemoryStore;
use prov_core::{Principal, Role};
use prov_http::{EdgeLayer, RouteTable};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};

use crate::world::{clock, context_of, holder, member, policy_directory};

struct Server {
    app: axum::Router,
    folder: tempfile::TempDir,
}

impl Server {
    fn new() -> Self {
        let folder = policy_directory();
        let clock = clock();
        let recorder: Arc<dyn Recorder> = Arc::new(MemoryRecorder::new());
        let engine = CedarEngine::open(folder.path(), Arc::clone(&clock), CedarOptions::default());
        let engine = Arc::new(engine.unwrap());
        let reloader = PolicyReloader::new(
            Arc::clone(&engine),
            folder.path(),
            Arc::clone(&recorder),
            Arc::clone(&clock),
        );
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let inventory =
            Inventory::open(Arc::clone(&engine), store, Arc::clone(&recorder), Arc::clone(&clock));
        let inventory = futures_util::FutureExt::now_or_never(inventory).unwrap().unwrap();
        let service = DecisionService::new(Arc::clone(&engine), recorder, Arc::clone(&clock))
            .with_inventory(inventory)
            .with_reloader(Arc::new(reloader));
        let table = Arc::new(RouteTable::new(api::routes()).unwrap());
        let (router, _) = api::router(Arc::new(service)).split_for_parts();
        let app = router.layer(AuthzLayer::new(engine, Arc::clone(&clock))).layer(
            tower::layer::layer_fn(move |inner| {
                EdgeLayer::new(Arc::clone(&clock)).with_routes(Arc::clone(&table)).layer(inner)
            }),
        );
        Self { app, folder }
    }

    async fn call(
        &self,
        who: &Principal,
        method: &str,
        path: &str,
        body: Value,
    ) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/authz/{path}"))
            .header("content-type", "application/json")
            .extension(context_of(who, true, &*clock()));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let answer = self.app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }
}

fn deploy() -> Value {
    json!({
        "action": "deploy",
        "resource": {
            "type": "Server", "id": "web-1",
            "attributes": {"hostname": "w", "workspace": "shop", "environment": "production"},
            "parents": [{"type": "Environment", "id": "production"}],
        },
        "context": {},
    })
}

#[tokio::test]
async fn a_decision_has_the_shape_clients_rely_on() {
    let server = Server::new();
    let (status, answer) = server.call(&member(&["sre"]), "POST", "authorize", deploy()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["decision"], "DENY");
    assert_eq!(answer["determining_policies"], json!(["prod-deploy-approval"]));
    assert_eq!(answer["errors"], json!([]));
    assert!(answer["decision_id"].as_str().unwrap().starts_with("dec_"));
    let mut approved = deploy();
    approved["context"]["approval_id"] = json!("CHG-1");
    let (_, answer) = server.call(&member(&["sre"]), "POST", "authorize", approved).await;
    assert_eq!(answer["decision"], "ALLOW");
}

#[tokio::test]
async fn entities_are_entered_read_and_taken_out() {
    let server = Server::new();
    let admin = holder(Role::Admin);
    let facts =
        json!({"attributes": {"hostname": "w", "workspace": "s", "environment": "staging"}});
    let at = "entities/Server/web%201";
    let (status, answer) = server.call(&admin, "PUT", at, facts.clone()).await;
    assert_eq!((status, &answer["epoch"]), (StatusCode::OK, &json!(1)), "{answer}");
    let (_, shown) = server.call(&admin, "GET", at, Value::Null).await;
    assert_eq!((&shown["id"], &shown["origin"]), (&json!("web 1"), &json!("store")));
    assert_eq!(shown["ancestors"].as_array().unwrap().len(), 2);
    let many: Vec<_> =
        (0..5).map(|at| json!({"type": "Environment", "id": format!("e{at}")})).collect();
    server.call(&admin, "PUT", "entities", json!({"entities": many})).await;
    let (mut cursor, mut seen) = (String::new(), Vec::new());
    loop {
        let (_, page) =
            server.call(&admin, "GET", &format!("entities?limit=2{cursor}"), Value::Null).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(|e| e["id"].to_string()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
    let (status, _) = server.call(&admin, "DELETE", at, Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, gone) = server.call(&admin, "DELETE", at, Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(gone["type"].as_str().unwrap().ends_with("entity-unknown"), "{gone}");
    for (method, path) in [("GET", "entities"), ("PUT", at), ("DELETE", at), ("GET", at)] {
        let body = if method == "PUT" { facts.clone() } else { Value::Null };
        let (status, _) = server.call(&member(&["sre"]), method, path, body).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
    }
}

#[tokio::test]
async fn bad_entities_and_searches_are_problems_that_name_the_field() {
    let server = Server::new();
    let admin = holder(Role::Admin);
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let long = "x".repeat(513);
    let server_of = |attributes: Value| json!({"attributes": attributes});
    let whole = json!({"hostname": "w", "workspace": "s", "environment": "staging"});
    let put = [
        ("entities/Server/x", json!({"colour": "red"}), "colour"),
        ("entities/Server/x", server_of(json!({"hostname": deep})), "body"),
        ("entities/Server/x", server_of(json!({"hostname": "w\u{0}"})), "attributes.hostname"),
        ("entities/Server/x%00", server_of(whole.clone()), "id"),
        (&format!("entities/Server/{long}"), server_of(whole.clone()), "id"),
        ("entities/Spaceship/x", json!({}), "type"),
        ("entities/Elsewhere::Server/x", json!({}), "type"),
        ("entities/User/user_ann", json!({"parents": [{"type": "Team", "id": "sre"}]}), "type"),
        ("entities", json!({"entities": []}), "entities"),
        (
            "entities",
            json!({"entities": [{"type": "Server", "id": "x"}]}),
            "attributes.environment",
        ),
    ];
    for (path, body, field) in put {
        let (status, answer) = server.call(&admin, "PUT", path, body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path} {answer}");
        let told = answer["errors"].to_string() + answer["detail"].as_str().unwrap_or_default();
        assert!(field == "body" || told.contains(field), "{path}: {answer}");
    }
    let search = |change: Value| {
        let mut asked = json!({"action": "ssh", "type": "Server", "context": {}});
        asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        asked
    };
    let searches = [
        (search(json!({"action": "fly"})), "action"),
        (search(json!({"action": "lockdown"})), "action"),
        (search(json!({"type": "Spaceship"})), "type"),
        (search(json!({"limit": 0})), "limit"),
        (search(json!({"limit": 1001})), "limit"),
        (search(json!({"cursor": "AAAA"})), "cursor"),
        (search(json!({"context": {"approval_id": ""}})), "context.approval_id"),
        (search(json!({"everything": true})), "everything"),
    ];
    for (body, field) in searches {
        let (status, answer) = server.call(&admin, "POST", "search/resources", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        assert!(answer["errors"].to_string().contains(field), "{field}: {answer}");
    }
    let (status, answer) = server.call(&admin, "GET", "entities?cursor=YWJj", Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    let (status, _) = server.call(&member(&["sre"]), "POST", "search/principals", json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn bad_questions_are_problems_that_name_the_field() {
    let server = Server::new();
    let change = |pointer: &str, value: Value| {
        let mut asked = deploy();
        *asked.pointer_mut(pointer).unwrap() = value;
        asked
    };
    let cases = [
        (json!({"action": "read"}), "body"),
        (change("/action", json!(7)), "action"),
        (change("/action", json!("explode")), "action"),
        (change("/resource/type", json!("Toaster")), "resource.type"),
        (
            change("/resource/attributes", json!({"hostname": "w"})),
            "resource.attributes.environment",
        ),
        (
            change("/resource/parents", json!([{"type": "Environment", "id": "dev"}])),
            "resource.parents",
        ),
        (change("/resource/parents", json!([{"type": "Team", "id": "x"}])), "resource.parents"),
        (change("/context", json!({"mfa": true})), "context.mfa"),
        (change("/context", json!({"approval_id": ""})), "context.approval_id"),
    ];
    for (body, field) in cases {
        let (status, answer) = server.call(&member(&["sre"]), "POST", "authorize", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
        assert_eq!(answer["errors"][0]["field"], field, "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_lies_about_mfa_is_refused() {
    let server = Server::new();
    let mut asked = deploy();
    asked["context"] = json!({"mfa_verified": true});
    let (status, answer) = server.call(&member(&["sre"]), "POST", "authorize", asked).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(answer["code"], "authz.access_denied");
}

#[tokio::test]
async fn explanations_permissions_and_batches_answer() {
    let server = Server::new();
    let sre = member(&["sre"]);
    let (_, told) = server.call(&sre, "POST", "explain", deploy()).await;
    assert_eq!(told["determined_by"][0]["id"], "prod-deploy-approval");
    assert_eq!(told["would_allow"], json!([["approval"], ["emergency_approval"]]));
    let (_, may) = server
        .call(&sre, "POST", "permissions", json!({"resources": [deploy()["resource"]]}))
        .await;
    assert_eq!(may["items"][0]["actions"], json!(["list", "monitor", "read", "ssh"]));
    let (_, all) = server
        .call(&sre, "POST", "authorize/batch", json!({"requests": [deploy(), deploy()]}))
        .await;
    assert_eq!(all["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn policies_are_read_validated_and_reloaded_by_those_who_may() {
    let server = Server::new();
    let (admin, developer) = (holder(Role::Admin), holder(Role::Developer));
    let (_, list) = server.call(&developer, "GET", "policies?limit=2", Value::Null).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let next = format!("policies?limit=1000&cursor={}", list["next_cursor"].as_str().unwrap());
    let (_, rest) = server.call(&developer, "GET", &next, Value::Null).await;
    assert_eq!(rest["items"].as_array().unwrap().len(), 30);
    assert_eq!(rest["next_cursor"], Value::Null);
    let (_, one) = server.call(&developer, "GET", "policies/prod-deploy-mfa", Value::Null).await;
    assert_eq!((one["effect"].as_str(), one["line"].as_u64()), (Some("forbid"), Some(4)));
    let (status, _) = server.call(&developer, "GET", "policies/none", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, schema) = server.call(&developer, "GET", "schema", Value::Null).await;
    assert!(schema["schema"].as_str().unwrap().contains("namespace Provisioning"));
    let draft = json!({"policies": "permit (principal, action resource);"});
    let (_, report) = server.call(&developer, "POST", "policies/validate", draft).await;
    assert_eq!(
        (report["valid"].as_bool(), report["findings"][0]["column"].as_u64()),
        (Some(false), Some(27))
    );

    let (status, _) = server.call(&developer, "POST", "policies/reload", Value::Null).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, live) = server.call(&admin, "POST", "policies/reload", Value::Null).await;
    assert_eq!((status, live["policies"].as_u64()), (StatusCode::OK, Some(32)));
    std::fs::write(server.folder.path().join("x.cedar"), "forbid").unwrap();
    let (status, refused) = server.call(&admin, "POST", "policies/reload", Value::Null).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(refused["errors"][0]["field"].as_str().unwrap().starts_with("x.cedar:1:"), "{refused}");
    let (_, seen) = server.call(&admin, "GET", "stats", Value::Null).await;
    assert_eq!(seen["reload_failures"], 1);
    assert!(seen["last_failure"]["findings"][0].as_str().unwrap().starts_with("x.cedar:1:"));
}
