//! The secured application, asked over TCP as `curl` would.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use examples::secure_axum_app::{secured, status_board};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use prov_auth::{AuthService, NewUser};
use prov_core::{SecretText, SecurityContext, SystemClock};
use serde_json::{Value, json};
use tower::ServiceExt;

const PASSWORD: &str = "copper lanterns hum at dusk";

struct Board {
    app: Router,
    auth: Arc<AuthService>,
}

impl Board {
    async fn open(data: &Path) -> Self {
        let (app, auth) = secured(status_board(), data).await.unwrap();
        Self { app, auth }
    }

    async fn ask(&self, request: http::request::Builder, body: &str) -> (StatusCode, Vec<u8>) {
        let mut request = request.body(Body::from(body.to_owned())).unwrap();
        let client = SocketAddr::from(([203, 0, 113, 7], 40_000));
        request.extensions_mut().insert(ConnectInfo(client));
        let (parts, body) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        (parts.status, body.collect().await.unwrap().to_bytes().to_vec())
    }

    async fn get(&self, path: &str, token: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let (status, body) = self.ask(request, "").await;
        (status, String::from_utf8(body).unwrap())
    }

    async fn sign_in(&self, name: &str) -> String {
        let login = json!({ "username": name, "password": PASSWORD }).to_string();
        let request =
            Request::post("/api/v1/auth/login").header("content-type", "application/json");
        let (status, body) = self.ask(request, &login).await;
        assert_eq!(status, StatusCode::OK);
        let body: Value = serde_json::from_slice(&body).unwrap();
        body["access_token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_layer_does_its_part() {
    let data = tempfile::tempdir().unwrap();
    let board = Board::open(data.path()).await;
    board.auth.bootstrap_admin("demo", &SecretText::new(PASSWORD)).await.unwrap();
    let setup = SecurityContext::system("setup", &SystemClock::new()).unwrap();
    let guest =
        NewUser::new("guest").with_password(SecretText::new(PASSWORD)).keeping_its_password();
    board.auth.create_user(&setup, guest).await.unwrap();

    assert_eq!(board.get("/", None).await.0, StatusCode::OK);
    assert_eq!(board.get("/status", None).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(board.get("/nowhere", None).await.0, StatusCode::NOT_FOUND);
    let (guest, demo) = (board.sign_in("guest").await, board.sign_in("demo").await);
    let (status, problem) = board.get("/status", Some(&guest)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(problem.contains("authz.access_denied"), "{problem}");
    let nominal = (StatusCode::OK, "all systems nominal\n".to_owned());
    assert_eq!(board.get("/status", Some(&demo)).await, nominal);

    let drain = Request::post("/drain").header("authorization", format!("Bearer {demo}"));
    let (status, problem) = board.ask(drain, "").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(String::from_utf8(problem).unwrap().contains("mfa.step_up_required"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hundred_and_first_request_of_a_minute_waits() {
    let data = tempfile::tempdir().unwrap();
    let board = Board::open(data.path()).await;
    for _ in 0..100 {
        assert_eq!(board.get("/", None).await.0, StatusCode::OK);
    }
    assert_eq!(board.get("/", None).await.0, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_finds_everything_again() {
    let data = tempfile::tempdir().unwrap();
    let first = Board::open(data.path()).await;
    first.auth.bootstrap_admin("demo", &SecretText::new(PASSWORD)).await.unwrap();
    let token = first.sign_in("demo").await;
    drop(first);
    let second = Board::open(data.path()).await;
    assert_eq!(second.get("/status", Some(&token)).await.0, StatusCode::OK);
    let again = second.auth.bootstrap_admin("demo", &SecretText::new(PASSWORD)).await.unwrap_err();
    assert!(again.is(prov_auth::codes::BOOTSTRAP_CLOSED));
}
