//! Who works with the server in these tests, and how they sign in.

use std::time::Duration;

use prov_core::{Clock, SystemClock};
use serde_json::{Value, json};
use totp_rs::Totp;

use crate::client::Client;
use crate::server::{Home, Server};

pub(crate) const ADMIN_PASSWORD: &str = "vast-otter-plows-7-hills";

/// A server with an administrator who has signed in.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) admin: Client,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::over(Home::new().start())
    }

    pub(crate) fn with(arguments: &[&str]) -> Self {
        let mut all = vec!["--set", "server.rate_limit=100000/min"];
        all.extend(arguments);
        Self::over(Home::new().start_with(&all))
    }

    /// Makes the first administrator of a new server.
    pub(crate) fn over(mut server: Server) -> Self {
        let body = json!({
            "token": server.invitation(), "username": "admin", "password": ADMIN_PASSWORD,
        });
        server.client().post("/api/v1/auth/bootstrap", &body).expect(201);
        let admin = signed_in(&server.client(), "admin", ADMIN_PASSWORD);
        Self { server, admin }
    }

    /// Someone with these roles and teams who may keep the password they were given.
    pub(crate) fn person(&self, name: &str, roles: &[&str], teams: &[&str]) -> Client {
        let password = password_of(name);
        let body = json!({
            "username": name, "password": password, "must_change_password": false,
            "roles": roles, "teams": teams,
        });
        self.admin.post("/api/v1/users", &body).expect(201);
        signed_in(&self.server.client(), name, &password)
    }
}

pub(crate) fn password_of(name: &str) -> String {
    format!("{name}-counts-41-herons")
}

pub(crate) fn login(client: &Client, name: &str, password: &str) -> Value {
    client
        .post("/api/v1/auth/login", &json!({ "username": name, "password": password }))
        .expect(200)
}

/// Signs in where no second factor is due.
pub(crate) fn signed_in(client: &Client, name: &str, password: &str) -> Client {
    client.with_token(text(&login(client, name, password), "access_token"))
}

/// A field that is there and is a text.
#[track_caller]
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("`{field}` of {value}"))
}

/// The fields called `field` of all items of a list.
pub(crate) fn column(list: &Value, field: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| text(item, field).to_owned()).collect()
}

/// An authenticator app, which never shows a code twice.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) secret: String,
    totp: Totp,
    used: u64,
}

impl App {
    /// Enrols an app for whoever this client is signed in as, and confirms it.
    pub(crate) fn enrolled(client: &Client) -> Self {
        let begun = client.post("/api/v1/mfa/totp/enroll", &json!({ "name": "phone" })).expect(201);
        let mut app = Self {
            id: text(&begun, "id").to_owned(),
            secret: text(&begun, "secret").to_owned(),
            totp: Totp::from_url(text(&begun, "otpauth_uri")).unwrap(),
            used: 0,
        };
        let body = json!({ "id": app.id, "code": app.code() });
        let confirmed = client.post("/api/v1/mfa/totp/verify", &body).expect(200);
        assert_eq!(confirmed["confirmed"], true);
        app
    }

    /// A code that holds now and was not used before: of the step before, of this one or of the next
    /// (one step of drift is forgiven), after which one has to wait.
    pub(crate) fn code(&mut self) -> String {
        const STEP: u64 = 30;
        const ROOM: u64 = 5;
        loop {
            let now = SystemClock::new().now().as_second().unsigned_abs();
            let step = (now / STEP - 1).max(self.used + 1);
            // Not at the end of a step: by the time the code arrives it would be too old.
            if step <= now / STEP + 1 && STEP - now % STEP > ROOM {
                self.used = step;
                return self.totp.generate(step * STEP).to_string();
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Signs in with password and code.
    pub(crate) fn signed_in(&mut self, client: &Client, name: &str, password: &str) -> Client {
        let tokens = self.login(client, name, password);
        client.with_token(text(&tokens, "access_token"))
    }

    pub(crate) fn login(&mut self, client: &Client, name: &str, password: &str) -> Value {
        let challenged = login(client, name, password);
        assert_eq!(challenged["mfa_required"], true, "{challenged}");
        let body = json!({
            "challenge": challenged["challenge"], "method": "totp", "code": self.code(),
        });
        client.post("/api/v1/auth/login/mfa", &body).expect(200)
    }
}
