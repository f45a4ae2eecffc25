//! Through the router, as a client sees it.

use std::sync::Arc;

use axum::body::Body;
use http::{Request, StatusCode, header};
use prov_auth::api;
use prov_core::Role;
use prov_http::{EdgeLayer, RouteTable};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::user_fixture::{House, PASSWORD};

pub(crate) struct Client {
    pub(crate) house: House,
    app: axum::Router,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) async fn new() -> Self {
        let house = House::new().await;
        house.user("admin", &[Role::Admin]).await;
        Self::of(house)
    }

    pub(crate) fn of(house: House) -> Self {
        let (router, _) = api::router(house.service.clone()).split_for_parts();
        let table = Arc::new(RouteTable::new(api::routes()).unwrap());
        let edge = EdgeLayer::new(Arc::new(house.clock.clone())).with_routes(table);
        let app = router.layer(crate::user_fixture::authn_layer(&house)).layer(edge);
        Self { house, app }
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Body,
        kind: &str,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !kind.is_empty() {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let response = self.app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    pub(crate) async fn json(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Value,
    ) -> Answer {
        let (body, kind) = match body {
            Value::Null => (Body::empty(), ""),
            body => (Body::from(body.to_string()), "application/json"),
        };
        self.send(method, path, token, body, kind).await
    }

    pub(crate) async fn form(&self, path: &str, token: Option<&str>, form: String) -> Answer {
        self.send("POST", path, token, Body::from(form), "application/x-www-form-urlencoded").await
    }

    pub(crate) async fn login(&self, name: &str) -> (String, String) {
        let body = json!({"username": name, "password": PASSWORD});
        let answer = self.json("POST", "/api/v1/auth/login", None, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let text = |key: &str| answer.body[key].as_str().unwrap().to_owned();
        (text("access_token"), text("refresh_token"))
    }
}

#[tokio::test]
async fn tokens_have_the_shape_clients_rely_on() {
    let client = Client::new().await;
    let body = json!({"username": "admin", "password": PASSWORD});
    let answer = client.json("POST", "/api/v1/auth/login", None, body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    let mut keys: Vec<_> = answer.body.as_object().unwrap().keys().cloned().collect();
    keys.sort();
    assert_eq!(keys, ["access_token", "expires_in", "refresh_token", "session_id", "token_type"]);
    assert_eq!(
        (&answer.body["expires_in"], &answer.body["token_type"]),
        (&json!(900), &json!("Bearer"))
    );
    let refresh = json!({"refresh_token": answer.body["refresh_token"]});
    let again = client.json("POST", "/api/v1/auth/refresh", None, refresh).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.body["session_id"], answer.body["session_id"]);
}

#[tokio::test]
async fn the_second_step_has_the_shape_clients_rely_on() {
    let client = Client::new().await;
    let user = client.house.service.user("admin").await.unwrap();
    client.house.factors.enroll(&user.id);
    let body = json!({"username": "admin", "password": PASSWORD});
    let answer = client.json("POST", "/api/v1/auth/login", None, body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["mfa_required"], true);
    assert_eq!(answer.body["methods"], json!(["totp", "backup_code"]));
    assert_eq!(answer.body["expires_in"], 300);
    let body = json!({"challenge": answer.body["challenge"], "method": "totp", "code": "right"});
    let answer = client.json("POST", "/api/v1/auth/login/mfa", None, body).await;
    assert_eq!(answer.status, 200);
    let access = answer.body["access_token"].as_str().unwrap();
    let me = client.json("GET", "/api/v1/auth/me", Some(access), Value::Null).await;
    assert_eq!(me.body["amr"], json!(["pwd", "otp", "mfa"]));
    assert_eq!(me.body["user"]["username"], "admin");
}

#[tokio::test]
async fn an_account_lives_from_creation_to_deletion() {
    let client = Client::new().await;
    let (admin, _) = client.login("admin").await;
    let admin = Some(admin.as_str());
    let body = json!({"username": "Alice", "roles": ["developer"], "teams": ["sre"]});
    let made = client.json("POST", "/api/v1/users", admin, body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let temporary = made.body["temporary_password"].as_str().unwrap();
    let login = json!({"username": "alice", "password": temporary});
    let refused = client.json("POST", "/api/v1/auth/login", None, login).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.body["type"], "https://prov.dev/problems/password-change-required");
    let body =
        json!({"username": "alice", "current_password": temporary, "new_password": PASSWORD});
    let renewed = client.json("POST", "/api/v1/auth/password/expired", None, body).await;
    assert_eq!(renewed.status, 204);
    let (alice, _) = client.login("alice").await;
    let patched = json!({"email": "alice@example.org"});
    let answer = client.json("PATCH", "/api/v1/users/alice", admin, patched).await;
    assert_eq!(answer.body["email"], "alice@example.org");
    let answer = client.json("PATCH", "/api/v1/users/alice", admin, json!({"email": null})).await;
    assert!(answer.body.get("email").is_none());
    let id = made.body["id"].as_str().unwrap();
    for (method, path, body) in [
        ("PUT", "roles", json!({"roles": ["viewer"]})),
        ("PUT", "teams", json!({"teams": []})),
        ("POST", "lock", Value::Null),
        ("POST", "unlock", Value::Null),
        ("POST", "password-reset", Value::Null),
    ] {
        let path = format!("/api/v1/users/{id}/{path}");
        let answer = client.json(method, &path, admin, body).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    let me = client.json("GET", "/api/v1/auth/me", Some(&alice), Value::Null).await;
    assert_eq!(me.status, 401);
    let path = format!("/api/v1/users/{id}");
    assert_eq!(client.json("DELETE", &path, admin, Value::Null).await.status, 204);
    assert_eq!(client.json("GET", &path, admin, Value::Null).await.status, 404);
    let last = client.json("DELETE", "/api/v1/users/admin", admin, Value::Null).await;
    assert_eq!((last.status, &last.body["code"]), (409, &json!("auth.last_administrator")));
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let client = Client::new().await;
    let (here, _) = client.login("admin").await;
    let (there, _) = client.login("admin").await;
    let list = client.json("GET", "/api/v1/auth/sessions", Some(&here), Value::Null).await;
    let items = list.body["items"].as_array().unwrap();
    assert_eq!(items.len(), 2);
    let other = items.iter().find(|s| s["current"] == false).unwrap();
    let path = format!("/api/v1/auth/sessions/{}", other["id"].as_str().unwrap());
    assert_eq!(client.json("DELETE", &path, Some(&here), Value::Null).await.status, 204);
    assert_eq!(client.json("GET", "/api/v1/auth/me", Some(&there), Value::Null).await.status, 401);
    let logout = client.json("POST", "/api/v1/auth/logout", Some(&here), Value::Null).await;
    assert_eq!(logout.status, 204);
    assert_eq!(client.json("GET", "/api/v1/auth/me", Some(&here), Value::Null).await.status, 401);
}

#[tokio::test]
async fn revocation_and_introspection_speak_as_their_rfcs_say() {
    let client = Client::new().await;
    let (access, refresh) = client.login("admin").await;
    let ask = format!("token={access}&token_type_hint=access_token&client_id=ignored");
    let answer = client.form("/api/v1/auth/introspect", Some(&access), ask).await;
    assert_eq!((answer.status, &answer.body["active"]), (200, &json!(true)));
    let unknown = client.form("/api/v1/auth/introspect", Some(&access), "token=x".to_owned()).await;
    assert_eq!(unknown.body, json!({"active": false}));
    let stranger = client.form("/api/v1/auth/introspect", None, "token=x".to_owned()).await;
    assert_eq!(stranger.status, 401);
    let gone = client.form("/api/v1/auth/revoke", None, "token=unknown".to_owned()).await;
    assert_eq!(gone.status, 200);
    let gone = client.form("/api/v1/auth/revoke", None, format!("token={refresh}")).await;
    assert_eq!(gone.status, 200);
    let me = client.json("GET", "/api/v1/auth/me", Some(&access), Value::Null).await;
    assert_eq!(me.status, 401);
    let json = client.json("POST", "/api/v1/auth/revoke", None, json!({"token": "x"})).await;
    assert_eq!(json.status, 200, "JSON is taken as well");
    let empty = client.form("/api/v1/auth/revoke", None, String::new()).await;
    assert_eq!(empty.status, 400, "RFC 7009: `token` is required");
}

#[tokio::test]
async fn keys_are_published_and_rotated() {
    let client = Client::new().await;
    let (admin, _) = client.login("admin").await;
    let jwks = client.json("GET", "/.well-known/jwks.json", None, Value::Null).await;
    assert!(jwks.headers[header::CACHE_CONTROL].to_str().unwrap().starts_with("public, max-age="));
    assert_eq!(jwks.body["keys"].as_array().unwrap().len(), 2);
    assert!(jwks.body["keys"].as_array().unwrap().iter().all(|k| k.get("d").is_none()));
    let body = json!({"rotation": "at_once"});
    let rotated = client.json("POST", "/api/v1/auth/keys/rotate", Some(&admin), body).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
    let keys = client.json("GET", "/api/v1/auth/keys", Some(&admin), Value::Null).await;
    let states: Vec<_> =
        keys.body["items"].as_array().unwrap().iter().map(|k| k["state"].clone()).collect();
    assert_eq!(states.len(), 3);
    assert!(states.contains(&json!("retired")));
    let me = client.json("GET", "/api/v1/auth/me", Some(&admin), Value::Null).await;
    assert_eq!(me.status, 200, "tokens of the retired key hold");
}

#[tokio::test]
async fn an_empty_rotation_is_the_default_one() {
    let client = Client::new().await;
    let (admin, _) = client.login("admin").await;
    let rotate = "/api/v1/auth/keys/rotate";
    let early = client.json("POST", rotate, Some(&admin), json!({})).await;
    assert_eq!((early.status, &early.body["code"]), (409, &json!("auth.signing_key_unpublished")));
    client.house.wait(std::time::Duration::from_mins(5));
    let rotated = client.json("POST", rotate, Some(&admin), json!({})).await;
    assert_eq!(rotated.status, 200, "{}", rotated.body);
}

#[tokio::test]
async fn every_401_of_a_public_route_carries_a_challenge() {
    let client = Client::new().await;
    for (path, body) in [
        ("login", json!({"username": "admin", "password": "wrong password"})),
        ("login/mfa", json!({"challenge": "x", "method": "totp", "code": "123456"})),
        ("refresh", json!({"refresh_token": "prov_rt_garbage"})),
    ] {
        let path = format!("/api/v1/auth/{path}");
        let answer = client.json("POST", &path, None, body).await;
        assert_eq!(answer.status, 401, "{path}: {}", answer.body);
        assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"prov\"", "{path}");
    }
}

#[tokio::test]
async fn bootstrap_by_link_and_teams() {
    let house = House::new().await;
    let token = house.service.begin_bootstrap().await.unwrap();
    let client = Client::of(house);
    let body = json!({"token": token.expose(), "username": "root-admin", "password": PASSWORD});
    let made = client.json("POST", "/api/v1/auth/bootstrap", None, body.clone()).await;
    assert_eq!((made.status, &made.body["roles"]), (201, &json!(["admin"])));
    let again = client.json("POST", "/api/v1/auth/bootstrap", None, body).await;
    assert_eq!(again.status, 409);
    let (admin, _) = client.login("root-admin").await;
    let team = json!({"name": "database"});
    assert_eq!(client.json("POST", "/api/v1/teams", Some(&admin), team).await.status, 201);
    let list = client.json("GET", "/api/v1/teams?limit=3", Some(&admin), Value::Null).await;
    assert_eq!(list.body["items"].as_array().unwrap().len(), 3);
    let next = format!("/api/v1/teams?cursor={}", list.body["next_cursor"].as_str().unwrap());
    let rest = client.json("GET", &next, Some(&admin), Value::Null).await;
    assert_eq!(rest.body["items"].as_array().unwrap().len(), 3);
    let gone = client.json("DELETE", "/api/v1/teams/database", Some(&admin), Value::Null).await;
    assert_eq!(gone.status, 204);
}

#[tokio::test]
async fn bad_input_is_a_problem_that_names_the_field_and_stores_nothing() {
    let client = Client::new().await;
    let (admin, _) = client.login("admin").await;
    let admin = Some(admin.as_str());
    let cases = [
        ("POST", "/api/v1/auth/login", json!({"username": "a"}), "body"),
        ("POST", "/api/v1/auth/login", json!({"username": 7, "password": "x"}), "username"),
        (
            "POST",
            "/api/v1/auth/login",
            json!({"username": "a", "password": "x", "admin": true}),
            "admin",
        ),
        ("POST", "/api/v1/auth/login", json!({"username": "a\0b", "password": "x"}), "username"),
        (
            "POST",
            "/api/v1/auth/login/mfa",
            json!({"challenge": "x", "method": "sms", "code": "1"}),
            "method",
        ),
        ("POST", "/api/v1/auth/step-up", json!({"password": "x", "code": "y"}), "method"),
        ("POST", "/api/v1/users", json!({"username": "bob", "roles": ["root"]}), "roles[0]"),
        ("POST", "/api/v1/users", json!({"username": "bob", "password": "short"}), "password"),
        ("POST", "/api/v1/users", json!({"username": "bob", "password": "password1"}), "password"),
        ("POST", "/api/v1/users", json!({"username": "../bob"}), "username"),
        ("POST", "/api/v1/users", json!({"username": "bob", "email": "bob"}), "email"),
        (
            "POST",
            "/api/v1/users",
            json!({"username": "bob", "display_name": "\u{7}"}),
            "display_name",
        ),
        ("POST", "/api/v1/teams", json!({"name": "No Such"}), "name"),
        ("PATCH", "/api/v1/users/admin", json!({"roles": ["viewer"]}), "roles"),
        ("DELETE", "/api/v1/auth/sessions/..%2f..%2fetc", Value::Null, "id"),
        ("GET", "/api/v1/users?limit=0", Value::Null, "query"),
        ("GET", "/api/v1/users?limit=1001", Value::Null, "limit"),
        ("GET", "/api/v1/users?cursor=%21", Value::Null, "cursor"),
    ];
    for (method, path, body, field) in cases {
        let answer = client.json(method, path, admin, body.clone()).await;
        assert_eq!(answer.status, 400, "{method} {path} {body}: {}", answer.body);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
        assert!(answer.body["request_id"].is_string());
        assert_eq!(answer.body["errors"][0]["field"], field, "{path} {body}: {}", answer.body);
    }
    for (path, kind, body, status) in [
        ("/api/v1/auth/login", "application/json", &b"{\"username\": \xff}"[..], 400),
        ("/api/v1/auth/login", "application/json", b"{", 400),
        ("/api/v1/auth/login", "text/plain", b"{}", 415),
        ("/api/v1/auth/revoke", "text/plain", b"token=x", 415),
        ("/api/v1/users/%00", "application/json", b"{}", 405),
    ] {
        let answer = client.send("POST", path, admin, Body::from(body), kind).await;
        assert_eq!(answer.status, status, "{path} {kind}: {}", answer.body);
    }
    let unknown = client.json("GET", "/api/v1/users/%00", admin, Value::Null).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND.as_u16());
    let users = client.json("GET", "/api/v1/users", admin, Value::Null).await;
    assert_eq!(users.body["items"].as_array().unwrap().len(), 1, "nothing was stored");
}
