//! A proof is good once on all nodes together, where they share what they have seen.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use prov_auth::codes::{CHALLENGE_INVALID, INVALID_CREDENTIALS, PROOF_INVALID};
use prov_auth::{AuthOptions, AuthParts, AuthService, LoginOutcome, ProofOptions, TokenSet};
use prov_core::store::{
    Batch, Changes, Key, MemoryStore, Operation, Page, Record, Scan, Store, Version,
};
use prov_core::{RequestFacts, Result, SecurityContext, codes};
use prov_http::{Access, MatchedRoute, Route};
use tower::{Layer, ServiceExt, service_fn};

use crate::holder::{Holder, URL, facts_of};
use crate::user_fixture::{House, PASSWORD, code, secret};

/// Two services over one store, each with a memory of its own.
struct Nodes {
    house: House,
    store: Arc<Failing>,
    services: [Arc<AuthService>; 2],
    holder: Holder,
}

impl Nodes {
    async fn new(shared: bool) -> Self {
        let house = House::new().await;
        house.user("alice", &[]).await;
        let store = Arc::new(Failing { store: house.store.clone(), away: AtomicBool::new(false) });
        let parts = AuthParts { store: store.clone(), ..house.parts.clone() };
        let proofs = ProofOptions::default().with_shared(shared);
        let options = AuthOptions::default().with_public_url(Some(URL)).with_proofs(Some(proofs));
        let open = || AuthService::open(parts.clone(), options.clone());
        let services = [open().await.unwrap(), open().await.unwrap()];
        Self { house, store, services, holder: Holder::new() }
    }

    fn facts(&self) -> RequestFacts {
        facts_of(&self.house.clock, "POST", "/api/v1/auth/login")
    }

    async fn login_with(&self, node: usize, facts: &RequestFacts) -> Result<TokenSet> {
        match self.services[node].login("alice", &secret(PASSWORD), facts).await? {
            LoginOutcome::Tokens(tokens) => Ok(tokens),
            LoginOutcome::MfaRequired { .. } => panic!("no second factor is enrolled"),
        }
    }

    async fn bound(&self) -> TokenSet {
        self.login_with(0, &self.holder.proving(self.facts(), None)).await.unwrap()
    }

    /// A good proof for `GET /me` with this token.
    fn proof(&self, tokens: &TokenSet) -> String {
        let facts = facts_of(&self.house.clock, "GET", "/me");
        self.holder.proof(&facts, Some(tokens.access_token.expose())).expose().to_owned()
    }

    /// Asks a node for `/me`, which answers who it takes the caller for.
    async fn ask(&self, node: usize, tokens: &TokenSet, proof: &str) -> Response<Bytes> {
        self.ask_at(node, tokens, proof, None).await
    }

    async fn ask_at(
        &self,
        node: usize,
        tokens: &TokenSet,
        proof: &str,
        route: Option<Route>,
    ) -> Response<Bytes> {
        let mut request = Request::get("/me").body(Bytes::new()).unwrap();
        let credential = format!("DPoP {}", tokens.access_token.expose());
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(credential).unwrap());
        request.headers_mut().insert("dpop", HeaderValue::try_from(proof).unwrap());
        if let Some(route) = route {
            assert_eq!(route.access, Access::Public);
            request.extensions_mut().insert(MatchedRoute(Arc::new(route)));
        }
        let answer = service_fn(|request: Request<Bytes>| async move {
            let context = request.extensions().get::<SecurityContext>();
            let name = context.map_or("nobody", |context| &context.principal().name).to_owned();
            Ok::<_, Infallible>(Response::new(Bytes::from(name)))
        });
        self.services[node].authn_layer().layer(answer).oneshot(request).await.unwrap()
    }

    async fn remembered(&self) -> usize {
        self.house.store.scan(&Scan::kind("auth.shown_proof")).await.unwrap().records.len()
    }
}

/// A store that can't be written what was seen of proofs, while it is away.
#[derive(Debug)]
struct Failing {
    store: Arc<MemoryStore>,
    away: AtomicBool,
}

#[async_trait]
impl Store for Failing {
    async fn get(&self, key: &Key) -> Result<Option<Record>> {
        self.store.get(key).await
    }

    async fn scan(&self, scan: &Scan) -> Result<Page> {
        self.store.scan(scan).await
    }

    async fn commit(&self, batch: Batch) -> Result<Version> {
        let of_proofs = |operation: &Operation| matches!(operation, Operation::Put { key, .. } if key.kind == "auth.shown_proof");
        if self.away.load(Ordering::SeqCst) && batch.operations().iter().any(of_proofs) {
            return Err(codes::STORE_UNAVAILABLE.into());
        }
        // Others get their turn, as with a store on the network.
        tokio::task::yield_now().await;
        self.store.commit(batch).await
    }

    async fn purge(&self, limit: std::num::NonZeroU32) -> Result<u32> {
        self.store.purge(limit).await
    }

    fn changes(&self) -> Changes {
        self.store.changes()
    }
}

