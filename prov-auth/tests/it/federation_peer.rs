//! Against `oidc-provider`, a certified identity provider that nobody here wrote.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use bytes::Bytes;
use http::{Method, Request, Response, header};
use prov_auth::{
    AcceptedSubjects, AcceptedTokens, AuthOptions, AuthParts, AuthService, FederatedAnswer,
    FederatedOutcome, FederatedStart, Fetch, GroupRule, HttpsClient, HttpsOptions, LoginOutcome,
    NewIssuer, ProofOptions, TokenSet, api,
};
use prov_core::{Attempt, Clock, Presented, Role, SecurityContext, SystemClock};
use prov_http::{EdgeLayer, RouteTable};
use tower::{Layer, ServiceExt, service_fn};

use crate::node::{self, Program};
use crate::user_fixture::{House, secret};

const CLIENT_SECRET: &str = "a secret: with + signs";

/// A browser as far as a sign-in needs one: cookies, redirects, one button per page.
struct Browser {
    http: HttpsClient,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new() -> Self {
        Self { http: client(), cookies: BTreeMap::new() }
    }

    async fn send(&mut self, method: Method, url: &str, body: &str) -> Response<Bytes> {
        let cookies: Vec<_> = self.cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::COOKIE, cookies.join("; "))
            .header(header::ACCEPT, "text/html")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        let response = self.http.fetch(request).await;
        let response = response.unwrap_or_else(|error| panic!("{url}: {error:?}"));
        for cookie in response.headers().get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    /// Presses what there is to press until the provider sends it to `end`.
    async fn walk(&mut self, start: &str, name: &str, end: &str) -> String {
        let base = start.split('/').take(3).collect::<Vec<_>>().join("/");
        let absolute = |url: &str| {
            if url.starts_with('/') { format!("{base}{url}") } else { url.to_owned() }
        };
        let mut url = start.to_owned();
        for _ in 0..12 {
            if url.starts_with(end) {
                return url;
            }
            let page = self.send(Method::GET, &url, "").await;
            if let Some(location) = page.headers().get(header::LOCATION) {
                url = absolute(location.to_str().unwrap());
                continue;
            }
            let text = String::from_utf8_lossy(page.body()).into_owned();
            let between = |before: &str| Some(text.split_once(before)?.1.split_once('"')?.0);
            let Some(action) = between("action=\"") else { return text };
            let prompt = between("name=\"prompt\" value=\"").unwrap_or("none");
            let xsrf = between("name=\"xsrf\" value=\"").unwrap_or("");
            let body = format!("prompt={prompt}&login={name}&password=x&xsrf={xsrf}&logout=yes");
            let answer = self.send(Method::POST, &absolute(action), &body).await;
            match answer.headers().get(header::LOCATION) {
                Some(location) => url = absolute(location.to_str().unwrap()),
                None => return String::from_utf8_lossy(answer.body()).into_owned(),
            }
        }
        panic!("the provider never came to an end: {url}")
    }
}

fn client() -> HttpsClient {
    HttpsClient::new(HttpsOptions::default().with_insecure_loopback(true)).unwrap()
}

struct World {
    house: House,
    service: Arc<AuthService>,
    url: String,
    issuer: String,
    callback: String,
    _idp: Program,
    _server: tokio::task::JoinSet<()>,
}

