//! Talking to the server: one agent, the session's token, one refresh when it has ended.

use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use prov_core::{Clock, Problem, SystemClock};
use serde_json::{Value, json};
use ureq::http::{Method, Request, Response, StatusCode};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use crate::failure::{Failure, Outcome};
use crate::profile::Settings;
use crate::session_file::Session;
use crate::sessions::Sessions;

/// The cookie that devices are recognised by.
const DEVICE_COOKIE: &str = "__Host-prov_device";

/// Where somebody signs in on this device, which the server is to recognise.
const SIGNING_IN: &[&str] =
    &["/api/v1/auth/login", "/api/v1/auth/login/mfa", "/api/v1/auth/oidc/exchange"];

/// Everything but the unreserved characters of RFC 3986 is encoded in a path segment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// A client of one server.
pub(crate) struct Client {
    agent: Agent,
    settings: Settings,
    clock: SystemClock,
}

impl Client {
    /// A client by these settings. Plain HTTP is for this machine only, unless insecure is said.
    pub(crate) fn new(settings: Settings) -> Outcome<Self> {
        let uri: ureq::http::Uri = settings
            .server
            .parse()
            .map_err(|e| Failure::Usage(format!("`{}` is no URL: {e}", settings.server)))?;
        let host = uri.host().unwrap_or_default();
        let is_local = host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback());
        if uri.scheme_str() != Some("https") && !is_local && !settings.insecure {
            return Err(Failure::Usage(format!(
                "`{}` has no TLS: tokens would travel in the clear; use https, or say `--insecure`",
                settings.server
            )));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .user_agent(concat!("prov/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(Duration::from_secs(5)))
            .timeout_global(Some(Duration::from_mins(1)))
            .max_redirects(0)
            .tls_config(tls(&settings)?)
            .build();
        Ok(Self { agent: config.new_agent(), settings, clock: SystemClock::new() })
    }

    /// A page of the server, as a browser has to name it: passkeys are for names, not for addresses.
    pub(crate) fn page(&self, path: &str) -> String {
        let server = self.settings.server.trim_end_matches('/');
        let server = server.replacen("://127.0.0.1", "://localhost", 1);
        format!("{}{path}", server.replacen("://[::1]", "://localhost", 1))
    }

    /// GET as whoever is signed in.
    pub(crate) fn get(&self, path: &str) -> Outcome<Value> {
        self.signed_in(&Method::GET, path, None)
    }

    /// POST as whoever is signed in.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Outcome<Value> {
        self.signed_in(&Method::POST, path, Some(body))
    }

    /// PUT as whoever is signed in.
    pub(crate) fn put(&self, path: &str, body: &Value) -> Outcome<Value> {
        self.signed_in(&Method::PUT, path, Some(body))
    }

    /// PATCH as whoever is signed in.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Outcome<Value> {
        self.signed_in(&Method::PATCH, path, Some(body))
    }

    /// DELETE as whoever is signed in.
    pub(crate) fn delete(&self, path: &str) -> Outcome<Value> {
        self.signed_in(&Method::DELETE, path, None)
    }

    /// A request by nobody.
    pub(crate) fn anonymous(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Outcome<Value> {
        self.send(method, path, body, None).and_then(json_of)
    }

    /// How the server is: its answer, and whether it can work. An answer of 503 says why not.
    pub(crate) fn state(&self) -> Outcome<(bool, Value)> {
        let (status, text) = self.exchange(&Method::GET, "/readyz", None, None)?;
        Ok((status.is_success(), json_of(text)?))
    }

    /// An answer whose body goes on for as long as the server likes. `last` is the id of the last event of
    /// an earlier one.
    pub(crate) fn stream(&self, path: &str, last: Option<&str>) -> Outcome<Response<Body>> {
        let session = self.session()?;
        let unreachable = |why: ureq::Error| Failure::Unreachable {
            server: self.settings.server.clone(),
            why: why.to_string(),
        };
        let mut request = self
            .agent
            .get(format!("{}{path}", self.settings.server))
            .config()
            .timeout_global(None)
            .timeout_recv_body(None)
            .build()
            .header("authorization", format!("Bearer {}", session.access_token.as_str()));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let mut response = request.call().map_err(unreachable)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (status, body) = (response.status(), response.body_mut());
        Err(self.refused(status, &body.read_to_string().map_err(unreachable)?))
    }

    /// The bytes of a public answer.
    pub(crate) fn bytes(&self, path: &str) -> Outcome<Vec<u8>> {
        let unreachable = |why: ureq::Error| Failure::Unreachable {
            server: self.settings.server.clone(),
            why: why.to_string(),
        };
        let mut response = self
            .agent
            .get(format!("{}{path}", self.settings.server))
            .call()
            .map_err(unreachable)?;
        if !response.status().is_success() {
            return Err(Failure::Failed(format!("the server answered {}", response.status())));
        }
        response.body_mut().read_to_vec().map_err(unreachable)
    }

    /// Keeps the tokens of an answer.
    pub(crate) fn keep_tokens(&self, tokens: &Value) -> Outcome {
        let text = |name: &str| {
            let value = tokens.get(name).and_then(Value::as_str);
            value
                .map(|v| Zeroizing::new(v.to_owned()))
                .ok_or_else(|| Failure::Failed(format!("the server's answer has no `{name}`")))
        };
        let lifetime = tokens.get("expires_in").and_then(Value::as_u64).unwrap_or(0);
        let session = Session {
            server: self.settings.server.clone(),
            access_token: text("access_token")?,
            refresh_token: text("refresh_token")?,
            expires_at: self.clock.now() + Duration::from_secs(lifetime),
        };
        self.sessions().save(&session)
    }

    /// Keeps a new access token in the session there is.
    pub(crate) fn keep_access_token(&self, tokens: &Value) -> Outcome {
        let mut tokens = tokens.clone();
        if tokens.get("refresh_token").is_none_or(Value::is_null) {
            let session = self.session()?;
            if let Some(object) = tokens.as_object_mut() {
                object.insert("refresh_token".to_owned(), session.refresh_token.as_str().into());
            }
        }
        self.keep_tokens(&tokens)
    }

    /// Forgets the tokens.
    pub(crate) fn forget_tokens(&self) -> Outcome {
        self.sessions().forget()
    }

    /// The session, refreshed when its access token has (almost) ended.
    pub(crate) fn session(&self) -> Outcome<Session> {
        let session = self.kept()?;
        if self.holds(&session) {
            return Ok(session);
        }
        // A refresh token works once, and using it twice ends the session: one command at a time.
        let sessions = self.sessions();
        let _turn = sessions.turn()?;
        let session = self.kept()?;
        if self.holds(&session) { Ok(session) } else { self.refresh(&session) }
    }

    fn kept(&self) -> Outcome<Session> {
        self.sessions()
            .load()?
            .ok_or_else(|| Failure::NotSignedIn { server: self.settings.server.clone() })
    }

    fn holds(&self, session: &Session) -> bool {
        session.expires_at > self.clock.now() + Duration::from_secs(10)
    }

    fn refresh(&self, session: &Session) -> Outcome<Session> {
        let body = json!({ "refresh_token": session.refresh_token.as_str() });
        match self.anonymous(&Method::POST, "/api/v1/auth/refresh", Some(&body)) {
            Ok(tokens) => self.keep_tokens(&tokens)?,
            Err(Failure::Problem(problem)) if problem.status == 401 => {
                self.forget_tokens()?;
                return Err(Failure::NotSignedIn { server: self.settings.server.clone() });
            }
            Err(failure) => return Err(failure),
        }
        self.kept()
    }

    pub(crate) fn sessions(&self) -> Sessions<'_> {
        let Settings { config_dir, server, token_store, .. } = &self.settings;
        Sessions::new(config_dir, server, *token_store)
    }