#[tokio::test]
async fn what_one_node_has_seen_no_other_takes() {
    let nodes = Nodes::new(true).await;
    let tokens = nodes.bound().await;
    let proof = nodes.proof(&tokens);
    assert_eq!(nodes.ask(0, &tokens, &proof).await.status(), StatusCode::OK);
    for node in [1, 0, 1] {
        let response = nodes.ask(node, &tokens, &proof).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{node}");
        let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.contains("error=\"invalid_dpop_proof\""), "{challenge}");
    }
    // Each has its own.
    let response = nodes.ask(1, &tokens, &nodes.proof(&tokens)).await;
    assert_eq!((response.status(), &**response.body()), (StatusCode::OK, &b"alice"[..]));
    // To a route that is for anybody, who shows a proof again is nobody.
    let public = || Some(Route::public(Method::GET, "/me"));
    let (seen, new) = (proof, nodes.proof(&tokens));
    assert_eq!(&**nodes.ask_at(1, &tokens, &seen, public()).await.body(), b"nobody");
    assert_eq!(&**nodes.ask_at(1, &tokens, &new, public()).await.body(), b"alice");
}

/// Why there is the option: this is what it is there against.
#[tokio::test]
async fn nodes_that_share_no_memory_take_a_proof_once_each() {
    let nodes = Nodes::new(false).await;
    let tokens = nodes.bound().await;
    let proof = nodes.proof(&tokens);
    for (node, status) in [(0, 200), (1, 200), (0, 401), (1, 401)] {
        assert_eq!(nodes.ask(node, &tokens, &proof).await.status().as_u16(), status, "{node}");
    }
    assert_eq!(nodes.remembered().await, 0, "it costs no commit");
}

#[tokio::test]
async fn a_proof_signs_in_and_refreshes_once_on_all_nodes() {
    let nodes = Nodes::new(true).await;
    let facts = nodes.holder.proving(nodes.facts(), None);
    let tokens = nodes.login_with(0, &facts).await.unwrap();
    assert!(nodes.login_with(1, &facts).await.unwrap_err().is(PROOF_INVALID));
    let refresh = tokens.refresh_token.unwrap();
    let at = facts_of(&nodes.house.clock, "POST", "/api/v1/auth/refresh");
    let facts = nodes.holder.proving(at, None);
    nodes.services[1].refresh(&refresh, &facts).await.unwrap();
    let again = nodes.services[0].refresh(&refresh, &facts).await.unwrap_err();
    assert!(again.is(PROOF_INVALID), "{again}");
    // A wrong password is one whatever proof comes with it, and takes no room.
    let before = nodes.remembered().await;
    let facts = nodes.holder.proving(nodes.facts(), None);
    let wrong = nodes.services[0].login("alice", &secret("not the password"), &facts).await;
    assert!(wrong.unwrap_err().is(INVALID_CREDENTIALS));
    assert_eq!(nodes.remembered().await, before);
    // Nor does one of somebody who invents a challenge.
    let facts = nodes.holder.proving(nodes.facts(), None);
    let invented = nodes.services[0].login_mfa(&secret("invented"), &code("000000"), &facts).await;
    assert!(invented.unwrap_err().is(CHALLENGE_INVALID));
    assert_eq!(nodes.remembered().await, before);
}

#[tokio::test]
async fn of_many_who_show_it_at_once_one_is_let_in() {
    let nodes = Nodes::new(true).await;
    let tokens = nodes.bound().await;
    for _ in 0..20 {
        let proof = nodes.proof(&tokens);
        let asked = (0..8).map(|n| nodes.ask(n % 2, &tokens, &proof));
        let answers = futures_util::future::join_all(asked).await;
        let let_in = answers.iter().filter(|answer| answer.status() == StatusCode::OK).count();
        assert_eq!(let_in, 1);
    }
}

#[tokio::test]
async fn what_can_not_be_remembered_is_refused() {
    let nodes = Nodes::new(true).await;
    let tokens = nodes.bound().await;
    nodes.store.away.store(true, Ordering::SeqCst);
    let proof = nodes.proof(&tokens);
    let response = nodes.ask(0, &tokens, &proof).await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let facts = nodes.holder.proving(nodes.facts(), None);
    assert!(nodes.login_with(0, &facts).await.unwrap_err().is(codes::STORE_UNAVAILABLE));
    // It is not taken later either: whoever saw it has had time.
    nodes.store.away.store(false, Ordering::SeqCst);
    assert_eq!(nodes.ask(0, &tokens, &proof).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(nodes.ask(0, &tokens, &nodes.proof(&tokens)).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn proofs_are_forgotten_once_no_clock_takes_them_any_more() {
    let nodes = Nodes::new(true).await;
    let tokens = nodes.bound().await;
    nodes.ask(0, &tokens, &nodes.proof(&tokens)).await;
    assert_eq!(nodes.remembered().await, 2, "of the sign-in, and of the request");
    // A proof lives for 70 seconds, and clocks may differ by as much.
    nodes.house.wait(Duration::from_secs(139));
    assert_eq!(nodes.remembered().await, 2);
    nodes.house.wait(Duration::from_secs(1));
    assert_eq!(nodes.remembered().await, 0);
}