async fn world(port_of_idp: u16) -> Option<World> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let issuer = format!("http://127.0.0.1:{port_of_idp}");
    let (callback, logout) = (
        format!("{url}/api/v1/auth/oidc/peer/callback"),
        format!("{url}/api/v1/auth/oidc/peer/logout"),
    );
    let port = port_of_idp.to_string();
    let idp = Program::start("idp.mjs", "oidc-provider", &[&port, &callback, &logout])?;
    let house = House::new().await;
    // The peer goes by the machine's clock.
    house.clock.set(SystemClock::new().now());
    let parts = AuthParts { outbound: Some(Arc::new(client())), ..house.parts.clone() };
    let proofs = Some(ProofOptions::default());
    let options = AuthOptions::default().with_public_url(Some(&url)).with_proofs(proofs);
    let service = AuthService::open(parts, options).await.unwrap();
    let peer = NewIssuer::new("peer", &issuer, "prov")
        .with_secret(secret(CLIENT_SECRET))
        .with_rule(GroupRule::new("ops", [Role::Operator]))
        .with_rule(GroupRule::new("everyone", [Role::Viewer]))
        .accepting(AcceptedTokens::new("https://prov.example.com", AcceptedSubjects::Workloads));
    service.create_issuer(&house.system(), peer).await.unwrap();
    let (router, _) = api::router(service.clone()).split_for_parts();
    let table = Arc::new(RouteTable::new(api::routes()).unwrap());
    let edge = EdgeLayer::new(Arc::new(house.clock.clone())).with_routes(table);
    let app = router.layer(edge);
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });
    Some(World { house, service, url, issuer, callback, _idp: idp, _server: server })
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl World {
    async fn sign_in(&self, browser: &mut Browser, name: &str) -> TokenSet {
        let sent = self.service.federated_start("peer", FederatedStart::default()).await.unwrap();
        let back = browser.walk(&sent.location, name, &self.callback).await;
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(back.split_once('?').unwrap().1.as_bytes())
                .into_owned()
                .collect();
        let answer = FederatedAnswer::new(&query["state"], Some(sent.browser))
            .with_code(query.get("code").map(|code| secret(code)))
            .by_issuer(query.get("iss").cloned());
        assert_eq!(query["iss"], self.issuer, "it speaks RFC 9207");
        let facts = self.house.facts();
        let outcome = self.service.federated_callback("peer", &answer, &facts).await.unwrap();
        let again = self.service.federated_callback("peer", &answer, &facts).await;
        assert!(again.is_err(), "a code and a state are good once");
        let FederatedOutcome::Confirm { code, .. } = outcome else { panic!("no program waits") };
        let browser = answer.browser.clone().unwrap();
        match self.service.federated_exchange(&code, &browser, &facts).await.unwrap() {
            LoginOutcome::Tokens(tokens) => tokens,
            other @ LoginOutcome::MfaRequired { .. } => panic!("{other:?}"),
        }
    }

    fn holds(&self, tokens: &TokenSet) -> bool {
        self.house.verifier.verify(tokens.access_token.expose()).is_ok()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_sign_in_and_are_signed_out_by_their_provider() {
    let Some(world) = world(free_port()).await else { return };
    let mut browser = Browser::new();
    let tokens = world.sign_in(&mut browser, "opal").await;
    let who = world.house.verifier.verify(tokens.access_token.expose()).unwrap();
    assert_eq!(who.principal.name, "opal@peer");
    assert_eq!(who.principal.roles, [Role::Operator, Role::Viewer]);
    let again = world.sign_in(&mut Browser::new(), "opal").await;
    let same = world.house.verifier.verify(again.access_token.expose()).unwrap();
    assert_eq!(same.principal.id, who.principal.id);
    let other = world.sign_in(&mut Browser::new(), "alice").await;
    let alice = world.house.verifier.verify(other.access_token.expose()).unwrap();
    assert_eq!(alice.principal.roles, [Role::Viewer]);
    // Signing out there, in one browser, ends what began in that browser, by a request of the provider.
    let ended = browser.walk(&format!("{}/session/end", world.issuer), "opal", "never").await;
    assert!(!ended.is_empty());
    for _ in 0..100 {
        if !world.holds(&tokens) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(!world.holds(&tokens), "signed out there, signed out here");
    assert!(world.holds(&again) && world.holds(&other), "and nobody else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_access_tokens_are_taken_for_what_the_rules_make_of_them() {
    let Some(world) = world(free_port()).await else { return };
    world.service.federated_start("peer", FederatedStart::default()).await.unwrap();
    let basic = format!("prov:{}", "a+secret%3A+with+%2B+signs");
    let basic = base64::prelude::BASE64_STANDARD.encode(basic);
    let request = Request::post(format!("{}/token", world.issuer))
        .header(header::AUTHORIZATION, format!("Basic {basic}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from("grant_type=client_credentials&scope=read"))
        .unwrap();
    let answer = client().fetch(request).await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
    let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
    let facts = world.house.facts();
    let ask = |token: &str| {
        let text = format!("Bearer {token}");
        let presented = Presented::new(&facts).with_authorization(Some(&text));
        world.service.federated_tokens().authenticate(&presented)
    };
    // It names no group, so that no rule knows it: what is asserted is that nothing else refuses it.
    let Attempt::Refused(error) = ask(token) else { panic!("no rule knows it") };
    assert!(format!("{error:?}").contains("no rule knows it"), "{error:?}");
    let open = NewIssuer::new("open", &world.issuer, "prov")
        .with_rule(GroupRule::new("*", [Role::Viewer]))
        .accepting(AcceptedTokens::new("https://prov.example.com", AcceptedSubjects::Workloads));
    world.service.delete_issuer(&world.house.system(), "peer").await.unwrap();
    world.service.create_issuer(&world.house.system(), open).await.unwrap();
    world.service.federated_start("open", FederatedStart::default()).await.unwrap();
    let Attempt::Authenticated(who) = ask(token) else { panic!("a good token of a known issuer") };
    assert_eq!(who.principal.id, "oidc:open:prov");
    let (head, signature) = token.rsplit_once('.').unwrap();
    let flipped: String = signature.chars().rev().collect();
    assert!(matches!(ask(&format!("{head}.{flipped}")), Attempt::Refused(_)));
}

/// RFC 9449, section 7: a token that `oidc-provider` bound to a key, with proofs by `oauth4webapi`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_bound_tokens_are_taken_with_a_proof_alone() {
    let Some(world) = world(free_port()).await else { return };
    world.service.delete_issuer(&world.house.system(), "peer").await.unwrap();
    let open = NewIssuer::new("open", &world.issuer, "prov")
        .with_rule(GroupRule::new("*", [Role::Viewer]))
        .accepting(AcceptedTokens::new("https://prov.example.com", AcceptedSubjects::Workloads));
    world.service.create_issuer(&world.house.system(), open).await.unwrap();
    world.service.federated_start("open", FederatedStart::default()).await.unwrap();
    let resource = format!("{}/orders", world.url);
    let printed = node::printed("dpop_token.mjs", "oauth4webapi", &[&world.issuer, &resource]);
    let Some(printed) = printed else { return };
    let told: serde_json::Value = serde_json::from_str(&printed).unwrap();
    let text = |name: &str| told[name].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
    assert_eq!(text("token_type").to_lowercase(), "dpop");
    let ask = async |scheme: &str, proof: Option<String>| {
        let mut request = Request::get("/orders?page=2").body(Bytes::new()).unwrap();
        let headers = request.headers_mut();
        headers
            .insert(header::AUTHORIZATION, format!("{scheme} {}", text("token")).parse().unwrap());
        if let Some(proof) = proof {
            headers.insert("dpop", proof.parse().unwrap());
        }
        let answer = service_fn(|request: Request<Bytes>| async move {
            let context = request.extensions().get::<SecurityContext>().unwrap();
            let id = context.principal().id.clone();
            Ok::<_, std::convert::Infallible>(Response::new(Bytes::from(id)))
        });
        world.service.authn_layer().layer(answer).oneshot(request).await.unwrap()
    };
    let taken = ask("DPoP", Some(text("proof"))).await;
    assert_eq!((taken.status().as_u16(), &taken.body()[..]), (200, &b"oidc:open:dpop"[..]));
    for (what, scheme, proof) in [
        ("shown twice", "DPoP", Some(text("proof"))),
        ("by another key", "DPoP", Some(text("of_thief"))),
        ("without a proof", "DPoP", None),
        ("as a bearer's", "Bearer", None),
        ("as a bearer's with a proof", "Bearer", Some(text("another"))),
    ] {
        assert_eq!(ask(scheme, proof).await.status(), 401, "{what}");
    }
    assert_eq!(ask("DPoP", Some(text("another"))).await.status(), 200);
}
