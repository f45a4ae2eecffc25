//! JWT-SVIDs: programs by themselves and for somebody, trust that comes and goes.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use prov_auth::codes::{
    TOKEN_EXPIRED, TOKEN_FOREIGN, TOKEN_FORGED, TOKEN_PREMATURE, WORKLOAD_REFUSED,
};
use prov_auth::{
    AuthnLayer, BundleFiles, TrustBundle, TrustBundles, TrustDomain, WorkloadRule, WorkloadRules,
    Workloads,
};
use prov_core::{
    Attempt, AuthenticationMethod, Authenticator, Clock, Presented, PrincipalKind, RequestFacts,
    RequestId, Role, SecurityContext,
};
use prov_http::{MatchedRoute, Route};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use crate::token_fixture::b64;
use crate::user_fixture::House;

pub(crate) const API: &str = "spiffe://example.org/ns/prov/sa/api";

/// A trust domain's authority.
struct Authority(Ed25519KeyPair);

impl Authority {
    fn new() -> Self {
        Self(Ed25519KeyPair::generate().unwrap())
    }

    fn bundle_text(&self) -> String {
        let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "a1", "use": "jwt-svid",
            "x": b64(self.0.public_key().as_ref())});
        json!({"keys": [key], "spiffe_sequence": 1}).to_string()
    }

    fn bundle(&self) -> TrustBundle {
        TrustBundle::read(self.bundle_text().as_bytes()).unwrap()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let text = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
        format!("{text}.{}", b64(self.0.sign(text.as_bytes()).as_ref()))
    }

    fn svid(&self, claims: &Value) -> String {
        self.sign(&json!({"alg": "EdDSA", "kid": "a1", "typ": "JWT"}), claims)
    }
}

pub(crate) fn domain() -> TrustDomain {
    "example.org".parse().unwrap()
}

pub(crate) fn rules() -> WorkloadRules {
    let rule = WorkloadRule::new("spiffe://example.org/ns/prov/*", [Role::Developer]).unwrap();
    WorkloadRules::new([rule.with_teams(["sre".parse().unwrap()])])
}

pub(crate) fn workloads(house: &House, bundles: Arc<TrustBundles>) -> Arc<Workloads> {
    let (revocations, clock) = (house.parts.revocations.clone(), Arc::new(house.clock.clone()));
    Arc::new(Workloads::new(bundles, rules(), ["prov-api"], revocations, clock))
}

struct World {
    house: House,
    authority: Authority,
    bundles: Arc<TrustBundles>,
    programs: Arc<Workloads>,
}

impl World {
    async fn new() -> Self {
        let (house, authority) = (House::new().await, Authority::new());
        let bundles = TrustBundles::new([(domain(), authority.bundle())]);
        let programs = workloads(&house, bundles.clone());
        Self { house, authority, bundles, programs }
    }

    fn claims(&self) -> Value {
        let now = self.house.clock.now().as_second();
        json!({"sub": API, "aud": ["prov-api", "other"], "iat": now, "exp": now + 300})
    }

    fn ask(&self, token: &str) -> Attempt {
        let clock = &self.house.clock;
        let facts = RequestFacts::new(RequestId::generate(clock).unwrap(), clock.now());
        let text = format!("Bearer {token}");
        self.programs.authenticate(&Presented::new(&facts).with_authorization(Some(&text)))
    }

