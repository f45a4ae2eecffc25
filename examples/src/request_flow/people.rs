//! Signing in, as a client does: over HTTP, with a password and an authenticator app.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, header};
use prov_auth::NewUser;
use prov_core::{Clock, SecretText, SecurityContext};
use serde_json::{Value, json};
use totp_rs::Totp;

use super::{Answer, House};
use crate::Failure;

/// Inside the corporate network of the shipped policies.
pub(super) const OFFICE: [u8; 4] = [10, 1, 2, 3];

/// Somebody who can sign in.
#[derive(Debug)]
pub struct Person {
    name: &'static str,
    password: SecretText,
    app: Option<Totp>,
}

impl Person {
    /// A member of the team `sre`.
    ///
    /// # Errors
    /// When the user can't be made.
    pub async fn in_sre(house: &House, name: &'static str) -> Result<Self, Failure> {
        let setup = SecurityContext::system("setup", &house.clock)?;
        let password = SecretText::new("copper lanterns hum at dusk");
        let new = NewUser::new(name)
            .with_password(password.clone())
            .keeping_its_password()
            .with_roles([prov_core::Role::Viewer])
            .with_teams(["sre".parse()?]);
        house.auth.create_user(&setup, new).await?;
        Ok(Self { name, password, app: None })
    }

    /// Signs in, with the second factor if one is enrolled. Gives the access token.
    ///
    /// # Errors
    /// When signing in is refused.
    pub async fn sign_in(&self, house: &House) -> Result<String, Failure> {
        let login = json!({ "username": self.name, "password": self.password.expose() });
        let first = post(house, "/api/v1/auth/login", None, &login).await?;
        let Some(app) = &self.app else { return Ok(first.text("access_token")?.to_owned()) };
        // A code is good once, and the one that enrolled the app is used up: wait for the next.
        house.clock.advance(Duration::from_secs(30));
        let challenge = first.text("challenge")?;
        let answer = json!({ "challenge": challenge, "method": "totp", "code": code(app, house)? });
        let second = post(house, "/api/v1/auth/login/mfa", None, &answer).await?;
        Ok(second.text("access_token")?.to_owned())
    }

    /// Enrols an authenticator app.
    ///
    /// # Errors
    /// When enrolment is refused.
    pub async fn enroll_app(&mut self, house: &House, token: &str) -> Result<(), Failure> {
        let path = "/api/v1/mfa/totp/enroll";
        let begun = post(house, path, Some(token), &json!({ "name": "phone" })).await?;
        let app = Totp::from_url(begun.text("otpauth_uri")?).map_err(|e| e.to_string())?;
        let first_code = json!({ "id": begun.text("id")?, "code": code(&app, house)? });
        post(house, "/api/v1/mfa/totp/verify", Some(token), &first_code).await?;
        self.app = Some(app);
        Ok(())
    }
}

/// What the app shows now.
fn code(app: &Totp, house: &House) -> Result<String, Failure> {
    Ok(app.generate(u64::try_from(house.clock.now().as_second())?).to_string())
}

/// A request with a JSON body; an answer that is no success is an error.
async fn post(
    house: &House,
    path: &str,
    token: Option<&str>,
    body: &Value,
) -> Result<Answer, Failure> {
    let mut request = Request::builder().method(Method::POST).uri(path);
    request = request.header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let answer = house.ask(OFFICE, request.body(Body::from(body.to_string()))?).await?;
    if answer.status.is_success() {
        return Ok(answer);
    }
    Err(format!("{path}: {} {}", answer.status, answer.document).into())
}
