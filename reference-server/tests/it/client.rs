//! A client as anybody could write one.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Method, Request};
use ureq::tls::{Certificate, ClientCert, RootCerts, TlsConfig};

use crate::server::PATIENCE;

/// One client, with the token of whoever uses it.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: Agent,
    base: String,
    pub(crate) token: Option<String>,
}

/// What the server answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) asked: String,
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        Self::with_agent(base, Agent::config_builder())
    }

    /// Over TLS, trusting the `cert.pem` in this folder; with a certificate of its own or without.
    pub(crate) fn over_tls(base: &str, folder: &Path, own: Option<ClientCert>) -> Self {
        let pem = std::fs::read(folder.join("cert.pem")).unwrap();
        let trusted = RootCerts::new_with_certs(&[Certificate::from_pem(&pem).unwrap().to_owned()]);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
        let tls = tls.root_certs(trusted).client_cert(own).build();
        Self::with_agent(base, Agent::config_builder().tls_config(tls))
    }

    fn with_agent(
        base: &str,
        config: ureq::config::ConfigBuilder<ureq::typestate::AgentScope>,
    ) -> Self {
        let config = config
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE))
            .build();
        Self { agent: config.new_agent(), base: base.to_owned(), token: None }
    }

    /// The same client with a token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(&Method::GET, path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(&Method::POST, path, Some(body))
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.send(&Method::DELETE, path, None)
    }

    pub(crate) fn send(&self, method: &Method, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(|body| ("application/json", serde_json::to_vec(body).unwrap()));
        self.try_send(method, path, body, &[]).unwrap()
    }

    /// Sends anything; an error means that there was no whole answer.
    pub(crate) fn try_send(
        &self,
        method: &Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
        headers: &[(&str, &str)],
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut answer = match body {
            Some((kind, bytes)) => {
                self.agent.run(request.header("content-type", kind).body(bytes).unwrap())?
            }
            None => self.agent.run(request.body(()).unwrap())?,
        };
        Ok(Answer {
            asked: format!("{method} {path}"),
            status: answer.status().as_u16(),
            headers: answer.headers().clone(),
            body: answer.body_mut().with_config().limit(64 << 20).read_to_vec()?,
        })
    }
}

impl Answer {
    /// The answer as JSON; its status must be this one.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text());
        self.json()
    }

    /// A refusal with this status and code.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        let problem = self.expect_problem();
        assert_eq!(
            (self.status, problem["code"].as_str()),
            (status, Some(code)),
            "{}: {problem}",
            self.asked
        );
    }

    /// A problem document that names itself and the request (RFC 9457).
    #[track_caller]
    pub(crate) fn expect_problem(&self) -> Value {
        let kind = self.header("content-type");
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{}: {self:?}", self.asked);
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{}", self.asked);
        assert!(problem["code"].as_str().is_some_and(|code| code.contains('.')), "{problem}");
        let slug = problem["type"].as_str().unwrap();
        assert!(slug.starts_with("https://prov.dev/problems/"), "{problem}");
        let id = problem["request_id"].as_str();
        assert!(id.is_some() && id == self.header("x-request-id").as_deref(), "{self:?}");
        problem
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    }

    pub(crate) fn request_id(&self) -> String {
        self.header("x-request-id").unwrap()
    }
}