    fn signed_in(&self, method: &Method, path: &str, body: Option<&Value>) -> Outcome<Value> {
        let session = self.session()?;
        self.send(method, path, body, Some(&session.access_token)).and_then(json_of)
    }

    fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Outcome<String> {
        let (status, text) = self.exchange(method, path, body, token)?;
        if status.is_success() {
            return Ok(text);
        }
        Err(self.refused(status, &text))
    }

    /// The whole URL of a path, for a browser.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.server)
    }

    /// What a refusal says.
    fn refused(&self, status: StatusCode, text: &str) -> Failure {
        match serde_json::from_str::<Problem>(text) {
            Ok(problem) => Failure::Problem(Box::new(problem)),
            Err(_) => Failure::Failed(format!("{} answered {status}", self.settings.server)),
        }
    }

    fn exchange(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&str>,
    ) -> Outcome<(StatusCode, String)> {
        let unreachable = |why: ureq::Error| Failure::Unreachable {
            server: self.settings.server.clone(),
            why: why.to_string(),
        };
        let mut request =
            Request::builder().method(method).uri(format!("{}{path}", self.settings.server));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let signs_in = SIGNING_IN.contains(&path);
        if signs_in && let Some(device) = self.sessions().device() {
            request = request.header("cookie", format!("{DEVICE_COOKIE}={}", &*device));
        }
        let bytes = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Zeroizing::new(body.to_string())
            }
            None => Zeroizing::default(),
        };
        let request =
            request.body(bytes.as_str()).map_err(|e| Failure::of("making the request", e))?;
        let mut response = self.agent.run(request).map_err(unreachable)?;
        let status = response.status();
        if signs_in && let Some(device) = new_device(response.headers()) {
            self.sessions().keep_device(&device);
        }
        let text = response
            .body_mut()
            .with_config()
            .limit(256 * 1024 * 1024)
            .read_to_string()
            .map_err(unreachable)?;
        Ok((status, text))
    }
}

/// What the server wants to recognise this device by.
fn new_device(headers: &ureq::http::HeaderMap) -> Option<Zeroizing<String>> {
    let lines = headers.get_all("set-cookie").iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.filter_map(|line| line.split(';').next()?.split_once('='));
    let (_, value) = pairs.find(|(name, _)| *name == DEVICE_COOKIE)?;
    Some(Zeroizing::new(value.to_owned()))
}

fn json_of(text: String) -> Outcome<Value> {
    let text = Zeroizing::new(text);
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(&text).map_err(|e| Failure::of("reading the server's answer", e))
}

fn tls(settings: &Settings) -> Outcome<TlsConfig> {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let mut config = TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(provider));
    if let Some(path) = &settings.ca_cert {
        let failed = |e: &dyn std::fmt::Display| Failure::of(&format!("`{}`", path.display()), e);
        let pem = std::fs::read(path).map_err(|e| failed(&e))?;
        let certificate = Certificate::from_pem(&pem).map_err(|e| failed(&e))?;
        config = config.root_certs(RootCerts::new_with_certs(&[certificate]));
    }
    Ok(config.build())
}