    fn refused(&self, token: &str) -> prov_core::Code {
        match self.ask(token) {
            Attempt::Refused(error) => error.code(),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_program_is_its_id_with_what_the_rules_give() {
    let world = World::new().await;
    let Attempt::Authenticated(who) = world.ask(&world.authority.svid(&world.claims())) else {
        panic!("a good document")
    };
    assert_eq!((who.principal.kind, &*who.principal.id), (PrincipalKind::Workload, API));
    assert_eq!(who.principal.roles, [Role::Developer]);
    assert_eq!(who.authentication.method, AuthenticationMethod::WorkloadSvid);
    let mut unknown = world.claims();
    unknown["sub"] = json!("spiffe://example.org/ns/elsewhere/sa/api");
    assert_eq!(world.refused(&world.authority.svid(&unknown)), WORKLOAD_REFUSED);
    world.programs.set_rules(WorkloadRules::default());
    assert_eq!(world.refused(&world.authority.svid(&world.claims())), WORKLOAD_REFUSED);
}

#[tokio::test]
async fn every_wrong_document_is_refused() {
    let world = World::new().await;
    let now = world.house.clock.now().as_second();
    let wrong: Vec<(&str, Value, prov_core::Code)> = vec![
        ("aud", json!("somebody-else"), TOKEN_FOREIGN),
        ("aud", json!([]), TOKEN_FOREIGN),
        ("exp", json!(now - 6), TOKEN_EXPIRED),
        ("exp", json!(now + 25 * 3600), WORKLOAD_REFUSED),
        ("exp", Value::Null, WORKLOAD_REFUSED),
        ("iat", json!(now + 60), TOKEN_PREMATURE),
        ("nbf", json!(now + 60), TOKEN_PREMATURE),
        ("sub", json!("spiffe://other.org/ns/prov/sa/api"), WORKLOAD_REFUSED),
        ("sub", json!("spiffe://example.org/ns/prov/../x"), WORKLOAD_REFUSED),
        ("sub", json!("spiffe://EXAMPLE.org/ns/prov/sa/api"), WORKLOAD_REFUSED),
    ];
    for (claim, value, code) in wrong {
        let mut claims = world.claims();
        claims[claim] = value;
        assert_eq!(world.refused(&world.authority.svid(&claims)), code, "{claims}");
    }
    for header in [
        json!({"alg": "none", "kid": "a1"}),
        json!({"alg": "HS256", "kid": "a1"}),
        json!({"alg": "ES256", "kid": "a1"}),
        json!({"alg": "EdDSA", "kid": "a2"}),
        json!({"alg": "EdDSA"}),
    ] {
        let token = world.authority.sign(&header, &world.claims());
        assert_eq!(world.refused(&token), TOKEN_FORGED, "{header}");
    }
    let odd = world
        .authority
        .sign(&json!({"alg": "EdDSA", "kid": "a1", "typ": "at+jwt"}), &world.claims());
    assert_eq!(world.refused(&odd), WORKLOAD_REFUSED);
    let stranger = Authority::new();
    assert_eq!(world.refused(&stranger.svid(&world.claims())), TOKEN_FORGED);
}

#[tokio::test]
async fn tokens_of_another_kind_are_left_to_others() {
    let world = World::new().await;
    world.house.user("alice", &[]).await;
    let own = world.house.login("alice").await;
    for token in [own.access_token.expose(), "prov_x", "", "a.b.c"] {
        assert!(matches!(world.ask(token), Attempt::NotRequested), "{token}");
    }
}

#[tokio::test]
async fn what_a_bundle_no_longer_holds_is_not_trusted_by_the_next_request() {
    let world = World::new().await;
    let token = world.authority.svid(&world.claims());
    assert!(matches!(world.ask(&token), Attempt::Authenticated(_)));
    let next = Authority::new();
    world.bundles.replace([(domain(), next.bundle())]);
    assert_eq!(world.refused(&token), TOKEN_FORGED);
    assert!(matches!(world.ask(&next.svid(&world.claims())), Attempt::Authenticated(_)));
    world.bundles.replace([]);
    assert_eq!(world.refused(&next.svid(&world.claims())), WORKLOAD_REFUSED);
}

#[tokio::test]
async fn files_are_read_again_and_half_a_file_cuts_nobody_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle.json");
    let (one, two) = (Authority::new(), Authority::new());
    assert!(BundleFiles::open([(domain(), path.clone())]).is_err(), "not there");
    std::fs::write(&path, one.bundle_text()).unwrap();
    let files = Arc::new(BundleFiles::open([(domain(), path.clone())]).unwrap());
    let world = World::new().await;
    let programs = workloads(&world.house, files.bundles());
    let knows = |authority: &Authority| {
        let clock = &world.house.clock;
        let facts = RequestFacts::new(RequestId::generate(clock).unwrap(), clock.now());
        let text = format!("Bearer {}", authority.svid(&world.claims()));
        let presented = Presented::new(&facts).with_authorization(Some(&text));
        matches!(programs.authenticate(&presented), Attempt::Authenticated(_))
    };
    assert!(knows(&one) && !knows(&two));
    let half: String = two.bundle_text().chars().take(40).collect();
    std::fs::write(&path, half).unwrap();
    assert_eq!(files.look().len(), 1);
    assert!(knows(&one), "as it was");
    let stop = tokio::sync::Notify::new();
    let change = async {
        std::fs::write(&path, two.bundle_text()).unwrap();
        for _ in 0..100 {
            if knows(&two) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        stop.notify_one();
    };
    tokio::join!(files.clone().follow(stop.notified()), change);
    assert!(knows(&two) && !knows(&one), "rotated while it ran");
    std::fs::write(&path, r#"{"keys": []}"#).unwrap();
    assert!(files.look().is_empty());
    assert!(!knows(&two), "a bundle without keys trusts nobody");
}

async fn asked(layer: AuthnLayer, token: &str, program: &[&str]) -> Response<Bytes> {
    let mut request = Request::post("/x").body(Bytes::new()).unwrap();
    let route = Route::self_service(Method::POST, "/x");
    request.extensions_mut().insert(MatchedRoute(Arc::new(route)));
    if !token.is_empty() {
        let text = format!("Bearer {token}");
        request.headers_mut().insert(header::AUTHORIZATION, text.parse().unwrap());
    }
    for document in program {
        request.headers_mut().append("workload-identity-token", document.parse().unwrap());
    }
    let inner =
        service_fn(|_: Request<Bytes>| async { Ok::<_, Infallible>(Response::new(Bytes::new())) });
    layer.layer(inner).oneshot(request).await.unwrap()
}

/// Both are presented, and both are known to whoever decides: `prov-authz` allows what it allows to both.
#[tokio::test]
async fn a_program_that_acts_for_a_person_presents_both() {
    let world = World::new().await;
    world.house.user("alice", &[Role::Admin]).await;
    let alice = world.house.login("alice").await;
    let alice = alice.access_token.expose();
    let layer = world.house.service.authn_layer().acting_by(world.programs.clone());
    let svid = world.authority.svid(&world.claims());
    let both = asked(layer.clone(), alice, &[&svid]).await;
    let context = both.extensions().get::<SecurityContext>().unwrap();
    assert_eq!(context.principal().name, "alice");
    assert_eq!(context.actor().unwrap().id, API);
    let alone = asked(layer.clone(), alice, &[]).await;
    assert!(alone.extensions().get::<SecurityContext>().unwrap().actor().is_none());
    let program = asked(layer.clone(), &svid, &[]).await;
    assert_eq!(program.extensions().get::<SecurityContext>().unwrap().principal().id, API);
    // A document that does not hold is no reason to go on without it: the program would have the whole of
    // the person's rights.
    let mut foreign = world.claims();
    foreign["aud"] = json!("somebody-else");
    for bad in [world.authority.svid(&foreign), "x".to_owned(), alice.to_owned()] {
        assert_eq!(asked(layer.clone(), alice, &[&bad]).await.status(), StatusCode::UNAUTHORIZED);
    }
    let twice = asked(layer.clone(), alice, &[&svid, &svid]).await;
    assert_eq!(twice.status(), StatusCode::BAD_REQUEST);
    // The document alone, where nobody is named for whom it acts, is nobody's.
    assert_eq!(asked(layer, "", &[&svid]).await.status(), StatusCode::UNAUTHORIZED);
}
