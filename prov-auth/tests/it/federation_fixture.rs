//! An identity provider in memory, which says whatever a test wants it to say.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use http::{Request, Response};
use parking_lot::Mutex;
use prov_auth::{
    AuthOptions, AuthParts, AuthService, FederatedAnswer, FederatedOutcome, FederatedStart, Fetch,
    GroupRule, LoginOutcome, NewIssuer, TokenSet,
};
use prov_core::{Clock, Result, Role, SecretText, codes};
use serde_json::{Value, json};

use crate::token_fixture::b64;
use crate::user_fixture::{House, secret};

pub(crate) const CORP: &str = "https://idp.example.com";
pub(crate) const PUBLIC_URL: &str = "https://prov.example.com";

/// One issuer: documents, keys, and what its token endpoint says next.
#[derive(Debug)]
pub(crate) struct Idp {
    pub(crate) issuer: String,
    key: Mutex<(String, Ed25519KeyPair)>,
    pub(crate) metadata: Mutex<Value>,
    pub(crate) answer: Mutex<(u16, Value)>,
    /// What the token endpoint was asked with.
    pub(crate) asked: Mutex<Vec<(http::HeaderMap, String)>>,
    fetched: AtomicUsize,
}

impl Idp {
    pub(crate) fn new(issuer: &str) -> Arc<Self> {
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"),
            "jwks_uri": format!("{issuer}/jwks"),
        });
        Arc::new(Self {
            issuer: issuer.to_owned(),
            key: Mutex::new(("k1".to_owned(), Ed25519KeyPair::generate().unwrap())),
            metadata: Mutex::new(metadata),
            answer: Mutex::new((200, json!({}))),
            asked: Mutex::default(),
            fetched: AtomicUsize::new(0),
        })
    }

    /// Signs with a new key from now on.
    pub(crate) fn new_key(&self, id: &str) {
        *self.key.lock() = (id.to_owned(), Ed25519KeyPair::generate().unwrap());
    }

    pub(crate) fn key_id(&self) -> String {
        self.key.lock().0.clone()
    }

    pub(crate) fn public_key(&self) -> Vec<u8> {
        self.key.lock().1.public_key().as_ref().to_vec()
    }

    /// How often its keys were fetched.
    pub(crate) fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }

    pub(crate) fn jwks(&self) -> Value {
        let key = self.key.lock();
        // Without `alg`, which many issuers leave out.
        json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "kid": key.0, "use": "sig",
            "x": b64(key.1.public_key().as_ref()),
        }]})
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        let signature = b64(self.key.lock().1.sign(text.as_bytes()).as_ref());
        format!("{text}.{signature}")
    }

    pub(crate) fn signed(&self, kind: &str, claims: &Value) -> String {
        self.sign(&json!({"alg": "EdDSA", "typ": kind, "kid": self.key_id()}), claims)
    }
}

/// Every issuer of a test behind one port.
#[derive(Debug, Default)]
pub(crate) struct Net {
    idps: Mutex<HashMap<String, Arc<Idp>>>,
    pub(crate) down: std::sync::atomic::AtomicBool,
}

impl Net {
    pub(crate) fn with(idps: impl IntoIterator<Item = Arc<Idp>>) -> Arc<Self> {
        let net = Self::default();
        net.idps.lock().extend(idps.into_iter().map(|idp| (idp.issuer.clone(), idp)));
        Arc::new(net)
    }
}

#[async_trait]
impl Fetch for Net {
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        if self.down.load(Ordering::SeqCst) {
            return Err(prov_auth::codes::PROVIDER_UNAVAILABLE.into());
        }
        let uri = request.uri().to_string();
        let (base, path) = uri.split_at(uri.rfind(".com").unwrap() + 4);
        let idp = self.idps.lock().get(base).cloned().ok_or(codes::UNAVAILABLE)?;
        let (status, body) = match path {
            "/.well-known/openid-configuration" => (200, idp.metadata.lock().clone()),
            "/jwks" => {
                idp.fetched.fetch_add(1, Ordering::SeqCst);
                (200, idp.jwks())
            }
            "/token" => {
                let body = String::from_utf8(request.body().to_vec()).unwrap();
                idp.asked.lock().push((request.headers().clone(), body));
                idp.answer.lock().clone()
            }
            _ => (404, Value::Null),
        };
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = status.try_into().unwrap();
        Ok(response)
    }
}

