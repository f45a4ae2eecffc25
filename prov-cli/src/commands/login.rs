//! Signing in and out.

mod browser;
mod news;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use ureq::http::Method;
use zeroize::Zeroizing;

use super::Session;
use crate::failure::{Failure, Outcome};
use crate::prompt;

/// Sign in, for example `prov login --user alice`
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// Who; asked for when absent
    #[arg(long, short)]
    user: Option<String>,
    /// A file with the password (`-`: stdin) instead of asking
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// A file with the password to have from now on, when the one until now was given by somebody else
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    /// The code of the authenticator app instead of asking
    #[arg(long, value_name = "CODE", conflicts_with = "backup_code")]
    totp: Option<String>,
    /// A backup code instead of the authenticator app
    #[arg(long, value_name = "CODE")]
    backup_code: Option<String>,
    /// Sign in with this identity provider, in a browser on this machine
    #[arg(long, value_name = "ISSUER", conflicts_with_all = ["user", "password_file", "new_password_file"])]
    oidc: Option<String>,
}

impl Login {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let device_before = session.client.sessions().device();
        if let Some(issuer) = &self.oidc {
            let mut answer = browser::sign_in(session, issuer)?;
            if answer.get("mfa_required").and_then(Value::as_bool) == Some(true) {
                answer = self.second_step(session, &answer)?;
            }
            session.client.keep_tokens(&answer)?;
            session.done(&format!("signed in with {issuer}"));
            ask_to_enrol(session, &answer);
            news::show(session, issuer, device_before.as_deref().map(String::as_str));
            return Ok(());
        }
        let user = match &self.user {
            Some(user) => user.clone(),
            None => prompt::line("user")?,
        };
        let password = prompt::secret("password", self.password_file.as_deref())?;
        let mut answer = match first_step(session, &user, &password) {
            Err(Failure::Problem(problem)) if problem.code == "auth.password_change_required" => {
                let own = self.choose_password(session, &user, &password)?;
                first_step(session, &user, &own)?
            }
            answer => answer?,
        };
        if answer.get("mfa_required").and_then(Value::as_bool) == Some(true) {
            answer = self.second_step(session, &answer)?;
        }
        session.client.keep_tokens(&answer)?;
        session.done(&format!("signed in as {user}"));
        ask_to_enrol(session, &answer);
        news::show(session, &user, device_before.as_deref().map(String::as_str));
        Ok(())
    }

    /// A password that somebody else gave is good for one thing: choosing one's own.
    fn choose_password(
        &self,
        session: &Session,
        user: &str,
        given: &str,
    ) -> Outcome<Zeroizing<String>> {
        session.done("this password was given to you: choose one of your own");
        let own = prompt::secret("new password", self.new_password_file.as_deref())?;
        let body =
            json!({ "username": user, "current_password": given, "new_password": own.as_str() });
        session.client.anonymous(&Method::POST, "/api/v1/auth/password/expired", Some(&body))?;
        Ok(own)
    }

    fn second_step(&self, session: &Session, first: &Value) -> Outcome<Value> {
        let (method, code) = match (&self.totp, &self.backup_code) {
            (Some(code), _) => ("totp", code.clone()),
            (None, Some(code)) => ("backup_code", code.clone()),
            (None, None) if !has_codes(first) => {
                return Err(Failure::Failed(
                    "this account is proved by a passkey, which a terminal can't ask for: give \
                     `--backup-code`, or enrol an authenticator app in a browser"
                        .to_owned(),
                ));
            }
            (None, None) => ("totp", prompt::line("code of the authenticator app")?),
        };
        let challenge = first.get("challenge").cloned().unwrap_or_default();
        let body = json!({ "challenge": challenge, "method": method, "code": code });
        session.client.anonymous(&Method::POST, "/api/v1/auth/login/mfa", Some(&body))
    }
}

/// Says what the policy asks of whoever has no second factor yet.
fn ask_to_enrol(session: &Session, answer: &Value) {
    if answer.get("enrolment_required").and_then(Value::as_bool) == Some(true) {
        session.done("you must have a second factor: prov mfa totp enroll, then sign in again");
    } else if let Some(by) = answer.get("enrol_by").and_then(Value::as_str) {
        session.done(&format!("you must have a second factor by {by}: prov mfa totp enroll"));
    }
}

/// Whether the account can be proved by a code of an app.
fn has_codes(first: &Value) -> bool {
    let methods = first.get("methods").and_then(Value::as_array);
    methods.is_some_and(|methods| methods.iter().any(|method| method == "totp"))
}

fn first_step(session: &Session, user: &str, password: &str) -> Outcome<Value> {
    let body = json!({ "username": user, "password": password });
    session.client.anonymous(&Method::POST, "/api/v1/auth/login", Some(&body))
}

/// Signs out. The tokens are forgotten also when the server can't be told.
pub(crate) fn logout(session: &Session) -> Outcome {
    let told = session.client.post("/api/v1/auth/logout", &json!({}));
    session.client.forget_tokens()?;
    told.map(drop)?;
    session.done("signed out");
    Ok(())
}

/// Who the server thinks the caller is.
pub(crate) fn whoami(session: &Session) -> Outcome {
    let answer = session.client.get("/api/v1/auth/me")?;
    session.show(&answer, &[])
}

/// Change your password; ends your other sessions
#[derive(Debug, Args)]
pub(crate) struct Passwd {
    /// A file with the old password instead of asking
    #[arg(long, value_name = "FILE")]
    old_password_file: Option<PathBuf>,
    /// A file with the new password instead of asking
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
}

impl Passwd {
    pub(crate) fn run(self, session: &Session) -> Outcome {
        let old = prompt::secret("old password", self.old_password_file.as_deref())?;
        let new = prompt::secret("new password", self.new_password_file.as_deref())?;
        let body = json!({ "current_password": old.as_str(), "new_password": new.as_str() });
        session.client.post("/api/v1/auth/password", &body)?;
        session.done("password changed");
        Ok(())
    }
}
