//! The life of the policies over HTTP, behind its layer.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode};
use prov_authz::{
    AuthzLayer, BundleSigner, CedarOptions, DecisionService, PolicyFeed, PolicyFiles,
    PolicyHistory, PolicyLife, PolicyReloader, ShadowedEngine, TrustRoot, api, bundle_manifest,
    sign_bundle,
};
use prov_core::audit::{MemoryRecorder, Recorder};
use prov_core::store::MemoryStore;
use prov_core::{Principal, Role};
use prov_http::{EdgeLayer, RouteTable};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};

use crate::world::{clock, context_of, holder, policy_directory};

const FREEZE: &str = "@id(\"freeze\")\n@description(\"d\")\n\
                      forbid (principal, action, resource is Provisioning::Server);\n";

struct Server(axum::Router);

impl Server {
    async fn new(feed: PolicyFeed, trust: Option<TrustRoot>) -> Self {
        let clock = clock();
        let recorder: Arc<dyn Recorder> = Arc::new(MemoryRecorder::new());
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let mut life =
            PolicyLife::new(feed, CedarOptions::default()).with_history(PolicyHistory::new(store));
        life.trust = trust;
        let reloader = PolicyReloader::open(life, Arc::clone(&recorder), Arc::clone(&clock)).await;
        let reloader = Arc::new(reloader.unwrap());
        let engine = Arc::clone(reloader.engine());
        let shadowed = Arc::new(ShadowedEngine::new(Arc::clone(&engine)));
        let service = DecisionService::new(engine, recorder, Arc::clone(&clock))
            .with_reloader(reloader)
            .with_shadow(Arc::clone(&shadowed));
        let table = Arc::new(RouteTable::new(api::routes()).unwrap());
        let (router, _) = api::router(Arc::new(service)).split_for_parts();
        let app = router.layer(AuthzLayer::new(shadowed, Arc::clone(&clock))).layer(
            tower::layer::layer_fn(move |inner| {
                EdgeLayer::new(Arc::clone(&clock)).with_routes(Arc::clone(&table)).layer(inner)
            }),
        );
        Self(app)
    }

    async fn call(&self, who: &Principal, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/authz/policies{path}"))
            .header("content-type", "application/json")
            .extension(context_of(who, true, &*clock()));
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let answer = self.0.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let body = if status == StatusCode::NO_CONTENT {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).unwrap()
        };
        (status.as_u16(), body)
    }
}

fn set(extra: &str, bundle: Option<&str>) -> Value {
    let mut policies: Vec<_> = PolicyFiles::shipped()
        .policies
        .iter()
        .map(|file| json!({"name": file.name, "text": file.text}))
        .collect();
    if !extra.is_empty() {
        policies.push(json!({"name": "freeze.cedar", "text": extra}));
    }
    json!({ "policies": policies, "bundle": bundle })
}

fn draft(extra: &str) -> Value {
    let mut set = set(extra, None);
    set.as_object_mut().unwrap().remove("bundle");
    set
}

#[tokio::test]
async fn history_difference_and_rollback_are_for_those_who_may() {
    let folder = policy_directory();
    let feed = PolicyFeed::Directory(folder.path().to_owned());
    let server = Server::new(feed, None).await;
    let (admin, developer) = (holder(Role::Admin), holder(Role::Developer));
    std::fs::write(folder.path().join("freeze.cedar"), FREEZE).unwrap();
    assert_eq!(server.call(&admin, "POST", "/reload", Value::Null).await.0, 200);
    let (_, kept) = server.call(&admin, "GET", "/history?limit=1", Value::Null).await;
    assert_eq!(
        (&kept["items"][0]["number"], &kept["items"][0]["by"]),
        (&json!(2), &json!("user_ann"))
    );
    let next = format!("/history?cursor={}", kept["next_cursor"].as_str().unwrap());
    let (_, rest) = server.call(&admin, "GET", &next, Value::Null).await;
    assert_eq!(rest["items"][0]["number"], 1);
    let (_, diff) = server.call(&admin, "GET", "/history/diff?from=1", Value::Null).await;
    assert_eq!((&diff["added"][0]["id"], &diff["removed"]), (&json!("freeze"), &json!([])));
    let (_, one) = server.call(&admin, "GET", "/history/1", Value::Null).await;
    assert!(one["texts"][0]["text"].as_str().unwrap().contains("permit"));

    let back = json!({"number": 1, "reason": "too early"});
    assert_eq!(server.call(&developer, "POST", "/rollback", back.clone()).await.0, 403);
    let (status, live) = server.call(&admin, "POST", "/rollback", back).await;
    assert_eq!((status, &live["origin"], &live["same_as"]), (200, &json!("rollback"), &json!(1)));
    for (number, status) in [(json!(99), 404), (json!(-1), 400), (json!("x"), 400)] {
        let asked = json!({ "number": number });
        assert_eq!(server.call(&admin, "POST", "/rollback", asked).await.0, status, "{number}");
    }
    let (status, refused) = server.call(&admin, "PUT", "", json!({"set": set("", None)})).await;
    assert_eq!((status, &refused["code"]), (409, &json!("authz.policies_elsewhere")));
}