/// A house with issuers.
pub(crate) struct Federated {
    pub(crate) house: House,
    pub(crate) service: Arc<AuthService>,
    pub(crate) corp: Arc<Idp>,
    pub(crate) net: Arc<Net>,
    pub(crate) parts: AuthParts,
}

/// A sign-in that has begun.
pub(crate) struct Begun {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) flow: String,
    pub(crate) browser: SecretText,
    pub(crate) query: HashMap<String, String>,
}

pub(crate) fn corp() -> NewIssuer {
    NewIssuer::new("corp", CORP, "prov-client")
        .with_secret(secret("s&cret +1"))
        .with_rule(GroupRule::new("ops", [Role::Operator]).with_teams(["sre".parse().unwrap()]))
        .with_rule(GroupRule::new("dev", [Role::Developer]))
}

impl Federated {
    pub(crate) async fn new() -> Self {
        Self::with(corp()).await
    }

    pub(crate) async fn with(issuer: NewIssuer) -> Self {
        let idp = Idp::new(CORP);
        let other = Idp::new("https://other.example.com");
        let net = Net::with([idp.clone(), other]);
        let house = House::new().await;
        let parts = AuthParts { outbound: Some(net.clone()), ..house.parts.clone() };
        let options = AuthOptions::default().with_public_url(Some(PUBLIC_URL));
        let service = AuthService::open(parts.clone(), options).await.unwrap();
        service.create_issuer(&house.system(), issuer).await.unwrap();
        Self { house, service, corp: idp, net, parts }
    }

    pub(crate) fn now(&self) -> i64 {
        self.house.clock.now().as_second()
    }

    pub(crate) async fn begin(&self) -> Begun {
        self.begin_with(FederatedStart::default()).await.unwrap()
    }

    pub(crate) async fn begin_with(&self, start: FederatedStart) -> Result<Begun> {
        let sent = self.service.federated_start("corp", start).await?;
        let (_, query) = sent.location.split_once('?').unwrap();
        let query: HashMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let (state, nonce) = (query["state"].clone(), query["nonce"].clone());
        Ok(Begun { state, nonce, flow: sent.flow, browser: sent.browser, query })
    }

    /// Claims of an ID token that holds.
    pub(crate) fn claims(&self, begun: &Begun) -> Value {
        json!({
            "iss": CORP, "sub": "248289761001", "aud": "prov-client",
            "iat": self.now(), "exp": self.now() + 300, "nonce": begun.nonce,
            "preferred_username": "Alice", "email": "alice@example.com", "name": "Alice A.",
            "groups": ["ops", "people"], "sid": "sid-1",
        })
    }

    /// The provider hands out this ID token next.
    pub(crate) fn answer_with(&self, id_token: &str) {
        *self.corp.answer.lock() =
            (200, json!({"access_token": "at", "token_type": "Bearer", "id_token": id_token}));
    }

    pub(crate) async fn come_back(&self, answer: &FederatedAnswer) -> Result<FederatedOutcome> {
        self.service.federated_callback("corp", answer, &self.house.facts()).await
    }

    /// Comes back, and fetches the outcome in the same browser.
    pub(crate) async fn signed_in(&self, answer: &FederatedAnswer) -> Result<LoginOutcome> {
        let outcome = self.come_back(answer).await?;
        let FederatedOutcome::Confirm { code, .. } = outcome else { panic!("no program waits") };
        let browser = answer.browser.clone().unwrap();
        self.service.federated_exchange(&code, &browser, &self.house.facts()).await
    }

    /// Signs in with whatever `change` makes of good claims.
    pub(crate) async fn sign_in(&self, change: impl FnOnce(&mut Value)) -> Result<LoginOutcome> {
        let begun = self.begin().await;
        let mut claims = self.claims(&begun);
        change(&mut claims);
        self.answer_with(&self.corp.signed("JWT", &claims));
        self.signed_in(&back(&begun)).await
    }

    pub(crate) async fn tokens(&self, change: impl FnOnce(&mut Value)) -> TokenSet {
        tokens(self.sign_in(change).await.unwrap())
    }
}

pub(crate) fn tokens(outcome: LoginOutcome) -> TokenSet {
    match outcome {
        LoginOutcome::Tokens(tokens) => tokens,
        other @ LoginOutcome::MfaRequired { .. } => panic!("tokens are due: {other:?}"),
    }
}

/// What the browser brings back.
pub(crate) fn back(begun: &Begun) -> FederatedAnswer {
    FederatedAnswer::new(&begun.state, Some(begun.browser.clone()))
        .with_code(Some(secret("the-code")))
}