#[tokio::test]
async fn an_upload_is_refused_unless_it_is_signed_where_signatures_are_asked_for() {
    let ann = BundleSigner::generate("ann").unwrap();
    let trust = TrustRoot::new([ann.verifier_key()], 1).unwrap();
    let server = Server::new(PolicyFeed::Store, Some(trust)).await;
    let admin = holder(Role::Admin);
    let (status, refused) = server.call(&admin, "PUT", "", json!({"set": set("", None)})).await;
    assert_eq!((status, &refused["code"]), (400, &json!("authz.policies_invalid")));
    assert!(refused.to_string().contains("bundle.note"), "{refused}");
    let note = sign_bundle(&bundle_manifest(&PolicyFiles::shipped(), 3), &ann).unwrap();
    let signed = json!({"set": set("", Some(&note)), "reason": "first"});
    let (status, live) = server.call(&admin, "PUT", "", signed).await;
    assert_eq!((status, &live["bundle_version"]), (200, &json!(3)), "{live}");
    let more = json!({"set": set(FREEZE, Some(&note))});
    let (status, refused) = server.call(&admin, "PUT", "", more).await;
    assert_eq!(status, 400);
    assert!(refused.to_string().contains("freeze.cedar"), "{refused}");
    let control = json!({"set": set("", Some(&note)), "reason": "a\u{7}b"});
    assert_eq!(server.call(&admin, "PUT", "", control).await.0, 400);
}

#[tokio::test]
async fn a_trial_is_begun_seen_and_ended() {
    let folder = policy_directory();
    let feed = PolicyFeed::Directory(folder.path().to_owned());
    let server = Server::new(feed, None).await;
    let admin = holder(Role::Admin);
    assert_eq!(server.call(&admin, "GET", "/shadow", Value::Null).await.0, 404);
    let begun = json!({"set": draft(FREEZE), "one_in": 1});
    assert_eq!(server.call(&holder(Role::Auditor), "PUT", "/shadow", begun.clone()).await.0, 403);
    let (status, report) = server.call(&admin, "PUT", "/shadow", begun).await;
    assert_eq!((status, &report["policies"]), (200, &json!(33)));
    let broken = json!({"set": draft("forbid (")});
    assert_eq!(server.call(&admin, "PUT", "/shadow", broken).await.0, 400);
    let (status, report) = server.call(&admin, "GET", "/shadow", Value::Null).await;
    assert_eq!((status, &report["one_in"]), (200, &json!(1)));
    assert_eq!(server.call(&admin, "DELETE", "/shadow", Value::Null).await.0, 204);
    assert_eq!(server.call(&admin, "GET", "/shadow", Value::Null).await.0, 404);
    let (status, refused) = server.call(&admin, "POST", "/simulate", json!({"from": "24h"})).await;
    assert_eq!((status, &refused["code"]), (409, &json!("authz.decisions_unrecorded")));
    let (status, refused) = server.call(&admin, "POST", "/simulate", json!({"from": "x"})).await;
    assert_eq!((status, &refused["errors"][0]["field"]), (400, &json!("from")));
}

#[tokio::test]
async fn deep_json_is_refused_and_ends_nothing() {
    let folder = policy_directory();
    let server = Server::new(PolicyFeed::Directory(folder.path().to_owned()), None).await;
    let admin = holder(Role::Admin);
    for depth in [200, 100_000] {
        let deep = format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        let body = format!("{{\"set\": {deep}}}");
        let request = Request::builder()
            .method("PUT")
            .uri("/api/v1/authz/policies")
            .header("content-type", "application/json")
            .extension(context_of(&admin, true, &*clock()))
            .body(Body::from(body));
        let answer = server.0.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{depth}");
    }
}
